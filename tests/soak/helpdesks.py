"""What does the soak need to know of a helpdesk? One value for each that the sandbox plays; a second one slots in."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import httpx

from tests.flow.installation import ACCOUNTS
from tests.soak.ledger import Comment, Ticket

CLOSED = frozenset({"solved", "closed"})


class Desk(Protocol):
    """The agents' side of a sandbox: `http` is its control API."""

    @property
    def name(self) -> str:
        """Also the prefix of its fault switches."""

    def account(self, plan: str) -> dict[str, Any]:
        """What `POST /setup` takes, with the vendor's plan of that name."""

    def environ(self, sandbox_url: str) -> dict[str, str]:
        """How the bridge reaches it."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be readable in what the bridge keeps."""

    async def tickets(self, http: httpx.AsyncClient) -> list[tuple[int, str]]:
        """(ticket id, requester's name) of every ticket, oldest first."""

    async def comment(self, http: httpx.AsyncClient, ticket_id: int, *, text: str, public: bool) -> bool:
        """An agent writes; False when the helpdesk did not take it (its limits)."""

    async def look(
        self, http: httpx.AsyncClient, ticket_id: int, *, customer: int | None, to_real: Callable[[float], float]
    ) -> Ticket:
        """One ticket whole."""

    async def user_names(self, http: httpx.AsyncClient) -> list[str]:
        """The names of all end users."""

    async def ring_secrets(self, http: httpx.AsyncClient) -> list[str]:
        """The secrets of the webhooks that were made."""

    async def troubles(self, http: httpx.AsyncClient) -> Counter[str]:
        """How many of the bridge's latest calls ended how, but for those that went well."""


@dataclass(frozen=True, slots=True)
class Zendesk:
    """The sandbox's Zendesk."""

    name: str = "zendesk"

    def account(self, plan: str) -> dict[str, Any]:
        return {**ACCOUNTS["zendesk"], "plan": plan}

    def environ(self, sandbox_url: str) -> dict[str, str]:
        return {
            "DESKBRIDGE_HELPDESK": "zendesk",
            "ZENDESK_URL": f"{sandbox_url}/zendesk",
            "ZENDESK_OAUTH_CLIENT_ID": ACCOUNTS["zendesk"]["oauth_client_id"],
            "ZENDESK_OAUTH_CLIENT_SECRET": ACCOUNTS["zendesk"]["oauth_client_secret"],
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        return (ACCOUNTS["zendesk"]["oauth_client_secret"],)

    async def tickets(self, http: httpx.AsyncClient) -> list[tuple[int, str]]:
        found = (await http.get("/zendesk/tickets", params={"limit": 100_000})).raise_for_status().json()
        return sorted((row["id"], row["requester_name"] or "") for row in found)

    async def comment(self, http: httpx.AsyncClient, ticket_id: int, *, text: str, public: bool) -> bool:
        answer = await http.post(f"/zendesk/tickets/{ticket_id}/comments", json={"text": text, "public": public})
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return False
        answer.raise_for_status()
        return True

    async def look(
        self, http: httpx.AsyncClient, ticket_id: int, *, customer: int | None, to_real: Callable[[float], float]
    ) -> Ticket:
        seen = (await http.get(f"/zendesk/tickets/{ticket_id}")).raise_for_status().json()
        comments = tuple(
            Comment(
                id=comment["id"],
                text=comment["plain_body"],
                public=comment["public"],
                by_requester=comment["author_id"] == seen["requester_id"],
                ours="deskbridge" in comment["custom"],
                at_seconds=to_real(datetime.fromisoformat(comment["created_at"]).timestamp()),
            )
            for comment in seen["comments"]
        )
        return Ticket(id=ticket_id, customer=customer, open=seen["status"] not in CLOSED, comments=comments)

    async def user_names(self, http: httpx.AsyncClient) -> list[str]:
        found = (await http.get("/zendesk/users", params={"role": "end-user"})).raise_for_status().json()
        return [user["name"] for user in found if user["active"]]

    async def ring_secrets(self, http: httpx.AsyncClient) -> list[str]:
        found = (await http.get("/zendesk/webhooks")).raise_for_status().json()
        return [webhook["signing_secret"] for webhook in found]

    async def troubles(self, http: httpx.AsyncClient) -> Counter[str]:
        told = (await http.get("/zendesk/calls")).raise_for_status().json()
        endings = Counter(call["status"] for call in told["calls"])
        return Counter(
            {str(status or "no answer"): count for status, count in endings.items() if status is None or status >= 400}
        )


HELPDESKS: Mapping[str, Desk] = {desk.name: desk for desk in (Zendesk(),)}
