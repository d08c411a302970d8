"""The webhooks part of the API: make, show, sign, test (fact sheet Zendesk 5.1)."""

from urllib.parse import urlsplit

import httpx
from ulid import ULID

from sandbox.zendesk import events, paging
from sandbox.zendesk.account import Account
from sandbox.zendesk.calls import Call, Endpoint, Handler
from sandbox.zendesk.webhooks import CONDITIONAL, EVENT_PREFIX, TEST_SECRET, Sender, new_secret
from sandbox.zendesk.wire import Answer, Record, RefusalError, not_found

KEYS = frozenset(
    {
        "name",
        "description",
        "endpoint",
        "http_method",
        "request_format",
        "status",
        "subscriptions",
        "authentication",
        "custom_headers",
        "signing_secret",
    }
)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
MOST_CUSTOM_HEADERS = 5
CALLS_A_MINUTE = 100


class WebhookApi:
    """The endpoints; `sender` makes the test calls."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def endpoints(self) -> list[Endpoint]:
        """All of them; admins only."""
        rows: list[tuple[str, str, Handler]] = [
            ("GET", "webhooks", self.index),
            ("POST", "webhooks", self.create),
            ("POST", "webhooks/test", self.test),
            ("GET", "webhooks/{text}", self.show),
            ("PUT", "webhooks/{text}", self.replace),
            ("PATCH", "webhooks/{text}", self.patch),
            ("DELETE", "webhooks/{text}", self.delete),
            ("GET", "webhooks/{text}/signing_secret", self.show_secret),
            ("POST", "webhooks/{text}/signing_secret", self.reset_secret),
            ("GET", "webhooks/{text}/invocations", self.invocations),
            ("GET", "webhooks/{text}/invocations/{text}/attempts", self.attempts),
        ]
        return [Endpoint(method, path, handler, admin=True) for method, path, handler in rows]

    def index(self, account: Account, call: Call) -> Answer:
        """`GET /webhooks`, also by `filter[name_contains]`; always by cursor."""
        _limit(account, call)
        part = call.query.get("filter[name_contains]", "").lower()
        found = [_shown(webhook) for webhook in account.store.webhooks.values() if part in webhook["name"].lower()]
        answer = paging.page(account, call, found, name="webhooks", path="webhooks")
        answer.setdefault("meta", {"has_more": False, "after_cursor": None, "before_cursor": None})
        return Answer({name: answer[name] for name in ("webhooks", "meta", "links") if name in answer})

    def create(self, account: Account, call: Call) -> Answer:
        """`POST /webhooks`: for triggers or for events, never both."""
        _limit(account, call)
        wanted = call.envelope("webhook", KEYS)
        _check(wanted)
        webhook_id, now = str(ULID()), account.now_iso()
        webhook: Record = {
            "id": webhook_id,
            "name": str(wanted["name"]),
            "description": wanted.get("description"),
            "endpoint": wanted["endpoint"],
            "http_method": wanted["http_method"],
            "request_format": wanted["request_format"],
            "status": wanted["status"],
            "subscriptions": wanted["subscriptions"],
            "authentication": wanted.get("authentication"),
            "custom_headers": wanted.get("custom_headers") or {},
            "created_at": now,
            "created_by": str(call.user["id"]),
            "updated_at": now,
            "updated_by": str(call.user["id"]),
        }
        account.store.webhooks[webhook_id] = webhook
        account.store.secrets[webhook_id] = account.setting("signing_secret") or new_secret()
        return Answer({"webhook": _shown(webhook)}, 201)

    def show(self, account: Account, call: Call) -> Answer:
        """`GET /webhooks/{id}`."""
        _limit(account, call)
        return Answer({"webhook": _shown(_webhook(account, call))})

    def replace(self, account: Account, call: Call) -> Answer:
        """`PUT /webhooks/{id}`: all of it but the kind of its connection."""
        _limit(account, call)
        webhook = _webhook(account, call)
        wanted = call.envelope("webhook", KEYS)
        _check(wanted)
        _check_kind(webhook, wanted)
        webhook.update({"authentication": None, "custom_headers": {}, **wanted, "updated_at": account.now_iso()})
        return Answer(status=204)

    def patch(self, account: Account, call: Call) -> Answer:
        """`PATCH /webhooks/{id}`: the given keys."""
        _limit(account, call)
        webhook = _webhook(account, call)
        wanted = call.envelope("webhook", KEYS)
        _check({**webhook, **wanted})
        _check_kind(webhook, wanted)
        webhook.update({**wanted, "updated_at": account.now_iso()})
        return Answer(status=204)

    def delete(self, account: Account, call: Call) -> Answer:
        """`DELETE /webhooks/{id}`; not while a trigger names it."""
        _limit(account, call)
        webhook = _webhook(account, call)
        in_use = any(
            action["field"] == "notification_webhook" and action["value"][0] == webhook["id"]
            for trigger in account.store.triggers.values()
            for action in trigger["actions"]
        )
        if in_use and not account.faults.is_on("webhook_in_use_deletable"):
            raise _refused("WebhookInUse", "The webhook is used by a trigger", status=409)
        del account.store.webhooks[webhook["id"]], account.store.secrets[webhook["id"]]
        return Answer(status=204)

    def show_secret(self, account: Account, call: Call) -> Answer:
        """`GET /webhooks/{id}/signing_secret`."""
        _limit(account, call)
        return _secret(account, _webhook(account, call))

    def reset_secret(self, account: Account, call: Call) -> Answer:
        """`POST /webhooks/{id}/signing_secret`: a new one."""
        _limit(account, call)
        webhook = _webhook(account, call)
        account.store.secrets[webhook["id"]] = new_secret()
        answer = _secret(account, webhook)
        return Answer(answer.body, 201)

    async def test(self, account: Account, call: Call) -> Answer:
        """`POST /webhooks/test`: one call, now; a webhook that is not saved yet signs with the public test secret."""
        _limit(account, call)
        webhook_id = call.query.get("webhook_id")
        saved = account.store.webhooks.get(webhook_id) if webhook_id else None
        if webhook_id and saved is None:
            raise not_found()
        asked = call.body.get("request")
        request: Record = asked if isinstance(asked, dict) else {}
        webhook = {"id": "test", "http_method": "POST", **(saved or {})}
        webhook.update(
            {name: request[name] for name in ("endpoint", "http_method", "custom_headers") if name in request}
        )
        if not _is_url(webhook.get("endpoint")):
            raise _refused("InvalidWebhook", "endpoint is not a URL")
        secret = account.store.secrets[saved["id"]] if saved else TEST_SECRET
        payload = request.get("payload", '{"test":true}')
        if not isinstance(payload, str):
            raise _refused("InvalidWebhook", "payload must be text")
        try:
            response = await self._sender.call_once(webhook, payload.encode(), secret=secret, invocation_id=str(ULID()))
        except httpx.TransportError as error:
            raise _refused("RequestFailed", "The endpoint could not be reached") from error
        headers = [{"key": key, "value": value} for key, value in response.headers.items()]
        return Answer({"response": {"status": response.status_code, "headers": headers, "payload": response.text}})

    def invocations(self, account: Account, call: Call) -> Answer:
        """`GET /webhooks/{id}/invocations`, newest first."""
        _limit(account, call)
        webhook = _webhook(account, call)
        kept = [one for one in reversed(account.store.invocations) if one["webhook_id"] == webhook["id"]]
        shown = [
            {
                "id": one["id"],
                "latest_completed_at": one["attempts"][-1]["at"] if one["attempts"] else None,
                "status": one["status"],
                "status_code": one["status_code"],
            }
            for one in kept
        ]
        return Answer(
            paging.page(account, call, shown, name="invocations", path=f"webhooks/{webhook['id']}/invocations")
        )

    def attempts(self, account: Account, call: Call) -> Answer:
        """`GET /webhooks/{id}/invocations/{id}/attempts`."""
        _limit(account, call)
        for one in account.store.invocations:
            if one["id"] == call.path[1] and one["webhook_id"] == call.path[0]:
                return Answer({"attempts": one["attempts"]})
        raise not_found()


def _limit(account: Account, call: Call) -> None:
    account.limits.endpoint(call.headers, "zendesk-ratelimit-webhooks", limit=CALLS_A_MINUTE)


def _webhook(account: Account, call: Call) -> Record:
    webhook = account.store.webhooks.get(call.path[0])
    if webhook is None:
        raise not_found()
    return webhook


def _shown(webhook: Record) -> Record:
    """Without the secrets of its authentication."""
    given = webhook["authentication"]
    if not given:
        return webhook
    return {
        **webhook,
        "authentication": {"type": given.get("type"), "add_position": given.get("add_position", "header")},
    }


def _secret(account: Account, webhook: Record) -> Answer:
    return Answer({"signing_secret": {"secret": account.store.secrets[webhook["id"]], "algorithm": "SHA256"}})


def _check(wanted: Record) -> None:
    for name in ("name", "endpoint", "http_method", "request_format", "status"):
        if not wanted.get(name):
            raise _refused("InvalidWebhook", f"{name} is required")
    if not _is_url(wanted["endpoint"]):
        raise _refused("InvalidWebhook", "endpoint is not a URL")
    if wanted["http_method"] not in METHODS or wanted["request_format"] not in {"json", "xml", "form_encoded"}:
        raise _refused("InvalidWebhook", "http_method or request_format is not known")
    if wanted["status"] not in {"active", "inactive"}:
        raise _refused("InvalidWebhook", "status is active or inactive")
    subscriptions = wanted.get("subscriptions")
    if not isinstance(subscriptions, list) or not subscriptions:
        raise _refused("InvalidWebhook", "subscriptions is required")
    for name in subscriptions:
        known = str(name).startswith(EVENT_PREFIX) and _is_event(str(name).removeprefix(EVENT_PREFIX))
        if name != CONDITIONAL and not known:
            raise _refused("InvalidWebhook", f"{name} is not an event type that this sandbox raises")
    if CONDITIONAL in subscriptions and len(subscriptions) > 1:
        raise _refused("InvalidWebhook", "subscriptions are for triggers or for events, not both")
    if CONDITIONAL not in subscriptions and wanted["http_method"] != "POST":
        raise _refused("InvalidWebhook", "events are told by POST")
    if len(wanted.get("custom_headers") or {}) > MOST_CUSTOM_HEADERS:
        raise _refused("InvalidWebhook", "custom_headers holds at most 5")


def _is_event(name: str) -> bool:
    return name.removeprefix("ticket.") in events.TYPES and name.startswith("ticket.")


def _check_kind(webhook: Record, wanted: Record) -> None:
    if "subscriptions" in wanted and (CONDITIONAL in wanted["subscriptions"]) != (
        CONDITIONAL in webhook["subscriptions"]
    ):
        raise _refused("InvalidWebhook", "the kind of a webhook's connection cannot change")


def _is_url(value: object) -> bool:
    return isinstance(value, str) and urlsplit(value).scheme in {"http", "https"} and bool(urlsplit(value).hostname)


def _refused(code: str, detail: str, *, status: int = 400) -> RefusalError:
    return RefusalError(status, {"errors": [{"code": code, "title": code, "detail": detail}]})
