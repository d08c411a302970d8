"""The writing half of the tickets API: create, update, tags, merge, delete (fact sheet Zendesk 2)."""

from typing import Any

from sandbox.zendesk import changes, fields, people
from sandbox.zendesk.account import MERGE, Account, Actor
from sandbox.zendesk.calls import Call, Endpoint
from sandbox.zendesk.changes import Change, NewComment
from sandbox.zendesk.ticket_reads import ticket_of
from sandbox.zendesk.wire import (
    Answer,
    Record,
    invalid_attribute,
    not_found,
    record_invalid,
    split_tags,
    truth,
    update_conflict,
    whole_number,
)

STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
CHOICES = {
    "status": STATUSES,
    "priority": ("urgent", "high", "normal", "low"),
    "type": ("problem", "incident", "question", "task"),
}
NUMBERS = frozenset(
    {
        "requester_id",
        "assignee_id",
        "group_id",
        "brand_id",
        "ticket_form_id",
        "organization_id",
        "problem_id",
    }
)
SHARED_KEYS = frozenset(changes.PLAIN_FIELDS) | {
    "raw_subject",
    "comment",
    "requester",
    "submitter_id",
    "assignee_email",
    "tags",
    "custom_fields",
    "fields",
    "metadata",
    "custom_status_id",
    "collaborator_ids",
    "follower_ids",
    "email_ccs",
    "followers",
    "macro_ids",
    "attribute_value_ids",
    "via",
    "via_id",
}
CREATE_KEYS = SHARED_KEYS | {"via_followup_source_id"}
UPDATE_KEYS = (SHARED_KEYS - {"submitter_id", "via", "via_id"}) | {"safe_update", "updated_stamp"}


def create(account: Account, call: Call) -> Answer:
    """`POST /tickets`."""
    account.limits.endpoint(
        call.headers,
        "zendesk-ratelimit-ticket-request-create-by-user-and-ip",
        limit=account.limits.plan.ticket_creates,
        key=f"create:{call.user['id']}",
    )
    wanted = call.envelope("ticket", CREATE_KEYS)
    if "comment" not in wanted:
        raise record_invalid("base", "Description: cannot be blank", "BlankValue")
    source = _follow_up_source(account, wanted)
    plain, tags, custom = _values(account, wanted, call)
    requester = _requester(account, wanted, call)
    if requester["suspended"]:
        raise record_invalid("requester", f"Requester: {requester['name']} is suspended.", "UserSuspended")
    submitter = call.user
    if wanted.get("submitter_id") is not None and source is None:
        submitter = _user(account, wanted["submitter_id"], "submitter")
    comment = changes.new_comment(account, wanted["comment"], default_author=submitter, call=call)
    if source is not None:
        inherited = ("priority", "type", "group_id", "assignee_id", "brand_id", "ticket_form_id", "subject")
        plain = {**{name: source[name] for name in inherited if source[name] is not None}, **plain}
        kept = {field["id"]: field["value"] for field in source["custom_fields"] if field["value"] is not None}
        custom = {**kept, **custom}
        tags = source["tags"] if tags is None else tags
    change = Change(plain, tags, custom, comment, _metadata(wanted))
    ticket, audit = changes.open_ticket(
        account, requester=requester, submitter=submitter, wanted=change, actor=call.actor, source=source
    )
    return Answer({"ticket": ticket, "audit": audit}, 201, {"Location": ticket["url"]})


def update(account: Account, call: Call) -> Answer:
    """`PUT /tickets/{id}`."""
    ticket = ticket_of(account, call)
    account.limits.ticket_update(call.headers, user_id=call.user["id"], ticket_id=ticket["id"])
    more = {"additional_tags", "remove_tags"} if account.faults.is_on("additional_tags_on_put") else set[str]()
    wanted = call.envelope("ticket", UPDATE_KEYS | more)
    if "safe_update" in wanted:
        _check_stamp(ticket, wanted.get("updated_stamp"))
    changes.check_open(ticket)
    plain, tags, custom = _values(account, wanted, call)
    if more & wanted.keys():
        kept = set(ticket["tags"] if tags is None else tags) | set(split_tags(wanted.get("additional_tags")))
        tags = sorted(kept - set(split_tags(wanted.get("remove_tags"))))
    comment = None
    if wanted.get("comment") is not None:
        comment = changes.new_comment(account, wanted["comment"], default_author=call.user, call=call)
    change = Change(plain, tags, custom, comment, _metadata(wanted))
    audit = changes.change_ticket(account, ticket, change, call.actor)
    if audit is None and not account.faults.is_on("noop_audit_null"):
        audit = {"id": account.store.next_id(), "ticket_id": ticket["id"], "author_id": call.user["id"], "events": []}
    return Answer({"ticket": ticket, "audit": audit})


