"""What does a ticket say of window and delivery? Worked out at the moment that it is written."""

from sqlalchemy import Connection

from bridge.domain.customer_service_window import WindowState
from bridge.runtime.services import Moment, Services
from bridge.store import outbox
from bridge.store.conversations import Conversation
from connectors.interface import Marks, WindowMark

_WINDOW_MARKS = {
    WindowState.OPEN: WindowMark.OPEN,
    WindowState.CLOSING: WindowMark.CLOSING,
    WindowState.CLOSED: WindowMark.CLOSED,
    WindowState.REFUSED: WindowMark.CLOSED,
    WindowState.UNKNOWN: WindowMark.CLOSED,
}


def marks_of(connection: Connection, services: Services, current: Conversation, moment: Moment) -> Marks:
    state = current.window.state(moment.business, closing=services.rules.warn_before)
    return Marks(_WINDOW_MARKS[state], outbox.has_undelivered(connection, current.id), current.window.closes_at)


def in_words(marks: Marks) -> str:
    """As it is remembered of a ticket, to tell whether it is news. The time rides along and is no news by itself."""
    return f"{marks.window or ''}{' undelivered' if marks.undelivered else ''}"
