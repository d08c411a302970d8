"""What does your system tell, and may it? A bearer token, then one JSON object. Pure.

Unlike other helpdesks' rings these carry what was written: a small API for systems that cannot be asked.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from connectors.errors import UnreadableRing, UnsignedRing
from connectors.http import translate, wire
from connectors.interface import Change


@dataclass(frozen=True, slots=True)
class VerifiedBody:
    """Bytes that came with the token. Made by `verify` alone; the parser takes nothing else."""

    raw: bytes = field(repr=False)


def verify(raw: bytes, headers: Mapping[str, str], *, tokens: Sequence[str]) -> VerifiedBody:
    """Any of `tokens` may match; with none, nothing is theirs. Raises `UnsignedRing`: `unsigned`, `mismatch`."""
    given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnsignedRing("unsigned")
    matched = False
    for known in tokens:
        matched |= hmac.compare_digest(known.encode(), token.strip().encode())
    if not matched:
        raise UnsignedRing("mismatch")
    return VerifiedBody(raw)


def parse(body: VerifiedBody, *, now: datetime) -> Change:
    """What is told. Raises `UnreadableRing` with what is wrong: field names, never what stands in them."""
    try:
        told = wire.Told.model_validate_json(body.raw)
    except ValidationError as error:
        raise UnreadableRing(_wrong(error)) from None
    try:
        return translate.to_change(told, now=now)
    except ValueError as error:
        raise UnreadableRing(str(error)) from None


def _wrong(error: ValidationError) -> str:
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        known = [part for part in problem["loc"] if isinstance(part, int) or part in _FIELDS]
        return f"{'.'.join(str(part) for part in known) or 'the body'}: {problem['msg']}"
    return "the body cannot be read"


_FIELDS = {*wire.Told.model_fields, *wire.Attachment.model_fields}
