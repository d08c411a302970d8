"""How much of Meta's limits of calls is used, by the headers of its answers (fact sheet WhatsApp 5.5)? Pure.

They count calls that manage an account; sending is limited by throughput. Numbers are percent of what is allowed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bridge.whatsapp.wire import Part, part_of

SLOW_FROM, FULL = 80, 100
LONGEST_PAUSE_SECONDS = 5.0
LONGEST_REGAIN_SECONDS = 3600.0
MANAGEMENT = "whatsapp_business_management"
_COUNTS = ("call_count", "total_cputime", "total_time")


@dataclass(frozen=True, slots=True)
class CallUsage:
    """`regain_seconds`: for so long nothing more is allowed; its unit at Meta is unconfirmed, minutes are taken."""

    percent: int = 0
    regain_seconds: float = 0.0

    @property
    def pause_seconds(self) -> float:
        """How long the next call that manages something should wait: nothing below 80 %, more and more above."""
        share = (min(self.percent, FULL) - SLOW_FROM) / (FULL - SLOW_FROM)
        return max(0.0, share) * LONGEST_PAUSE_SECONDS


def read_usage(headers: Mapping[str, str]) -> CallUsage | None:
    """None where the answer says nothing of it. Whatever stands there, it never raises."""
    found = [*_app(headers), *_business(headers)]
    if not found:
        return None
    percent = max((int(part.number(name) or 0) for part in found for name in _COUNTS), default=0)
    minutes = max((part.number("estimated_time_to_regain_access") or 0 for part in found), default=0)
    return CallUsage(max(0, percent), min(max(0.0, minutes * 60.0), LONGEST_REGAIN_SECONDS))


def _app(headers: Mapping[str, str]) -> Iterator[Part]:
    part = _object(headers.get("x-app-usage"))
    if part:
        yield part


def _business(headers: Mapping[str, str]) -> Iterator[Part]:
    told = _object(headers.get("x-business-use-case-usage"))
    for name in told.members:
        for part in told.parts(name):
            if part.text("type") == MANAGEMENT:
                yield part


def _object(header: str | None) -> Part:
    try:
        return part_of(json.loads(header or ""))
    except (ValueError, RecursionError):
        return Part()
