"""How is a user made, numbered, found equal to another and merged? Fact sheet Zendesk 3."""

import re

from sandbox.zendesk.account import Account
from sandbox.zendesk.wire import Record, record_invalid

E164 = re.compile(r"\+[1-9]\d{6,14}")
LIGHT_AGENT = 1
"""`role_type` of a light agent."""


def make_user(account: Account, values: Record, *, user_id: int | None = None) -> Record:
    """A new user, under a new id unless one is given. Raises a 422 for no name, a wrong phone or a taken id."""
    if not values.get("name"):
        raise record_invalid("name", "Name: is too short (minimum one character)", "BlankValue")
    _check(account, values, user=None)
    user_id, now = user_id or account.store.next_id(), account.now_iso()
    role = values.get("role") or "end-user"
    is_light = values.get("role_type") == LIGHT_AGENT
    user: Record = {
        "id": user_id,
        "url": account.api_url(f"users/{user_id}.json"),
        "name": str(values["name"]),
        "email": values.get("email"),
        "created_at": now,
        "updated_at": now,
        "time_zone": values.get("time_zone") or "America/Sao_Paulo",
        "iana_time_zone": "America/Sao_Paulo",
        "phone": None,
        "shared_phone_number": None,
        "photo": None,
        "locale_id": 1,
        "locale": values.get("locale") or "en-US",
        "organization_id": None,
        "role": role,
        "verified": bool(values.get("verified")),
        "external_id": _text(values.get("external_id")),
        "tags": values.get("tags") or [],
        "alias": values.get("alias"),
        "active": True,
        "shared": False,
        "shared_agent": False,
        "last_login_at": None,
        "two_factor_auth_enabled": False,
        "signature": None,
        "details": values.get("details"),
        "notes": values.get("notes"),
        "role_type": values.get("role_type"),
        "custom_role_id": None,
        "moderator": role == "admin",
        "ticket_restriction": "requested" if role == "end-user" else None,
        "only_private_comments": is_light,
        "restricted_agent": role == "end-user",
        "suspended": bool(values.get("suspended")),
        "default_group_id": None,
        "report_csv": False,
        "user_fields": {},
    }
    account.store.add_user(user)
    if user["email"]:
        add_identity(account, user, kind="email", value=user["email"])
    if values.get("phone"):
        _set_phone(account, user, str(values["phone"]))
    account.index.note(user)
    account.notify("users")
    return user


def change_user(account: Account, user: Record, values: Record) -> None:
    """Set the given values. Raises a 422 for a wrong phone or an id that is taken."""
    _check(account, values, user=user)
    plain = {name: values[name] for name in CHANGEABLE if name in values}
    if "external_id" in plain:
        plain["external_id"] = _text(plain["external_id"])
    account.store.change_user(user, **plain, updated_at=account.now_iso())
    if plain.get("email"):
        add_identity(account, user, kind="email", value=plain["email"])
    if values.get("phone") and values["phone"] != user["phone"]:
        _set_phone(account, user, str(values["phone"]))
    account.index.note(user)
    account.notify("users")


CHANGEABLE = (
    "name",
    "email",
    "external_id",
    "role",
    "verified",
    "locale",
    "time_zone",
    "tags",
    "alias",
    "details",
    "notes",
    "suspended",
    "organization_id",
)


def add_identity(account: Account, user: Record, *, kind: str, value: str) -> Record:
    """One more address of a user; the first of its kind is the primary one."""
    own = account.store.identities[user["id"]]
    for identity in own:
        if identity["type"] == kind and identity["value"] == value:
            return identity
    identity_id, now = account.store.next_id(), account.now_iso()
    identity = {
        "id": identity_id,
        "url": account.api_url(f"users/{user['id']}/identities/{identity_id}.json"),
        "user_id": user["id"],
        "type": kind,
        "value": value,
        "verified": False,
        "primary": not any(other["type"] == kind for other in own),
        "created_at": now,
        "updated_at": now,
    }
    own.append(identity)
    return identity


def has_direct_number(account: Account, phone: str, *, but: int) -> bool:
    """Does another user have this number as a direct line?"""
    return any(
        identity["type"] == "phone_number" and identity["value"] == phone
        for user in account.store.users_with_phone(phone)
        if user["id"] != but
        for identity in account.store.identities[user["id"]]
    )


def merge_users(account: Account, *, loser: Record, winner: Record) -> None:
    """The loser's tickets and identities become the winner's; the loser is gone (fact sheet Zendesk 3.5)."""
    for ticket in account.store.tickets_of_requester(loser["id"]):
        account.store.change_ticket(ticket, {"requester_id": winner["id"]})
        account.announce(ticket["id"])
    moved = {}
    if winner["external_id"] is None and account.faults.is_on("merge_moves_external_id"):
        moved["external_id"] = loser["external_id"]
    for name in ("email", "phone"):
        if winner[name] is None and loser[name] is not None:
            moved[name] = loser[name]
    for identity in account.store.identities.pop(loser["id"], []):
        account.store.identities[winner["id"]].append({**identity, "user_id": winner["id"], "primary": False})
    account.store.identities[loser["id"]] = []
    now = account.now_iso()
    account.store.change_user(loser, active=False, external_id=None, email=None, phone=None, updated_at=now)
    account.store.change_user(winner, **moved, updated_at=now)
    account.index.note(loser)
    account.index.note(winner)
    account.notify("users")


def _check(account: Account, values: Record, *, user: Record | None) -> None:
    external_id = _text(values.get("external_id"))
    if external_id and account.store.user_with_external_id(external_id) not in (None, user):
        raise record_invalid("external_id", f"External: {external_id} has already been taken", "DuplicateValue")
    email = values.get("email")
    if email and account.store.user_with_email(email) not in (None, user):
        raise record_invalid("email", f"Email: {email} is already being used by another user", "DuplicateValue")
    check_phone(account, values.get("phone"))
    if values.get("role") not in (None, "end-user", "agent", "admin"):
        raise record_invalid("role", "Role: is invalid", "InvalidValue")


def check_phone(account: Account, phone: object) -> None:
    """Raises a 422 for a number that is not E.164, when the account validates numbers."""
    if phone and account.faults.is_on("validate_phone_numbers") and not E164.fullmatch(str(phone)):
        raise record_invalid("phone", "Phone: is not a valid phone number", "InvalidFormat")


def _set_phone(account: Account, user: Record, phone: str) -> None:
    """A number of one's own becomes a direct line; one that another has is kept as shared, without an identity."""
    shared = any(other["id"] != user["id"] for other in account.store.users_with_phone(phone))
    account.store.change_user(user, phone=phone, shared_phone_number=shared)
    if not shared:
        add_identity(account, user, kind="phone_number", value=phone)


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
