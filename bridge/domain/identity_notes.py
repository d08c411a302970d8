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
