"""What differs between the helpdesks that a story may run on? Names and paths; the stories themselves do not.

Tests speak of `helpdesk.…` switches and `/helpdesk/…` paths of the control API; the sandbox hears them by its name.
"""

import base64
import hmac
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx

EXPORT_DELAY_SECONDS = 2.0
_MARK = re.compile(r"\u00b7 wa-[a-z2-7]{8}$")


class Desk(ABC):
    """A helpdesk as the sandbox plays it."""

    name: str
    account: ClassVar[Mapping[str, str]]
    baseline: ClassVar[Mapping[str, Any]] = {}
    """Switches that are never at their defaults here, so that polling is quick."""
    quiet: Sequence[str]
    """Calls that no story is about, as patterns of `METHOD /path`."""
    make_requester: str
    ticket_fields: float

    def setup(self, *, url: str) -> Mapping[str, str]:
        """What the sandbox is told of the account. `url`: our web part."""
        del url
        return self.account

    @abstractmethod
    def environ(self, sandbox_url: str) -> dict[str, str]:
        """The account as an operator configures it."""

    @abstractmethod
    def write(self, ticket_id: int) -> str:
        """The call that adds a comment."""

    @abstractmethod
    def read(self, ticket_id: int) -> str:
        """The call that reads comments."""

    def is_from(self, requester_id: int, comment: Mapping[str, Any]) -> bool:
        """Whether the customer speaks in a public comment."""
        return bool(comment["author_id"] == requester_id)

    @abstractmethod
    def is_ours(self, comment: Mapping[str, Any]) -> bool:
        """Whether a private note is the bridge's."""

    @abstractmethod
    def headers_of_ring(self, raw: bytes, *, sandbox_url: str, age_seconds: float) -> Mapping[str, str]:
        """What makes a ring the helpdesk's own."""

    def is_quiet(self, call: str) -> bool:
        return any(re.match(pattern, call) for pattern in self.quiet)


class ZendeskDesk(Desk):
    name = "zendesk"
    account: ClassVar = {
        "oauth_client_id": "deskbridge",
        "oauth_client_secret": "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592",
        "plan": "high_volume",
    }
    baseline: ClassVar = {"zendesk.export_delay_seconds": EXPORT_DELAY_SECONDS}
    quiet = (r"\w+ /incremental", r"\w+ /oauth")
    make_requester = "POST /users"
    ticket_fields = 2.0

    def environ(self, sandbox_url: str) -> dict[str, str]:
        return {
            "ZENDESK_URL": f"{sandbox_url}/zendesk",
            "ZENDESK_OAUTH_CLIENT_ID": self.account["oauth_client_id"],
            "ZENDESK_OAUTH_CLIENT_SECRET": self.account["oauth_client_secret"],
        }

    def write(self, ticket_id: int) -> str:
        return f"PUT /tickets/{ticket_id}"

    def read(self, ticket_id: int) -> str:
        return f"GET /tickets/{ticket_id}/comments"

    def is_ours(self, comment: Mapping[str, Any]) -> bool:
        return "deskbridge" in comment["custom"]

    def headers_of_ring(self, raw: bytes, *, sandbox_url: str, age_seconds: float) -> Mapping[str, str]:
        """Signed with the secret of the webhook that `doctor --fix` made."""
        made = httpx.get(f"{sandbox_url}/sandbox/api/zendesk/webhooks").raise_for_status().json()
        clock = httpx.get(f"{sandbox_url}/sandbox/api/clock").raise_for_status().json()
        stamp = (datetime.fromisoformat(clock["now"]) - timedelta(seconds=age_seconds)).isoformat()
        digest = hmac.digest(made[0]["signing_secret"].encode(), stamp.encode() + raw, "sha256")
        return {
            "X-Zendesk-Webhook-Signature": base64.b64encode(digest).decode(),
            "X-Zendesk-Webhook-Signature-Timestamp": stamp,
        }


class FreshdeskDesk(Desk):
    name = "freshdesk"
    account: ClassVar = {
        "api_key": "fl0wT3stK3y0123456789",
        "webhook_secret": "9a3d1c5e7f20486b8d9e0a1b2c3d4e5f",
        "plan": "unlimited",
    }
    quiet = (r"GET /tickets$", r"GET /agents/", r"GET /contacts$")
    make_requester = "POST /contacts"
    ticket_fields = 0.0

    def setup(self, *, url: str) -> Mapping[str, str]:
        return {**self.account, "webhook_url": f"{url}/webhooks/freshdesk"}

    def environ(self, sandbox_url: str) -> dict[str, str]:
        return {
            "FRESHDESK_URL": f"{sandbox_url}/freshdesk",
            "FRESHDESK_API_KEY": self.account["api_key"],
            "FRESHDESK_WEBHOOK_SECRET": self.account["webhook_secret"],
        }

    def write(self, ticket_id: int) -> str:
        return f"POST /tickets/{ticket_id}/notes"

    def read(self, ticket_id: int) -> str:
        return f"GET /tickets/{ticket_id}/conversations"

    def is_from(self, requester_id: int, comment: Mapping[str, Any]) -> bool:
        """An account may not let anybody write as a contact: then it is incoming all the same."""
        del requester_id
        return bool(comment["incoming"])

    def is_ours(self, comment: Mapping[str, Any]) -> bool:
        return bool(_MARK.search(comment["plain_body"]))

    def headers_of_ring(self, raw: bytes, *, sandbox_url: str, age_seconds: float) -> Mapping[str, str]:
        del raw, sandbox_url, age_seconds  # nothing is signed
        return {"X-Deskbridge-Secret": self.account["webhook_secret"]}


class HttpDesk(Desk):
    name = "http"
    account: ClassVar = {
        "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "token": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    }
    baseline: ClassVar = {"http.ring_retry_scale": 0.2}
    quiet = (r"ASK /(?:changes|ping)$",)
    make_requester = "POST /requesters"
    ticket_fields = 0.0

    def setup(self, *, url: str) -> Mapping[str, str]:
        return {**self.account, "api_url": f"{url}/webhooks/http"}

    def environ(self, sandbox_url: str) -> dict[str, str]:
        return {
            "HTTP_DESK_URL": f"{sandbox_url}/http/events",
            "HTTP_DESK_SECRET": self.account["secret"],
            "HTTP_DESK_TOKEN": self.account["token"],
            "HTTP_DESK_ASKS": "on",
        }

    def write(self, ticket_id: int) -> str:
        return f"POST /tickets/{ticket_id}/comments"

    def read(self, ticket_id: int) -> str:
        return f"ASK /tickets/{ticket_id}/comments"

    def is_ours(self, comment: Mapping[str, Any]) -> bool:
        return "event_id" in comment["custom"]

    def headers_of_ring(self, raw: bytes, *, sandbox_url: str, age_seconds: float) -> Mapping[str, str]:
        del raw, sandbox_url, age_seconds  # a token speaks for it
        return {"Authorization": f"Bearer {self.account['token']}"}


DESKS: Mapping[str, Desk] = {desk.name: desk for desk in (ZendeskDesk(), FreshdeskDesk(), HttpDesk())}


def spelt(value: Any, desk: Desk) -> Any:
    """`helpdesk` in a switch's or a path's name as this helpdesk's own name."""
    return json.loads(json.dumps(value).replace('"helpdesk.', f'"{desk.name}.'))
