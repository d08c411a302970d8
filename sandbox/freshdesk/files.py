"""How do files come in and go out? Multipart alone, 20 MB a ticket, signed addresses that expire (fact sheet 5)."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from sandbox.freshdesk.account import Account
from sandbox.freshdesk.calls import Call, Endpoint
from sandbox.freshdesk.multipart import Part
from sandbox.freshdesk.wire import Answer, Record, invalid, not_found, problem

MOST_BYTES_PER_TICKET = 20 * 1024 * 1024


def check_room(account: Account, files: Sequence[Part], *, used_bytes: int) -> None:
    """Raises the refusal of files that take a ticket beyond its 20 MB; its code is unconfirmed."""
    if used_bytes + sum(len(part.data) for part in files) > MOST_BYTES_PER_TICKET:
        status = int(account.faults.text("too_large_status"))
        raise invalid([problem("attachments", "It should not exceed 20 MB", "invalid_size")], status=status)


def keep(account: Account, part: Part, *, inline: bool = False) -> Record:
    """A new file that nothing refers to yet."""
    now = account.now_iso()
    attachment: Record = {
        "id": account.store.next_id(),
        "name": part.filename or "file",
        "content_type": part.content_type,
        "size": len(part.data),
        "created_at": now,
        "updated_at": now,
        "_inline": inline,
        "_data": base64.b64encode(part.data).decode(),
    }
    account.store.attachments[attachment["id"]] = attachment
    return attachment


def attachments_shown(account: Account, owner: Record) -> list[Record]:
    """The files of a ticket or conversation, each with an address that is good from now on for a while."""
    return [
        {
            "id": kept["id"],
            "name": kept["name"],
            "content_type": kept["content_type"],
            "size": kept["size"],
            "attachment_url": address(account, kept),
            "thumb_url": None,
            "created_at": kept["created_at"],
            "updated_at": kept["updated_at"],
        }
        for attachment_id in owner["_attachment_ids"]
        if (kept := account.store.attachments.get(attachment_id)) is not None
    ]


def address(account: Account, attachment: Record) -> str:
    """A signed address at the storage, good for `attachment_url_seconds`."""
    life_seconds = account.faults.number("attachment_url_seconds")
    expires = int(account.clock.timestamp() + life_seconds)
    signature = _signature(account, f"{attachment['id']}:{expires}")
    name = quote(attachment["name"], safe="")
    return f"{account.url}/storage/{attachment['id']}/{name}?expires={expires}&signature={signature}"


def inline_address(account: Account, attachment: Record) -> str:
    """The address of an image inside a body; it does not expire (fact sheet Freshdesk 5, unconfirmed form)."""
    return f"{account.url}/inline/attachment?token={attachment['id']}.{_signature(account, str(attachment['id']))}"


async def download(account: Account, request: Request) -> Response:
    """`GET /storage/…`: the bytes, for a valid signature and nobody who also shows an API key."""
    if "authorization" in request.headers and account.faults.is_on("attachment_refuses_authorization"):
        text = "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
        return Response(text, 400, media_type="application/xml")
    attachment_id, expires = request.path_params["id"], request.query_params.get("expires", "")
    signature = request.query_params.get("signature", "")
    valid = hmac.compare_digest(signature, _signature(account, f"{attachment_id}:{expires}"))
    attachment = account.store.attachments.get(attachment_id)
    if attachment is None or not valid or int(expires) < account.clock.timestamp():
        text = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
        return Response(text, 403, media_type="application/xml")
    return _bytes_of(attachment)


async def download_inline(account: Account, request: Request) -> Response:
    """`GET /inline/attachment?token=`."""
    number, _, signature = request.query_params.get("token", "").partition(".")
    attachment = account.store.attachments.get(int(number)) if number.isdigit() else None
    if attachment is None or not hmac.compare_digest(signature, _signature(account, number)):
        return Response(status_code=404)
    return _bytes_of(attachment)


def delete(account: Account, call: Call) -> Answer:
    """`DELETE /attachments/{id}`."""
    if account.store.attachments.pop(call.path[0], None) is None:
        raise not_found()
    return Answer(status=204)


def _bytes_of(attachment: Record) -> Response:
    disposition = f"attachment; filename*=utf-8''{quote(attachment['name'])}"
    return Response(
        base64.b64decode(attachment["_data"]),
        media_type=attachment["content_type"],
        headers={"Content-Disposition": disposition},
    )


def _signature(account: Account, text: str) -> str:
    return hmac.new(account.store.storage_secret.encode(), text.encode(), hashlib.sha256).hexdigest()


ENDPOINTS = [Endpoint("DELETE", "attachments/{id}", delete)]
