"""What else do customers do, and the owner of a number that lives in the WhatsApp Business app too? Files, edits,
deletions, calls, and messages written on the phone (fact sheet WhatsApp 1.6.2, 1.12, 1.13)."""

import secrets
import tempfile
from typing import Any, BinaryIO, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.answers import Json, object_of
from sandbox.clock import SandboxClock
from sandbox.whatsapp.errors import webhook_error
from sandbox.whatsapp.faults import WhatsAppFaults
from sandbox.whatsapp.media import MediaStore, plain_type
from sandbox.whatsapp.media_api import INBOUND_LIFE_SECONDS, MOST_BYTES, MediaApi
from sandbox.whatsapp.network import Network
from sandbox.whatsapp.people import Account, Book, Customer, Message
from sandbox.whatsapp.wamid import new_wamid

FILE_KINDS = ("image", "video", "audio", "document", "sticker")
EDITABLE_SECONDS = 15 * 60.0
REVOCABLE_SECONDS = 2 * 86400.0


class Acts:
    """Answers under `/sandbox/api/customers` for what is no plain message."""

    def __init__(
        self,
        *,
        accounts: dict[str, Account],
        book: Book,
        network: Network,
        faults: WhatsAppFaults,
        clock: SandboxClock,
        media: MediaStore,
        media_api: MediaApi,
    ) -> None:
        self._accounts = accounts
        self._book = book
        self._network = network
        self._faults = faults
        self._clock = clock
        self._media = media
        self._media_api = media_api

    def routes(self) -> list[Route]:
        """To be mounted under `/sandbox/api`."""
        return [
            Route("/customers/{id}/files", self._send_file, methods=["POST"]),
            Route("/customers/{id}/edit", self._edit, methods=["POST"]),
            Route("/customers/{id}/delete", self._delete, methods=["POST"]),
            Route("/customers/{id}/call", self._call, methods=["POST"]),
            Route("/customers/{id}/echoes", self._echo, methods=["POST"]),
        ]

    async def _send_file(self, request: Request) -> Response:
        """The body is the file; the query says `type`, and what goes with it: `caption`, `filename`, `voice`,
        `animated`, `mime_type` (what is claimed; else the Content-Type), `context` (a quoted wamid)."""
        customer, asked = self._customer(request), request.query_params
        kind = asked.get("type", "document")
        if kind not in FILE_KINDS:
            raise HTTPException(400, f"type is one of {', '.join(FILE_KINDS)}")
        account = self._account()
        claimed = asked.get("mime_type") or request.headers.get("content-type", "application/octet-stream")
        with tempfile.TemporaryFile() as file:
            size = 0
            async for chunk in request.stream():
                size += len(chunk)
                file.write(chunk)
            file.seek(0)
            content: dict[str, Any] = {"type": kind}
            if size > MOST_BYTES:
                content = {"type": "unsupported", "errors": [webhook_error(131052)], "unsupported": {"type": kind}}
            else:
                kept = self._media.keep(
                    cast(BinaryIO, file),
                    mime_type=plain_type(claimed),
                    phone_number_id=account.phone_number_id,
                    expires_at=self._clock.timestamp() + INBOUND_LIFE_SECONDS,
                )
                more: dict[str, Any] = {name: asked[name] for name in ("caption", "filename") if name in asked}
                if kind == "audio":
                    more["voice"] = asked.get("voice") == "true"
                if kind == "sticker":
                    more["animated"] = asked.get("animated") == "true"
                base_url = str(request.base_url)
                content[kind] = self._media_api.described(base_url, kept, claimed_type=claimed, more=more)
        message = self._network.write(account, customer, content, context=asked.get("context", ""))
        return Json({"wamid": message.wamid}, status=201)

    async def _edit(self, request: Request) -> Response:
        """`{"wamid", "text"}`: told as it is for a coexistence number, else as a message that cannot be shown."""
        customer, wish = self._customer(request), await object_of(request)
        original = self._own(customer, wish, within_seconds=EDITABLE_SECONDS)
        text = wish.get("text")
        if not isinstance(text, str) or not text:
            raise HTTPException(400, "give the new text")
        original.text = text
        changed = {"type": "text", "text": {"body": text}}
        if original.type in ("image", "video", "document"):
            changed = {"type": original.type, original.type: {**original.content[original.type], "caption": text}}
        content: dict[str, Any] = {"type": "edit", "edit": {"original_message_id": original.wamid, "message": changed}}
        if not self._faults.on("coexistence"):
            content = {"type": "unsupported", "errors": [webhook_error(131051)], "unsupported": {"type": "edit"}}
        return Json({"wamid": self._tell(customer, content)}, status=201)

    async def _delete(self, request: Request) -> Response:
        """`{"wamid"}`: told for a coexistence number alone."""
        customer, wish = self._customer(request), await object_of(request)
        original = self._own(customer, wish, within_seconds=REVOCABLE_SECONDS)
        original.text = "This message was deleted"
        if not self._faults.on("coexistence"):
            self._network.shown(customer)
            return Json({"wamid": None}, status=201)
        content = {"type": "revoke", "revoke": {"original_message_id": original.wamid}}
        return Json({"wamid": self._tell(customer, content)}, status=201)

    def _tell(self, customer: Customer, content: dict[str, Any]) -> str:
        return self._network.write(self._account(), customer, content, in_thread=False).wamid

    async def _call(self, request: Request) -> Response:
        """The customer calls, and nobody answers: `{"seconds"}` says how long it rang."""
        customer, wish = self._customer(request), await object_of(request)
        account, now = self._account(), int(self._clock.timestamp())
        call_id = f"wacid.{secrets.token_urlsafe(24)}"
        ends_at = now + int(wish.get("seconds", 20))
        common = {"id": call_id, "to": account.digits, "direction": "USER_INITIATED"}
        common["from_user_id"] = customer.user_id
        if not customer.hidden_number:
            common["from"] = customer.wa_id
        began = {**common, "event": "connect", "timestamp": str(now)}
        ended = {**common, "event": "terminate", "timestamp": str(ends_at), "status": "FAILED"}
        self._network.called(account, customer, [began, ended])
        return Json({"id": call_id}, status=201)

    async def _echo(self, request: Request) -> Response:
        """The owner writes to this customer on the phone: `text`, or `message` with its type."""
        customer, wish = self._customer(request), await object_of(request)
        if not self._faults.on("coexistence"):
            raise HTTPException(409, "the number is not in the WhatsApp Business app: switch whatsapp.coexistence on")
        content = wish.get("message", {"type": "text", "text": {"body": wish.get("text")}})
        if not isinstance(content, dict) or not isinstance(content.get("type"), str):
            raise HTTPException(400, 'give "text", or "message" with its "type"')
        account = self._account()
        wamid = self._network.echo(account, customer, content, new_wamid(customer.wa_id, outbound=True))
        return Json({"wamid": wamid}, status=201)

    def _customer(self, request: Request) -> Customer:
        customer = self._book.customers.get(request.path_params["id"])
        if customer is None:
            raise HTTPException(404, "there is no such customer")
        return customer

    def _account(self) -> Account:
        if not self._accounts:
            raise HTTPException(409, "no WhatsApp account is set up")
        return next(iter(self._accounts.values()))

    def _own(self, customer: Customer, wish: dict[str, Any], *, within_seconds: float) -> Message:
        message = self._book.messages.get(str(wish.get("wamid", "")))
        if message is None or message.customer != customer.id or message.direction != "in":
            raise HTTPException(404, "the customer did not write such a message")
        if self._clock.timestamp() - message.at > within_seconds:
            raise HTTPException(409, "it is too old for that")
        return message
