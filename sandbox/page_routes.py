"""Which pages does the sandbox serve? One document for `/`, `/phone` and `/agent`, and the files it is made of."""

import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PAGES = Path(__file__).parent / "pages"
SHOWN = {"/": "both", "/phone": "phone", "/agent": "desk"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # An open tab must not mix the files of two versions.
    "Cache-Control": "no-cache",
}


def routes() -> list[Route | Mount]:
    """The pages; they talk only to the control API, and load nothing from another host."""
    return [
        *(Route(path, _page(shown)) for path, shown in SHOWN.items()),
        Mount("/pages", app=_Files(directory=PAGES)),
    ]


def _page(shown: str) -> Any:
    async def page(_request: Request) -> Response:
        html = (PAGES / "index.html").read_text("utf-8")
        return HTMLResponse(re.sub(r'data-shows="\w+"', f'data-shows="{shown}"', html, count=1), headers=HEADERS)

    return page


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response
