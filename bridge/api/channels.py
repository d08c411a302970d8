"""`/api/v1/status` and `/api/v1/channels`: does it work, and what stands in the way?"""

from datetime import datetime
from importlib.metadata import version

from fastapi import APIRouter
from pydantic import BaseModel, Field

from bridge.api.context import AsReader, Context, Cursor, Limit, Page, RowId, one_more, page_of
from bridge.api.problems import not_found
from bridge.store import listing
from bridge.store.listing import ChannelView

router = APIRouter(prefix="/api/v1", tags=["channels"])


class Status(BaseModel):
    """`status`: `ready`, `degraded` (events are kept, something else does not work) or `unavailable`."""

    version: str
    status: str
    wrong: list[str] = Field(description="What does not work, in sentences.")


class Gate(BaseModel):
    """A far side that waits for a person."""

    scope: str = Field(description="`whatsapp` or `helpdesk`.")
    code: str
    action: str = Field(description="What to do.")
    closed_at: datetime


class Channel(BaseModel):
    """One phone number of ours with one helpdesk account."""

    id: str
    helpdesk: str
    phone_number_id: str
    waba_id: str
    created_at: datetime
    status: str = Field(description="`connected`, or `needs_operator` while a far side waits for a person.")
    gates: list[Gate]
    conversations: int
    effects: dict[str, int] = Field(description="Work that stands, by state.")
    feed_polled_at: datetime | None = Field(description="When the helpdesk's change feed was last read.")


@router.get("/status")
async def show_status(context: Context, _caller: AsReader) -> Status:
    """Whether events can be kept, and what does not work."""
    readiness = await context.check_readiness()
    status = "unavailable" if readiness.unavailable else "degraded" if readiness.degraded else "ready"
    return Status(version=version("deskbridge"), status=status, wrong=[*readiness.unavailable, *readiness.degraded])


@router.get("/channels")
async def list_channels(context: Context, _caller: AsReader, cursor: Cursor = None, limit: Limit = 50) -> Page[Channel]:
    rows = await context.read(lambda connection: listing.channels(connection, before=cursor, limit=one_more(limit)))
    return page_of(rows, limit=limit, shown=_shown)


@router.get("/channels/{channel_id}")
async def show_channel(context: Context, _caller: AsReader, channel_id: RowId) -> Channel:
    found = await context.read(lambda connection: listing.find_channel(connection, channel_id))
    if found is None:
        raise not_found("channel")
    return _shown(found)


def _shown(view: ChannelView) -> Channel:
    return Channel(
        id=view.id,
        helpdesk=view.helpdesk,
        phone_number_id=view.phone_number_id,
        waba_id=view.waba_id,
        created_at=view.created_at,
        status="needs_operator" if view.gates else "connected",
        gates=[
            Gate(scope=gate.scope, code=gate.code, action=gate.action, closed_at=gate.closed_at) for gate in view.gates
        ],
        conversations=view.conversations,
        effects=view.effects,
        feed_polled_at=view.feed_polled_at,
    )
