"""How does a business fetch the files of its customers? By id for an address, by the address for bytes (fact sheet
WhatsApp 2.5): the address lives five minutes, the id seven days, and both want the token."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.answers import Json
from sandbox.clock import SandboxClock
from sandbox.whatsapp.errors import RefusedError
from sandbox.whatsapp.faults import WhatsAppFaults
from sandbox.whatsapp.media import Media, MediaStore
from sandbox.whatsapp.people import Account

INBOUND_LIFE_SECONDS = 7 * 86400.0
ADDRESS_LIFE_SECONDS = 300.0
MOST_BYTES = 100 * 1024 * 1024
_BLOCK = 64 * 1024


class MediaApi:
    """`GET` and `DELETE /{media-id}`, and the addresses that lead to bytes."""

    def __init__(self, *, store: MediaStore, faults: WhatsAppFaults, clock: SandboxClock) -> None:
        self._store = store
        self._faults = faults
        self._clock = clock
        self._addresses: dict[str, tuple[str, float]] = {}

    def find(self, media_id: str) -> Media | None:
        """A file that has not expired."""
        return self._store.find(media_id, now=self._clock.timestamp())

    def show(self, request: Request, media: Media, holder: Account, accounts: dict[str, Account]) -> Response:
        """What is known of a file, with an address for five minutes. Raises RefusedError 100/33 for one that is gone,
        or somebody else's."""
        if not self._may_see(media, holder, accounts) or self._faults.take("media_gone_next"):
            raise RefusedError(100, "Object with that ID does not exist, or its media was deleted.", subcode=33)
        named = request.query_params.get("phone_number_id")
        if named is not None and named != media.phone_number_id:
            raise RefusedError(100, "The media does not belong to this phone number.", subcode=33)
        if request.method == "DELETE":
            self._store.path(media).unlink(missing_ok=True)
            del self._store.kept[media.id]
            return Json({"success": True})
        size = media.file_size + int(self._faults.number("media_size_lie_bytes"))
        return Json(
            {
                "messaging_product": "whatsapp",
                "url": self.address(str(request.base_url), media),
                "mime_type": media.mime_type,
                "sha256": media.sha256,
                "file_size": str(size) if self._faults.on("media_size_as_text") else size,
                "id": media.id,
            }
        )

    def _may_see(self, media: Media, holder: Account, accounts: dict[str, Account]) -> bool:
        owner = accounts.get(media.phone_number_id)
        return owner is not None and owner.access_token == holder.access_token

    def address(self, base_url: str, media: Media) -> str:
        """Where the bytes are for the next five minutes."""
        now = self._clock.timestamp()
        self._addresses = {token: kept for token, kept in self._addresses.items() if kept[1] > now}
        token = secrets.token_urlsafe(24)
        self._addresses[token] = (media.id, now + ADDRESS_LIFE_SECONDS)
        return f"{base_url.rstrip('/')}/graph/lookaside/whatsapp_business/attachments/?mid={media.id}&hash={token}"

    def routes(self, user_of: Callable[[Request], Account], accounts: dict[str, Account]) -> list[Route]:
        """The addresses themselves."""

        async def download(request: Request) -> Response:
            if slow := self._faults.number("media_slow_seconds"):
                await asyncio.sleep(slow)
            agent = request.headers.get("user-agent", "")
            if self._faults.on("media_wants_user_agent") and (not agent or agent.startswith("python")):
                return Response("Sorry, this content is not available", 403, media_type="text/plain")
            try:
                holder = user_of(request)
            except RefusedError:
                return Response("Unauthorized", 401, media_type="text/plain")
            media_id, expires_at = self._addresses.get(request.query_params.get("hash", ""), ("", 0.0))
            media = self.find(media_id)
            is_known = media is not None and expires_at > self._clock.timestamp()
            if media is None or not is_known or not self._may_see(media, holder, accounts):
                return Response("Not found", 404, media_type="text/plain")
            if self._faults.take("media_download_fails_next"):
                return Response("Not found", 404, media_type="text/plain")
            headers = {"content-length": str(media.file_size)}
            if self._faults.take("media_cut_next"):
                return StreamingResponse(self._half(media), headers=headers, media_type=media.mime_type)
            if self._faults.on("media_never_ends"):
                return StreamingResponse(_endless(), media_type=media.mime_type)
            return StreamingResponse(_blocks(self._store.path(media)), headers=headers, media_type=media.mime_type)

        return [Route("/lookaside/whatsapp_business/attachments/", download, methods=["GET"])]

    async def _half(self, media: Media) -> AsyncIterator[bytes]:
        with self._store.path(media).open("rb") as file:
            yield file.read(media.file_size // 2)
        raise ConnectionResetError  # the server closes the connection: fewer bytes came than were promised

    def described(self, base_url: str, media: Media, *, claimed_type: str, more: dict[str, Any]) -> dict[str, Any]:
        """The object of a media message in a webhook (fact sheet WhatsApp 1.6.2)."""
        told: dict[str, Any] = {
            "id": media.id,
            "mime_type": claimed_type,
            "sha256": base64.b64encode(bytes.fromhex(media.sha256)).decode(),
            **more,
        }
        if not self._faults.on("omit_media_url"):
            told["url"] = self.address(base_url, media)
        return told


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(_BLOCK)
        await asyncio.sleep(0)
