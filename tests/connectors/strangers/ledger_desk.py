"""A connector as somebody writes it who has read docs/connectors.md and nothing else: to the poorest helpdesk there is.

Ledger Desk keeps plain text in the API user's name. Nobody can write as the customer, nothing carries a reference, no
webhook comes, and an entry cannot be taken back. So who speaks, and which entry is ours, stands in the text.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx

from connectors.answers import Answer, no_verdict, unreadable
from connectors.client import call, remote_client
from connectors.configuration import InvalidConfiguration, Variable
from connectors.errors import NeedsOperator, Permanent, RateLimited, TicketUnwritable, UnsignedRing
from connectors.interface import (
    AuthorKind,
    Budget,
    Change,
    ChangePage,
    Comment,
    CommentDraft,
    CommentId,
    CommentWritten,
    Draw,
    EffectKey,
    HelpdeskLimits,
    RequesterDraft,
    RequesterId,
    RequesterRef,
    TicketDraft,
    TicketId,
    TicketStatus,
    TicketWritten,
)

CUSTOMER, BRIDGE = "Customer: ", "WhatsApp bridge: "
_MARK = re.compile(r"\n\[(\S{1,64})\]\Z")


class LedgerDesk:
    limits = HelpdeskLimits(
        comment_bytes=20_000,
        subject_characters=80,
        call_timeout_seconds=15.0,
        late_write_seconds=5.0,
        write_timeout_seconds=30.0,  # looking, then writing
    )

    def __init__(self, http: httpx.AsyncClient, budget: Budget) -> None:
        self._http, self._budget = http, budget

    async def _send(self, method: str, path: str, *, cause: str, safe: bool, **request: Any) -> Any:
        await self._budget.take(cause, [Draw("account", 60, 60)])
        response = await call(self._http, method, path, safe=safe, **request)
        answer = Answer(response.status_code, response.headers, response.content, safe=safe)
        if answer.status == 401:
            raise NeedsOperator("unauthorised", action="Set LEDGER_DESK_KEY anew.")
        if answer.status == 404 and path.startswith("/tickets/"):
            raise TicketUnwritable("gone")
        if answer.status == 429:
            wait_seconds = answer.retry_after_seconds or 60.0
            await self._budget.close("account", seconds=wait_seconds)
            raise RateLimited("account", after_seconds=wait_seconds)
        if answer.status >= 500:
            raise no_verdict(answer)
        if answer.status >= 300:
            raise Permanent(f"http_{answer.status}")
        try:
            return json.loads(answer.body)
        except ValueError:
            failure = unreadable(safe=safe)
        raise failure

    async def check(self) -> None:
        await self._send("GET", "/me", cause="check", safe=True)

    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        """An invented address keeps people apart: it is all that is unique there, and making it twice makes one."""
        name = draft.bsuid or f"wa:{draft.wa_id}"
        address = f"{hashlib.sha256(name.encode()).hexdigest()[:24]}@whatsapp.invalid"
        person = {"email": address, "name": draft.name or "WhatsApp"}
        made = await self._send("PUT", "/people", cause="requester", safe=True, json=person)
        return RequesterRef(RequesterId(str(made["id"])))

    def prepare_ticket(self, draft: TicketDraft, *, key: EffectKey) -> bytes:
        opened = {"person": draft.requester, "subject": draft.subject, "follows": draft.follows}
        return json.dumps({**opened, "first": json.loads(self.prepare_comment(draft.comment, key=key))}).encode()

    async def open_ticket(self, prepared: bytes, *, key: EffectKey, repeat: bool) -> TicketWritten:
        wish = json.loads(prepared)
        if repeat:
            asked = {"person": wish["person"]}
            for ticket in await self._send("GET", "/tickets", cause="open_ticket", safe=True, params=asked):
                if _key_of(ticket["first"]) == key:
                    return TicketWritten(TicketId(str(ticket["id"])), None, TicketStatus.OPEN)
        made = await self._send("POST", "/tickets", cause="open_ticket", safe=False, json=wish)
        return TicketWritten(TicketId(str(made["id"])), None, TicketStatus.OPEN)

    def prepare_comment(self, draft: CommentDraft, *, key: EffectKey) -> bytes:
        speaker = BRIDGE if draft.author is None else CUSTOMER
        entry = {"text": f"{speaker}{draft.text}\n[{key}]", "public": draft.public, "open": draft.reopen}
        return json.dumps(entry).encode()

    async def add_comment(
        self, ticket_id: TicketId, prepared: bytes, *, key: EffectKey, repeat: bool
    ) -> CommentWritten:
        path = f"/tickets/{ticket_id}/entries"
        if repeat:
            for entry in await self._send("GET", path, cause="add_comment", safe=True):
                if _key_of(entry["text"]) == key:
                    return CommentWritten(CommentId(str(entry["id"])), None)
        made = await self._send("POST", path, cause="add_comment", safe=False, content=prepared)
        return CommentWritten(CommentId(str(made["id"])), TicketStatus.OPEN if made["open"] else TicketStatus.SOLVED)

    async def comments_since(self, ticket_id: TicketId, since: datetime) -> Sequence[Comment]:
        path = f"/tickets/{ticket_id}/entries"
        entries = await self._send("GET", path, cause="comments_since", safe=True)
        return [comment for comment in map(_comment, entries) if comment.created_at >= since]

    async def changes_since(self, cursor: str | None, *, start: datetime) -> ChangePage:
        del start  # numbered from the beginning: the first reading shows more than is asked for, which is allowed
        asked = {"after": cursor or "0"}
        page = await self._send("GET", "/journal", cause="changes_since", safe=True, params=asked)
        changes = [Change(TicketId(str(one["ticket"])), CommentId(str(one["id"]))) for one in page["entries"]]
        return ChangePage(changes, str(page["last"]), end=not page["more"])


def _key_of(text: str) -> EffectKey | None:
    """Ours begin with who speaks; an agent who copies one does not."""
    found = _MARK.search(text) if text.startswith((CUSTOMER, BRIDGE)) else None
    return EffectKey(found[1]) if found else None


def _comment(entry: Mapping[str, Any]) -> Comment:
    key = _key_of(entry["text"])
    author = AuthorKind.STAFF
    if key is not None:
        author = AuthorKind.CUSTOMER if entry["text"].startswith(CUSTOMER) else AuthorKind.SYSTEM
    return Comment(
        id=CommentId(str(entry["id"])),
        created_at=datetime.fromisoformat(entry["at"]),
        public=entry["public"],
        author=author,
        html="",
        text=_MARK.sub("", entry["text"]),
        key=key,
    )


class Definition:
    variables = (
        Variable("LEDGER_DESK_URL", "address of the account", "Give the account's address."),
        Variable("LEDGER_DESK_KEY", "API key", "Ask whoever runs Ledger Desk."),
    )
    ticket_fields: frozenset[str] = frozenset()

    def check(self, environment: Mapping[str, str]) -> None:
        for variable in self.variables:
            if not environment.get(variable.name):
                raise InvalidConfiguration(variable.name, "is not set", mend=variable.mend)

    @contextlib.asynccontextmanager
    async def connect(
        self,
        environment: Mapping[str, str],
        *,
        budget: Budget,
        field_ids: Mapping[str, int],
        on_warning: Callable[[str], None],
    ) -> AsyncIterator[LedgerDesk]:
        del field_ids, on_warning
        self.check(environment)
        headers = {"X-Key": environment["LEDGER_DESK_KEY"], "Content-Type": "application/json"}
        async with remote_client(environment["LEDGER_DESK_URL"], timeout_seconds=15.0, headers=headers) as http:
            yield LedgerDesk(http, budget)

    def webhook_secrets(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        del environment
        return ()

    def read_ring(self, *, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Change:
        """Nobody rings: whoever does is a stranger."""
        del headers, body, secrets, now
        raise UnsignedRing("nobody rings")


DEFINITION = Definition()
