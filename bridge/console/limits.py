"""How much of what Meta allows is used, and when will it be full? With plots of a day and of 30 days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response

from bridge.api.context import Context
from bridge.console.pages import SignedIn, show
from bridge.domain.meta_limits import UNLIMITED, Limit
from bridge.runtime import limits_report
from bridge.runtime.limits_report import Report
from bridge.store import limits, listing
from bridge.store.limits import Sample
from bridge.store.listing import ChannelView

router = APIRouter()
AT_ONCE = 20
SPANS = {"24 hours": timedelta(hours=24), "30 days": timedelta(days=30)}
WIDTH, HEIGHT = 720, 160
POINTS = 360
"""More than that nobody sees."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Points of an SVG polyline. `limit_height`: where the messaging limit lies, None: outside, or there is none."""

    title: str
    people: str
    waiting: str
    most: int
    limit_height: int | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    channel: ChannelView
    report: Report
    plots: list[Plot]

    @property
    def slowed(self) -> list[tuple[str, datetime]]:
        """Limits that Meta said are used up, and until when."""
        found = ((limit, self.report.braked(limit)) for limit in (Limit.NUMBER, Limit.ACCOUNT, Limit.OUTREACH))
        return [(limit.value, self.report.at + wait) for limit, wait in found if wait]


def plot(title: str, samples: Sequence[Sample], *, since: datetime, until: datetime, tier: int | None) -> Plot:
    """People counted and messages waiting, on one scale."""
    every = max(1, len(samples) // POINTS)
    kept = samples[::every]
    people = [sample.people for sample in kept]
    waiting = [sum(sample.waiting.values()) for sample in kept]
    most = max([1, *people, *waiting])
    places = [(sample.taken_at - since) / (until - since) * WIDTH for sample in kept]

    def line(values: Sequence[int]) -> str:
        return " ".join(
            f"{place:.0f},{HEIGHT - value / most * HEIGHT:.0f}" for place, value in zip(places, values, strict=True)
        )

    has_limit = tier is not None and tier != UNLIMITED and tier <= most
    limit_height = HEIGHT - round(tier / most * HEIGHT) if has_limit and tier is not None else None
    return Plot(title, line(people), line(waiting), most, limit_height, since)


@router.get("/limits")
async def show_limits(request: Request, context: Context, session: SignedIn) -> Response:
    channels = await context.read(lambda connection: listing.channels(connection, limit=AT_ONCE))
    now = context.business_now()
    shown = []
    for channel in channels:
        report = await limits_report.report(
            context.store, context.redis, channel_id=channel.id, phone_number_id=channel.phone_number_id
        )
        samples = await context.read(
            lambda connection, channel=channel: limits.load_samples(  # type: ignore[misc]  # a default binds it
                connection, channel_id=channel.id, since=now - max(SPANS.values())
            )
        )
        plots = [
            plot(
                title,
                [sample for sample in samples if sample.taken_at >= now - span],
                since=now - span,
                until=now,
                tier=report.facts.tier,
            )
            for title, span in SPANS.items()
        ]
        shown.append(Shown(channel, report, plots))
    return show(
        request, context, "limits.html", session=session, shown=shown, width=WIDTH, height=HEIGHT, unlimited=UNLIMITED
    )
