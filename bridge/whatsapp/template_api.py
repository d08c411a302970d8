"""How do we manage templates at Meta (fact sheet WhatsApp 4.6)? One request per call, no retry.

What Meta says of a refused creation or edit is for whoever wrote the template, so it is kept in Meta's words.
"""

from dataclasses import dataclass, field
from typing import Any

import httpx

from bridge.whatsapp.client import API_VERSION
from bridge.whatsapp.failures import error_for_read, error_for_send
from bridge.whatsapp.wire import Part, part_of, read_code
from connectors.client import call
from connectors.errors import OutcomeUnknown, Permanent, RemoteFailure, RetryLater
from templates_registry.model import Category, Content, Draft, ParameterFormat, RemoteTemplate, TemplateStatus
from templates_registry.wire import (
    LIST_FIELDS,
    read_category,
    read_status,
    read_template,
    write_components,
    write_draft,
)

PAGE_SIZE = 100
BAD_CURSOR = 131059
_MOST_PAGES = 400
"""Of 100 templates each, or of 25 where Meta gives no more: well beyond the quota of 6,000."""
_WORDS_LENGTH = 500
_REASONS = {
    2388040: "a text is too long",
    2388047: "the header is not formatted as it must be",
    2388072: "the body is not formatted as it must be",
    2388073: "the footer is not formatted as it must be",
    2388293: "there are too many variables for so little text",
    2388299: "a variable stands at the start or the end of the body",
    2388019: "the account has as many templates as it may have",
    2388039: "this template cannot be edited now",
}


