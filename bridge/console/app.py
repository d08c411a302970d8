"""Which page leads where? Signing in, and what every page stands on."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from bridge.api.context import Context
from bridge.console import failures, limits, overview, people
from bridge.console import session as sessions
from bridge.console.pages import HEADERS, STATIC, NotAllowed, SignedIn, SignedOut, read_form, show
from bridge.domain.roles import Role
from bridge.store import access

ROUTERS = (overview.router, people.router, failures.router, limits.router)
STYLE = "console.css"
router = APIRouter()


def add_console(app: FastAPI) -> None:
    """Put the console's pages into the face. None of them is part of the API's description."""
    for each in (router, *ROUTERS):
        app.include_router(each, include_in_schema=False)

    @app.exception_handler(SignedOut)
    async def ask_to_sign_in(_request: Request, exc: SignedOut) -> Response:
        return _go(f"/sign-in?next={quote(exc.path)}")

    @app.exception_handler(NotAllowed)
    async def tell_refusal(request: Request, exc: NotAllowed) -> Response:
        context = request.app.state.context
        found = await sessions.find(request, context)
        return show(request, context, "refused.html", session=found, status=exc.status, message=exc.message)


def _go(path: str) -> RedirectResponse:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, HEADERS)


def _own_path(path: str) -> str:
    """Only a path of ours is gone to after signing in."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


@router.get("/console/console.css")
async def send_style() -> FileResponse:
    return FileResponse(STATIC / STYLE, media_type="text/css", headers={"cache-control": "max-age=300"})


@router.get("/sign-in")
async def ask_for_token(
    request: Request, context: Context, wanted: Annotated[str, Query(alias="next", max_length=500)] = "/"
) -> Response:
    return show(request, context, "sign-in.html", session=None, wanted=_own_path(wanted), wrong=False)


@router.post("/sign-in")
async def sign_in(request: Request, context: Context) -> Response:
    form = await request.form(max_files=0, max_fields=10)
    # A cross-site form cannot sign somebody in as somebody else: browsers say where a form comes from.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotAllowed("Sign in from this page itself.")
    token, wanted = str(form.get("token") or "").strip(), _own_path(str(form.get("next") or "/"))
    now = context.store.clock.real_now()
    caller, _ = await context.read(lambda connection: access.identify(connection, token, real_now=now))
    if caller is None:
        return show(
            request,
            context,
            "sign-in.html",
            session=None,
            status=HTTPStatus.UNAUTHORIZED,
            wanted=wanted,
            wrong=True,
        )
    known = caller
    await context.write(
        lambda connection: context.record(connection, known, action="sign in", subject=known.token_id, origin="console")
    )
    response = _go(wanted)
    sessions.begin(response, context, known)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, session: SignedIn) -> Response:
    await read_form(request, session, role=Role.READ_ONLY)
    response = _go("/sign-in")
    sessions.end(response)
    return response
