"""What does a helpdesk get for an answer? Raw ASGI: cap, verify, keep "ticket N changed", and only then 200.

A ring carries no content, what changed is read from the helpdesk itself; unless that cannot be asked, and tells it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import orjson
from starlette.types import Receive, Scope, Send

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.store.database import StoreUnavailable
from webhooks.asgi import (
    BodyTooLarge,
    ClientGone,
    read_body,
    respond,
    respond_too_large,
    respond_unavailable,
    respond_wrong_method,
)
from webhooks.bell import Bell
from webhooks.envelope import refused
from webhooks.group_commit import GroupCommit, QueueFull
from webhooks.metrics import EdgeMetrics, Outcome
from webhooks.signatures import InvalidSignature, VerifiedBody

_PREFIX = "/webhooks/"


class UnreadableRing(Exception):
    """Signed, and yet it names no ticket. `reason` is the answer."""

    def __init__(self, reason: str = "no ticket named") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Ring:
    """A ticket changed; `comment_id` where the helpdesk says which comment it was. `told`: all of it, as JSON."""

    ticket_id: str
    comment_id: str | None = None
    told: Mapping[str, Any] | None = field(default=None, repr=False)


class RingReader(Protocol):
    """What knows one helpdesk's signature and where its payloads name the ticket."""

    @property
    def name(self) -> str:
        """The helpdesk's name, the last part of the path."""

    def read(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Ring:
        """Header names are lower case. Raises `InvalidSignature` first, `UnreadableRing` only for signed bodies."""


class HelpdeskWebhook:
    """`POST /webhooks/{helpdesk}` for the helpdesks that are configured; 404 for every other."""

    def __init__(
        self,
        *,
        readers: Mapping[str, RingReader],
        now: Callable[[], datetime],
        group_commit: GroupCommit,
        bell: Bell,
        metrics: EdgeMetrics,
    ) -> None:
        self._readers = readers
        self._now = now
        self._group_commit = group_commit
        self._bell = bell
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = self._readers.get(scope["path"].removeprefix(_PREFIX))
        if reader is None:
            self._metrics.count_request("other", Outcome.UNKNOWN_HELPDESK)
            await respond(send, 404, b"no such helpdesk")
        elif scope["method"] != "POST":
            self._metrics.count_request(reader.name, Outcome.WRONG_METHOD)
            await respond_wrong_method(send, allowed=b"POST")
        else:
            await self._take_ring(reader, scope, receive, send)

    async def _take_ring(self, reader: RingReader, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {str(name, "latin-1"): str(value, "latin-1") for name, value in scope["headers"]}
        body, reason = b"", ""
        try:
            body = await read_body(scope, receive)
            ring: Ring | None = reader.read(headers=headers, body=body, now=self._now())
        except BodyTooLarge:
            self._metrics.count_request(reader.name, Outcome.TOO_LARGE)
            await respond_too_large(send)
            return
        except ClientGone:
            self._metrics.count_request(reader.name, Outcome.CLIENT_GONE)
            return
        except InvalidSignature:
            self._metrics.count_request(reader.name, Outcome.BAD_SIGNATURE)
            await respond(send, 401, b"invalid signature")
            return
        except UnreadableRing as unreadable:
            ring, reason = None, unreadable.reason
        item = refused(VerifiedBody(body), source=reader.name) if ring is None else _item_of(ring, reader.name)
        try:
            await self._group_commit.keep([item])
        except (StoreUnavailable, QueueFull) as exc:
            outcome = Outcome.OVERLOADED if isinstance(exc, QueueFull) else Outcome.UNAVAILABLE
            self._metrics.count_request(reader.name, outcome)
            await respond_unavailable(send)
            return
        self._metrics.count_items([item])
        if ring is None:
            self._metrics.count_request(reader.name, Outcome.UNREADABLE)
            await respond(send, 400, reason.encode())
            return
        self._bell.ring_soon()
        self._metrics.count_request(reader.name, Outcome.KEPT)
        await respond(send, 200)


def _item_of(ring: Ring, helpdesk: str) -> InboxItem:
    named = {"ticket_id": ring.ticket_id, "comment_id": ring.comment_id}
    event_key = f"ring:{helpdesk}:{ring.ticket_id}:{ring.comment_id or ''}"
    if ring.told is not None:
        # Its own kind of key: a ring that only names the comment must not take its place.
        event_key = f"told:{helpdesk}:{ring.ticket_id}:{ring.comment_id or ring.told.get('status') or 'moved'}"
    return InboxItem(
        kind=InboxKind.RING,
        channel=helpdesk,
        event_key=event_key,
        shard_key=f"ticket:{ring.ticket_id}",
        body=orjson.dumps(named if ring.told is None else {**named, "told": ring.told}),
        position=0,
        source=helpdesk,
    )
