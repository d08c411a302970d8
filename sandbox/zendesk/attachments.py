"""How do files come in and go out? Uploads with single-use tokens, attachments by URL (fact sheet Zendesk 4)."""

import base64
import secrets
import struct
from datetime import datetime, timedelta
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox.zendesk import oauth
from sandbox.zendesk.account import Account
from sandbox.zendesk.calls import Call, Endpoint
from sandbox.zendesk.wire import (
    Answer,
    Record,
    RefusalError,
    invalid_attribute,
    iso,
    not_found,
    record_invalid,
)

MOST_BYTES = 50 * 1024 * 1024
UPLOAD_LIFE = timedelta(minutes=60)
HIDDEN = frozenset({"token", "data"})


def upload(account: Account, call: Call) -> Answer:
    """`POST /uploads?filename=` with raw bytes; `token` adds a file to an earlier upload."""
    name = call.query.get("filename")
    if not name:
        raise invalid_attribute("Parameter filename is required")
    content_type = call.request_headers.get("content-type", "")
    if not content_type:
        raise RefusalError(415, {"error": "UnsupportedMediaType", "description": "Content-Type is required"})
    if len(call.raw) > MOST_BYTES:
        raise RefusalError(413, {"error": "AttachmentTooLarge", "description": "The file is larger than 50 MB"})
    if not call.raw:
        raise record_invalid("base", "Attachment: cannot be empty", "BlankValue")
    allowed = {part.strip().lower() for part in account.faults.text("allowed_file_types").split(",") if part.strip()}
    if allowed and name.rpartition(".")[2].lower() not in allowed:
        raise RefusalError(
            int(account.faults.number("refused_file_type_status")),
            {"error": "AttachmentFileTypeNotAllowed", "description": "The file type is not allowed"},
        )
    token = call.query.get("token") or secrets.token_urlsafe(24)
    kept = account.store.uploads.get(token)
    if kept is None:
        if call.query.get("token"):
            raise record_invalid("token", "Upload token: is invalid", "InvalidValue")
        expires_at = iso(account.clock.now() + UPLOAD_LIFE)
        kept = account.store.uploads[token] = {"expires_at": expires_at, "attachment_ids": []}
    attachment = keep(account, name=name, content_type=content_type.partition(";")[0].strip(), data=call.raw)
    kept["attachment_ids"].append(attachment["id"])
    return Answer(
        {
            "upload": {
                "token": token,
                "expires_at": kept["expires_at"],
                "attachment": shown(attachment),
                "attachments": [shown(account.store.attachments[one]) for one in kept["attachment_ids"]],
            }
        },
        status=201,
    )


def discard(account: Account, call: Call) -> Answer:
    """`DELETE /uploads/{token}`."""
    kept = account.store.uploads.pop(call.path[0], None)
    if kept is None:
        raise not_found()
    for attachment_id in kept["attachment_ids"]:
        gone = account.store.attachments.pop(attachment_id)
        del account.store.attachment_ids[gone["token"]]
    return Answer(status=204)


def show(account: Account, call: Call) -> Answer:
    """`GET /attachments/{id}`."""
    attachment = account.store.attachments.get(call.number())
    if attachment is None:
        raise not_found()
    return Answer({"attachment": shown(attachment)})


def keep(account: Account, *, name: str, content_type: str, data: bytes, inline: bool = False) -> Record:
    """A new attachment that nothing refers to yet."""
    token = secrets.token_urlsafe(24)
    url = f"{account.url}/attachments/token/{token}/?name={quote(name)}"
    width, height = _png_size(data)
    attachment: Record = {
        "id": account.store.next_id(),
        "file_name": name,
        "content_type": content_type,
        "size": len(data),
        "inline": inline,
        "content_url": url,
        "mapped_content_url": url,
        "malware_scan_result": account.faults.text("scan_result"),
        "malware_access_override": False,
        "deleted": False,
        "width": width,
        "height": height,
        "thumbnails": [],
        "token": token,
        "data": base64.b64encode(data).decode(),
    }
    account.store.attachments[attachment["id"]] = attachment
    account.store.attachment_ids[token] = attachment["id"]
    return attachment


def shown(attachment: Record) -> Record:
    """An attachment as answers show it."""
    return {name: value for name, value in attachment.items() if name not in HIDDEN}


def check_tokens(account: Account, tokens: object) -> list[str]:
    """The upload tokens of a comment. Raises a 422 for one that was used, is over or never was."""
    wanted = tokens if isinstance(tokens, list) else [tokens] if isinstance(tokens, str) else []
    for token in wanted:
        kept = account.store.uploads.get(token)
        if kept is None or datetime.fromisoformat(kept["expires_at"]) < account.clock.now():
            raise record_invalid("uploads", "Uploads: token is invalid or was used", "InvalidValue")
    return [str(token) for token in wanted]


def consume(account: Account, tokens: list[str]) -> list[Record]:
    """The attachments behind upload tokens, which end here."""
    return [
        account.store.attachments[attachment_id]
        for token in tokens
        for attachment_id in account.store.uploads.pop(token)["attachment_ids"]
    ]


async def download(account: Account, request: Request) -> Response:
    """`GET /attachments/token/{token}/`: the bytes; with private attachments after a redirect, and only for staff."""
    attachment = account.store.attachments.get(account.store.attachment_ids.get(request.path_params["token"], 0))
    if attachment is None:
        return Response("Not found", 404, media_type="text/plain")
    if attachment["malware_scan_result"] == "malware_found" and not attachment["malware_access_override"]:
        return Response("Malware found", 403, media_type="text/plain")
    if account.faults.is_on("private_attachments") and "content" not in request.query_params:
        try:
            user = oauth.caller(account, request.headers.get("authorization"))
        except RefusalError as refusal:
            return Response("Unauthorized", refusal.status, media_type="text/plain")
        if user is None:
            return Response("Unauthorized", 401, media_type="text/plain")
        return RedirectResponse(f"{attachment['content_url']}&content=1", 302)
    return Response(
        base64.b64decode(attachment["data"]),
        media_type=attachment["content_type"],
        headers={"Content-Disposition": f"attachment; filename*=utf-8''{quote(attachment['file_name'])}"},
    )


def _png_size(data: bytes) -> tuple[int | None, int | None]:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        return None, None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


ENDPOINTS = [
    Endpoint("POST", "uploads", upload, binary=True),
    Endpoint("DELETE", "uploads/{text}", discard),
    Endpoint("GET", "attachments/{id}", show),
]
