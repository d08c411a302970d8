"""How does a request carry files? As multipart/form-data, the one way that Freshdesk knows (fact sheet Freshdesk 5).

Everything is text there; lists and objects spell their members. The body is written while it is sent.
"""

import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from connectors.client import Streamed
from connectors.interface import FileDraft, FileSource


def multipart(
    values: Mapping[str, Any], files: Sequence[FileDraft], source: FileSource, *, total_seconds: float
) -> Streamed:
    """A body that holds `values` and the files as `attachments[]`."""
    boundary = f"deskbridge-{secrets.token_hex(16)}"
    fields = b"".join(_field(boundary, name, text) for name, text in _flat(values))
    heads = [_head(boundary, file) for file in files]
    end = f"--{boundary}--\r\n".encode()
    size_bytes = len(fields) + len(end) + sum(len(head) + 2 for head in heads) + sum(f.size_bytes for f in files)
    parts = list(zip(heads, files, strict=True))
    return Streamed(
        partial(_body, fields, parts, end, source),
        f"multipart/form-data; boundary={boundary}",
        size_bytes,
        total_seconds,
    )


async def _body(
    fields: bytes, parts: Sequence[tuple[bytes, FileDraft]], end: bytes, source: FileSource
) -> AsyncIterator[bytes]:
    yield fields
    for head, file in parts:
        yield head
        async for piece in source.read(file.id):
            yield piece
        yield b"\r\n"
    yield end


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}[{member}]", _text(found)) for member, found in value.items() if found is not None)
        elif isinstance(value, list):
            yield from ((f"{name}[]", _text(found)) for found in value)
        elif value is not None:
            yield name, _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _field(boundary: str, name: str, text: str) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n'
    return head.encode() + text.encode() + b"\r\n"


def _head(boundary: str, file: FileDraft) -> bytes:
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="attachments[]"; filename="{_quoted(file.name)}"\r\n'
        f"Content-Type: {file.mime_type}\r\n\r\n"
    ).encode()


def _quoted(text: str) -> str:
    """As browsers write it: quotes and line ends escaped, everything else as it is."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
