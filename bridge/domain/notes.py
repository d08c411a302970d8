"""What agents are told in private notes: what happened, why, what to do now. Plain text; never begins with `/wa`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.domain.commands import DESCRIPTIONS
from bridge.domain.customer_service_window import CustomerServiceWindow, WindowState
from bridge.domain.model import DeliveryFailure, MessageStatus
from bridge.domain.text import preview

QUOTE_CHARACTERS = 80


def at(moment: datetime) -> str:
    """A time as agents read it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def quote(reply: str) -> str:
    return f"“{preview(reply, QUOTE_CHARACTERS)}”"


def _why_closed(window: CustomerServiceWindow, now: datetime) -> str:
    closes_at = window.closes_at
    match window.state(now):
        case WindowState.UNKNOWN:
            return "The customer has not written to this number yet, so WhatsApp does not allow a free-form message."
        case WindowState.REFUSED:
            return (
                f"WhatsApp says that its 24-hour customer service window is closed (by our clock it closes "
                f"{at(closes_at)}; WhatsApp refused a message sent {at(window.refused_at)})."
                if closes_at and window.refused_at
                else "WhatsApp says that its 24-hour customer service window is closed."
            )
        case _:
            return (
                f"The 24-hour customer service window closed {at(closes_at)}; WhatsApp does not allow a free-form "
                "message until the customer writes again."
                if closes_at
                else "The 24-hour customer service window is closed."
            )


