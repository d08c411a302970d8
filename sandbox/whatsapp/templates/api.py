"""Template management as HTTP (fact sheet WhatsApp 4.6): list, read, create, edit, delete, archive, uploads."""

import base64
import binascii
import secrets
from typing import Any

import orjson
from starlette.requests import Request

from sandbox.answers import Json
from sandbox.whatsapp.errors import RefusedError
from sandbox.whatsapp.faults import WhatsAppFaults
from sandbox.whatsapp.templates.desk import TemplateDesk
from sandbox.whatsapp.templates.records import Template

DEFAULT_FIELDS = "name,parameter_format,components,language,status,category,id"
FILTERS = ("name", "name_or_content", "language", "status", "category", "quality_score")
UPLOAD_TYPES = ("image/jpeg", "image/png", "video/mp4", "application/pdf")


class TemplateApi:
    """Answers under `/graph/v{N}.0/{WABA_ID}/message_templates` and `/{TEMPLATE_ID}`. All raise RefusedError."""

    def __init__(self, *, desk: TemplateDesk, faults: WhatsAppFaults) -> None:
        self._desk = desk
        self._faults = faults

    def find(self, template_id: str) -> Template | None:
        """A template that is not deleted."""
        self._desk.settle()
        template = self._desk.shelf.templates.get(template_id)
        return None if template is None or template.status == "DELETED" else template

    def list_page(self, waba_id: str, asked: dict[str, str]) -> Json:
        self._desk.settle()
        if unknown := sorted(set(asked) - {"fields", "limit", "after", "before", "summary", "access_token", *FILTERS}):
            raise RefusedError(100, f"Unexpected parameter {unknown[0]}.")
        found = [one for one in self._desk.shelf.of(waba_id) if _matches(one, asked)]
        limit = asked.get("limit", "25")
        most = int(self._faults.number("template_page_limit"))
        if not limit.isdecimal() or int(limit) < 1:
            raise RefusedError(100, "limit must be a number from 1 on.")
        size = min(int(limit), most)
        start = self._start(found, asked.get("after"))
        page = found[start : start + size]
        body: dict[str, Any] = {"data": [self._described(one, asked.get("fields", DEFAULT_FIELDS)) for one in page]}
        if page:
            body["paging"] = {"cursors": {"before": _cursor(page[0]), "after": _cursor(page[-1])}}
            if start + size < len(found):
                query = "&".join(f"{key}={value}" for key, value in asked.items() if key not in ("after", "limit"))
                body["paging"]["next"] = (
                    f"https://graph.facebook.com/v26.0/{waba_id}/message_templates?{query}&limit={size}"
                    f"&after={_cursor(page[-1])}"
                )
        if "summary" in asked:
            body["summary"] = {
                "total_count": len(found),
                "message_template_count": len(self._desk.shelf.of(waba_id)),
                "message_template_limit": int(self._faults.number("template_limit")),
                "are_translations_complete": True,
            }
        return Json(body)

    def _start(self, found: list[Template], after: str | None) -> int:
        if after is None:
            return 0
        try:
            key = base64.urlsafe_b64decode(after.encode()).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise RefusedError(131059, "The cursor is not valid.") from error
        places = [place for place, one in enumerate(found) if one.id == key]
        if not places:
            raise RefusedError(131059, "The cursor is not valid any more.")
        return places[0] + 1

    def read(self, template: Template, fields: str | None) -> Json:
        return Json(self._described(template, fields or DEFAULT_FIELDS))

    async def create(self, waba_id: str, request: Request) -> Json:
        template = self._desk.create(waba_id, await _json_object(request))
        return Json({"id": template.id, "status": template.status, "category": template.category})

    async def edit(self, template: Template, request: Request) -> Json:
        self._desk.edit(template, await _json_object(request))
        answer = {"success": True}
        return Json(answer)

    def delete(self, waba_id: str, asked: dict[str, str]) -> Json:
        if "hsm_ids" in asked:
            if "name" in asked or "hsm_id" in asked:
                raise RefusedError(100, "hsm_ids cannot be combined.")
            return self._delete_many(waba_id, asked["hsm_ids"])
        if "name" not in asked:
            raise RefusedError(100, "The parameter name is required.")
        found = [one for one in self._desk.shelf.of(waba_id) if one.name == asked["name"]]
        if "hsm_id" in asked:
            found = [one for one in found if one.id == asked["hsm_id"]]
        if not found:
            raise RefusedError(100, "There is no such template.", subcode=2593002)
        for template in found:
            self._desk.delete(template)
        return Json({"success": True})

    def _delete_many(self, waba_id: str, written: str) -> Json:
        try:
            ids = [str(one) for one in orjson.loads(written)]
        except (orjson.JSONDecodeError, TypeError) as error:
            raise RefusedError(100, "hsm_ids must be a list of ids.") from error
        found = [one for one in self._desk.shelf.of(waba_id) if one.id in ids]
        if not 1 <= len(ids) <= 100 or len(found) < len(set(ids)):
            raise RefusedError(100, "hsm_ids must name 1 to 100 templates of the account.")
        for template in found:
            self._desk.delete(template)
        return Json({"success": True})

    def unpause(self, template: Template) -> Json:
        self._desk.unpause(template)
        return Json({"success": True})

    async def archive(self, waba_id: str, request: Request, *, back: bool) -> Json:
        ids = (await _json_object(request)).get("template_ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 100:
            raise RefusedError(100, "template_ids must be a list of 1 to 100 ids.")
        mine = {one.id: one for one in self._desk.shelf.of(waba_id)}
        done = [one for one in map(str, ids) if one in mine and self._desk.archive(mine[one], back=back)]
        failed = {one: "The template cannot be moved." for one in map(str, ids) if one not in done}
        return Json({"unarchived_templates" if back else "archived_templates": done, "failed_templates": failed})

    # --- sample files

    def open_upload(self, asked: dict[str, Any]) -> Json:
        """`POST /{APP_ID}/uploads`."""
        kind, size = str(asked.get("file_type", "")), str(asked.get("file_length", ""))
        if kind not in UPLOAD_TYPES or not size.isdecimal() or not asked.get("file_name"):
            raise RefusedError(100, "file_name, file_length and a file_type that templates take are required.")
        session = f"upload:{secrets.token_urlsafe(24)}"
        self._desk.shelf.uploads[session] = kind
        return Json({"id": session})

    async def upload(self, session: str, request: Request) -> Json:
        """`POST /upload:…` with the bytes."""
        kind = self._desk.shelf.uploads.get(session)
        if kind is None or request.headers.get("file_offset") != "0" or not await request.body():
            raise RefusedError(100, "The upload needs its session, file_offset: 0 and bytes.")
        handle = f"4::{base64.b64encode(kind.encode()).decode()}:{secrets.token_urlsafe(24)}"
        self._desk.shelf.uploads[handle] = kind
        return Json({"h": handle})

    def _described(self, template: Template, fields: str) -> dict[str, Any]:
        node: dict[str, Any] = {
            "id": template.id,
            "name": template.name,
            "language": template.language,
            "status": template.status,
            "category": template.category,
            "parameter_format": template.parameter_format,
            "components": template.components,
            "rejected_reason": template.rejected_reason,
            "quality_score": {"score": template.quality, "date": int(template.quality_at)},
            "previous_category": template.previous_category or None,
            "correct_category": template.correct_category or None,
            "message_send_ttl_seconds": template.message_send_ttl_seconds,
            "rejection_info": template.rejection_info,
            "sub_category": None,
            "cta_url_link_tracking_opted_out": None,
        }
        wanted = [name.strip() for name in fields.split(",") if name.strip()]
        if unknown := [name for name in wanted if name not in node]:
            raise RefusedError(100, f"Tried accessing nonexisting field ({unknown[0]}).")
        return {name: node[name] for name in wanted if node[name] is not None} | {"id": node["id"]}


def _cursor(template: Template) -> str:
    return base64.urlsafe_b64encode(template.id.encode()).decode()


def _matches(template: Template, asked: dict[str, str]) -> bool:
    for name in FILTERS:
        wanted = asked.get(name)
        if wanted is None:
            continue
        if name == "name":
            fits = wanted in template.name
        elif name == "name_or_content":
            fits = wanted in template.name or any(wanted in str(one.get("text", "")) for one in template.components)
        elif name == "quality_score":
            fits = template.quality == wanted
        else:
            fits = str(getattr(template, name)) == wanted
        if not fits:
            return False
    return True


async def _json_object(request: Request) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise RefusedError(100, "The content type must be application/json.")
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise RefusedError(100, "Invalid JSON.") from error
    if not isinstance(body, dict):
        raise RefusedError(100, "The body must be a JSON object.")
    return body
