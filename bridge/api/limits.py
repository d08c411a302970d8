"""`/api/v1/limits`: what Meta allows our numbers, how much of it is used, and when it will be full."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from bridge.api.context import AsReader, Context, Cursor, Limit, Page, RowId, one_more, page_of
from bridge.api.problems import not_found
from bridge.domain.meta_limits import UNLIMITED, Urgency
from bridge.domain.meta_limits import Limit as MetaLimit
from bridge.runtime import limits_report
from bridge.runtime.limits_report import Report
from bridge.store import limits, listing
from bridge.store.listing import ChannelView

router = APIRouter(prefix="/api/v1/limits", tags=["limits"])


class Waiting(BaseModel):
    """Messages that wait to leave, most urgent first. A very long queue is told as 100,000."""

    replies: int
    transactions: int = Field(description="Authentication and utility templates.")
    marketing: int
    for_a_place: int = Field(description="Of all these, what waits for a place in the messaging limit.")


class ChannelLimits(BaseModel):
    """What one number may do. What Meta has not said yet is null."""

    channel_id: str
    phone_number_id: str
    read_at: datetime | None = Field(description="When Meta was asked last.")
    throughput: int | None = Field(description="Messages a second, in and out together.")
    throughput_in_force: int = Field(description="What is kept to at the moment, after refusals less.")
    quality: str | None = Field(description="GREEN, YELLOW, RED or UNKNOWN.")
    limit: int | None = Field(description="Unique people that may be written to outside a window in 24 hours.")
    is_unlimited: bool
    used: int
    level: int = Field(description="70, 90 or 100 when so many percent are used, else 0.")
    people_an_hour: float = Field(description="How fast it fills, by the last hour.")
    full_at: datetime | None = Field(description="When it will be full at this rate; null: not foreseen.")
    next_limit: int | None = Field(description="What it grows to; -1: no limit.")
    blocks_growth: list[str] = Field(description="What Meta still wants for that.")
    waiting: Waiting
    drained_at: datetime | None = Field(description="When what waits now will have left; null: unknown.")
    slowed_until: dict[str, datetime] = Field(description="Limits that Meta said are used up, and until when we wait.")
    is_live: bool = Field(description="False while Redis is away: the figures are those written down last.")


class Sample(BaseModel):
    """How much was used at a time."""

    taken_at: datetime
    people: int
    limit: int | None
    sent: int = Field(description="Messages since the sample before.")
    waiting_replies: int
    waiting_transactions: int
    waiting_marketing: int
    quality: str | None


@router.get("")
async def list_limits(
    context: Context, _caller: AsReader, cursor: Cursor = None, limit: Limit = 50
) -> Page[ChannelLimits]:
    """The limits of every channel's number."""
    rows = await context.read(lambda connection: listing.channels(connection, before=cursor, limit=one_more(limit)))
    reports = {row.id: await _report(context, row) for row in rows[:limit]}
    return page_of(rows, limit=limit, shown=lambda row: _shown(row, reports[row.id]))


@router.get("/{channel_id}")
async def show_limits(context: Context, _caller: AsReader, channel_id: RowId) -> ChannelLimits:
    found = await _channel(context, channel_id)
    return _shown(found, await _report(context, found))


@router.get("/{channel_id}/history")
async def show_history(
    context: Context,
    _caller: AsReader,
    channel_id: RowId,
    hours: Annotated[int, Query(ge=1, le=744, description="How far back; 31 days are kept.")] = 24,
) -> list[Sample]:
    """What was used, oldest first: a sample every 5 minutes."""
    await _channel(context, channel_id)
    since = context.business_now() - timedelta(hours=hours)
    found = await context.read(lambda connection: limits.load_samples(connection, channel_id=channel_id, since=since))
    return [
        Sample(
            taken_at=one.taken_at,
            people=one.people,
            limit=one.tier,
            sent=one.sent,
            waiting_replies=one.waiting[Urgency.REPLY],
            waiting_transactions=one.waiting[Urgency.TRANSACTION],
            waiting_marketing=one.waiting[Urgency.MARKETING],
            quality=one.quality,
        )
        for one in found
    ]


async def _channel(context: Context, channel_id: str) -> ChannelView:
    found = await context.read(lambda connection: listing.find_channel(connection, channel_id))
    if found is None:
        raise not_found("channel")
    return found


async def _report(context: Context, channel: ChannelView) -> Report:
    return await limits_report.report(
        context.store, context.redis, channel_id=channel.id, phone_number_id=channel.phone_number_id
    )


def _shown(channel: ChannelView, report: Report) -> ChannelLimits:
    foreseen, facts = report.forecast, report.facts
    permille = 1000 if report.look is None else report.look.permille
    slowed = {limit.value: report.at + report.braked(limit) for limit in (MetaLimit.NUMBER, MetaLimit.ACCOUNT)}
    slowed[MetaLimit.OUTREACH.value] = report.at + report.braked(MetaLimit.OUTREACH)
    return ChannelLimits(
        channel_id=channel.id,
        phone_number_id=channel.phone_number_id,
        read_at=facts.read_at,
        throughput=facts.throughput,
        throughput_in_force=max(1, facts.per_second * permille // 1000),
        quality=facts.quality,
        limit=None if foreseen.limit == UNLIMITED else foreseen.limit,
        is_unlimited=foreseen.limit == UNLIMITED,
        used=foreseen.used,
        level=foreseen.level,
        people_an_hour=round(foreseen.people_an_hour, 1),
        full_at=foreseen.full_at,
        next_limit=foreseen.next_limit,
        blocks_growth=list(foreseen.blocks_growth),
        waiting=Waiting(
            replies=report.waiting[Urgency.REPLY],
            transactions=report.waiting[Urgency.TRANSACTION],
            marketing=report.waiting[Urgency.MARKETING],
            for_a_place=report.parked,
        ),
        drained_at=foreseen.drained_at,
        slowed_until={name: until for name, until in slowed.items() if until > report.at},
        is_live=report.look is not None,
    )
