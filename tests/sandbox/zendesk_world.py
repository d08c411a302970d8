"""One simulated Zendesk in this process, and what a test does with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from sandbox.zendesk import Zendesk
from tests.sandbox.desk_world import DeskWorld

RING_URL = "http://bridge.test/webhooks/zendesk"
CLIENT = {"oauth_client_id": "wa_bridge", "oauth_client_secret": "s3cret"}
GRANT = {"grant_type": "client_credentials", "client_id": "wa_bridge", "client_secret": "s3cret"}


class World(DeskWorld[Zendesk]):
    """Everything a test holds."""

    def __init__(self) -> None:
        super().__init__("zendesk", Zendesk)
        self.zendesk = self.desk

    async def sign_in(self, **more: Any) -> httpx.Response:
        answer = await self.http.post("/zendesk/oauth/tokens", json={**GRANT, **more})
        if answer.status_code == 200:
            self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    async def user(self, name: str = "Ana Souza", **values: Any) -> dict[str, Any]:
        answer = await self.api("POST", "users", {"user": {"name": name, **values}})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["user"]
        return made

    async def ticket(self, requester: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
        """A ticket as the bridge opens one: by, and for, the requester."""
        who = requester or await self.user()
        comment = {"body": "Oi", "public": True, "author_id": who["id"]}
        wanted = {"requester_id": who["id"], "submitter_id": who["id"], "subject": "WhatsApp: Ana", "comment": comment}
        answer = await self.api("POST", "tickets", {"ticket": {**wanted, **values}})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["ticket"]
        return made

    async def update(self, ticket: dict[str, Any], **values: Any) -> httpx.Response:
        return await self.api("PUT", f"tickets/{ticket['id']}", {"ticket": values})

    async def comments(self, ticket: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get(f"tickets/{ticket['id']}/comments"))["comments"]
        return found

    async def warnings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.control("GET", "calls"))["warnings"]
        return found

    async def webhook(self, *subscriptions: str) -> dict[str, Any]:
        wanted = {
            "name": "WA bridge",
            "endpoint": RING_URL,
            "http_method": "POST",
            "request_format": "json",
            "status": "active",
            "subscriptions": list(subscriptions) or ["conditional_ticket_events"],
        }
        answer = await self.api("POST", "webhooks", {"webhook": wanted})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["webhook"]
        return made

    async def trigger(self, *conditions: tuple[str, str, str], body: str = '{"ticket_id": "{{ticket.id}}"}') -> Any:
        """A webhook and the trigger that calls it, as the bridge's doctor makes them."""
        webhook = await self.webhook()
        category = await self.api("POST", "trigger_categories", {"trigger_category": {"name": "deskbridge"}})
        chosen = conditions or (
            ("comment_is_public", "is", "not_relevant"),
            ("current_via_id", "is_not", "5"),
        )
        wanted = {
            "title": "deskbridge",
            "category_id": category.json()["trigger_category"]["id"],
            "conditions": {"all": [{"field": name, "operator": how, "value": value} for name, how, value in chosen]},
            "actions": [{"field": "notification_webhook", "value": [webhook["id"], body]}],
        }
        answer = await self.api("POST", "triggers", {"trigger": wanted})
        assert answer.status_code == 201, answer.text
        return webhook


@asynccontextmanager
async def zendesk_world(*, plan: str = "team", signed_in: bool = True) -> AsyncIterator[World]:
    """A fresh account with the OAuth client set up."""
    world = World()
    world.zendesk.setup({**CLIENT, "plan": plan})
    async with world:
        if signed_in:
            assert (await world.sign_in()).status_code == 200
        yield world
