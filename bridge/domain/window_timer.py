"""When does a window ask for attention by itself? Pure.

A conversation has one time at which it is looked at, set by a message and then left alone: messages and replies that
come before it move no time, so that they cost nothing. Whoever looks learns what is to be done and when to look next.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bridge.domain.customer_service_window import MARGIN, CustomerServiceWindow, WindowState

WARN_BEFORE = timedelta(hours=2)
"""Before the window closes on a customer whom nobody answered."""

TOLD_FOR = timedelta(hours=24)
"""A mark that could not be written so long after the window closed is left to the next comment."""


class Turn(StrEnum):
    """What a look at the window asks for."""

    NOTHING = "nothing"
    WARN = "warn"
    """It closes soon, and nobody has answered."""
    CLOSED = "closed"
    """It has closed, and nobody had answered."""


@dataclass(frozen=True, slots=True)
class Look:
    """`next_at`: when to look again; None: not before the customer has written once more."""

    turn: Turn
    next_at: datetime | None


def first_look_at(window: CustomerServiceWindow, *, warn_before: timedelta) -> datetime | None:
    """When to look at a window that just opened; None when it never did."""
    closes_at = window.closes_at
    return None if closes_at is None else closes_at - MARGIN - warn_before


def look(window: CustomerServiceWindow, *, is_unanswered: bool, now: datetime, warn_before: timedelta) -> Look:
    """What is to be done about the window at `now`, which is no earlier than its time."""
    closes_at = window.closes_at
    if closes_at is None or not is_unanswered:
        return Look(Turn.NOTHING, None)
    end = closes_at - MARGIN
    if now >= end:
        return Look(Turn.CLOSED if now < end + TOLD_FOR else Turn.NOTHING, None)
    if window.state(now) is WindowState.REFUSED:
        return Look(Turn.NOTHING, end)  # Meta closed it, and the agent was told so
    if now < end - warn_before:
        return Look(Turn.NOTHING, end - warn_before)
    return Look(Turn.WARN, end)
