"""What happens to a call around the work of its endpoint: faults, credentials, limits, idempotency, the log."""

import hashlib
import inspect
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.server import Cut
from sandbox.zendesk import oauth
from sandbox.zendesk.account import Account
from sandbox.zendesk.calls import Call, CallLog, Endpoint
from sandbox.zendesk.wire import Answer, Record, RefusalError, update_conflict

IDEMPOTENCY_SECONDS = 7_200
UPDATE_OF_A_TICKET = "PUT /tickets/{id}"
TOKENS = "POST /oauth/tokens"
VARIABLE = frozenset({"{id}", "{text}"})
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


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
        self._paths: dict[tuple[str, int], list[tuple[tuple[str, ...], Endpoint]]] = defaultdict(list)
        for endpoint in endpoints:
            parts = tuple(endpoint.path.split("/"))
            self._paths[endpoint.method, len(parts)].append((parts, endpoint))
        for candidates in self._paths.values():
            candidates.sort(key=lambda candidate: sum(part in VARIABLE for part in candidate[0]))

    async def tokens(self, request: Request) -> Response:
        """`POST /oauth/tokens`."""
        try:
            await self._misbehave_before(TOKENS)
            answer = await oauth.give_token(self._account, request)
        except RefusalError as refusal:
            return self._answered(TOKENS, "/oauth/tokens", None, _refused(refusal, {}))
        return self._answered(TOKENS, "/oauth/tokens", None, _response(answer, {}))

    async def api(self, request: Request) -> Response:
        """Anything under `/api/v2`."""
        path = request.path_params["path"].removesuffix(".json").rstrip("/")
        shown = f"/{path}"
        endpoint, variable = self._find(request.method, path)
        if endpoint is None:
            refusal = RefusalError(404, {"error": "InvalidEndpoint", "description": "Not found"})
            return self._answered(f"{request.method} (unknown)", shown, None, _refused(refusal, {}))
        headers: dict[str, str] = {}
        user: Record | None = None
        call: Call | None = None
        response: Response | None
        try:
            await self._misbehave_before(f"{request.method} {shown}")
            user = self._authenticate(endpoint, request, path)
            self._account.limits.account(headers)
            call = await self._read(endpoint, request, user, variable, headers)
            response = await self._work(endpoint, call, f"{request.method} {shown}")
        except RefusalError as refusal:
            response = _refused(refusal, headers)
        if response is not None and response.status_code == 404 and self._account.faults.is_on("not_found_empty_body"):
            response = Response(status_code=404, headers=headers)
        warning = _warning(endpoint, call)
        if response is not None and warning is not None:
            response.headers["X-Zendesk-API-Warn"] = warning
        user_id = user["id"] if user else None
        return self._answered(endpoint.name, shown, user_id, response, warning=warning)

    def _find(self, method: str, path: str) -> tuple[Endpoint | None, tuple[str, ...]]:
        parts = path.split("/")
        for pattern, endpoint in self._paths.get((method, len(parts)), ()):
            if all(
                known == part or (known == "{text}" and part) or (known == "{id}" and part.isdigit())
                for known, part in zip(pattern, parts, strict=True)
            ):
                return endpoint, tuple(part for known, part in zip(pattern, parts, strict=True) if known in VARIABLE)
        return None, ()

    def _counts(self, name: str, shown: str) -> bool:
        """Use up one of a counted fault's calls, when the fault is meant for this call."""
        only = self._account.faults.text("only")
        meant = only in shown if only else shown.partition(" ")[0] in WRITES
        return meant and self._account.faults.take(name)

    async def _misbehave_before(self, shown: str) -> None:
        faults = self._account.faults
        if faults.is_on("down"):
            seconds = int(faults.number("down_retry_after_seconds"))
            headers = {"Retry-After": str(seconds)} if seconds else {}
            raise RefusalError(503, "<html><body><h1>503 Service Unavailable</h1></body></html>", headers=headers)
        if self._counts("server_error_next", shown):
            raise RefusalError(500, "<html><body><h1>500 Internal Server Error</h1></body></html>")
        if self._counts("rate_limited", shown):
            raise self._account.limits.refusal(retry_after_seconds=1)

    def _authenticate(self, endpoint: Endpoint, request: Request, path: str) -> Record:
        header = request.headers.get("authorization")
        user = oauth.caller(self._account, header, method=request.method, path=path)
        if user is None:
            if endpoint.anonymous:
                return oauth.ANONYMOUS
            raise RefusalError(401, {"error": "Couldn't authenticate you"})
        endpoint.check_role(user)
        return user

    async def _read(
        self, endpoint: Endpoint, request: Request, user: Record, variable: tuple[str, ...], headers: dict[str, str]
    ) -> Call:
        raw = await request.body()
        body: Record = {}
        if raw and not endpoint.binary:
            if not request.headers.get("content-type", "").startswith("application/json"):
                raise RefusalError(415, {"error": "UnsupportedMediaType", "description": "Content-Type must be JSON"})
            body = _object(raw)
        return Call(user, variable, request.query_params, request.headers, raw, body, headers)

    async def _work(self, endpoint: Endpoint, call: Call, shown: str) -> Response | None:
        """Do the work, early or late; None when no answer is to be given."""
        faults = self._account.faults
        if endpoint.name == UPDATE_OF_A_TICKET and self._counts("conflict_next", shown):
            raise RefusalError(409, "") if faults.is_on("conflict_empty_body") else update_conflict()
        key = self._idempotency_key(endpoint, call)
        if key is not None and (replayed := self._replayed(key, call)) is not None:
            return replayed
        if (seconds := faults.number("slow_seconds")) > 0:
            await self._sleep(seconds)
        late = self._counts("late_write_next", shown)
        if late:
            await self._sleep(faults.number("late_write_seconds"))
        try:
            answer = endpoint.handler(self._account, call)
            response = _response(await answer if inspect.isawaitable(answer) else answer, call.headers)
        except RefusalError as refusal:
            response = _refused(refusal, call.headers)
        if key is not None:
            self._remember(key, call, response)
            response.headers["x-idempotency-lookup"] = "miss"
        if late or self._counts("drop_answer", shown):
            return None
        if self._counts("late_answer_next", shown):
            await self._sleep(faults.number("late_answer_seconds"))
        return response

    def _idempotency_key(self, endpoint: Endpoint, call: Call) -> str | None:
        given = call.request_headers.get("idempotency-key")
        if not given or not endpoint.idempotent_key:
            return None
        if len(given) > 255:
            raise RefusalError(400, {"error": "IdempotentRequestError", "description": "The key is too long"})
        return f"{call.user['id']} {given}" if self._account.faults.text("idempotency_scope") == "user" else given

    def _replayed(self, key: str, call: Call) -> Response | None:
        """The first answer to this key; None when this is the first call. Keys end after 2 h of sandbox time."""
        kept = self._account.store.idempotency
        now = self._account.clock.now().timestamp()
        first = kept.get(key)
        if first is not None and not first["at"] <= now < first["at"] + IDEMPOTENCY_SECONDS:
            del kept[key]
            first = None
        if first is None:
            kept[key] = {"at": now, "body": hashlib.sha256(call.raw).hexdigest(), "in_flight": True}
            return None
        if first["body"] != hashlib.sha256(call.raw).hexdigest():
            raise RefusalError(
                400,
                {
                    "error": "IdempotentRequestError",
                    "description": "Request parameters don't match the given idempotency key",
                },
                headers={"x-idempotency-lookup": "hit"},
            )
        if first["in_flight"]:
            if self._account.faults.text("idempotency_in_flight") == "duplicate":
                return None
            raise RefusalError(
                409,
                {"error": "IdempotentRequestError", "description": "A request with this key is being processed"},
            )
        headers = {**call.headers, "x-idempotency-lookup": "hit"}
        if first["location"]:
            headers["Location"] = first["location"]
        return Response(first["answer"], first["status"], headers, "application/json")

    def _remember(self, key: str, call: Call, response: Response) -> None:
        kept = self._account.store.idempotency
        if response.status_code >= 400 and not self._account.faults.is_on("idempotency_caches_refusals"):
            kept.pop(key, None)
            return
        kept[key] = {
            "at": kept[key]["at"] if key in kept else self._account.clock.now().timestamp(),
            "body": hashlib.sha256(call.raw).hexdigest(),
            "in_flight": False,
            "status": response.status_code,
            "answer": bytes(response.body).decode(),
            "location": response.headers.get("location"),
        }

    def _answered(
        self, endpoint: str, path: str, user_id: object, response: Response | None, *, warning: str | None = None
    ) -> Response:
        status = response.status_code if response is not None else None
        self._log.note(
            endpoint=endpoint,
            path=path,
            status=status,
            at=self._account.now_iso(),
            user_id=user_id,
            warning=warning,
        )
        if not endpoint.startswith("GET "):
            self._account.notify("zendesk")
        told = "no answer" if status is None else str(status)
        method = endpoint.partition(" ")[0]
        self._account.journal.record(
            source="deskbridge",
            target="zendesk",
            summary=f"{method} {path}: {told}",
            detail={"endpoint": endpoint, "status": status, "warning": warning},
        )
        return response if response is not None else Cut()


