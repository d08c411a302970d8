"""What agents are told of who a customer is: contacts that are one, ids that change, users that may be meant."""

from collections.abc import Sequence

from bridge.domain.identity import Evidence
from bridge.domain.speech import Speech, note, phrase

_WHY = {
    Evidence.MESSAGE: phrase("a message bore the ids of both"),
    Evidence.ANSWER: phrase("WhatsApp knows both by the same number"),
    Evidence.NUMBER_CHANGE: phrase("WhatsApp says that their number or id changed"),
    Evidence.TOLD: phrase("they gave their number"),
    Evidence.AGENT: phrase("an agent said so"),
}


@note
def tickets_merged(speech: Speech) -> str:
    """Written on both tickets."""
    return speech.say("The same WhatsApp customer, known by two ids until now: the conversation goes on in one ticket.")


@note
def same_person(speech: Speech, *, why: Evidence, other_tickets: Sequence[str]) -> str:
    """`other_tickets`: other open tickets of the same conversation."""
    told = speech.say(
        "Two WhatsApp contacts turned out to be the same customer: {why}. The conversation goes on in this ticket.",
        why=speech.say(_WHY[why]),
    )
    if not other_tickets:
        return told
    merged = speech.say("Merged into this one: {tickets}.", tickets=", ".join(f"#{number}" for number in other_tickets))
    return f"{told}\n{merged}"


@note
def users_not_merged(speech: Speech, loser: str, into: str, *, code: str) -> str:
    return speech.say(
        "The helpdesk users {loser} and {into} are the same customer, and the helpdesk did not merge them (code "
        "{code}).\nMerge them by hand, or leave it: the conversation goes on with user {into}.",
        loser=loser,
        into=into,
        code=code,
    )


@note
def users_are_one(speech: Speech, one: str, other: str) -> str:
    """Both were there before us, and a merge cannot be undone."""
    return speech.say(
        "The helpdesk users {one} and {other} are the same WhatsApp customer. They are not merged by themselves, since "
        "they were there before.\nThe conversation goes on with user {one}. If they are one person, merge them in the "
        "helpdesk.",
        one=one,
        other=other,
    )


@note
def tickets_not_merged(speech: Speech, ticket: str, into: str, *, code: str) -> str:
    return speech.say(
        "Tickets #{ticket} and #{into} are the same WhatsApp conversation, and the helpdesk did not merge them (code "
        "{code}).\nReplies on either go to the customer; what the customer writes comes to #{into}. Merge them by "
        "hand.",
        ticket=ticket,
        into=into,
        code=code,
    )


@note
def number_not_written(speech: Speech, *, code: str) -> str:
    return speech.say(
        "The customer's WhatsApp number or id is new, and the helpdesk did not take it over for its user (code {code})."
        "\nReplies reach the customer all the same. If another user has the number, merge the two in the helpdesk.",
        code=code,
    )


@note
def ask_for_number(speech: Speech) -> str:
    """What the customer reads above the button."""
    return speech.say("To help you further we would like to know your phone number. Would you share it with us?")


@note
def number_asked(speech: Speech) -> str:
    return speech.say(
        "The customer is asked for their number. If they share it, it stands here, and the helpdesk user gets it."
    )


@note
def number_not_asked(speech: Speech) -> str:
    return speech.say(
        "The customer was not asked for their number: the 24-hour customer service window is closed. Try again once "
        "the customer has written."
    )


@note
def number_known(speech: Speech, number: str) -> str:
    return speech.say("The customer's number is known already: +{number}. They were not asked.", number=number)


@note
def who_it_is(
    speech: Speech, *, number: str | None, hides_number: bool, former: Sequence[str], user: str | None, is_ours: bool
) -> str:
    lines = [
        speech.say("WhatsApp number: hidden. To ask for it, write a private note: /wa ask number")
        if hides_number
        else speech.say("WhatsApp number: +{number}", number=number)
    ]
    if former:
        lines.append(speech.say("Earlier: {numbers}", numbers=", ".join(f"+{one}" for one in former)))
    if user is None:
        lines.append(speech.say("Helpdesk user: none yet"))
    elif is_ours:
        lines.append(speech.say("Helpdesk user: {user}, made for this WhatsApp customer", user=user))
    else:
        lines.append(speech.say("Helpdesk user: {user}, who was there before", user=user))
    lines.append(speech.say("If it is somebody else, write a private note with their id: /wa contact ID"))
    return "\n".join(lines)


@note
def no_user_id(speech: Speech) -> str:
    return speech.say("Write the id of a helpdesk user behind the command, like: /wa contact 361000111")


@note
def is_that_user(speech: Speech, user: str) -> str:
    return speech.say("The customer is helpdesk user {user}.", user=user)


@note
def becomes_that_user(speech: Speech, made: str, user: str) -> str:
    return speech.say(
        "The customer is helpdesk user {user}. User {made}, made for WhatsApp, is merged into them; you are told here "
        "if the helpdesk refuses.",
        user=user,
        made=made,
    )


@note
def is_that_user_from_now_on(speech: Speech, former: str, user: str) -> str:
    return speech.say(
        "From now on what the customer writes is helpdesk user {user}'s. User {former} stays as it is, and so does the "
        "requester of this ticket: change both by hand if you like.",
        user=user,
        former=former,
    )


@note
def ambiguous(speech: Speech, users: Sequence[str], *, made: str) -> str:
    return speech.say(
        "Several helpdesk users may be this customer, by their number: {users}. So that nobody reads what is not "
        "theirs, a new one was made: {made}.\nIf the customer is one of them, write a private note: /wa contact ID",
        users=", ".join(users),
        made=made,
    )
