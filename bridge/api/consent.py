"""`/api/v1/consent` and `/contacts/{id}/consent`: what did customers say of marketing messages, and who says so?

The ledger is added to and never changed. Numbers and details are null for a token of the role read-only.
"""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection

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
    page_of,
)
from bridge.api.problems import Refused, not_found
from bridge.domain.consent import ConsentAction, ConsentEntry, ConsentSource
from bridge.store import consents, listing
from bridge.store.consents import LedgerLine
from templates_registry.sending_rules import Consent

router = APIRouter(prefix="/api/v1", tags=["consent"])
CLOCKS_APART = timedelta(minutes=5)


class Line(BaseModel):
    """Something that a customer said of marketing messages, as we learnt it."""

    id: str
    contact_id: str
    wa_id: str | None
    bsuid: str | None
    action: ConsentAction
    source: ConsentSource = Field(
        description="`keyword` (the customer wrote STOP or the like), `meta` (the customer's switch in WhatsApp), "
        "`refused` (Meta refused a message with 131050), `agent` or `administrator`."
    )
    at: datetime = Field(description="When the customer said so. The latest counts.")
    recorded_at: datetime
    detail: str | None = Field(description="The customer's word, or how the consent was given.")


class ConsentOfContact(BaseModel):
    """`given`, `not_asked` or `withdrawn`: marketing templates go to people who gave it alone."""

    contact_id: str
    consent: Consent
    lines: list[Line] = Field(description="The newest of the ledger, at most 200.")


class Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: ConsentAction
    detail: Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")] = Field(
        description="How it was given or withdrawn, such as `web form, 3 May 2026`. What an auditor would ask for."
    )
    at: AwareDatetime | None = Field(default=None, description="When; left out: now. Never in the future.")


@router.get("/consent")
async def list_consent(
    context: Context, caller: AsReader, contact_id: RowIdFilter = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[Line]:
    """The ledger: follow `next_cursor` to export the whole of it."""
    rows = await context.read(
        lambda connection: consents.lines(
            connection,
            context.store.vault,
            reveal=may_reveal(caller),
            before=cursor,
            contact_id=contact_id,
            limit=one_more(limit),
        )
    )
    return page_of(rows, limit=limit, shown=_line)


@router.get("/contacts/{contact_id}/consent")
async def show_consent(context: Context, caller: AsReader, contact_id: RowId) -> ConsentOfContact:
    return await context.read(
        lambda connection: _of_contact(connection, context, contact_id, reveal=may_reveal(caller))
    )


@router.post("/contacts/{contact_id}/consent", status_code=HTTPStatus.CREATED)
async def record_consent(context: Context, caller: AsAgent, contact_id: RowId, wish: Wish) -> ConsentOfContact:
    """Put on record what the contact said. It counts at once, unless a later word of theirs is known."""
    now = context.business_now()
    if wish.at is not None and wish.at > now + CLOCKS_APART:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "`at` is in the future.")
    entry = ConsentEntry(wish.action, ConsentSource.ADMINISTRATOR, min(wish.at or now, now), detail=wish.detail)

    def unit(connection: Connection) -> ConsentOfContact:
        if listing.find_contact(connection, context.store.vault, contact_id, reveal=False) is None:
            raise not_found("contact")
        line_id = consents.add(connection, context.store.vault, contact_id, entry, now=now)
        context.record(connection, caller, action=f"consent.{wish.action.value}", subject=contact_id, detail=line_id)
        return _of_contact(connection, context, contact_id, reveal=True)

    return await context.write(unit)


def _of_contact(connection: Connection, context: Context, contact_id: str, *, reveal: bool) -> ConsentOfContact:
    if listing.find_contact(connection, context.store.vault, contact_id, reveal=False) is None:
        raise not_found("contact")
    found = consents.lines(connection, context.store.vault, reveal=reveal, contact_id=contact_id, limit=200)
    return ConsentOfContact(
        contact_id=contact_id,
        consent=consents.of_contact(connection, contact_id),
        lines=[_line(line) for line in found],
    )


def _line(line: LedgerLine) -> Line:
    return Line(
        id=line.id,
        contact_id=line.contact_id,
        wa_id=line.wa_id,
        bsuid=line.bsuid,
        action=ConsentAction(line.action),
        source=ConsentSource(line.source),
        at=line.at,
        recorded_at=line.recorded_at,
        detail=line.detail,
    )
