"""`/api/v1/conversations`, `/messages` and `/contacts`: whom do we talk to, how long may we, and what was said?

Names, numbers and texts are null for a token of the role read-only.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bridge.api.context import (
    AsAgent,
    AsReader,
    Context,
    Cursor,
    Limit,
    Page,
    RowId,
    RowIdFilter,
    may_reveal,
    one_more,
    one_of,
    page_of,
)
from bridge.api.problems import not_found
from bridge.domain.customer_service_window import MARGIN, CustomerServiceWindow
from bridge.domain.model import MessageStatus
from bridge.store import contacts, listing, trail
from bridge.store.listing import ContactView, ConversationView, MessageView

router = APIRouter(prefix="/api/v1", tags=["conversations"])


class Window(BaseModel):
    """The customer service window: until when free-form messages may be sent."""

    state: str = Field(description="`open`, `closing` (less than two hours), `closed`, `refused` or `unknown`.")
    closes_at: datetime | None = Field(description="By our clock, with two minutes to spare; null: it never opened.")
    seconds_left: int = Field(description="0 when it is not open.")


class Conversation(BaseModel):
    """A contact on one of our channels."""

    id: str
    contact_id: str
    contact_name: str | None
    channel_id: str
    ticket_id: str | None = Field(description="The helpdesk's id of the current ticket.")
    window: Window
    created_at: datetime
    effects: dict[str, int] = Field(description="What stands or failed in it, by state.")


class Ticket(BaseModel):
    id: str = Field(description="The helpdesk's id.")
    status: str
    created_at: datetime


class WholeConversation(Conversation):
    tickets: list[Ticket] = Field(description="Every ticket it had, newest first.")


class Message(BaseModel):
    """A WhatsApp message; of ours, one for each attempt to send it."""

    id: str
    conversation_id: str
    channel_id: str
    direction: str
    kind: str
    status: str
    status_at: datetime
    occurred_at: datetime = Field(description="WhatsApp's time; of ours, when the sending began.")
    error_code: int | None = Field(description="Meta's code, where Meta did not deliver it.")
    text: str | None


class Step(BaseModel):
    """One thing that happened to a message."""

    at: datetime
    what: str = Field(description="A word for programs: `received`, `resolved`, `performing`, `done`, `status` …")
    text: str = Field(description="A sentence for people.")
    reason: str | None
    effect_id: str | None
    event_id: str | None
    attempt: int | None
    milliseconds: int | None = Field(description="How long the call took that ended here.")
    next_at: datetime | None = Field(description="When it is tried again.")


class Call(BaseModel):
    """The last request to a far side, with every text and number replaced by its length."""

    effect_id: str
    far_side: str
    target: str | None = Field(description="The helpdesk's id of the ticket; null where one was opened.")
    body: Any


class Trail(BaseModel):
    message_id: str
    conversation_id: str
    direction: str
    steps: list[Step]
    requests: list[Call]


class Identity(BaseModel):
    kind: str = Field(description="`bsuid` or `wa_id`.")
    value: str | None
    last_seen_at: datetime


class Contact(BaseModel):
    id: str
    name: str | None
    identities: list[Identity]
    created_at: datetime


class Wanted(BaseModel):
    """Whom to look for: by number in any spelling of digits, or by BSUID. In the body, so that no proxy logs it."""

    model_config = ConfigDict(extra="forbid")
    number: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
    bsuid: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class Found(BaseModel):
    items: list[Contact]


@router.get("/conversations")
async def list_conversations(
    context: Context,
    caller: AsReader,
    contact_id: RowIdFilter = None,
    ticket_id: Annotated[
        str | None, Query(max_length=100, pattern=r"^[^\x00]*$", description="The helpdesk's.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Conversation]:
    rows = await context.read(
        lambda connection: listing.conversations(
            connection,
            context.store.vault,
            contact_id=contact_id,
            remote_ticket_id=ticket_id,
            before=cursor,
            limit=one_more(limit),
            reveal=may_reveal(caller),
        )
    )
    now = context.business_now()
    return page_of(rows, limit=limit, shown=lambda view: show_conversation_of(view, now=now))


@router.get("/conversations/{conversation_id}")
async def show_conversation(context: Context, caller: AsReader, conversation_id: RowId) -> WholeConversation:
    view, tickets = await context.read(
        lambda connection: (
            listing.find_conversation(connection, context.store.vault, conversation_id, reveal=may_reveal(caller)),
            listing.tickets(connection, conversation_id),
        )
    )
    if view is None:
        raise not_found("conversation")
    return WholeConversation(
        **show_conversation_of(view, now=context.business_now()).model_dump(),
        tickets=[Ticket(id=one.remote_id, status=one.status, created_at=one.created_at) for one in tickets],
    )


@router.get("/messages")
async def list_messages(
    context: Context,
    caller: AsReader,
    conversation_id: RowIdFilter = None,
    direction: Annotated[Literal["in", "out"] | None, Query()] = None,
    status: Annotated[str | None, Query(pattern=one_of(["received", *MessageStatus]))] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Message]:
    rows = await context.read(
        lambda connection: listing.messages(
            connection,
            context.store.vault,
            conversation_id=conversation_id,
            direction=direction,
            status=status,
            before=cursor,
            limit=one_more(limit),
            reveal=may_reveal(caller),
        )
    )
    return page_of(rows, limit=limit, shown=show_message_of)


@router.get("/messages/{message_id}")
async def show_message(context: Context, caller: AsReader, message_id: RowId) -> Message:
    view = await context.read(
        lambda connection: listing.find_message(connection, context.store.vault, message_id, reveal=may_reveal(caller))
    )
    if view is None:
        raise not_found("message")
    return show_message_of(view)


@router.get("/messages/{message_id}/trail")
async def show_trail(context: Context, _caller: AsReader, message_id: RowId) -> Trail:
    """What happened to one message: each step with its time and reason, each call at a far side. No content."""
    found = await context.read(lambda connection: trail.of_message(connection, context.store.vault, message_id))
    if found is None:
        raise not_found("message")
    return Trail(**asdict(found))


@router.get("/contacts")
async def list_contacts(context: Context, caller: AsReader, cursor: Cursor = None, limit: Limit = 50) -> Page[Contact]:
    rows = await context.read(
        lambda connection: listing.contacts(
            connection, context.store.vault, before=cursor, limit=one_more(limit), reveal=may_reveal(caller)
        )
    )
    return page_of(rows, limit=limit, shown=_contact)


@router.get("/contacts/{contact_id}")
async def show_contact(context: Context, caller: AsReader, contact_id: RowId) -> Contact:
    view = await context.read(
        lambda connection: listing.find_contact(connection, context.store.vault, contact_id, reveal=may_reveal(caller))
    )
    if view is None:
        raise not_found("contact")
    return _contact(view)


@router.post("/contacts/search")
async def search_contacts(context: Context, _caller: AsAgent, wanted: Wanted) -> Found:
    """Contacts with exactly that number or BSUID."""
    vault = context.store.vault

    found = await context.read(
        lambda connection: [
            view
            for contact_id in contacts.find_by_ids(connection, vault, number=wanted.number, bsuid=wanted.bsuid)
            if (view := listing.find_contact(connection, vault, contact_id, reveal=True)) is not None
        ]
    )
    return Found(items=[_contact(view) for view in found])


def show_window_of(window: CustomerServiceWindow, *, now: datetime) -> Window:
    """The window with how long it stays open."""
    closes_at = None if window.closes_at is None else window.closes_at - MARGIN
    left = closes_at - now if closes_at is not None and window.is_open(now) else timedelta(0)
    return Window(state=window.state(now).value, closes_at=closes_at, seconds_left=int(left.total_seconds()))


def show_conversation_of(view: ConversationView, *, now: datetime) -> Conversation:
    return Conversation(
        id=view.id,
        contact_id=view.contact_id,
        contact_name=view.contact_name,
        channel_id=view.channel_id,
        ticket_id=view.ticket_id,
        window=show_window_of(view.window, now=now),
        created_at=view.created_at,
        effects=view.waiting,
    )


def show_message_of(view: MessageView) -> Message:
    return Message(
        id=view.id,
        conversation_id=view.conversation_id,
        channel_id=view.channel_id,
        direction=view.direction,
        kind=view.kind,
        status=view.status,
        status_at=view.status_at,
        occurred_at=view.occurred_at,
        error_code=view.error_code,
        text=view.text,
    )


def _contact(view: ContactView) -> Contact:
    return Contact(
        id=view.id,
        name=view.name,
        identities=[Identity(kind=one.kind, value=one.value, last_seen_at=one.last_seen_at) for one in view.identities],
        created_at=view.created_at,
    )
