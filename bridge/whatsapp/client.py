"""How do we speak to the Cloud API? One phone number of one business account; one request per call, no retry."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import httpx

from bridge.domain.identity import recipient_of
from bridge.domain.model import Bsuid, PhoneNumberId, WaId, Wamid
from bridge.whatsapp.failures import LimitScope, error_for_read, error_for_send
from bridge.whatsapp.payloads import Payload
from bridge.whatsapp.usage import CallUsage, read_usage
from bridge.whatsapp.wire import Part, part_of, read_code
from connectors.client import call, stream
from connectors.errors import OutcomeUnknown, RateLimited, RemoteFailure, RetryLater

API_VERSION = "v26.0"
"""The newest that this was written for."""
CALL_TIMEOUT_SECONDS = 20.0
"""What the caller builds the client with; whatever waits for a lost answer counts from here."""

UPLOAD_SECONDS = 180.0
"""The whole of an upload, of 100 MB at most; each step within `CALL_TIMEOUT_SECONDS`."""
_LONGEST_WAIT_SECONDS = 3600.0
USAGE_COUNTS_SECONDS = 300.0
"""What an answer said of call limits is old after that."""
_REDIRECTS = 2


@dataclass(frozen=True, slots=True)
class Accepted:
    """Meta took the message, no more than that. `wa_id` may differ from the number dialled (fact sheet 8.1)."""

    wamid: Wamid = field(repr=False)
    wa_id: WaId | None = field(repr=False)
    bsuid: Bsuid | None = field(repr=False)
    is_held: bool = False
    """A template that Meta holds back for its quality assessment (fact sheet 4.5)."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file that Meta keeps. `url` is good for five minutes; the rest is what Meta says of it, where it does."""

    url: str = field(repr=False)
    mime_type: str | None
    sha256: str | None = field(repr=False)
    size_bytes: int | None


