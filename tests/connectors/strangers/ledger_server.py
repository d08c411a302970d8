"""Ledger Desk itself: plain text, one author, no references, entries for ever. And somebody at its desk."""

import itertools
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.interface import TicketId

KEY = "ledger-key"
PAGE = 3
Record = dict[str, Any]


class LedgerServer:
    """`connectors.contract.Desk` as well."""

    def __init__(self) -> None:
        self.people: dict[str, int] = {}
        self.tickets: dict[str, Record] = {}
        self.journal: list[Record] = []
        self.loses_answer = False
        self._ids = itertools.count(1)
        self.app = Starlette(
            routes=[
                Route("/me", self._answered),
                Route("/people", self._answered, methods=["PUT"]),
                Route("/tickets", self._answered, methods=["GET", "POST"]),
                Route("/tickets/{id}/entries", self._answered, methods=["GET", "POST"]),
                Route("/journal", self._answered),
            ]
        )

    async def _answered(self, request: Request) -> Response:
        if request.headers.get("x-key") != KEY:
            return JSONResponse({}, 401)
        wish = await request.json() if request.method != "GET" else {}
        if "id" in request.path_params:
            ticket = self.tickets.get(request.path_params["id"])
            if ticket is None or ticket["deleted"]:
                return JSONResponse({}, 404)
            if request.method == "GET":
                return JSONResponse(ticket["entries"])
            return self._told({**self._write(ticket, wish), "open": ticket["open"]})
        return self._told(self._about(request, wish))

    def _told(self, answer: object) -> Response:
        if self.loses_answer:
            self.loses_answer = False
            return Response("lost", 502)
        return JSONResponse(answer)

    def _about(self, request: Request, wish: Record) -> object:
        match request.url.path, request.method:
            case "/people", _:
                return {"id": self.people.setdefault(wish["email"], next(self._ids))}
            case "/tickets", "POST":
                number = next(self._ids)
                fresh = {"person": wish["person"], "open": True, "deleted": False, "entries": []}
                ticket = self.tickets.setdefault(str(number), {"id": number, **fresh})
                self._write(ticket, wish["first"])
                return {"id": number}
            case "/tickets", _:
                person = request.query_params["person"]
                mine = [one for one in self.tickets.values() if one["person"] == person]
                return [{"id": one["id"], "first": one["entries"][0]["text"]} for one in mine]
            case "/journal", _:
                after = int(request.query_params["after"])
                page = self.journal[after : after + PAGE]
                return {"entries": page, "last": after + len(page), "more": after + PAGE < len(self.journal)}
        return {}

    def _write(self, ticket: Record, wish: Record) -> Record:
        at = datetime.now(UTC).isoformat()  # noqa: TID251 - a server's own clock
        entry = {"id": next(self._ids), "at": at, "text": wish["text"], "public": wish["public"]}
        ticket["entries"].append(entry)
        ticket["open"] |= wish["open"]
        self.journal.append({"id": entry["id"], "ticket": ticket["id"]})
        return entry

    async def reply(self, ticket_id: TicketId, text: str, *, public: bool) -> None:
        self._write(self.tickets[ticket_id], {"text": text, "public": public, "open": False})

    async def solve(self, ticket_id: TicketId) -> None:
        self.tickets[ticket_id]["open"] = False

    async def delete(self, ticket_id: TicketId) -> None:
        self.tickets[ticket_id]["deleted"] = True

    async def is_open(self, ticket_id: TicketId) -> bool:
        return bool(self.tickets[ticket_id]["open"])

    async def lose_next_answer(self) -> None:
        self.loses_answer = True
