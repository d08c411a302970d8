"""The users part of the API: make, find, change, identities, merge (fact sheet Zendesk 3)."""

from sandbox.zendesk import paging, people
from sandbox.zendesk.account import Account
from sandbox.zendesk.calls import Call, Endpoint
from sandbox.zendesk.wire import (
    Answer,
    Record,
    RefusalError,
    invalid_attribute,
    not_found,
    record_invalid,
    too_many_values,
    whole_number,
)

USER_KEYS = frozenset(people.CHANGEABLE) | {
    "phone",
    "skip_verify_email",
    "locale_id",
    "user_fields",
    "identities",
    "remote_photo_url",
    "custom_role_id",
    "ticket_restriction",
    "default_group_id",
    "signature",
}
CREATABLE_IDENTITIES = frozenset({"email", "twitter", "facebook", "google", "agent_forwarding", "phone_number"})


def me(account: Account, call: Call) -> Answer:
    """`GET /users/me`: an anonymous user without an Authorization header."""
    del account
    return Answer({"user": call.user})


def create(account: Account, call: Call) -> Answer:
    """`POST /users`."""
    user = people.make_user(account, call.envelope("user", USER_KEYS))
    return Answer({"user": user}, 201, {"Location": user["url"]})


def create_or_update(account: Account, call: Call) -> Answer:
    """`POST /users/create_or_update`: matched by external_id or e-mail, never by phone."""
    wanted = call.envelope("user", USER_KEYS)
    external_id, email = wanted.get("external_id"), wanted.get("email")
    account.limits.user_write(call.headers, user=str(external_id or email).lower())
    known = account.store.user_with_external_id(str(external_id)) if external_id else None
    if known is None and email:
        known = account.store.user_with_email(email)
    if known is None:
        user = people.make_user(account, wanted)
        return Answer({"user": user}, 201, {"Location": user["url"]})
    people.change_user(account, known, wanted)
    return Answer({"user": known}, 200, {"Location": known["url"]})


def update(account: Account, call: Call) -> Answer:
    """`PUT /users/{id}`."""
    user = _user(account, call)
    account.limits.user_write(call.headers, user=(user["external_id"] or str(user["id"])).lower())
    people.change_user(account, user, call.envelope("user", USER_KEYS))
    return Answer({"user": user})


def show(account: Account, call: Call) -> Answer:
    """`GET /users/{id}`."""
    return Answer({"user": _user(account, call)})


def index(account: Account, call: Call) -> Answer:
    """`GET /users`, all or by `external_id`, `role`."""
    external_id, role = call.query.get("external_id"), call.query.get("role")
    if external_id is not None:
        known = account.store.user_with_external_id(external_id)
        found = [known] if known is not None else []
    else:
        found = [user for user in account.store.users.values() if user["active"]]
    if role is not None:
        found = [user for user in found if user["role"] == role]
    return Answer(paging.page(account, call, found, name="users", path="users"))


def search(account: Account, call: Call) -> Answer:
    """`GET /users/search`: exact by `external_id`; by `query` as old as the index is."""
    external_id, query = call.query.get("external_id"), call.query.get("query")
    if external_id is not None:
        known = account.store.user_with_external_id(external_id)
        found = [known] if known is not None else []
    elif query:
        account.limits.endpoint(call.headers, "Zendesk-RateLimit-search-index", limit=2_500)
        found = [account.store.users[user_id] for user_id in account.index.find(query)]
    else:
        raise invalid_attribute("query or external_id is required")
    return Answer(paging.page(account, call, found, name="users", path="users/search"))


def show_many(account: Account, call: Call) -> Answer:
    """`GET /users/show_many?ids=` or `?external_ids=`, at most 100."""
    by_external_id = "external_ids" in call.query
    asked = [
        part for part in call.query.get("external_ids" if by_external_id else "ids", "").split(",") if part.strip()
    ]
    if not asked:
        raise invalid_attribute("ids or external_ids is required")
    if len(asked) > 100:
        raise too_many_values(100)
    if by_external_id:
        known = [account.store.user_with_external_id(part.strip()) for part in asked]
    else:
        known = [account.store.users.get(whole_number(part.strip(), name="ids")) for part in asked]
    found = list({user["id"]: user for user in known if user is not None and user["active"]}.values())
    return Answer({"users": found, "count": len(found), "next_page": None, "previous_page": None})


def identities(account: Account, call: Call) -> Answer:
    """`GET /users/{id}/identities`."""
    user = _user(account, call)
    path = f"users/{user['id']}/identities"
    return Answer(paging.page(account, call, account.store.identities[user["id"]], name="identities", path=path))


