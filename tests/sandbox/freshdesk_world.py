"""One simulated Freshdesk in this process, and what a test does with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from sandbox.freshdesk import Freshdesk
from tests.sandbox.desk_world import DeskWorld

API_KEY = "fd-key-0123456789"
RING_URL = "http://bridge.test/webhooks/freshdesk"
SECRET = "ring-secret-0123456789"
Record = dict[str, Any]


class World(DeskWorld[Freshdesk]):
    """Everything a test holds."""

    def __init__(self) -> None:
        super().__init__("freshdesk", Freshdesk)
        self.freshdesk = self.desk

    async def api(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """A call with the API key."""
        return await super().api(method, path, body, auth=(API_KEY, "X"), **more)

    async def made(self, path: str, body: Any) -> Record:
        """The JSON of a POST that must create something."""
        answer = await self.api("POST", path, body)
        assert answer.status_code == 201, answer.text
        made: Record = answer.json()
        return made

    async def refusal(self, method: str, path: str, body: Any = None, **more: Any) -> list[tuple[str, str]]:
        """The (field, code) pairs of a call that must be refused with 400 or 409."""
        answer = await self.api(method, path, body, **more)
        assert answer.status_code in {400, 409}, answer.text
        assert answer.json()["description"] == "Validation failed"
        return [(error["field"], error["code"]) for error in answer.json()["errors"]]

    async def contact(self, name: str = "Ana Lima", **values: Any) -> Record:
        reached = values or {"unique_external_id": "wa:351912345678", "mobile": "+351912345678"}
        return await self.made("contacts", {"name": name, **reached})

    async def ticket(self, requester: Record | None = None, **values: Any) -> Record:
        """A ticket as the bridge opens one."""
        who = requester or await self.contact()
        wanted = {
            "requester_id": who["id"],
            "subject": "WhatsApp: Ana",
            "description": "<div>Oi</div>",
            "source": 7,
        } | {"tags": ["whatsapp"]}
        return await self.made("tickets", {**wanted, **values})

    async def note(self, ticket: Record, body: str = "<div>Oi</div>", **values: Any) -> Record:
        """A customer's message as the bridge writes it, unless `values` say otherwise."""
        usual = {"private": False, "incoming": True, "user_id": ticket["requester_id"]}
        return await self.made(f"tickets/{ticket['id']}/notes", {"body": body, **usual, **values})

    async def conversations(self, ticket: Record, **query: Any) -> list[Record]:
        found: list[Record] = await self.get(f"tickets/{ticket['id']}/conversations", **query)
        return found

    async def says(self, ticket: Record, text: str = "Olá", **wish: Any) -> Record:
        """An agent's (or, with a contact's id as `agent`, a customer's) comment; waits for its rings."""
        made: Record = await self.control("POST", f"tickets/{ticket['id']}/comments", {"text": text, **wish})
        await self.freshdesk.drain()
        comment: Record = made["comment"]
        return comment

    async def look(self, ticket: Record) -> Record:
        """The ticket as agents see it."""
        found: Record = await self.control("GET", f"tickets/{ticket['id']}")
        return found

    async def warnings(self) -> list[str]:
        return [call["warning"] for call in (await self.control("GET", "calls"))["warnings"]]

    async def agent_id(self, name: str = "Bia") -> int:
        return next(int(one["id"]) for one in await self.control("GET", "agents") if one["name"] == name)

    def ring_me(self) -> None:
        """The rule that the bridge asks an admin for."""
        self.freshdesk.setup({"webhook_url": RING_URL, "webhook_secret": SECRET})


@asynccontextmanager
async def freshdesk_world(*, plan: str = "unlimited") -> AsyncIterator[World]:
    """A fresh account with the API key set up."""
    world = World()
    world.freshdesk.setup({"api_key": API_KEY, "plan": plan})
    async with world:
        yield world
