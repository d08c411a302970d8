"""What agents are told in private notes: what happened, why, what to do now. Plain text; never begins with `/wa`.

Each function words one note in a language; what it returns to its callers is the note, worded when it is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.domain.commands import DESCRIPTIONS
from bridge.domain.customer_service_window import CustomerServiceWindow, WindowState
from bridge.domain.model import DeliveryFailure, MessageStatus
from bridge.domain.speech import Note, Speech, note, phrase
from bridge.domain.text import preview
from templates_registry.sending_rules import Consent

QUOTE_CHARACTERS = 80


def at(moment: datetime) -> str:
    """A time as agents read it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def quote(reply: str) -> str:
    return f"“{preview(reply, QUOTE_CHARACTERS)}”"


def _hours(duration: timedelta) -> int:
    return int(duration.total_seconds() // 3600)


def _why_closed(speech: Speech, window: CustomerServiceWindow, now: datetime) -> str:
    closes_at = window.closes_at
    match window.state(now):
        case WindowState.UNKNOWN:
            return speech.say(
                "The customer has not written to this number yet, so WhatsApp does not allow a free-form message."
            )
        case WindowState.REFUSED if closes_at and window.refused_at:
            return speech.say(
                "WhatsApp says that its 24-hour customer service window is closed (by our clock it closes {closes_at}; "
                "WhatsApp refused a message sent {refused_at}).",
                closes_at=at(closes_at),
                refused_at=at(window.refused_at),
            )
        case WindowState.REFUSED:
            return speech.say("WhatsApp says that its 24-hour customer service window is closed.")
        case _ if closes_at:
            return speech.say(
                "The 24-hour customer service window closed {closes_at}; WhatsApp does not allow a free-form message "
                "until the customer writes again.",
                closes_at=at(closes_at),
            )
        case _:
            return speech.say("The 24-hour customer service window is closed.")


@note
def held(
    speech: Speech, replies: Sequence[str], *, window: CustomerServiceWindow, now: datetime, hold_for: timedelta
) -> str:
    first = speech.counted(
        "WhatsApp reply held, not sent: {replies}",
        "{count} WhatsApp replies held, not sent: {replies}",
        len(replies),
        replies=", ".join(quote(reply) for reply in replies),
    )
    return f"{first}\n{_why_closed(speech, window, now)}\n{_what_becomes_of_held(speech, len(replies), hold_for)}"


def _what_becomes_of_held(speech: Speech, count: int, hold_for: timedelta) -> str:
    return speech.counted(
        "It goes out by itself as soon as the customer writes, before newer replies. After {hours} hours it is dropped "
        "and you are told. To drop it now, write a private note: /wa hold cancel",
        "They go out by themselves, in order, as soon as the customer writes, before newer replies. After {hours} "
        "hours they are dropped and you are told. To drop them now, write a private note: /wa hold cancel",
        count,
        hours=_hours(hold_for),
    )


@note
def asked_back(speech: Speech, *, name: str, shown: str) -> str:
    """The customer was asked to come back; `shown` is what they see."""
    return speech.say(
        "The customer is asked to come back, by the template {name}. They see:\n{shown}\n"
        "Whatever they answer opens the window, and what is held follows by itself.",
        name=name,
        shown=shown,
    )


@note
def not_asked_back(speech: Speech) -> str:
    return speech.say(
        "The customer is not asked to come back: they want no messages that they did not ask for. What is held goes "
        "out when they write."
    )


@note
def rejected(speech: Speech, reply: str, *, window: CustomerServiceWindow, now: datetime) -> str:
    first = speech.say("WhatsApp reply not sent: {reply}", reply=quote(reply))
    last = speech.say("Write it again once the customer has written, or reach the customer another way.")
    return f"{first}\n{_why_closed(speech, window, now)}\n{last}"


@note
def hold_expired(speech: Speech, reply: str, *, hold_for: timedelta) -> str:
    return speech.say(
        "WhatsApp reply dropped, not sent: {reply}\nThe customer did not write within {hours} hours. Write it again if "
        "it still matters once the customer writes, or reach the customer another way.",
        reply=quote(reply),
        hours=_hours(hold_for),
    )


@note
def hold_cancelled(speech: Speech, count: int) -> str:
    if count == 0:
        return speech.say("No WhatsApp reply of this ticket was held: nothing was dropped.")
    return speech.counted(
        "Dropped {count} held WhatsApp reply of this ticket; the customer did not get it.",
        "Dropped {count} held WhatsApp replies of this ticket; the customer did not get them.",
        count,
    )


@note
def window_closes_soon(speech: Speech, *, closes_at: datetime, now: datetime) -> str:
    """The customer waits for an answer, and soon no free one may be sent any more."""
    hours, minutes = divmod(int((closes_at - now).total_seconds()) // 60, 60)
    return speech.say(
        "The customer has not been answered yet, and WhatsApp's 24-hour customer service window closes {closes_at} "
        "(in {hours} h {minutes} min).\n"
        "Answer before then with a public reply. Later only an approved template may be sent, until the customer "
        "writes again.",
        closes_at=at(closes_at),
        hours=hours,
        minutes=minutes,
    )


@note
def refused_by_meta(
    speech: Speech,
    reply: str,
    *,
    window: CustomerServiceWindow,
    sent_at: datetime,
    policy_holds: bool,
    hold_for: timedelta,
) -> str:
    """Meta refused with 131047 what our clock allowed: both times are told."""
    first = speech.say("WhatsApp refused this reply: {reply}", reply=quote(reply))
    if window.closes_at is None:
        why = speech.say(
            "It says the 24-hour customer service window was closed when we sent it ({sent_at}); by our clock it never "
            "opened. WhatsApp's verdict counts.",
            sent_at=at(sent_at),
        )
    else:
        why = speech.say(
            "It says the 24-hour customer service window was closed when we sent it ({sent_at}); by our clock the "
            "window closes: {closes_at}. WhatsApp's verdict counts.",
            sent_at=at(sent_at),
            closes_at=at(window.closes_at),
        )
    if policy_holds:
        last = speech.say("The reply is held.") + " " + _what_becomes_of_held(speech, 1, hold_for)
    else:
        last = speech.say("It was not delivered. Write it again once the customer has written.")
    return f"{first}\n{why}\n{last}"


@note
def failed(speech: Speech, reply: str, failure: DeliveryFailure) -> str:
    first = speech.say("WhatsApp reply not delivered: {reply}", reply=quote(reply))
    lines = [first, speech.say(failure.explanation)]
    if failure.details:
        lines[-1] += " " + speech.say("WhatsApp says: {details}", details=failure.details)
    if failure.customer_saw:
        lines.append(speech.say(failure.customer_saw))
    advice = speech.say(failure.advice)
    if failure.code >= 0:
        advice = speech.say("{advice} (code {code})", advice=advice, code=failure.code)
    lines.append(advice)
    return "\n".join(lines)


@note
def not_confirmed(speech: Speech, reply: str) -> str:
    return speech.say(
        "WhatsApp reply not confirmed: {reply}\n"
        "The connection broke while it was being sent, and WhatsApp has not said whether it took it. The customer may "
        "or may not have it; it is not sent again by itself. If it turns out to be delivered, you are told here. "
        "To send it again, write a private note: /wa resend",
        reply=quote(reply),
    )


@note
def not_shown(speech: Speech, code: str) -> str:
    return speech.say(
        "A WhatsApp message of the customer could not be put on this ticket: the helpdesk refused it (code {code}).\n"
        "It is kept. An administrator finds it with: deskbridge events list",
        code=code,
    )


@note
def came_to_merged_ticket(speech: Speech, text: str, *, number: str) -> str:
    """`text` is the customer's, whole: nobody looks at a ticket that was merged."""
    return speech.say(
        "The customer wrote to ticket #{number} while it was merged into this one:\n{text}", number=number, text=text
    )


@note
def continues_deleted_ticket(speech: Speech, number: str) -> str:
    return speech.say("This ticket continues ticket #{number}, which was deleted.", number=number)


@note
def confirmed_late(speech: Speech, reply: str) -> str:
    return speech.say(
        "WhatsApp has now confirmed the reply that was not confirmed: {reply}\nNothing more to do.", reply=quote(reply)
    )


@note
def waiting_for_operator(speech: Speech, reply: str, *, action: str) -> str:
    return speech.say(
        "WhatsApp reply waits: {reply}\n"
        "WhatsApp does not accept messages from us at present. An administrator must act: {action}\n"
        "It is kept, and goes out by itself once that is done (you need not write it again).",
        reply=quote(reply),
        action=speech.say(action),
    )


WAITS_FOR_PAIR = phrase(
    "After many messages at once, WhatsApp lets us send this customer only one every 6 seconds for a while."
)
WAITS_FOR_PLACE = phrase(
    "Meta limits how many people we may write to in 24 hours while they have not written to us, and that many are "
    "reached."
)
WAITS_FOR_TURN = phrase("WhatsApp limits how many messages our number may send, and others come before it.")
_WAITS = {"pair": WAITS_FOR_PAIR, "tier": WAITS_FOR_PLACE, "outreach": WAITS_FOR_PLACE}


@note
def waits_for_limit(speech: Speech, reply: str, *, limit: str) -> str:
    """`limit`: the word of `meta_limits.Limit` that holds it up."""
    return speech.say(
        "WhatsApp reply waits: {reply}\n"
        "{reason}\n"
        "It is kept, and goes out by itself as soon as it may (you need not write it again).",
        reply=quote(reply),
        reason=speech.say(_WAITS.get(limit, WAITS_FOR_TURN)),
    )


@note
def gave_up(speech: Speech, reply: str, *, hours: int) -> str:
    return speech.say(
        "WhatsApp reply not sent: {reply}\n"
        "WhatsApp could not be reached, or refused for a passing reason, for {hours} hours, so we stopped trying. "
        "To try again, write a private note: /wa resend",
        reply=quote(reply),
        hours=hours,
    )


@note
def not_delivered_yet(speech: Speech, reply: str) -> str:
    return speech.say(
        "Not delivered after 24 hours: {reply}\n"
        "WhatsApp took it, but it is not on the customer's phone yet (off, or without a connection?). WhatsApp goes on "
        "trying for up to 30 days. If it is urgent, reach the customer another way.",
        reply=quote(reply),
    )


@note
def identity_key_changed(speech: Speech) -> str:
    return speech.say(
        "WhatsApp says that this customer's security code has changed: a new phone, or WhatsApp installed anew. Before "
        "you tell something confidential, make sure that it is still the same person."
    )


@note
def system_notice(speech: Speech, kind: str) -> str:
    return speech.say("WhatsApp says something of this customer that we have no words for ({kind}).", kind=kind)


_WHY_LOST = {
    "empty": phrase("The file that the customer sent is empty."),
    "too_big": phrase("The file that the customer sent is bigger than WhatsApp allows, so it was not taken."),
    "gone": phrase("WhatsApp could not be brought to give this file out, and does not keep it any longer."),
}


def why_lost(reason: str) -> str:
    """In the place of a file that does not come. `reason`: `empty`, `too_big`, `gone`, or a code of WhatsApp's."""
    if reason in _WHY_LOST:
        return f"({_WHY_LOST[reason]})"
    return f"(WhatsApp does not give this file out, {reason or 'without saying why'}. To try again: /wa retry media)"


@note
def file_lost(speech: Speech, said: str, *, reason: str) -> str:
    """`reason` as in `why_lost`."""
    first = speech.say("A file of the customer is missing: {said}", said=quote(said))
    if reason == "empty":
        return f"{first}\n{speech.say(_WHY_LOST[reason])}"
    why = speech.say(_WHY_LOST[reason]) if reason in _WHY_LOST else speech.say("WhatsApp does not give it out.")
    advice = speech.say("Ask the customer to send it again. To try it once more: /wa retry media")
    return f"{first}\n{why}\n{advice}"


@note
def file_link(speech: Speech, name: str, *, size: str, link: str, until: datetime) -> str:
    first = speech.say("A file of the customer that the helpdesk does not take: {name} ({size})", name=name, size=size)
    rest = speech.say(
        "Whoever has this link can fetch it, until {until}. Save it if it is to be kept.", until=at(until)
    )
    return f"{first}\n{link}\n{rest}"


@note
def retrying_files(speech: Speech, count: int) -> str:
    if count == 0:
        return speech.say("No file of this customer is missing: nothing to fetch again.")
    return speech.counted(
        "Fetching a file from WhatsApp again. When it comes it is put on this ticket.",
        "Fetching {count} files from WhatsApp again. What comes is put on this ticket.",
        count,
    )


@note
def files_not_sent(speech: Speech, count: int) -> str:
    return speech.counted(
        "Your reply had a file that the helpdesk does not give out: the customer got the rest of the reply without it. "
        "Send a link instead.",
        "Your reply had {count} files that the helpdesk does not give out: the customer got the rest of the reply "
        "without them. Send a link instead.",
        count,
    )


@note
def nothing_to_send(speech: Speech, count: int) -> str:
    return speech.counted(
        "Nothing was sent: your reply had no text, only a file that the helpdesk does not give out. Send a link "
        "instead.",
        "Nothing was sent: your reply had no text, only {count} files that the helpdesk does not give out. Send a link "
        "instead.",
        count,
    )


@note
def reply_too_long(speech: Speech, *, sent: int, count: int) -> str:
    """`sent` of `count` messages; all of them where more was not even read."""
    if count <= sent:
        return speech.say(
            "Your reply was too long to be read whole: the customer got its beginning alone. Send the rest as a file."
        )
    return speech.say(
        "Your reply was too long: it would have been {count} WhatsApp messages, and the customer got the first {sent}. "
        "Send the rest as a file.",
        count=count,
        sent=sent,
    )


@note
def file_in_other_form(speech: Speech, file: str, *, form: str) -> str:
    """`form`: `converted`, `document` or `link`."""
    match form:
        case "converted":
            how = speech.say("WhatsApp does not take it as it is, so the customer got it converted.")
        case "document":
            how = speech.say("WhatsApp does not take it as it is, so the customer got it as a document.")
        case _:
            how = speech.say(
                "WhatsApp does not take it, so the customer got a link to it, which is good for a limited time."
            )
    return speech.say("Your file {file}: {how}", file=quote(file), how=how)


@note
def file_failed(speech: Speech, file: str, *, why: str) -> str:
    return speech.say(
        "File not sent to the customer: {file}\n{why}\nTo try again, write a private note: /wa resend. Or send it "
        "again another way.",
        file=quote(file),
        why=speech.say(why),
    )


FILE_EMPTY = phrase("The file is empty.")
FILE_TOO_BIG = phrase("The file is larger than 100 MB, which is the most that WhatsApp takes.")
FILE_UNREACHABLE = phrase("The helpdesk could not be asked for it for several minutes.")
FILE_GONE = phrase("The helpdesk does not give it out: it is gone, or malware was found in it.")
FILE_REFUSED = phrase("WhatsApp does not take it in any form.")


@note
def command_was_public(speech: Speech, command: str) -> str:
    """An agent typed a command as a public comment: the customer must not read it."""
    return speech.say(
        "Not sent to the customer: {command}\n"
        "It begins with /wa, so it was taken for a command to deskbridge. Commands are written as a private note, "
        "where the customer never sees them: write it again there. (To send such a text, put another word first.)",
        command=quote(command),
    )


@note
def opted_out(speech: Speech, word: str) -> str:
    return speech.say(
        "The customer wrote {word}: no marketing messages are sent to them from now on.\n"
        "Your replies and service templates still reach them. If something else was meant, write a private note: "
        "/wa opt-in and how you know",
        word=quote(word),
    )


@note
def opted_in(speech: Speech, word: str) -> str:
    return speech.say("The customer wrote {word}: marketing messages may be sent to them again.", word=quote(word))


@note
def opt_out_recorded(speech: Speech) -> str:
    return speech.say(
        "On record: the customer wants no marketing messages, and none are sent. Your replies and service templates "
        "still reach them."
    )


@note
def opt_in_recorded(speech: Speech) -> str:
    return speech.say("On record with your words: the customer wants marketing messages.")


@note
def opt_in_needs_words(speech: Speech) -> str:
    return speech.say(
        "Nothing was put on record: say when and how the customer agreed, for instance /wa opt-in by phone on 3 May"
    )


@note
def resending(speech: Speech, count: int) -> str:
    if count == 0:
        return speech.say("No WhatsApp reply of this ticket is unconfirmed or failed: nothing to send again.")
    return speech.counted(
        "Sending {count} WhatsApp reply of this ticket again.",
        "Sending {count} WhatsApp replies of this ticket again, in order.",
        count,
    )


@note
def resend_waits(speech: Speech, count: int) -> str:
    return speech.counted(
        "{count} WhatsApp reply of this ticket will be sent again as soon as the customer writes: the 24-hour customer "
        "service window is closed. To drop what waits: /wa hold cancel",
        "{count} WhatsApp replies of this ticket will be sent again as soon as the customer writes: the 24-hour "
        "customer service window is closed. To drop what waits: /wa hold cancel",
        count,
    )


@note
def command_list(speech: Speech) -> str:
    lines = "\n".join(f"/wa {command.value} – {speech.say(text)}" for command, text in DESCRIPTIONS.items())
    return speech.say("Commands for a private note to deskbridge:") + "\n" + lines


@dataclass(frozen=True, slots=True)
class Delivery:
    """One of the last replies, for `/wa status`."""

    text: str = field(repr=False)
    status: MessageStatus
    at: datetime
    state: str


_STATE_WORDS = {
    "held": phrase("held for the window"),
    "unconfirmed": phrase("not confirmed"),
    "failed": phrase("not delivered"),
    "dropped": phrase("dropped"),
    "dead": phrase("gave up"),
    "unknown": phrase("being confirmed"),
    "ready": phrase("waiting to be sent"),
    "performing": phrase("being sent"),
}
_STATUS_WORDS = {
    MessageStatus.QUEUED: phrase("queued"),
    MessageStatus.ACCEPTED: phrase("accepted"),
    MessageStatus.SENT: phrase("sent"),
    MessageStatus.DELIVERED: phrase("delivered"),
    MessageStatus.READ: phrase("read"),
    MessageStatus.PLAYED: phrase("played"),
    MessageStatus.FAILED: phrase("failed"),
}


_MARKETING_WORDS = {
    Consent.GIVEN: phrase("Marketing messages: the customer has agreed to them"),
    Consent.NOT_ASKED: phrase("Marketing messages: the customer was not asked, so none are sent"),
    Consent.WITHDRAWN: phrase("Marketing messages: the customer does not want them, so none are sent"),
}


@note
def marketing_line(speech: Speech, consent: Consent) -> str:
    return speech.say(_MARKETING_WORDS[consent])


@note
def limits_stopped(speech: Speech, *, code: str, action: str) -> str:
    return speech.say(
        "Stopped: WhatsApp does not accept messages from us (code {code}). {action}",
        code=code,
        action=speech.say(action),
    )


@note
def limits_wait(speech: Speech, *, seconds: int, reason: str) -> str:
    return speech.say("Limits: the next reply waits {seconds} s ({reason})", seconds=seconds, reason=reason)


@note
def limits_none(speech: Speech) -> str:
    return speech.say("Limits: nothing in the way")


@note
def status_report(
    speech: Speech,
    *,
    window: CustomerServiceWindow,
    now: datetime,
    deliveries: Sequence[Delivery],
    held_count: int,
    waiting: int,
    limits: Sequence[Note],
    marketing: Note,
    free_entry_until: datetime | None,
) -> str:
    """`free_entry_until`: set while a free entry point is open."""
    lines = [
        _window_line(speech, window, now),
        *(
            [
                speech.say(
                    "The customer came by an advertisement: until {until} templates cost nothing. Free text needs the "
                    "window all the same.",
                    until=at(free_entry_until),
                )
            ]
            if free_entry_until
            else ()
        ),
        speech.say("Held: {count}", count=held_count),
        speech.say("Waiting to be sent: {count}", count=waiting),
        *(limit.told(speech) for limit in limits),
        marketing.told(speech),
        speech.say("Last replies:") if deliveries else speech.say("Last replies: none"),
    ]
    for delivery in deliveries:
        words = (
            _STATUS_WORDS[delivery.status]
            if delivery.state == "done"
            else _STATE_WORDS.get(delivery.state, delivery.state)
        )
        lines.append(
            speech.say(
                "– {reply}: {state}, {at}",
                reply=quote(delivery.text),
                state=speech.say(words),
                at=at(delivery.at),
            )
        )
    return "\n".join(lines)


def _window_line(speech: Speech, window: CustomerServiceWindow, now: datetime) -> str:
    state = window.state(now)
    closes_at = window.closes_at
    if state in (WindowState.OPEN, WindowState.CLOSING) and closes_at is not None:
        hours, minutes = divmod(int((closes_at - now).total_seconds()) // 60, 60)
        return speech.say(
            "Window: open until {closes_at} ({hours} h {minutes} min left)",
            closes_at=at(closes_at),
            hours=hours,
            minutes=minutes,
        )
    if state is WindowState.UNKNOWN:
        return speech.say("Window: unknown (counts as closed) – the customer has not written to this number yet")
    if state is WindowState.REFUSED:
        return speech.say("Window: closed – WhatsApp refused a message, until the customer writes again")
    return (
        speech.say("Window: closed since {closes_at}", closes_at=at(closes_at))
        if closes_at
        else speech.say("Window: closed")
    )
