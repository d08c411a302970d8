"""Acme Desk, a helpdesk that does not exist: the far side of the worked example in docs/connectors.md.

Every reference is unique: whoever comes with one that is there gets 409 and what it stands for.
"""

import asyncio
import html
import itertools
import re
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.interface import TicketId

KEY = "acme-key-0123456789"
Record = dict[str, Any]


class AcmeServer:
    """The server, and (`connectors.contract.Desk`) whoever sits at its desk."""

    def __init__(self) -> None:
        self.people: dict[str, Record] = {}
        self.tickets: dict[str, Record] = {}
        self.calls: list[str] = []
        self.loses_answer = False
        self._ids = itertools.count(1)
        routes = [
            Route("/me", self._me),
            Route("/people", self._person, methods=["POST"]),
            Route("/tickets", self._open, methods=["POST"]),
            Route("/tickets/{id}/comments", self._comments, methods=["GET"]),
            Route("/tickets/{id}/comments", self._add, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    def _refusal(self, request: Request) -> Response | None:
        self.calls.append(f"{request.method} {request.url.path}")
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({}, 401)
        ticket = self.tickets.get(request.path_params.get("id", ""))
        if "id" in request.path_params and (ticket is None or ticket["deleted"]):
            return JSONResponse({}, 404)
        return None

    async def _me(self, request: Request) -> Response:
        return self._refusal(request) or JSONResponse({"id": 1})

    async def _person(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        wish = await request.json()
        known = wish["reference"] in self.people
        person = self.people.setdefault(wish["reference"], {"id": next(self._ids), **wish})
        return JSONResponse(person, 409 if known else 201)

    async def _open(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        wish = await request.json()
        for ticket in self.tickets.values():
            if ticket["comments"][0]["reference"] == wish["reference"]:
                return JSONResponse({"id": ticket["id"]}, 409)
        number = next(self._ids)
        ticket = {"id": number, "open": True, "deleted": False, "comments": []}
        self.tickets[str(number)] = ticket
        self._write(ticket, wish)
        return JSONResponse({"id": number}, 201)

    async def _add(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        wish, ticket = await request.json(), self.tickets[request.path_params["id"]]
        known = next((one for one in ticket["comments"] if one["reference"] == wish["reference"]), None)
        comment = known or self._write(ticket, wish)
        if self.loses_answer:
            self.loses_answer = False
            return Response("it was done, and nobody says so", 500)
        status = "open" if ticket["open"] else "solved"
        return JSONResponse({"id": comment["id"], "ticket_status": status}, 409 if known else 201)

    async def _comments(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        since = datetime.fromisoformat(request.query_params["since"])
        found = self.tickets[request.path_params["id"]]["comments"]
        return JSONResponse([one for one in found if datetime.fromisoformat(one["at"]) >= since])

    def _write(self, ticket: Record, wish: Record) -> Record:
        comment = {
            "id": next(self._ids),
            "at": datetime.now(UTC).isoformat(),  # noqa: TID251 - a server's own clock
            "html": wish["html"],
            "text": html.unescape(re.sub("<[^>]*>", "", wish["html"])),
            "public": wish["public"],
            "by": "person" if wish["author"] else wish.get("by", "system"),
            "reference": wish["reference"],
        }
        ticket["comments"].append(comment)
        ticket["open"] |= wish["open"]
        return comment

    # At the desk

    async def reply(self, ticket_id: TicketId, text: str, *, public: bool) -> None:
        wish = {"html": f"<p>{text}</p>", "public": public, "author": None, "by": "agent", "reference": None}
        self._write(self.tickets[ticket_id], {**wish, "open": False})

    async def solve(self, ticket_id: TicketId) -> None:
        self.tickets[ticket_id]["open"] = False

    async def delete(self, ticket_id: TicketId) -> None:
        self.tickets[ticket_id]["deleted"] = True

    async def is_open(self, ticket_id: TicketId) -> bool:
        await asyncio.sleep(0)
        return bool(self.tickets[ticket_id]["open"])

    async def lose_next_answer(self) -> None:
        self.loses_answer = True