def create_identity(account: Account, call: Call) -> Answer:
    """`POST /users/{id}/identities`; a phone number must be nobody else's direct line."""
    user = _user(account, call)
    wanted = call.envelope("identity", frozenset({"type", "value", "skip_verify_email", "verified", "primary"}))
    kind, value = wanted.get("type"), wanted.get("value")
    if kind not in CREATABLE_IDENTITIES or not value:
        raise record_invalid("type", "Type: is not included in the list", "InvalidValue")
    if kind == "phone_number":
        people.check_phone(account, value)
        if people.has_direct_number(account, str(value), but=user["id"]):
            raise record_invalid("value", f"Value: {value} is already being used by another user", "DuplicateValue")
    if kind == "email" and account.store.user_with_email(str(value)) not in (None, user):
        raise record_invalid("value", f"Value: {value} is already being used by another user", "DuplicateValue")
    identity = people.add_identity(account, user, kind=kind, value=str(value))
    if kind == "phone_number" and user["phone"] is None:
        account.store.change_user(user, phone=str(value), shared_phone_number=False)
    account.index.note(user)
    return Answer({"identity": identity}, 201, {"Location": identity["url"]})


def delete_identity(account: Account, call: Call) -> Answer:
    """`DELETE /users/{id}/identities/{id}`: the one way to clear a phone or an e-mail."""
    user = _user(account, call)
    own = account.store.identities[user["id"]]
    for identity in own:
        if identity["id"] == call.number(1):
            own.remove(identity)
            name = {"phone_number": "phone", "email": "email"}.get(identity["type"])
            if name is not None and user[name] == identity["value"]:
                account.store.change_user(user, **{name: None})
            account.index.note(user)
            return Answer(status=204)
    raise not_found()


def merge(account: Account, call: Call) -> Answer:
    """`PUT /users/{loser}/merge`: end users only."""
    loser = _user(account, call)
    wanted = call.envelope("user", frozenset({"id"}))
    winner = account.store.users.get(whole_number(wanted.get("id"), name="id"))
    if winner is None or not winner["active"] or winner is loser:
        raise not_found()
    if {loser["role"], winner["role"]} != {"end-user"}:
        raise RefusalError(403, {"error": "Forbidden", "description": "Only end users can be merged"})
    people.merge_users(account, loser=loser, winner=winner)
    return Answer({"user": winner})


def requested(account: Account, call: Call) -> Answer:
    """`GET /users/{id}/tickets/requested`."""
    user = _user(account, call)
    found = account.store.tickets_of_requester(user["id"])
    name = call.query.get("sort_by", "created_at")
    if name not in {"created_at", "updated_at", "id", "status"}:
        raise invalid_attribute("sort_by is not valid")
    found.sort(key=lambda ticket: (ticket[name], ticket["id"]), reverse=call.query.get("sort_order") == "desc")
    path = f"users/{user['id']}/tickets/requested"
    return Answer(paging.page(account, call, found, name="tickets", path=path))


def delete(account: Account, call: Call) -> Answer:
    """`DELETE /users/{id}`: soft."""
    user = _user(account, call)
    busy = any(ticket["status"] != "closed" for ticket in account.store.tickets_of_requester(user["id"]))
    if busy and not account.faults.is_on("busy_user_deletable"):
        raise record_invalid("base", "User: has open tickets", "InvalidValue")
    account.store.change_user(user, active=False, updated_at=account.now_iso())
    account.index.note(user)
    return Answer({"user": user})


def _user(account: Account, call: Call) -> Record:
    user = account.store.users.get(call.number())
    if user is None or not (user["active"] or account.faults.is_on("merged_user_is_inactive")):
        raise not_found()
    return user


ENDPOINTS = [
    Endpoint("GET", "users/me", me, anonymous=True),
    Endpoint("POST", "users", create),
    Endpoint("POST", "users/create_or_update", create_or_update),
    Endpoint("GET", "users", index),
    Endpoint("GET", "users/search", search),
    Endpoint("GET", "users/show_many", show_many),
    Endpoint("GET", "users/{id}", show),
    Endpoint("PUT", "users/{id}", update),
    Endpoint("DELETE", "users/{id}", delete),
    Endpoint("GET", "users/{id}/identities", identities),
    Endpoint("POST", "users/{id}/identities", create_identity),
    Endpoint("DELETE", "users/{id}/identities/{id}", delete_identity),
    Endpoint("PUT", "users/{id}/merge", merge),
    Endpoint("GET", "users/{id}/tickets/requested", requested),
]
