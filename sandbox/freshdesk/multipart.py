"""Which values and files does a multipart body carry? (Fact sheet Freshdesk 5.)"""

import re
from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Part:
    """One part: a file when it has a filename."""

    name: str
    filename: str | None
    content_type: str
    data: bytes


_PARAMETER = re.compile(r';\s*([a-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.IGNORECASE)


def parts_of(content_type: str, body: bytes) -> list[Part] | None:
    """Every part in order; None for a body that is not what its content type says."""
    boundary = _parameters(content_type).get("boundary")
    if not boundary:
        return None
    sections = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if len(sections) < 2 or not sections[-1].startswith(b"--"):
        return None
    parts = []
    for section in sections[1:-1]:
        head, found, data = section.partition(b"\r\n\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n"))
        }
        disposition = _parameters(headers.get("content-disposition", ""))
        if not found or "name" not in disposition:
            return None
        filename = disposition.get("filename")
        if (extended := disposition.get("filename*")) is not None:
            filename = unquote(extended.rpartition("'")[2])
        parts.append(Part(unquote(disposition["name"]), filename, headers.get("content-type", "text/plain"), data))
    return parts


def _parameters(header: str) -> dict[str, str]:
    return {
        found[1].lower(): found[3].strip()
        if found[2] is None
        else re.sub(r"\\(.)", r"\1", found[2]).replace("%22", '"')
        for found in _PARAMETER.finditer(header)
    }
