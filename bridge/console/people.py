"""Whom do we talk to, how long may we, and what became of one message?"""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from bridge.api.context import ID_PATTERN, Context, may_reveal
from bridge.api.conversations import show_window_of
from bridge.console.pages import HEADERS, NotAllowed, SignedIn, show
from bridge.store import listing, trail
from bridge.whatsapp.failures import explain

router = APIRouter()
AT_ONCE = 50
Before = Annotated[str | None, Query(pattern=ID_PATTERN)]
GONE = "There is nothing here any more, or there never was."


@router.get("/conversations")
async def show_conversations(
    request: Request,
    context: Context,
    session: SignedIn,
    ticket: Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")] = "",
    before: Before = None,
) -> Response:
    ticket = ticket.strip().removeprefix("#")
    found = await context.read(
        lambda connection: listing.conversations(
            connection,
            context.store.vault,
            remote_ticket_id=ticket or None,
            before=before,
            limit=AT_ONCE + 1,
            reveal=may_reveal(session.caller),
        )
    )
    now = context.business_now()
    return show(
        request,
        context,
        "conversations.html",
        session=session,
        rows=[(one, show_window_of(one.window, now=now)) for one in found[:AT_ONCE]],
        ticket=ticket,
        more=found[AT_ONCE - 1].id if len(found) > AT_ONCE else None,
    )


@router.get("/tickets/{ticket_id}")
async def find_ticket(context: Context, _session: SignedIn, ticket_id: str) -> Response:
    """A link that can stand in the helpdesk: leads from its ticket to the conversation."""
    found = await context.read(
        lambda connection: listing.conversations(
            connection,
            context.store.vault,
            remote_ticket_id=ticket_id.replace("\x00", ""),
            limit=1,
            reveal=False,
        )
    )
    if not found:
        raise NotAllowed("No conversation has, or had, this ticket.", HTTPStatus.NOT_FOUND)
    return RedirectResponse(f"/conversations/{found[0].id}", HTTPStatus.SEE_OTHER, HEADERS)


@router.get("/conversations/{conversation_id}")
async def show_conversation(
    request: Request, context: Context, session: SignedIn, conversation_id: str, before: Before = None
) -> Response:
    reveal = may_reveal(session.caller)
    vault = context.store.vault
    wanted = conversation_id.replace("\x00", "")
    one, tickets, messages = await context.read(
        lambda connection: (
            listing.find_conversation(connection, vault, wanted, reveal=reveal),
            listing.tickets(connection, wanted),
            listing.messages(
                connection, vault, conversation_id=wanted, before=before, limit=AT_ONCE + 1, reveal=reveal
            ),
        )
    )
    if one is None:
        raise NotAllowed(GONE, HTTPStatus.NOT_FOUND)
    return show(
        request,
        context,
        "conversation.html",
        session=session,
        conversation=one,
        window=show_window_of(one.window, now=context.business_now()),
        tickets=tickets,
        messages=messages[:AT_ONCE],
        more=messages[AT_ONCE - 1].id if len(messages) > AT_ONCE else None,
    )


@router.get("/messages/{message_id}")
async def show_message(request: Request, context: Context, session: SignedIn, message_id: str) -> Response:
    wanted = message_id.replace("\x00", "")
    vault = context.store.vault
    message, found = await context.read(
        lambda connection: (
            listing.find_message(connection, vault, wanted, reveal=may_reveal(session.caller)),
            trail.of_message(connection, vault, wanted),
        )
    )
    if message is None or found is None:
        raise NotAllowed(GONE, HTTPStatus.NOT_FOUND)
    failure = explain(message.error_code) if message.error_code is not None else None
    return show(request, context, "message.html", session=session, message=message, trail=found, failure=failure)