class CloudApi:
    """`client` comes from `connectors.client.remote_client` and outlives this object.

    Every call may raise any `connectors.errors.RemoteFailure`.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        phone_number_id: PhoneNumberId,
        waba_id: str,
        token: str,
        api_version: str = API_VERSION,
    ) -> None:
        self._client = client
        self._version = api_version
        self._phone_number_id = phone_number_id
        self._waba_id = waba_id
        self._token = token
        self._usage = CallUsage()
        self._usage_at = float("-inf")

    async def send(
        self, payload: Payload, *, to_wa_id: str | None, to_bsuid: str | None, key: str, quote: Wamid | None = None
    ) -> Accepted:
        """Send one message, to the number where one is known (fact sheet 2.1, 8.3), as an answer to `quote`.

        `key` comes back in every status webhook. Raises `WindowClosedByMeta` for 131047, and `OutcomeUnknown` when
        no readable verdict came: there is no idempotency key, so it must not be repeated blindly.
        """
        message: dict[str, object] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **_recipient(to_wa_id, to_bsuid),
            **payload,
            "biz_opaque_callback_data": key,
        }
        if quote is not None:
            message["context"] = {"message_id": quote}
        response = await call(
            self._client,
            "POST",
            self._url(self._phone_number_id, "messages"),
            safe=False,
            json=message,
            headers=_bearer(self._token),
        )
        answer = _json(response)
        if not response.is_success:
            raise _refusal(response, answer, sending=True)
        sent = next(iter(answer.parts("messages")), Part())
        accepted = sent.text("id")
        if accepted is None:
            raise OutcomeUnknown("unreadable")
        contact = next(iter(answer.parts("contacts")), Part())
        wa_id, user_id = contact.text("wa_id"), contact.text("user_id")
        return Accepted(
            wamid=Wamid(accepted),
            wa_id=WaId(wa_id) if wa_id else None,
            bsuid=Bsuid(user_id) if user_id else None,
            is_held=sent.text("message_status") == "held_for_quality_assessment",
        )

    async def find_media(self, media_id: str) -> MediaFile:
        """Where a file is to be had now (fact sheet 2.5). Raises `Permanent` for one that Meta has not (any more).

        No look-up counts towards the limits of management calls, as far as is known (fact sheet 5.5, unconfirmed).
        """
        answer = await self._read("GET", media_id, params={"phone_number_id": self._phone_number_id})
        url = answer.text("url")
        if url is None:
            raise RetryLater("unreadable")
        size = answer.number("file_size")
        return MediaFile(
            url=url,
            mime_type=answer.text("mime_type"),
            sha256=answer.text("sha256"),
            size_bytes=None if size is None else int(size),
        )

    @contextlib.asynccontextmanager
    async def download(self, url: str, *, total_seconds: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """The content behind a file's address, piece by piece. Raises `RetryLater` for everything that goes wrong:
        with a fresh address it may work.

        The token goes to the address that Meta named and to no other (fact sheet 2.5).
        """
        headers = _bearer(self._token)
        async with asyncio.timeout(total_seconds), contextlib.AsyncExitStack() as stack:
            for _ in range(_REDIRECTS + 1):
                if not self._is_safe(url):
                    raise RetryLater("unsafe_address")
                # Nothing is unpacked: what is small on the way stays small here.
                wish = {"Accept-Encoding": "identity", **headers}
                response, pieces = await stack.enter_async_context(stream(self._client, "GET", url, headers=wish))
                if response.is_success and "content-encoding" not in response.headers:
                    yield pieces
                    return
                target = response.headers.get("location") if response.is_redirect else None
                if target is None:
                    raise RetryLater(f"http_{response.status_code}")
                url, headers = urljoin(url, target), {}
            raise RetryLater("redirected")

    def _is_safe(self, url: str) -> bool:
        """Encrypted, wherever Meta itself is spoken to so."""
        return url.startswith("https://") or (url.startswith("http://") and self._client.base_url.scheme == "http")

    async def mark_read(self, wamid: str) -> None:
        """Show the customer that this message was read, and all before it (fact sheet 2.4). Harmless to repeat."""
        await self._read(
            "POST",
            self._phone_number_id,
            "messages",
            json={"messaging_product": "whatsapp", "status": "read", "message_id": wamid},
        )

    async def upload(self, content: AsyncIterable[bytes], *, size_bytes: int, mime_type: str) -> str:
        """Give Meta a file to send, in pieces. Returns its id there, good for 30 days at this number (fact sheet 2.5).

        Harmless to repeat: an id that is never used is forgotten. Raises `Permanent` for a file that Meta does not
        take, and what `content` raises.
        """
        boundary = secrets.token_hex(16)
        head = _form_head(boundary, mime_type)
        tail = f"\r\n--{boundary}--\r\n".encode()

        async def body() -> AsyncIterator[bytes]:
            yield head
            async for piece in content:
                yield piece
            yield tail

        answer = await self._read(
            "POST",
            self._phone_number_id,
            "media",
            total_seconds=UPLOAD_SECONDS,
            content=body(),
            more_headers={
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Content-Length": str(len(head) + size_bytes + len(tail)),
            },
        )
        media_id = answer.text("id")
        if media_id is None:
            raise RetryLater("unreadable")
        return media_id

    async def debug_token(self) -> Mapping[str, object]:
        """What Meta knows of our token: `is_valid`, `expires_at`, `scopes`, `app_id` (fact sheet 7.1)."""
        answer = await self._read("GET", "debug_token", params={"input_token": self._token})
        return answer.part("data").members

    async def phone_number(self, fields: Sequence[str]) -> Mapping[str, object]:
        """Our number (fact sheet 7.3, 7.4)."""
        return (await self._read("GET", self._phone_number_id, params={"fields": ",".join(fields)})).members

    async def waba(self, fields: Sequence[str]) -> Mapping[str, object]:
        """Our business account (fact sheet 7.2, 7.4)."""
        return (await self._read("GET", self._waba_id, params={"fields": ",".join(fields)})).members

    async def number_settings(self) -> Mapping[str, object]:
        """How Meta handles our number's messages (fact sheet 7.8)."""
        return (await self._read("GET", self._phone_number_id, "settings")).members

    async def subscribed_apps(self) -> list[Mapping[str, object]]:
        """The apps that get the account's webhooks; without ours nothing arrives (fact sheet 7.5)."""
        answer = await self._read("GET", self._waba_id, "subscribed_apps")
        return [app.members for app in answer.parts("data")]

    async def subscribe_app(self) -> None:
        """Subscribe the app that the token belongs to. Harmless to repeat."""
        await self._read("POST", self._waba_id, "subscribed_apps")

    async def app_subscriptions(self, app_id: str, app_secret: str) -> list[Mapping[str, object]]:
        """The app's webhooks: `object`, `callback_url`, `active`, `fields` (fact sheet 7.5)."""
        answer = await self._read("GET", app_id, "subscriptions", token=f"{app_id}|{app_secret}")
        return [subscription.members for subscription in answer.parts("data")]

    async def set_app_subscription(
        self, app_id: str, app_secret: str, *, callback_url: str, verify_token: str, fields: Sequence[str]
    ) -> None:
        """Point the app's webhooks at `callback_url`. Meta asks it for the handshake before this returns."""
        await self._read(
            "POST",
            app_id,
            "subscriptions",
            token=f"{app_id}|{app_secret}",
            data={
                "object": "whatsapp_business_account",
                "callback_url": callback_url,
                "verify_token": verify_token,
                "fields": ",".join(fields),
            },
        )

    async def forget_contact(self, bsuid: str) -> None:
        """Strike somebody off Meta's contact book of our number (fact sheet 7.9). Harmless to repeat."""
        params = {"messaging_product": "whatsapp", "bsuid": bsuid}
        await self._read("DELETE", self._phone_number_id, "contact_book", params=params)

    async def _read(
        self,
        method: str,
        *path: str,
        token: str | None = None,
        more_headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> Part:
        """A call that may be repeated without harm; the set-up calls are of this kind as well."""
        if path[0] == self._waba_id or path == (self._phone_number_id,):
            await self._keep_to_call_limits()
        response = await call(
            self._client,
            method,
            self._url(*path),
            safe=True,
            headers={**_bearer(token or self._token), **(more_headers or {})},
            **request,
        )
        usage = read_usage(response.headers)
        if usage is not None:
            self._usage, self._usage_at = usage, time.monotonic()
        answer = _json(response)
        if not response.is_success:
            raise _refusal(response, answer, sending=False)
        if not answer:
            raise RetryLater("unreadable")
        return answer

    async def _keep_to_call_limits(self) -> None:
        """Calls that manage the account slow down before Meta refuses them. Raises `RateLimited`."""
        since = time.monotonic() - self._usage_at
        if since < self._usage.regain_seconds:
            raise RateLimited(LimitScope.ACCOUNT, after_seconds=self._usage.regain_seconds - since)
        if since < USAGE_COUNTS_SECONDS:
            await asyncio.sleep(self._usage.pause_seconds)

    def _url(self, *path: str) -> str:
        return "/".join((f"/{self._version}", *path))


def _recipient(wa_id: str | None, bsuid: str | None) -> dict[str, str]:
    chosen = recipient_of(wa_id=wa_id, bsuid=bsuid)
    if chosen.to is not None:
        # Without the plus Meta would put the country code of our own number in front.
        return {"to": f"+{chosen.to}"}
    return {"recipient": chosen.recipient or ""}


def _form_head(boundary: str, mime_type: str) -> bytes:
    """A form up to where the file's content begins. The name is not the file's: that is told with the message."""
    fields = {"messaging_product": "whatsapp", "type": mime_type}
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    disposition = 'Content-Disposition: form-data; name="file"; filename="file"'
    return f"{''.join(lines)}--{boundary}\r\n{disposition}\r\nContent-Type: {mime_type}\r\n\r\n".encode()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _json(response: httpx.Response) -> Part:
    try:
        return part_of(response.json())
    except (ValueError, RecursionError):
        return Part()


def _refusal(response: httpx.Response, answer: Part, *, sending: bool) -> RemoteFailure:
    verdict = error_for_send if sending else error_for_read
    return verdict(
        read_code(answer.part("error")), http_status=response.status_code, after_seconds=_retry_after(response)
    )


def _retry_after(response: httpx.Response) -> float | None:
    wish = response.headers.get("Retry-After", "").strip()
    return min(float(wish), _LONGEST_WAIT_SECONDS) if wish.isascii() and wish.isdecimal() else None
