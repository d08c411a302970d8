"""What could not be done, by cause: tried again one by one or all of a cause, or given up."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from bridge.api.context import Context
from bridge.console.pages import HEADERS, NotAllowed, SignedIn, read_form, show
from bridge.domain.roles import Role
from bridge.runtime.operations import describe
from bridge.store import dead_letters, trail
from bridge.store.dead_letters import Chosen

router = APIRouter()
AT_ONCE = 100
MEANINGS = {
    "unknown phone_number_id": (
        "Meta told something for a phone number that is not configured here. Add the number, or drop it."
    ),
    "cannot be decrypted": "The row is damaged: its own key does not open it. Restore it from a backup, or drop it.",
    "too old": "It was tried for as long as DESKBRIDGE_DEAD_LETTER_HOURS allows.",
    "not json": "It was signed, and is no JSON. Look at it, then drop it.",
}


@router.get("/failures")
async def show_failures(request: Request, context: Context, session: SignedIn) -> Response:
    causes, rows = await context.read(
        lambda connection: (
            dead_letters.causes(connection),
            dead_letters.summaries(connection, limit=AT_ONCE),
        )
    )
    return show(
        request, context, "failures.html", session=session, causes=causes, rows=rows, meanings=MEANINGS, limit=AT_ONCE
    )


@router.get("/events/{event_id}")
async def show_event(request: Request, context: Context, session: SignedIn, event_id: str) -> Response:
    wanted = event_id.replace("\x00", "")
    found, steps = await context.read(
        lambda connection: (
            dead_letters.detail(connection, context.store.vault, wanted, reveal=False),
            trail.of_effect(connection, wanted),
        )
    )
    if found is None:
        raise NotAllowed("There is nothing here any more, or there never was.", HTTPStatus.NOT_FOUND)
    return show(
        request, context, "event.html", session=session, event=found, steps=steps, dead=found.state in dead_letters.DEAD
    )


@router.post("/failures/replay")
async def replay(request: Request, context: Context, session: SignedIn) -> Response:
    form = await read_form(request, session, role=Role.AGENT)
    chosen = _chosen(form.get("id"), form.get("kind"), form.get("reason"))

    def unit(connection: Connection) -> int:
        count = dead_letters.replay(connection, chosen, now=context.business_now())
        if count:
            context.record(
                connection,
                session.caller,
                action="events.replay",
                subject=describe(chosen),
                detail=f"{count} replayed",
                origin="console",
            )
        return count

    if await context.write(unit):
        await context.ring()
    return RedirectResponse("/failures", HTTPStatus.SEE_OTHER, HEADERS)


@router.post("/failures/drop")
async def drop(request: Request, context: Context, session: SignedIn) -> Response:
    form = await read_form(request, session, role=Role.AGENT)
    chosen = _chosen(form.get("id"), form.get("kind"), form.get("reason"))

    def unit(connection: Connection) -> None:
        rows = dead_letters.summaries(connection, chosen=chosen, limit=10_000)
        count = dead_letters.drop(connection, [row.id for row in rows])
        if count:
            context.record(
                connection,
                session.caller,
                action="events.drop",
                subject=describe(chosen),
                detail=f"{count} dropped",
                origin="console",
            )

    await context.write(unit)
    return RedirectResponse("/failures", HTTPStatus.SEE_OTHER, HEADERS)


def _chosen(event_id: object, kind: object, reason: object) -> Chosen:
    if isinstance(event_id, str) and event_id:
        return Chosen(ids=[event_id])
    if isinstance(kind, str) and isinstance(reason, str) and kind:
        return Chosen(kind=kind, reason=reason)
    raise NotAllowed("Nothing was chosen.", HTTPStatus.BAD_REQUEST)
