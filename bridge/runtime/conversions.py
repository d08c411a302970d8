"""How is a file converted without our process paying for it? By a child of its own, one at a time, ended when late."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from bridge.domain.outgoing_files import Conversion

LONGEST_SECONDS = 90.0
MOST_ANSWER_BYTES = 17 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Converted:
    mime_type: str
    content: bytes = field(repr=False)


class Conversions:
    """One event loop's. The child bounds its own memory, time and pixels (`bridge.conversion.child`)."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Semaphore(1)

    async def convert(self, conversion: Conversion, content: AsyncIterator[bytes]) -> Converted | None:
        """None: it cannot be converted. Raises what `content` raises."""
        async with self._one_at_a_time:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bridge.conversion.child",
                conversion.value,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # a signal for our process group is not for it: we end it ourselves
            )
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    return await _converse(child, content)
            except TimeoutError:
                return None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()


async def _converse(child: asyncio.subprocess.Process, content: AsyncIterator[bytes]) -> Converted | None:
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        async for piece in content:
            child.stdin.write(piece)
            await child.stdin.drain()
        child.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it had seen enough
    answer = bytearray()
    while piece := await child.stdout.read(256 * 1024):
        answer += piece
        if len(answer) > MOST_ANSWER_BYTES:
            return None
    mime_type, found, converted = bytes(answer).partition(b"\n")
    return Converted(mime_type.decode("ascii"), converted) if found and await child.wait() == 0 else None
