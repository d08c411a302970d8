"""How is a page made? The one list of pages for the navigation, and a frame around each.

Whoever adds a page adds its line to `PAGES`, a template that extends `frame.html`, and a router to `console.app`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData

from bridge.api.context import ApiContext, Context
from bridge.console import session as sessions
from bridge.console.session import Session
from bridge.domain.roles import Caller, Role

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A place in the navigation, for whoever has this role."""

    path: str
    title: str
    role: Role = Role.READ_ONLY


PAGES = (
    Page("/", "Overview"),
    Page("/conversations", "Conversations"),
    Page("/failures", "Failures"),
    Page("/limits", "Limits"),
    Page("/tokens", "Tokens", Role.ADMIN),
    Page("/audit", "Audit", Role.ADMIN),
)


class SignedOut(Exception):
    """Nobody is signed in: the sign-in page comes first. `path`: where they wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class NotAllowed(Exception):
    """A page that refuses: what people read is `message`."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


async def _signed_in(request: Request, context: Context) -> Session:
    found = await sessions.find(request, context)
    if found is None:
        raise SignedOut(request.url.path if request.method == "GET" else "/")
    return found


SignedIn = Annotated[Session, Depends(_signed_in)]
"""A parameter of this type makes a page ask for a sign-in."""


async def read_form(request: Request, session: Session, *, role: Role) -> FormData:
    """What was sent by a form of ours. Raises `NotAllowed` for another role, and for a form that is not of this
    session."""
    form = await request.form(max_files=0, max_fields=50)
    if not sessions.is_genuine(session, form.get("csrf")):
        raise NotAllowed("This form is out of date. Go back, load the page again, and repeat.")
    require(session.caller, role)
    return form


def require(caller: Caller, role: Role) -> None:
    if not caller.may(role):
        raise NotAllowed(f"This takes the role {role.value}; you are signed in as {caller.role.value}.")


def show(
    request: Request,
    context: ApiContext,
    template: str,
    *,
    session: Session | None,
    status: HTTPStatus = HTTPStatus.OK,
    **values: Any,
) -> HTMLResponse:
    """A page in its frame."""
    caller = None if session is None else session.caller
    text = (
        _environment()
        .get_template(template)
        .render(
            pages=[page for page in PAGES if caller is not None and caller.may(page.role)],
            here=request.url.path,
            caller=caller,
            csrf="" if session is None else session.csrf,
            now=context.business_now(),
            may_decide=caller is not None and caller.may(Role.AGENT),
            **values,
        )
    )
    return HTMLResponse(text, status, HEADERS)


@cache
def _environment() -> "Environment":
    """Made when the first page is asked for: a web part that nobody looks at pays nothing for it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"moment": _moment, "duration": _duration, "words": _words}
    return made


def _moment(value: datetime | None) -> str:
    return "never" if value is None else f"{value:%Y-%m-%d %H:%M:%S} UTC"


def _duration(value: timedelta | int) -> str:
    """Two units at most: `23 h 12 min`."""
    seconds = int(value.total_seconds()) if isinstance(value, timedelta) else value
    days, rest = divmod(max(0, seconds), 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"


def _words(value: str) -> str:
    return value.replace("_", " ").replace("-", " ")