def delete(account: Account, call: Call) -> Answer:
    """`DELETE /tickets/{id}`: soft."""
    changes.delete_ticket(account, ticket_of(account, call), call.actor)
    return Answer(status=204)


def make_private(account: Account, call: Call) -> Answer:
    """`PUT /tickets/{id}/comments/{id}/make_private`."""
    ticket = ticket_of(account, call)
    for comment in account.store.comments[ticket["id"]]:
        if comment["id"] == call.number(1):
            comment["public"] = False
            event = ("comment_made_private", {"comment": {"id": str(comment["id"])}})
            changes.change_ticket(account, ticket, Change(events=(event,)), call.actor)
            return Answer({})
    raise not_found()


def set_tags(account: Account, call: Call) -> Answer:
    """`POST /tickets/{id}/tags`: these and no others."""
    return _change_tags(account, call, lambda _kept, given: given, status=201)


def add_tags(account: Account, call: Call) -> Answer:
    """`PUT /tickets/{id}/tags`: these too."""
    return _change_tags(account, call, lambda kept, given: kept | given)


def remove_tags(account: Account, call: Call) -> Answer:
    """`DELETE /tickets/{id}/tags`: these no more."""
    return _change_tags(account, call, lambda kept, given: kept - given)


def merge(account: Account, call: Call) -> Answer:
    """`POST /tickets/{id}/merge`: a job, already done when the answer comes."""
    target = ticket_of(account, call)
    allowed = {"ids", "target_comment", "source_comment", "target_comment_is_public", "source_comment_is_public"}
    call.unpermitted += [key for key in call.body if key not in allowed]
    ids = call.body.get("ids")
    if not isinstance(ids, list) or not ids:
        raise invalid_attribute("ids is required")
    results = merge_tickets(
        account,
        target,
        [whole_number(one, name="ids") for one in ids],
        actor=call.actor,
        target_comment=call.body.get("target_comment"),
        source_comment=call.body.get("source_comment"),
        target_public=truth(call.body.get("target_comment_is_public")),
        source_public=truth(call.body.get("source_comment_is_public")),
    )
    return Answer({"job_status": _job(account, results)})


def merge_tickets(
    account: Account,
    target: Record,
    source_ids: list[int],
    *,
    actor: Actor,
    target_comment: object = None,
    source_comment: object = None,
    target_public: bool = False,
    source_public: bool = False,
) -> list[Record]:
    """Close the sources, tagged `closed_by_merge`, with a comment on either side and files copied (fact sheet 2.11)."""
    changes.check_open(target)
    by_merge = Actor(user=actor.user, via_id=MERGE, client=actor.client)
    results: list[Record] = []
    for place, source_id in enumerate(source_ids):
        source = account.store.ticket(source_id)
        if source is None or source["status"] == "closed" or source_id == target["id"]:
            results.append({"index": place, "id": source_id, "success": False, "error": "TicketMergeFailed"})
            continue
        files = tuple(file for kept in account.store.comments[source_id] for file in kept["attachments"])
        rel = "merge" if account.faults.is_on("merge_source_has_rel") else None
        via = {"channel": "merge", "source": {"from": {}, "to": {"ticket_id": target["id"]}, "rel": rel}}
        text = (
            source_comment or f'This request was closed and merged into request #{target["id"]} "{target["subject"]}".'
        )
        changes.change_ticket(
            account,
            source,
            Change(
                plain={"status": "closed"},
                tags=sorted({*source["tags"], "closed_by_merge"}),
                comment=NewComment(actor.user, body=str(text), public=source_public),
                events=(("merged", {"target_ticket_id": str(target["id"])}),),
                audit_via=via,
            ),
            by_merge,
        )
        text = target_comment or f'Request #{source_id} "{source["subject"]}" was closed and merged into this request.'
        changes.change_ticket(
            account,
            target,
            Change(comment=NewComment(actor.user, body=str(text), public=target_public, files=files)),
            by_merge,
        )
        results.append({"index": place, "id": source_id, "action": "merge", "success": True, "status": "Merged"})
    return results


def _user(account: Account, user_id: object, name: str) -> Record:
    user = account.store.users.get(whole_number(user_id, name=f"{name}_id"))
    if user is None or not user["active"]:
        raise record_invalid(name, f"{name.capitalize()}: is invalid", "InvalidValue")
    return user


def _requester(account: Account, wanted: Record, call: Call) -> Record:
    if wanted.get("requester_id") is not None:
        return _user(account, wanted["requester_id"], "requester")
    given = wanted.get("requester")
    if not isinstance(given, dict):
        return call.user
    allowed = frozenset({"name", "email", "locale_id"})
    if account.faults.is_on("requester_by_phone"):
        allowed |= {"phone"}
    given = call.permitted(given, allowed, path="ticket.requester")
    email, phone = given.get("email"), given.get("phone")
    if email and (known := account.store.user_with_email(email)) is not None:
        return known
    if not given.get("name") or not (email or phone):
        raise record_invalid("requester", "Requester: is invalid", "InvalidValue")
    return people.make_user(account, {"name": given["name"], "email": email, "phone": phone})