def _object(raw: bytes) -> Record:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise RefusalError(400, {"error": "Unprocessable Entity", "message": "Server could not parse JSON"})
    return body


def _response(answer: Answer, headers: dict[str, str]) -> Response:
    if answer.body is None:
        return Response(b"", answer.status, {**headers, **answer.headers})
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, {**headers, **answer.headers})
    return Response(orjson.dumps(answer.body), answer.status, {**headers, **answer.headers}, "application/json")


def _refused(refusal: RefusalError, headers: dict[str, str]) -> Response:
    both = {**headers, **refusal.headers}
    if isinstance(refusal.body, str):
        kind = "text/html" if refusal.body.startswith("<") else "text/plain"
        return Response(refusal.body, refusal.status, both, kind)
    return Response(orjson.dumps(refusal.body), refusal.status, both, "application/json")


def _warning(endpoint: Endpoint, call: Call | None) -> str | None:
    if call is None or not (call.unpermitted or call.invalid_values):
        return None
    action = {"POST": "create", "PUT": "update", "DELETE": "destroy"}.get(endpoint.method, "index")
    controller = endpoint.path.partition("/")[0]
    keys = ", ".join(f'"{key}"' for key in call.unpermitted)
    values = ", ".join(f'"{value}"' for value in call.invalid_values)
    warning = (
        f'{{:allowed_parameters=>{{:controller=>"{controller}", :action=>"{action}", '
        f":unpermitted_keys=>[{keys}], :invalid_values=>[{values}]}}}}"
    )
    return warning.encode("ascii", "replace").decode()