class TemplateRefused(Permanent):
    """Meta does not take it as it is. `words` says why: ours for a code that we know, and Meta's own."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code)
        self.words = words


@dataclass(frozen=True, slots=True)
class Listing:
    """Every template of the account. `strange`: rows that name no template; `quota` where Meta tells it."""

    templates: list[RemoteTemplate] = field(repr=False)
    strange: int
    quota: int | None


@dataclass(frozen=True, slots=True)
class Created:
    """Meta has it, and decided on `category`, which may differ from what was asked for (fact sheet 4.2)."""

    remote_id: str
    status: TemplateStatus
    category: Category | None


class TemplateApi:
    """`client` comes from `connectors.client.remote_client` and outlives this object.

    Every call may raise any `connectors.errors.RemoteFailure`.
    """

    def __init__(self, client: httpx.AsyncClient, *, waba_id: str, token: str, api_version: str = API_VERSION) -> None:
        self._client = client
        self._version = api_version
        self._token = token
        self.waba_id = waba_id

    async def list_all(self) -> Listing:
        """Page by page until there is no next one. A cursor that went bad meanwhile is begun anew, once."""
        try:
            return await self._list()
        except Permanent as refusal:
            if refusal.code != str(BAD_CURSOR):
                raise
            return await self._list()

    async def _list(self) -> Listing:
        found: dict[str, RemoteTemplate] = {}
        strange, quota, after = 0, None, None
        for _ in range(_MOST_PAGES):
            asked = {"fields": ",".join(LIST_FIELDS), "limit": str(PAGE_SIZE), "summary": "message_template_limit"}
            answer = await self._read("GET", self.waba_id, "message_templates", params=asked | _cursor(after))
            for row in answer.parts("data"):
                remote = read_template(row.members)
                if remote is None:
                    strange += 1
                else:
                    found[remote.id] = remote
            limit = answer.part("summary").number("message_template_limit")
            quota = quota if limit is None else int(limit)
            paging = answer.part("paging")
            # The next page's address is Meta's own, whatever stands in between: only its cursor is used.
            after = paging.part("cursors").text("after")
            if paging.text("next") is None or after is None:
                return Listing(list(found.values()), strange, quota)
        raise RetryLater("paging has no end")

    async def read(self, remote_id: str) -> RemoteTemplate | None:
        """One template; None where Meta has none of that id (any more)."""
        try:
            answer = await self._read("GET", remote_id, params={"fields": ",".join(LIST_FIELDS)})
        except Permanent:
            return None
        return read_template(answer.members)

    async def create(self, draft: Draft) -> Created:
        """Raises `TemplateRefused`, and `OutcomeUnknown` where the next listing must tell whether Meta has it."""
        answer = await self._write("POST", self.waba_id, "message_templates", json=write_draft(draft))
        remote_id = answer.text("id")
        if remote_id is None:
            raise OutcomeUnknown("unreadable")
        return Created(remote_id, read_status(answer.text("status")), read_category(answer.text("category")))

    async def edit(
        self,
        remote_id: str,
        *,
        content: Content,
        parameter_format: ParameterFormat,
        category: Category | None,
        send_ttl_seconds: int | None,
    ) -> None:
        """Replaces every component. `category` None leaves it. Raises as `create`."""
        body: dict[str, Any] = {"components": write_components(content, parameter_format)}
        if category is not None:
            body["category"] = category.value
        if send_ttl_seconds is not None:
            body["message_send_ttl_seconds"] = send_ttl_seconds
        await self._write("POST", remote_id, json=body)

    async def delete(self, *, name: str, remote_id: str | None) -> None:
        """One language, or with `remote_id` None every language. Harmless to repeat but for the answer."""
        asked = {"name": name} | ({} if remote_id is None else {"hsm_id": remote_id})
        await self._write("DELETE", self.waba_id, "message_templates", params=asked)

    async def unpause(self, remote_id: str) -> None:
        await self._write("POST", remote_id, "unpause")

    async def upload_sample(self, file_name: str, mime_type: str, content: bytes) -> str:
        """A sample for reviewers, in the two steps of the Resumable Upload API. Returns its handle.

        The second step's authorisation is spelled `OAuth`, as the fact sheet has it (details unconfirmed).
        """
        told = await self._read("GET", "debug_token", params={"input_token": self._token})
        app_id = told.part("data").text("app_id")
        if app_id is None:
            raise RetryLater("the token names no app")
        asked = {"file_name": file_name, "file_length": str(len(content)), "file_type": mime_type}
        session = (await self._write("POST", app_id, "uploads", params=asked)).text("id")
        if session is None:
            raise OutcomeUnknown("unreadable")
        headers = {"Authorization": f"OAuth {self._token}", "file_offset": "0"}
        url = f"/{self._version}/{session}"
        response = await call(self._client, "POST", url, safe=False, content=content, headers=headers)
        answer = _json(response)
        handle = answer.text("h")
        if not response.is_success or handle is None:
            raise _refusal(answer.part("error"), http_status=response.status_code)
        return handle

    async def _read(self, method: str, *path: str, **request: Any) -> Part:
        response = await self._call(method, *path, safe=True, **request)
        answer = _json(response)
        if not response.is_success:
            raise error_for_read(read_code(answer.part("error")), http_status=response.status_code, after_seconds=None)
        if not answer:
            raise RetryLater("unreadable")
        return answer

    async def _write(self, method: str, *path: str, **request: Any) -> Part:
        response = await self._call(method, *path, safe=False, **request)
        answer = _json(response)
        if response.is_success:
            return answer
        raise _refusal(answer.part("error"), http_status=response.status_code)

    async def _call(self, method: str, *path: str, safe: bool, **request: Any) -> httpx.Response:
        url = "/".join((f"/{self._version}", *path))
        headers = {"Authorization": f"Bearer {self._token}"}
        return await call(self._client, method, url, safe=safe, headers=headers, **request)


def _cursor(after: str | None) -> dict[str, str]:
    return {} if after is None else {"after": after}


def _json(response: httpx.Response) -> Part:
    try:
        return part_of(response.json())
    except (ValueError, RecursionError):
        return Part()


def _refusal(error: Part, *, http_status: int) -> RemoteFailure:
    """Code 100 with the reason in the subcode, or the reason as the code itself (which form is current is
    unconfirmed: both are looked at)."""
    code, subcode = read_code(error), error.number("error_subcode")
    failure = error_for_send(code, http_status=http_status)
    reason = _REASONS.get(int(subcode) if subcode is not None else 0) or _REASONS.get(code or 0)
    is_unlisted_subcode = code is not None and 2_388_000 <= code < 2_389_000
    if not (isinstance(failure, Permanent) or reason or is_unlisted_subcode):
        return failure
    told = error.text("error_user_msg") or error.part("error_data").text("details") or error.text("message") or ""
    words = ": ".join(part for part in (reason, " ".join(told.split())[:_WORDS_LENGTH]) if part)
    name = str(int(subcode)) if subcode is not None else str(code or http_status)
    return TemplateRefused(name, words or f"Meta gives no reason (code {name})")
