"""What does the soak need to know of a helpdesk? One value for each that the sandbox plays."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tests.flow.desks import DESKS, Desk
from tests.soak.ledger import Comment, Ticket

CLOSED = frozenset({"solved", "closed"})


@dataclass(frozen=True, slots=True)
class SandboxDesk:
    """The agents' side of a sandbox: `http` is its control API."""

    desk: Desk

    @property
    def name(self) -> str:
        """Also the prefix of its fault switches."""
        return self.desk.name

    @property
    def plan(self) -> str:
        """The vendor's plan on which limits play no part."""
        return self.desk.account["plan"]

    def account(self, plan: str, *, url: str) -> dict[str, Any]:
        """What `POST /setup` takes, with the vendor's plan of that name. `url`: our web part."""
        return {**self.desk.setup(url=url), "plan": plan}

    def environ(self, sandbox_url: str) -> dict[str, str]:
        """How the bridge reaches it."""
        return {"DESKBRIDGE_HELPDESK": self.name, **self.desk.environ(sandbox_url)}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be readable in what the bridge keeps."""
        return tuple(value for name, value in self.desk.account.items() if name.endswith(("_secret", "_key")))

    async def tickets(self, http: httpx.AsyncClient) -> list[tuple[int, str]]:
        """(ticket id, requester's name) of every ticket, oldest first."""
        found = (await http.get(f"/{self.name}/tickets", params={"limit": 100_000})).raise_for_status().json()
        return sorted((row["id"], row["requester_name"] or "") for row in found)

    async def comment(self, http: httpx.AsyncClient, ticket_id: int, *, text: str, public: bool) -> bool:
        """An agent writes; False when the helpdesk did not take it (its limits)."""
        answer = await http.post(f"/{self.name}/tickets/{ticket_id}/comments", json={"text": text, "public": public})
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            return False
        answer.raise_for_status()
        return True

    async def look(
        self, http: httpx.AsyncClient, ticket_id: int, *, customer: int | None, to_real: Callable[[float], float]
    ) -> Ticket:
        """One ticket whole."""
        seen = (await http.get(f"/{self.name}/tickets/{ticket_id}")).raise_for_status().json()
        comments = tuple(
            Comment(
                id=comment["id"],
                text=comment["plain_body"],
                public=comment["public"],
                by_requester=self.desk.is_from(seen["requester_id"], comment),
                ours=self.desk.is_ours(comment),
                at_seconds=to_real(datetime.fromisoformat(comment["created_at"]).timestamp()),
            )
            for comment in seen["comments"]
        )
        return Ticket(id=ticket_id, customer=customer, open=seen["status"] not in CLOSED, comments=comments)

    async def user_names(self, http: httpx.AsyncClient) -> list[str]:
        """The names of all end users."""
        found = (await http.get(f"/{self.name}/users", params={"role": "end-user"})).raise_for_status().json()
        return [user["name"] for user in found if user["active"]]

    async def ring_secrets(self, http: httpx.AsyncClient) -> list[str]:
        """The secrets of the webhooks that were made, where it makes them."""
        found = (await http.get(f"/{self.name}/webhooks")).raise_for_status().json()
        return [webhook["signing_secret"] for webhook in found if "signing_secret" in webhook]

    async def troubles(self, http: httpx.AsyncClient) -> Counter[str]:
        """How many of the bridge's latest calls ended how, but for those that went well."""
        told = (await http.get(f"/{self.name}/calls")).raise_for_status().json()
        endings = Counter(call["status"] for call in told["calls"])
        return Counter(
            {str(status or "no answer"): count for status, count in endings.items() if status is None or status >= 400}
        )


HELPDESKS: Mapping[str, SandboxDesk] = {name: SandboxDesk(desk) for name, desk in DESKS.items()}
