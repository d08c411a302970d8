"""What happens to an event around its work: faults, signature, form, whether it came before, the log."""

import hashlib
from collections import deque
from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.crm.account import Account
from sandbox.crm.events import KINDS, Kind, RefusedError, check, malformed
from sandbox.crm.signature import trouble_with
from sandbox.crm.store import Record
from sandbox.freshdesk.calls import CallLog
from sandbox.server import Cut

MINUTE_SECONDS = 60.0


class Gate:
    """Every event goes through here. `sleep` waits real seconds."""

    def __init__(self, account: Account, *, log: CallLog, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._account = account
        self._log = log
        self._sleep = sleep
        self._taken: deque[float] = deque()

    def forget(self) -> None:
        self._taken.clear()

    async def take(self, request: Request) -> Response:
        """`POST /http/events`."""
        raw = await request.body()
        shown, warning = "POST /events", None
        response: Response | None
        try:
            event_id = self._authenticate(request, raw)
            kind, data = _read(raw)
            shown = f"{kind.method} {kind.path(data)}"
            self._misbehave(shown)
            response = await self._work(kind, data, event_id, shown, raw)
        except RefusedError as refusal:
            response, warning = self._refused(refusal), refusal.warning
        return self._answered(shown, response, warning=warning)

    def _authenticate(self, request: Request, raw: bytes) -> str:
        secret = self._account.store.setup.get("secret", "")
        trouble = trouble_with(request.headers, raw, secret=secret, real_seconds=self._account.real_seconds())
        if trouble is not None:
            raise RefusedError(401, "unsigned", warning=trouble)
        if self._account.faults.is_on("token_revoked"):
            raise RefusedError(401, "unsigned")
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise RefusedError(415, "not_json", warning="wrong content type")
        return request.headers["webhook-id"]

    def _counts(self, name: str, shown: str) -> bool:
        """Use up one of a counted fault's events, when the fault is meant for this one."""
        only = self._account.faults.text("only")
        meant = only in shown if only else shown.startswith("POST ")
        return meant and self._account.faults.take(name)

    def _misbehave(self, shown: str) -> None:
        faults = self._account.faults
        if faults.is_on("down"):
            raise RefusedError(503, "down")
        if self._counts("server_error_next", shown):
            raise RefusedError(500, "something went wrong")
        if self._counts("rate_limited", shown) or self._is_over_limit():
            raise RefusedError(429, "too many")

    def _is_over_limit(self) -> bool:
        limit, now = self._account.faults.number("calls_per_minute"), self._account.real_seconds()
        while self._taken and self._taken[0] <= now - MINUTE_SECONDS:
            self._taken.popleft()
        if limit and len(self._taken) >= limit:
            return True
        self._taken.append(now)
        return False

    async def _work(self, kind: Kind, data: Record, event_id: str, shown: str, raw: bytes) -> Response | None:
        """Do the work, early or late; None when no answer is to be given."""
        faults = self._account.faults
        if shown.endswith("/comments") and kind.method == "POST" and self._counts("conflict_next", shown):
            raise RefusedError(409, "in_work")
        if (seconds := faults.number("slow_seconds")) > 0:
            await self._sleep(seconds)
        late = self._counts("late_write_next", shown)
        if late:
            await self._sleep(faults.number("late_write_seconds"))
        response = self._done(kind, data, event_id, raw)
        if late or self._counts("drop_answer", shown):
            return None
        if self._counts("late_answer_next", shown):
            await self._sleep(faults.number("late_answer_seconds"))
        return response

    def _done(self, kind: Kind, data: Record, event_id: str, raw: bytes) -> Response:
        """Once per event id: whoever comes again is told what the first was. Refusals are not remembered."""
        digest = hashlib.sha256(raw).hexdigest()
        known = self._account.store.events.get(event_id)
        if known is not None and self._account.faults.is_on("remembers_events"):
            if known["digest"] != digest:
                raise malformed("webhook-id was used for another body")
            return self._say(known["answer"], kind)
        answer = kind.handle(self._account, data, event_id)
        if kind.method == "POST":
            self._account.store.remember(event_id, {"digest": digest, "answer": answer})
        return self._say(answer, kind)

    def _say(self, answer: Record, kind: Kind) -> Response:
        how = self._account.faults.text("answers")
        if kind.method == "ASK" or how == "ids":
            return Response(orjson.dumps(answer), 200, media_type="application/json")
        if how == "word":
            return Response(b"Accepted", 200, media_type="text/plain")
        if how == "zapier":
            said = {"attempt": "0190", "id": "0190", "request_id": "0190", "status": "success"}
            return Response(orjson.dumps(said), 200, media_type="application/json")
        return Response(b"", 204)

    def _refused(self, refusal: RefusedError) -> Response:
        faults, headers = self._account.faults, {}
        if refusal.status == 503 and (seconds := int(faults.number("down_retry_after_seconds"))):
            headers["Retry-After"] = str(seconds)
        if refusal.status == 429 and faults.is_on("with_retry_after"):
            headers["Retry-After"] = "1"
        if refusal.status >= 429 and not (refusal.status == 429 and faults.is_on("rate_limited_json")):
            return Response(b"try again later", refusal.status, headers, "text/plain")
        return Response(orjson.dumps(refusal.body), refusal.status, headers, "application/json")

    def _answered(self, shown: str, response: Response | None, *, warning: str | None) -> Response:
        status = response.status_code if response is not None else None
        method, _, path = shown.partition(" ")
        self._log.note(
            endpoint=shown,
            path=path,
            status=status,
            at=self._account.now_iso(),
            user_id=None,
            warning=warning,
            cost=1,
        )
        if method == "POST":
            self._account.notify("http")
        told = "no answer" if status is None else str(status)
        self._account.journal.record(
            source="deskbridge",
            target="http",
            summary=f"{shown}: {told}",
            detail={"endpoint": shown, "status": status, "warning": warning},
        )
        return response if response is not None else Cut()


def _read(raw: bytes) -> tuple[Kind, Record]:
    try:
        event = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise malformed("no JSON") from error
    if not isinstance(event, dict):
        raise malformed("no object")
    check(event, {"type": (str,), "data": (dict,)}, "the event")
    kind = KINDS.get(event["type"])
    if kind is None:
        raise malformed("an unknown type")
    check(event["data"], kind.shape, "data")
    return kind, event["data"]
