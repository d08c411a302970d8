"""One conversion: `python -m bridge.conversion.child picture|voice`, the file on stdin, what became of it on stdout.

Bounded in memory, time and pixels by the process's own limits, so that a file made to burst bursts in here. The answer
is a line with the MIME type, then the content. Exit 3: it cannot be converted.
"""

import io
import resource
import sys
from collections.abc import Callable
from typing import Any

MOST_INPUT_BYTES = 40 * 1024 * 1024
MOST_IMAGE_BYTES = 5 * 1024 * 1024
MOST_AUDIO_BYTES = 16 * 1024 * 1024
MOST_PIXELS = 60_000_000
MOST_JPEG_PIXELS = 250_000_000
"""A JPEG is decoded in the size that is wanted."""
LONGEST_SIDE = 4096
MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 60
MOST_SECONDS_OF_SOUND = 3 * 3600
VOICE_RATE = 48_000
VOICE_BITS = 32_000
CANNOT = 3


class CannotConvert(Exception):
    """It is no file of this kind, or too much of one."""


def picture(content: bytes) -> tuple[str, bytes]:
    """The first picture in `content` as JPEG, or as PNG where something shows through, at most 5 MB."""
    from PIL import Image, ImageOps  # here, so that a voice message does not pay for it

    Image.MAX_IMAGE_PIXELS = None  # counted below, by what decoding costs
    if content[4:8] == b"ftyp":
        import pillow_heif

        pillow_heif.register_heif_opener()
    with Image.open(io.BytesIO(content)) as opened:
        is_jpeg = opened.format in {"JPEG", "MPO"}
        if opened.width * opened.height > (MOST_JPEG_PIXELS if is_jpeg else MOST_PIXELS):
            raise CannotConvert
        if is_jpeg:
            opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            if opened.width * opened.height > MOST_PIXELS:
                raise CannotConvert
        image: Any = ImageOps.exif_transpose(opened)
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        shows_through = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
        if shows_through:
            rgba = image.convert("RGBA")
            if rgba.getchannel("A").getextrema()[0] < 255:
                written = _written(rgba, "PNG", optimize=False)
                if len(written) <= MOST_IMAGE_BYTES:
                    return "image/png", written
                background = Image.new("RGB", rgba.size, "white")
                background.paste(rgba, mask=rgba.getchannel("A"))
                image = background
        image = image.convert("RGB")
        for side, quality in ((4096, 88), (3072, 82), (2048, 78), (1280, 70)):
            image.thumbnail((side, side))
            written = _written(image, "JPEG", quality=quality)
            if len(written) <= MOST_IMAGE_BYTES:
                return "image/jpeg", written
    raise CannotConvert


def _written(image: Any, kind: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def voice(content: bytes) -> tuple[str, bytes]:
    """The first sound in `content` as OGG with one channel of Opus, at most 16 MB."""
    import av

    target = io.BytesIO()
    with av.open(io.BytesIO(content), "r") as source, av.open(target, "w", format="ogg") as sink:
        if not source.streams.audio:
            raise CannotConvert
        stream = sink.add_stream("libopus", rate=VOICE_RATE, layout="mono", bit_rate=VOICE_BITS)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=VOICE_RATE)
        samples = 0
        for frame in source.decode(source.streams.audio[0]):
            for part in resampler.resample(frame):
                samples += part.samples
                part.pts = None
                sink.mux(stream.encode(part))
            if samples > MOST_SECONDS_OF_SOUND * VOICE_RATE or target.tell() > MOST_AUDIO_BYTES:
                raise CannotConvert
        for part in resampler.resample(None):
            samples += part.samples
            part.pts = None
            sink.mux(stream.encode(part))
        if samples == 0:
            raise CannotConvert
        sink.mux(stream.encode(None))
    if len(target.getvalue()) > MOST_AUDIO_BYTES:
        raise CannotConvert
    return "audio/ogg", target.getvalue()


CONVERSIONS: dict[str, Callable[[bytes], tuple[str, bytes]]] = {"picture": picture, "voice": voice}


def main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    content = sys.stdin.buffer.read(MOST_INPUT_BYTES + 1)
    if not content or len(content) > MOST_INPUT_BYTES:
        return CANNOT
    try:
        mime_type, converted = CONVERSIONS[sys.argv[1]](content)
    except Exception:  # noqa: BLE001 - decoders raise whatever they like for a hostile file; this process ends here
        return CANNOT
    sys.stdout.buffer.write(mime_type.encode() + b"\n" + converted)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
