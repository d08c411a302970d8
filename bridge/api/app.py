"""What answers everything that is no webhook and no probe? The REST API and the console, one FastAPI application.

Whoever adds endpoints adds a module with a `router` and names it in `ROUTERS`. The edge lets no request under `/api/v1`
through without a valid token; which role an endpoint takes, its parameters say (`AsReader`, `AsAgent`, `AsAdmin`).
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Security
from fastapi.security import HTTPBearer

from bridge.api import administration, channels, consent, conversations, events, limits, privacy, templates
from bridge.api.context import ApiContext
from bridge.api.problems import RESPONSES, Problem, tell_problems

ROUTERS: Sequence[APIRouter] = (
    channels.router,
    events.router,
    conversations.router,
    consent.router,
    privacy.router,
    administration.router,
    limits.router,
    templates.router,
)
_BEARER = HTTPBearer(auto_error=False, description="A token of `deskbridge tokens create`.")
_DESCRIPTION = (
    "The bridge between WhatsApp and a helpdesk. Every path takes a bearer token: read-only sees states and reasons, "
    "agent sees content too and decides about dead letters, admin may do everything. Lists are paged, newest first: "
    "pass `next_cursor` as `cursor`. Errors are problem details (RFC 9457)."
)


class _Face(FastAPI):
    """With problem details among the described shapes."""

    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        described["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return described


def build_face(context: ApiContext) -> FastAPI:
    """The application. It expects whoever holds the token in the scope, under `webhooks.app.CALLER`."""
    app = _Face(
        title="deskbridge",
        version=version("deskbridge"),
        description=_DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    tell_problems(app)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Security(_BEARER)], responses=RESPONSES)
    return app
