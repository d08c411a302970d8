"""Does it work? What stands in the way, what a person should look at, and who may come in."""

from datetime import timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from bridge.api.context import Context
from bridge.console.pages import HEADERS, NotAllowed, SignedIn, read_form, require, show
from bridge.domain.roles import Role
from bridge.runtime import checkup, tokens
from bridge.store import access, dead_letters, listing

router = APIRouter()
AT_ONCE = 100
ROLES = {
    Role.READ_ONLY: "sees states and reasons, nobody's words",
    Role.AGENT: "sees content, decides about dead letters",
    Role.ADMIN: "may do everything",
}


@router.get("/")
async def show_overview(request: Request, context: Context, session: SignedIn) -> Response:
    readiness = await context.check_readiness()
    channels, alarms, causes, (looked_at, findings) = await context.read(
        lambda connection: (
            listing.channels(connection, limit=AT_ONCE),
            listing.alarms(connection, limit=AT_ONCE),
            dead_letters.causes(connection),
            checkup.kept_findings(connection, context.store.vault),
        )
    )
    return show(
        request,
        context,
        "overview.html",
        session=session,
        readiness=readiness,
        channels=channels,
        alarms=alarms,
        looked_at=looked_at,
        findings=findings,
        dead_count=sum(cause.count for cause in causes),
    )


@router.post("/alarms/{alarm_id}/clear")
async def clear_alarm(request: Request, context: Context, session: SignedIn, alarm_id: str) -> Response:
    await read_form(request, session, role=Role.AGENT)

    def unit(connection: Connection) -> None:
        if listing.clear_alarm(connection, alarm_id):
            context.record(connection, session.caller, action="alarm.clear", subject=alarm_id, origin="console")

    await context.write(unit)
    return RedirectResponse("/", 303, HEADERS)


@router.get("/tokens")
async def show_tokens(request: Request, context: Context, session: SignedIn) -> Response:
    require(session.caller, Role.ADMIN)
    return await _tokens(request, context, session)


async def _tokens(
    request: Request, context: Context, session: SignedIn, *, made: str | None = None, wrong: str | None = None
) -> Response:
    found = await context.read(access.list_tokens)
    now = context.store.clock.real_now()
    valid = [one for one in found if one.revoked_at is None and (one.expires_at is None or one.expires_at > now)]
    return show(
        request,
        context,
        "tokens.html",
        session=session,
        valid=valid,
        ended=[one for one in found if one not in valid],
        configured=access.CONFIGURED,
        roles=ROLES,
        made=made,
        wrong=wrong,
    )


@router.post("/tokens")
async def create_token(request: Request, context: Context, session: SignedIn) -> Response:
    form = await read_form(request, session, role=Role.ADMIN)
    name, role, days = (str(form.get(field) or "").strip() for field in ("name", "role", "days"))
    if not tokens.is_name(name) or role not in list(Role) or not (days == "" or days in ("7", "30", "90", "365")):
        wrong = "A name is 1 to 64 letters, digits, spaces and . _ @ -"
        return await _tokens(request, context, session, wrong=wrong)
    try:
        _, secret = await context.write(
            lambda connection: tokens.create(
                connection,
                context.store.clock,
                session.caller,
                name=name,
                role=Role(role),
                valid_for=timedelta(days=int(days)) if days else None,
                origin="console",
            )
        )
    except tokens.TokenRefused as refused:
        return await _tokens(request, context, session, wrong=str(refused))
    return await _tokens(request, context, session, made=secret)


@router.post("/tokens/{token_id}/revoke")
async def revoke_token(request: Request, context: Context, session: SignedIn, token_id: str) -> Response:
    await read_form(request, session, role=Role.ADMIN)
    try:
        await context.write(
            lambda connection: tokens.revoke(
                connection, context.store.clock, session.caller, token_id, origin="console"
            )
        )
    except tokens.TokenRefused as refused:
        raise NotAllowed(str(refused)) from None
    return RedirectResponse("/tokens", 303, HEADERS)


@router.get("/audit")
async def show_audit(request: Request, context: Context, session: SignedIn, before: str | None = None) -> Response:
    require(session.caller, Role.ADMIN)
    deeds = await context.read(lambda connection: access.list_deeds(connection, before=before, limit=AT_ONCE + 1))
    more = deeds[AT_ONCE - 1].id if len(deeds) > AT_ONCE else None
    return show(request, context, "audit.html", session=session, deeds=deeds[:AT_ONCE], more=more)