def held(replies: Sequence[str], *, window: CustomerServiceWindow, now: datetime, hold_for: timedelta) -> str:
    hours = int(hold_for.total_seconds() // 3600)
    if len(replies) == 1:
        return (
            f"WhatsApp reply held, not sent: {quote(replies[0])}\n{_why_closed(window, now)}\n"
            f"It goes out by itself as soon as the customer writes, before newer replies. After {hours} hours it is "
            "dropped and you are told. To drop it now, write a private note: /wa hold cancel"
        )
    return (
        f"{len(replies)} WhatsApp replies held, not sent: {', '.join(quote(reply) for reply in replies)}\n"
        f"{_why_closed(window, now)}\n"
        f"They go out by themselves, in order, as soon as the customer writes, before newer replies. After {hours} "
        "hours they are dropped and you are told. To drop them now, write a private note: /wa hold cancel"
    )


def rejected(reply: str, *, window: CustomerServiceWindow, now: datetime) -> str:
    return (
        f"WhatsApp reply not sent: {quote(reply)}\n{_why_closed(window, now)}\n"
        "Write it again once the customer has written, or reach the customer another way."
    )


def hold_expired(reply: str, *, hold_for: timedelta) -> str:
    return (
        f"WhatsApp reply dropped, not sent: {quote(reply)}\n"
        f"The customer did not write within {int(hold_for.total_seconds() // 3600)} hours. "
        "Write it again if it still matters once the customer writes, or reach the customer another way."
    )


def hold_cancelled(count: int) -> str:
    if count == 0:
        return "No WhatsApp reply was held: nothing was dropped."
    return f"Dropped {count} held WhatsApp {'reply' if count == 1 else 'replies'}; the customer did not get " + (
        "it." if count == 1 else "them."
    )


def refused_by_meta(
    reply: str,
    *,
    window: CustomerServiceWindow,
    sent_at: datetime,
    policy_holds: bool,
    hold_for: timedelta,
) -> str:
    """Meta refused with 131047 what our clock allowed: both times are told."""
    ours = at(window.closes_at) if window.closes_at else "never opened"
    told = (
        f"WhatsApp refused this reply: {quote(reply)}\n"
        f"It says the 24-hour customer service window was closed when we sent it ({at(sent_at)}); "
        f"by our clock the window closes: {ours}. WhatsApp's verdict counts.\n"
    )
    if policy_holds:
        return told + (
            "The reply is held and goes out by itself as soon as the customer writes. After "
            f"{int(hold_for.total_seconds() // 3600)} hours it is dropped and you are told. "
            "To drop it now, write a private note: /wa hold cancel"
        )
    return told + "It was not delivered. Write it again once the customer has written."


def failed(reply: str, failure: DeliveryFailure) -> str:
    return (
        f"WhatsApp reply not delivered: {quote(reply)}\n{failure.explanation}\n{failure.advice} (code {failure.code})"
    )


def not_confirmed(reply: str) -> str:
    return (
        f"WhatsApp reply not confirmed: {quote(reply)}\n"
        "The connection broke while it was being sent, and WhatsApp has not said whether it took it. The customer may "
        "or may not have it; it is not sent again by itself. If it turns out to be delivered, you are told here. "
        "To send it again, write a private note: /wa resend"
    )


def not_shown(code: str) -> str:
    return (
        f"A WhatsApp message of the customer could not be put on this ticket: the helpdesk refused it (code {code}).\n"
        "It is kept. An administrator finds it with: deskbridge events list"
    )


def came_to_merged_ticket(text: str, *, number: str) -> str:
    """`text` is the customer's, whole: nobody looks at a ticket that was merged."""
    return f"The customer wrote to ticket #{number} while it was merged into this one:\n{text}"


def confirmed_late(reply: str) -> str:
    return f"WhatsApp has now confirmed the reply that was not confirmed: {quote(reply)}\nNothing more to do."


def waiting_for_operator(reply: str, *, action: str) -> str:
    return (
        f"WhatsApp reply waits: {quote(reply)}\n"
        f"WhatsApp does not accept messages from us at present. An administrator must act: {action}\n"
        "It is kept, and goes out by itself once that is done (you need not write it again)."
    )


def gave_up(reply: str, *, hours: int) -> str:
    return (
        f"WhatsApp reply not sent: {quote(reply)}\n"
        f"WhatsApp could not be reached, or refused for a passing reason, for {hours} hours, so we stopped trying. "
        "To try again, write a private note: /wa resend"
    )


def not_delivered_yet(reply: str) -> str:
    return (
        f"Not delivered after 24 hours: {quote(reply)}\n"
        "WhatsApp took it, but it is not on the customer's phone yet (off, or without a connection?). WhatsApp goes on "
        "trying for up to 30 days. If it is urgent, reach the customer another way."
    )


def files_not_sent(count: int) -> str:
    files = "a file" if count == 1 else f"{count} files"
    return (
        f"Your reply had {files} attached. Files do not go out over WhatsApp from here yet: the customer got the text "
        "alone. Send a link instead."
    )


def nothing_to_send(count: int) -> str:
    files = "a file" if count == 1 else f"{count} files"
    return (
        f"Nothing was sent: your reply had no text, only {files}. Files do not go out over WhatsApp from here yet. "
        "Send a link instead."
    )


def resending(count: int) -> str:
    if count == 0:
        return "No WhatsApp reply of this ticket is unconfirmed or failed: nothing to send again."
    return f"Sending {count} WhatsApp {'reply' if count == 1 else 'replies'} of this ticket again, in order."


def resend_waits(count: int) -> str:
    return (
        f"{count} WhatsApp {'reply' if count == 1 else 'replies'} of this ticket will be sent again as soon as the "
        "customer writes: the 24-hour customer service window is closed. To drop what waits: /wa hold cancel"
    )


def command_list() -> str:
    lines = "\n".join(f"/wa {command.value} – {text}" for command, text in DESCRIPTIONS.items())
    return f"Commands for a private note to deskbridge:\n{lines}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One of the last replies, for `/wa status`."""

    text: str = field(repr=False)
    status: MessageStatus
    at: datetime
    state: str


_STATE_WORDS = {
    "held": "held for the window",
    "unconfirmed": "not confirmed",
    "failed": "not delivered",
    "dropped": "dropped",
    "dead": "gave up",
    "unknown": "being confirmed",
    "ready": "waiting to be sent",
    "performing": "being sent",
}


def status_report(
    *,
    window: CustomerServiceWindow,
    now: datetime,
    deliveries: Sequence[Delivery],
    held_count: int,
    waiting: int,
    limits: Sequence[str],
) -> str:
    state = window.state(now)
    closes_at = window.closes_at
    if state in (WindowState.OPEN, WindowState.CLOSING) and closes_at is not None:
        left = closes_at - now
        hours, minutes = divmod(int(left.total_seconds()) // 60, 60)
        first = f"Window: open until {at(closes_at)} ({hours} h {minutes} min left)"
    elif state is WindowState.UNKNOWN:
        first = "Window: unknown (counts as closed) – the customer has not written to this number yet"
    elif state is WindowState.REFUSED:
        first = "Window: closed – WhatsApp refused a message, until the customer writes again"
    else:
        first = f"Window: closed since {at(closes_at)}" if closes_at else "Window: closed"
    lines = [first, f"Held: {held_count}", f"Waiting to be sent: {waiting}", *limits]
    lines.append("Last replies:" if deliveries else "Last replies: none")
    for delivery in deliveries:
        words = delivery.status.value if delivery.state == "done" else _STATE_WORDS.get(delivery.state, delivery.state)
        lines.append(f"– {quote(delivery.text)}: {words}, {at(delivery.at)}")
    return "\n".join(lines)