def _follow_up_source(account: Account, wanted: Record) -> Record | None:
    """The ticket that is followed: only a closed one, anything else is ignored (fact sheet Zendesk 2.10)."""
    if wanted.get("via_followup_source_id") is None:
        return None
    source = account.store.ticket(whole_number(wanted["via_followup_source_id"], name="via_followup_source_id"))
    return source if source is not None and source["status"] == "closed" else None


def _values(account: Account, wanted: Record, call: Call) -> tuple[Record, list[str] | None, dict[int, Any]]:
    """(plain fields, tags or None, custom fields) of a create or update. Raises a 422 for a value out of its list."""
    plain = {name: wanted[name] for name in changes.PLAIN_FIELDS if name in wanted}
    for name, choices in CHOICES.items():
        if plain.get(name) is not None and plain[name] not in choices:
            raise record_invalid(name, f"{name.capitalize()}: is not included in the list", "InvalidValue")
    if "status" in plain and plain["status"] is None:
        del plain["status"]
    for name in NUMBERS & plain.keys():
        if plain[name] is not None:
            plain[name] = whole_number(plain[name], name=name)
    if plain.get("requester_id") is None:
        plain.pop("requester_id", None)
    else:
        _user(account, plain["requester_id"], "requester")
    if plain.get("assignee_id") is not None and _user(account, plain["assignee_id"], "assignee")["role"] == "end-user":
        raise record_invalid("assignee", "Assignee: is invalid", "InvalidValue")
    custom_wins = "status" not in plain or account.faults.is_on("custom_status_wins")
    if wanted.get("custom_status_id") is not None and custom_wins:
        by_id = {number: status for status, number in changes.CUSTOM_STATUS_IDS.items()}
        status = by_id.get(whole_number(wanted["custom_status_id"], name="custom_status_id"))
        if status is None:
            raise record_invalid("custom_status_id", "Custom status: is invalid", "InvalidValue")
        plain["status"] = status
    if plain.get("external_id") is not None:
        plain["external_id"] = str(plain["external_id"])
    tags = split_tags(wanted["tags"]) if "tags" in wanted else None
    return plain, tags, fields.wanted_values(account, wanted.get("custom_fields", wanted.get("fields")), call)


def _metadata(wanted: Record) -> Record:
    given = wanted.get("metadata")
    return given if isinstance(given, dict) else {}


def _check_stamp(ticket: Record, stamp: object) -> None:
    if stamp is None:
        raise invalid_attribute("updated_stamp is required for a safe update")
    if stamp != ticket["updated_at"]:
        raise update_conflict()


def _change_tags(account: Account, call: Call, combine: Any, *, status: int = 200) -> Answer:
    ticket = ticket_of(account, call)
    account.limits.ticket_update(call.headers, user_id=call.user["id"], ticket_id=ticket["id"])
    call.unpermitted += [key for key in call.body if key not in {"tags", "safe_update", "updated_stamp"}]
    if "safe_update" in call.body:
        _check_stamp(ticket, call.body.get("updated_stamp"))
    if not isinstance(call.body.get("tags"), list):
        raise invalid_attribute("tags is required and must be a list")
    changes.check_open(ticket)
    tags = sorted(combine(set(ticket["tags"]), set(split_tags(call.body["tags"]))))
    changes.change_ticket(account, ticket, Change(tags=tags), call.actor)
    return Answer({"tags": ticket["tags"]}, status)


def _job(account: Account, results: list[Record]) -> Record:
    job_id = f"V3-{account.store.next_id():032x}"
    job = {
        "id": job_id,
        "url": account.api_url(f"job_statuses/{job_id}.json"),
        "job_type": "Ticket Merge",
        "total": len(results),
        "progress": len(results),
        "status": "completed",
        "message": f"Completed at {account.now_iso()}",
        "results": results,
    }
    account.store.jobs[job_id] = job
    return job


ENDPOINTS = [
    Endpoint("PUT", "tickets/{id}", update),
    Endpoint("POST", "tickets", create, idempotent_key=True),
    Endpoint("DELETE", "tickets/{id}", delete),
    Endpoint("PUT", "tickets/{id}/comments/{id}/make_private", make_private),
    Endpoint("POST", "tickets/{id}/tags", set_tags),
    Endpoint("PUT", "tickets/{id}/tags", add_tags),
    Endpoint("DELETE", "tickets/{id}/tags", remove_tags),
    Endpoint("POST", "tickets/{id}/merge", merge),
]
