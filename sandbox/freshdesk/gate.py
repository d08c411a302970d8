"""What happens to a call around the work of its endpoint: faults, the key, limits, the form of the body, the log."""

import base64
import binascii
import hmac
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.freshdesk.account import Account
from sandbox.freshdesk.admin import own_agent
from sandbox.freshdesk.calls import Call, CallLog, Endpoint
from sandbox.freshdesk.multipart import Part, parts_of
from sandbox.freshdesk.schema import values_of_form
from sandbox.freshdesk.wire import (
    Answer,
    Record,
    RefusalError,
    access_denied,
    invalid,
    not_allowed,
    not_found,
    problem,
)
from sandbox.server import Cut

UPDATE_OF_A_TICKET = "PUT /tickets/{id}"
WRITES = frozenset({"POST", "PUT", "DELETE"})
VERSION = {"X-Freshdesk-Api-Version": "latest=v2; requested=v2"}


class Gate:
    """Every call of the vendor API goes through here. `sleep` waits real seconds."""

    def __init__(
        self,
        account: Account,
        endpoints: Sequence[Endpoint],
        *,
        log: CallLog,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._account = account
        self._log = log
        self._sleep = sleep
        self._paths: dict[int, list[tuple[tuple[str, ...], Endpoint]]] = defaultdict(list)
        for endpoint in endpoints:
            parts = tuple(endpoint.path.split("/"))
            self._paths[len(parts)].append((parts, endpoint))

    async def api(self, request: Request) -> Response:
        """Anything under `/api/v2`."""
        path = request.path_params["path"].rstrip("/")
        shown = f"/{path}"
        headers = dict(VERSION)
        endpoint, allowed, numbers = self._find(request.method, path)
        cost = 1 + (endpoint.include_cost * len(_includes(request)) if endpoint else 0)
        warnings: list[str] = []
        response: Response | None
        try:
            self._misbehave(f"{request.method} {shown}")
            agent = self._authenticate(request)
            sub_limit = endpoint.sub_limit if endpoint else None
            self._account.limits.call(headers, cost=cost, sub_limit=sub_limit)
            if self._counts("rate_limited", f"{request.method} {shown}"):
                headers["X-Ratelimit-Remaining"] = "0"
                raise self._account.limits.refusal(1)
            self._check_account(request.method)
            if endpoint is None:
                raise not_allowed(request.method, allowed) if allowed else not_found()
            if endpoint.admin and not self._account.faults.is_on("key_is_admin"):
                raise access_denied()
            body, is_form, files = await self._read(request)
            call = Call(agent, numbers, request.query_params, body, is_form, files, warnings)
            response = await self._work(endpoint, call, f"{request.method} {shown}", headers)
        except RefusalError as refusal:
            warnings += [refusal.warning] if refusal.warning else []
            response = _refused(refusal, headers)
        name = endpoint.name if endpoint else f"{request.method} (unknown)"
        return self._answered(name, shown, response, warning="; ".join(warnings) or None, cost=cost)

    def _find(self, method: str, path: str) -> tuple[Endpoint | None, list[str], tuple[int, ...]]:
        """(endpoint, the methods that the path knows, the numbers in the path). Literal parts go before ids."""
        parts = path.split("/")
        found = [
            (pattern, endpoint)
            for pattern, endpoint in self._paths.get(len(parts), ())
            if all(
                known == part or (known == "{id}" and part.isdigit())
                for known, part in zip(pattern, parts, strict=True)
            )
        ]
        for pattern, endpoint in found:
            if endpoint.method == method:
                numbers = (int(part) for known, part in zip(pattern, parts, strict=True) if known == "{id}")
                return endpoint, [], tuple(numbers)
        return None, sorted({endpoint.method for _, endpoint in found}), ()

    def _counts(self, name: str, shown: str) -> bool:
        """Use up one of a counted fault's calls, when the fault is meant for this call."""
        only = self._account.faults.text("only")
        meant = only in shown if only else shown.partition(" ")[0] in WRITES
        return meant and self._account.faults.take(name)

    def _misbehave(self, shown: str) -> None:
        faults = self._account.faults
        if faults.is_on("down"):
            seconds = int(faults.number("down_retry_after_seconds"))
            headers = {"Retry-After": str(seconds)} if seconds else {}
            raise RefusalError(503, "<html><body><h1>503 Service Unavailable</h1></body></html>", headers=headers)
        if self._counts("server_error_next", shown):
            raise RefusalError(500, "<html><body><h1>We're sorry, but something went wrong.</h1></body></html>")

    def _authenticate(self, request: Request) -> Record:
        """The key's agent. The key is the user name; the password may be anything."""
        kind, _, coded = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(coded, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            given = ""
        key = self._account.setting("api_key") or ""
        revoked = self._account.faults.is_on("token_revoked")
        known = bool(key) and hmac.compare_digest(given.encode(), str(key).encode())
        if kind.lower() != "basic" or revoked or not known:
            message = "You have to be logged in to perform this action."
            raise RefusalError(401, {"code": "invalid_credentials", "message": message})
        return own_agent(self._account.store)

    def _check_account(self, method: str) -> None:
        if self._account.faults.is_on("account_suspended"):
            raise access_denied("account_suspended")
        if method in WRITES and self._account.faults.is_on("access_denied"):
            raise access_denied()

    async def _read(self, request: Request) -> tuple[Record, bool, list[Part]]:
        """(values, whether they came as a form, files)."""
        accepted = {part.partition(";")[0].strip() for part in request.headers.get("accept", "*/*").split(",")}
        if not accepted & {"application/json", "*/*"}:
            raise RefusalError(406)
        raw = await request.body()
        if not raw:
            return {}, False, []
        if request.method in {"GET", "DELETE"}:
            raise RefusalError(
                400, {"code": "no_content_required", "message": "No JSON data required."}, warning="a body on a read"
            )
        content_type = request.headers.get("content-type", "")
        if content_type.startswith("multipart/form-data"):
            parts = parts_of(content_type, raw)
            if parts is None:
                raise RefusalError(400, warning="a malformed form")
            values, files = values_of_form(parts)
            return values, True, files
        if not content_type.startswith("application/json"):
            message = f"Content-Type header is set to {content_type or 'nothing'}. It should be application/json"
            raise RefusalError(415, {"code": "invalid_content_type", "message": message}, warning="wrong content type")
        return _object(raw), False, []

    async def _work(self, endpoint: Endpoint, call: Call, shown: str, headers: dict[str, str]) -> Response | None:
        """Do the work, early or late; None when no answer is to be given."""
        faults = self._account.faults
        if endpoint.name == UPDATE_OF_A_TICKET and self._counts("conflict_next", shown):
            raise invalid([problem("id", "The ticket is being changed", "inconsistent_state")], status=409)
        if (seconds := faults.number("slow_seconds")) > 0:
            await self._sleep(seconds)
        late = self._counts("late_write_next", shown)
        if late:
            await self._sleep(faults.number("late_write_seconds"))
        try:
            response = _response(endpoint.handler(self._account, call), headers)
        except RefusalError as refusal:
            call.warnings += [refusal.warning] if refusal.warning else []
            response = _refused(refusal, headers)
        if late or self._counts("drop_answer", shown):
            return None
        if self._counts("late_answer_next", shown):
            await self._sleep(faults.number("late_answer_seconds"))
        return response

    def _answered(
        self, endpoint: str, path: str, response: Response | None, *, warning: str | None, cost: int
    ) -> Response:
        status = response.status_code if response is not None else None
        self._log.note(
            endpoint=endpoint,
            path=path,
            status=status,
            at=self._account.now_iso(),
            user_id=self._account.setting("api_agent_id"),
            warning=warning,
            cost=cost,
        )
        if not endpoint.startswith("GET "):
            self._account.notify("freshdesk")
        told = "no answer" if status is None else str(status)
        self._account.journal.record(
            source="deskbridge",
            target="freshdesk",
            summary=f"{endpoint.partition(' ')[0]} {path}: {told}",
            detail={"endpoint": endpoint, "status": status, "warning": warning},
        )
        return response if response is not None else Cut()


def _includes(request: Request) -> list[str]:
    return [part for part in request.query_params.get("include", "").split(",") if part.strip()]


def _object(raw: bytes) -> Record:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        message = "Request body has invalid json format."
        raise RefusalError(400, {"code": "invalid_json", "message": message}, warning="invalid JSON")
    return body


def _response(answer: Answer, headers: dict[str, str]) -> Response:
    both = {**headers, **answer.headers}
    if answer.body is None:
        return Response(b"", answer.status, both)
    return Response(orjson.dumps(answer.body), answer.status, both, "application/json; charset=utf-8")


def _refused(refusal: RefusalError, headers: dict[str, str]) -> Response:
    both = {**headers, **refusal.headers}
    if refusal.body is None:
        return Response(b"", refusal.status, both)
    if isinstance(refusal.body, str):
        return Response(refusal.body, refusal.status, both, "text/html")
    return Response(orjson.dumps(refusal.body), refusal.status, both, "application/json; charset=utf-8")
