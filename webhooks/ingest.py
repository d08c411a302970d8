"""What does Meta get for an answer? Raw ASGI: cap, signature, split, commit, and only then 200."""

from collections.abc import Sequence

from starlette.types import Receive, Scope, Send

from bridge.store.database import StoreUnavailable
from webhooks.asgi import (
    BodyTooLarge,
    ClientGone,
    read_body,
    read_header,
    respond,
    respond_too_large,
    respond_unavailable,
    respond_wrong_method,
)
from webhooks.bell import Bell
from webhooks.envelope import NotJson, refused, split
from webhooks.group_commit import GroupCommit, QueueFull
from webhooks.metrics import EdgeMetrics, Outcome
from webhooks.signatures import InvalidHandshake, InvalidSignature, verify_handshake, verify_meta

_NAME = "whatsapp"


class WhatsAppWebhook:
    """`GET` and `POST /webhooks/whatsapp` (fact sheet WhatsApp 1.1 to 1.4).

    `app_secrets` is looked at on every request, so a list that changes is followed.
    """

    def __init__(
        self,
        *,
        app_secrets: Sequence[str],
        verify_token: str,
        group_commit: GroupCommit,
        bell: Bell,
        metrics: EdgeMetrics,
    ) -> None:
        self._app_secrets = app_secrets
        self._verify_token = verify_token
        self._group_commit = group_commit
        self._bell = bell
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await self._take_events(scope, receive, send)
        elif scope["method"] == "GET":
            await self._shake_hands(scope, send)
        else:
            self._count(Outcome.WRONG_METHOD)
            await respond_wrong_method(send, allowed=b"GET, POST")

    async def _shake_hands(self, scope: Scope, send: Send) -> None:
        try:
            challenge = verify_handshake(scope["query_string"], verify_token=self._verify_token)
        except InvalidHandshake:
            self._count(Outcome.HANDSHAKE_REFUSED)
            await respond(send, 403, b"forbidden")
            return
        self._count(Outcome.HANDSHAKE)
        await respond(send, 200, challenge.encode())

    async def _take_events(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            raw = await read_body(scope, receive)
            body = verify_meta(raw, read_header(scope, b"x-hub-signature-256"), self._app_secrets)
        except BodyTooLarge:
            self._count(Outcome.TOO_LARGE)
            await respond_too_large(send)
            return
        except ClientGone:
            self._count(Outcome.CLIENT_GONE)
            return
        except InvalidSignature:
            self._count(Outcome.BAD_SIGNATURE)
            await respond(send, 401, b"invalid signature")
            return
        readable = True
        try:
            items = split(body)
        except NotJson:
            readable = False
            items = [refused(body)]
        try:
            await self._group_commit.keep(items)
        except (StoreUnavailable, QueueFull) as exc:
            self._count(Outcome.OVERLOADED if isinstance(exc, QueueFull) else Outcome.UNAVAILABLE)
            await respond_unavailable(send)
            return
        self._metrics.count_items(items)
        if not readable:
            self._count(Outcome.UNREADABLE)
            await respond(send, 400, b"not JSON")
            return
        if items:
            self._bell.ring_soon()
        self._count(Outcome.KEPT)
        await respond(send, 200)

    def _count(self, outcome: Outcome) -> None:
        self._metrics.count_request(_NAME, outcome)
