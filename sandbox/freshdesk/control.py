"""How do the agents' hands work? The control API under `/sandbox/api/freshdesk`, in the shapes of Zendesk's."""

import base64
import binascii
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.answers import Json, object_of
from sandbox.freshdesk import changes, desk, fields, people, rules, tickets
from sandbox.freshdesk.account import (
    CLOSED,
    FEEDBACK,
    FORWARD,
    NOTE,
    PHONE_SOURCE,
    REPLY,
    RESOLVED,
    Account,
    Actor,
)
from sandbox.freshdesk.calls import CallLog
from sandbox.freshdesk.changes import Entry
from sandbox.freshdesk.multipart import Part
from sandbox.freshdesk.texts import from_lines
from sandbox.freshdesk.wire import Record, RefusalError, invalid, invalid_value

AUTOMATION_ID = 70_000_555_001
KINDS = {"reply": REPLY, "note": NOTE, "forward": FORWARD, "survey": FEEDBACK, "automation": NOTE}
CHANGE_KEYS = frozenset(
    {"status", "subject", "priority", "type", "assignee_id", "requester_id", "group_id", "source"}
    | {"tags", "custom_fields", "agent", "as_api_user"}
)
COMMENT_KEYS = CHANGE_KEYS | {"html", "text", "public", "attachments", "kind"}
USER_KEYS = frozenset(
    {"name", "email", "phone", "mobile", "external_id", "tags", "language", "time_zone", "job_title", "role"}
)


class Control:
    """What the page and the tests do by hand. Everything here is made in the UI or by mail, and runs rules."""

    def __init__(self, account: Account, *, log: CallLog) -> None:
        self._account = account
        self._log = log

    def routes(self) -> list[Route]:
        """All of them."""
        rows = [
            ("/tickets", self._tickets, "GET"),
            ("/tickets", self._open, "POST"),
            ("/tickets/{id:int}", self._ticket, "GET"),
            ("/tickets/{id:int}", self._change, "POST"),
            ("/tickets/{id:int}", self._delete, "DELETE"),
            ("/tickets/{id:int}/comments", self._comment, "POST"),
            ("/tickets/{id:int}/merge", self._merge, "POST"),
            ("/tickets/{id:int}/close", self._close, "POST"),
            ("/tickets/{id:int}/spam", self._spam, "POST"),
            ("/tickets/{id:int}/restore", self._restore, "POST"),
            ("/tickets/{id:int}/archive", self._archive, "POST"),
            ("/comments/{id:int}", self._edit, "POST"),
            ("/comments/{id:int}", self._remove, "DELETE"),
            ("/agents", self._agents, "GET"),
            ("/users", self._users, "GET"),
            ("/users", self._make_user, "POST"),
            ("/users/{id:int}", self._change_user, "POST"),
            ("/users/{id:int}", self._delete_user, "DELETE"),
            ("/users/{id:int}/merge", self._merge_users, "POST"),
            ("/users/{id:int}/make_agent", self._make_agent, "POST"),
            ("/fields", self._fields, "GET"),
            ("/fields", self._make_field, "POST"),
            ("/rules", self._rules, "GET"),
            ("/rules", self._make_rule, "POST"),
            ("/rules/{id:int}", self._delete_rule, "DELETE"),
            ("/webhooks", self._webhooks, "GET"),
            ("/invocations", self._invocations, "GET"),
            ("/mails", self._mails, "GET"),
            ("/calls", self._calls, "GET"),
        ]
        return [Route(path, _refusable(handler), methods=[method]) for path, handler, method in rows]

    # Tickets

    async def _tickets(self, request: Request) -> Response:
        """Newest change first; `?view=open` leaves out what is solved or closed, `?requester_id=`."""
        store, query = self._account.store, request.query_params
        if (requester_id := query.get("requester_id")) is not None:
            found = store.tickets_of_requester(int(requester_id))
        else:
            found = store.tickets_updated_from("")
        found = [ticket for ticket in found if not (ticket["_deleted"] or ticket["_archived"])]
        if query.get("view") == "open":
            found = [ticket for ticket in found if ticket["status"] not in {RESOLVED, CLOSED} and not ticket["spam"]]
        found.sort(key=lambda ticket: (ticket["updated_at"], ticket["id"]), reverse=True)
        return Json([desk.brief(self._account, ticket) for ticket in found[: int(query.get("limit", 500))]])

    async def _ticket(self, request: Request) -> Response:
        return Json(desk.full(self._account, self._any(request)))

    async def _open(self, request: Request) -> Response:
        """An agent opens a ticket: `{"requester_id", "subject"?, "text" | "html", "source"?}`; 3 is a phone call."""
        wish = await _wish(request, COMMENT_KEYS)
        requester = self._account.store.people.get(wish.get("requester_id", 0))
        if requester is None or requester["_deleted"]:
            raise HTTPException(400, "requester_id is a user's id")
        values = self._values(wish, {}, status=2, is_creation=True)
        values.pop("requester_id", None)
        source = wish.get("source", PHONE_SOURCE)
        if source not in fields.SOURCES.values():
            raise HTTPException(400, f"source is one of {sorted(fields.SOURCES.values())}")
        values |= {"subject": str(wish.get("subject") or "No subject"), "description": _html(wish), "source": source}
        parts = [_part(one) for one in wish.get("attachments") or []]
        ticket = changes.open_ticket(
            self._account, requester=requester, values=values, parts=parts, actor=self._actor(wish)
        )
        return Json(desk.full(self._account, ticket), status=201)

    async def _comment(self, request: Request) -> Response:
        """A reply or a note; `kind` names one of reply, note, forward, survey, automation."""
        wish = await _wish(request, COMMENT_KEYS)
        ticket, actor = self._alive(request), self._actor(wish)
        if not wish.get("text") and not wish.get("html"):
            raise HTTPException(400, "text or html is missing")
        values = self._values(wish, ticket["custom_fields"], status=ticket["status"], is_creation=False)
        entry, actor = self._entry(wish, ticket, actor)
        changes.add_entry(self._account, ticket, entry, actor, values=values)
        full = desk.full(self._account, ticket)
        return Json({"comment": full["comments"][-1], "ticket": full}, status=201)

    async def _change(self, request: Request) -> Response:
        wish = await _wish(request, CHANGE_KEYS)
        ticket = self._alive(request)
        values = self._values(wish, ticket["custom_fields"], status=ticket["status"], is_creation=False)
        changes.change_ticket(self._account, ticket, values, self._actor(wish))
        return Json(desk.full(self._account, ticket))

    async def _merge(self, request: Request) -> Response:
        """Merge this ticket into another: `{"into": id, "public"?: whether the notes are}`."""
        wish = await _wish(request, frozenset({"into", "agent", "public"}))
        source, target = self._alive(request), tickets.alive(self._account, wish.get("into"))
        if target is None or target is source:
            raise HTTPException(400, "into is a ticket's id")
        changes.merge(self._account, primary=target, secondary=source, actor=self._actor(wish))
        return Json({"source": desk.full(self._account, source), "target": desk.full(self._account, target)})

    async def _delete(self, request: Request) -> Response:
        changes.move_to(self._account, self._alive(request), self._actor({}), action="deleted")
        return Json({})

    async def _spam(self, request: Request) -> Response:
        return self._moved(self._alive(request), "marked_spam")

    async def _restore(self, request: Request) -> Response:
        """Out of the bin or out of spam."""
        ticket = self._any(request)
        return self._moved(ticket, "restored" if ticket["_deleted"] else "unmarked_spam")

    async def _archive(self, request: Request) -> Response:
        """What happens to a closed ticket after 120 quiet days."""
        ticket = self._alive(request)
        if ticket["status"] != CLOSED:
            raise HTTPException(409, "only closed tickets are archived")
        return self._moved(ticket, "archived")

    def _moved(self, ticket: Record, action: str) -> Response:
        changes.move_to(self._account, ticket, self._actor({}), action=action)
        return Json(desk.full(self._account, ticket))

    async def _close(self, request: Request) -> Response:
        ticket = self._alive(request)
        values = self._values({"status": "closed"}, ticket["custom_fields"], status=CLOSED, is_creation=False)
        changes.change_ticket(self._account, ticket, values, self._actor({}))
        return Json(desk.full(self._account, ticket))

    async def _edit(self, request: Request) -> Response:
        """An agent edits a note."""
        wish = await _wish(request, frozenset({"text", "html", "agent"}))
        conversation = self._conversation(request)
        if conversation["source"] != NOTE:
            raise HTTPException(409, "only notes are edited")
        ticket = self._account.store.tickets[conversation["ticket_id"]]
        changes.edit_entry(self._account, ticket, conversation, body=_html(wish), parts=())
        conversation["last_edited_user_id"] = self._actor(wish).user["id"]
        return Json(desk.full(self._account, ticket))

    async def _remove(self, request: Request) -> Response:
        conversation = self._conversation(request)
        self._account.store.remove_conversation(conversation)
        self._account.announce(conversation["ticket_id"])
        return Json({})

    # People

    async def _agents(self, _request: Request) -> Response:
        own = self._account.setting("api_agent_id")
        return Json(
            [
                {"id": one["id"], "name": one["name"], "kind": desk.role(one), "is_api_user": one["id"] == own}
                for one in self._account.store.agents()
            ]
        )

    async def _users(self, request: Request) -> Response:
        """Everybody; `?role=end-user` the contacts that are not deleted."""
        found = [desk.user(one) for one in self._account.store.people.values()]
        if (role := request.query_params.get("role")) is not None:
            found = [one for one in found if one["role"] == role and one["active"]]
        return Json(found)

    async def _make_user(self, request: Request) -> Response:
        """A contact, made by hand: `phone` is the work phone, `external_id` the unique external id."""
        values = _person(await _wish(request, USER_KEYS))
        if not values.get("name"):
            raise HTTPException(400, "name is missing")
        return Json(desk.user(people.make_contact(self._account, values)), status=201)

    async def _change_user(self, request: Request) -> Response:
        contact = self._contact(request.path_params["id"])
        people.change_contact(self._account, contact, _person(await _wish(request, USER_KEYS)))
        return Json(desk.user(contact))

    async def _delete_user(self, request: Request) -> Response:
        people.delete_contact(self._account, self._contact(request.path_params["id"]))
        return Json({})

    async def _merge_users(self, request: Request) -> Response:
        """Merge this contact into another, whose own values stay: `{"into": id}`."""
        wish = await _wish(request, frozenset({"into"}))
        winner, loser = self._contact(wish.get("into")), self._contact(request.path_params["id"])
        kept = {name: winner[name] for name in people.WAYS_TO_REACH if winner[name]}
        people.merge_contacts(self._account, primary=winner, secondary=loser, values=kept)
        return Json(desk.user(winner))

    async def _make_agent(self, request: Request) -> Response:
        """A contact becomes an agent, whom the contacts API knows no more."""
        contact = self._contact(request.path_params["id"])
        people.promote(self._account, contact)
        return Json(desk.user(contact))

    # Furniture and records

    async def _fields(self, _request: Request) -> Response:
        return Json(list(self._account.store.fields.values()))

    async def _make_field(self, request: Request) -> Response:
        """A custom field, also a changed one of the same name."""
        return Json(fields.make_field(self._account, await object_of(request)), status=201)

    async def _rules(self, _request: Request) -> Response:
        return Json(list(self._account.store.rules.values()))

    async def _make_rule(self, request: Request) -> Response:
        """An automation rule with a webhook, as an admin builds it in the UI."""
        return Json(rules.make_rule(self._account, await object_of(request)), status=201)

    async def _delete_rule(self, request: Request) -> Response:
        if self._account.store.rules.pop(request.path_params["id"], None) is None:
            raise HTTPException(404, "no such rule")
        return Json({})

    async def _webhooks(self, _request: Request) -> Response:
        """The webhooks of the rules."""
        return Json(
            [
                {
                    "id": rule["id"],
                    "name": rule["name"],
                    "status": "active" if rule["active"] else "inactive",
                    "endpoint": rule["webhook"]["url"],
                    "http_method": rule["webhook"]["request_type"],
                    "custom_headers": rule["webhook"]["custom_headers"],
                }
                for rule in self._account.store.rules.values()
            ]
        )

    async def _invocations(self, request: Request) -> Response:
        return Json(_newest(self._account.store.invocations, request))

    async def _mails(self, request: Request) -> Response:
        """What Freshdesk mailed to customers by itself."""
        return Json(_newest(self._account.store.mails, request))

    async def _calls(self, request: Request) -> Response:
        """Counters and calls; `?since=` the mark that an earlier answer gave."""
        return Json(self._log.since(int(request.query_params.get("since", 0))))

    # What a wish names

    def _actor(self, wish: Record) -> Actor:
        """Who acts: `agent` by id or name, the key's agent with `as_api_user`, else Bia; a contact writes by mail."""
        who = wish.get("agent")
        if wish.get("as_api_user"):
            who = self._account.setting("api_agent_id")
        if isinstance(who, str):
            named = [agent for agent in self._account.store.agents() if agent["name"] == who]
            if not named:
                raise HTTPException(400, "no such agent")
            return Actor(named[0], "web")
        user = self._account.store.people.get(self._account.setting("bia") if who is None else who)
        if user is None or user["_deleted"]:
            raise HTTPException(404, "no such user")
        return Actor(user, "web" if user["_agent"] is not None else "mail")

    def _entry(self, wish: Record, ticket: Record, actor: Actor) -> tuple[Entry, Actor]:
        """What an agent or a contact writes, and as whom it counts."""
        requester = self._account.store.people.get(ticket["requester_id"])
        public = bool(wish.get("public", True)) and not people.is_collaborator(actor.user)
        address = requester["email"] if requester else None
        usual = "reply" if not actor.is_agent or (public and address) else "note"
        kind = wish.get("kind", usual)
        if kind not in KINDS:
            raise HTTPException(400, f"kind is one of {', '.join(KINDS)}")
        if kind == "reply" and actor.is_agent and not address and self._account.faults.is_on("reply_needs_email"):
            raise invalid_value("to_emails", "There is no e-mail address to reply to")
        if kind == "survey" and requester is not None:
            actor = Actor(requester, "mail")
        if kind == "automation":
            actor = Actor(actor.user, "rule")
        given = [(_part(one), bool(one.get("inline"))) for one in wish.get("attachments") or []]
        entry = Entry(
            author=actor.user,
            body=_html(wish),
            source=KINDS[kind],
            private=kind == "forward" or (kind in {"note", "automation"} and not public),
            incoming=not actor.is_agent,
            files=[part for part, inline in given if not inline],
            inline_files=[part for part, inline in given if inline],
            more={"automation_id": AUTOMATION_ID, "automation_type_id": 4} if kind == "automation" else None,
        )
        return entry, actor

    def _values(self, wish: Record, before: Record, *, status: int, is_creation: bool) -> Record:
        """A wish's values in the API's spelling. Raises what the form refuses."""
        values: Record = {name: wish[name] for name in ("subject", "type", "requester_id", "group_id") if name in wish}
        if "assignee_id" in wish:
            values["responder_id"] = wish["assignee_id"]
        for name, numbers in (("status", desk.STATUS_NUMBERS), ("priority", desk.PRIORITY_NUMBERS)):
            if name in wish:
                if wish[name] not in numbers and wish[name] not in numbers.values():
                    raise HTTPException(400, f"{name} is one of {', '.join(numbers)}")
                values[name] = numbers.get(wish[name], wish[name])
        if "tags" in wish:
            given = wish["tags"].split() if isinstance(wish["tags"], str) else wish["tags"]
            values["tags"] = list(dict.fromkeys(tag for tag in given if tag))
        custom = wish.get("custom_fields") or {}
        checked = {**values, "custom_fields": custom}
        problems = tickets.problems_of_values(self._account, checked, is_form=False)
        if values.get("requester_id", 0) and values["requester_id"] not in self._account.store.people:
            raise HTTPException(400, "requester_id is a user's id")
        status = values.get("status", status)
        problems += fields.missing(self._account, {**before, **custom}, status=status, is_creation=is_creation)
        if problems:
            raise invalid(problems)
        values["custom_fields"] = fields.settled(self._account, before, custom)
        return values

    def _any(self, request: Request) -> Record:
        ticket = self._account.store.tickets.get(request.path_params["id"])
        if ticket is None:
            raise HTTPException(404, "no such ticket")
        return ticket

    def _alive(self, request: Request) -> Record:
        ticket = tickets.alive(self._account, request.path_params["id"])
        if ticket is None:
            raise HTTPException(404, "no such ticket")
        return ticket

    def _conversation(self, request: Request) -> Record:
        conversation = self._account.store.conversation(request.path_params["id"])
        if conversation is None:
            raise HTTPException(404, "no such comment")
        return conversation

    def _contact(self, contact_id: object) -> Record:
        contact = self._account.store.contact(contact_id)
        if contact is None or contact["_deleted"]:
            raise HTTPException(404, "no such user")
        return contact


def _html(wish: Record) -> str:
    html = wish.get("html")
    return str(html) if html else from_lines(str(wish.get("text") or ""))


def _part(wanted: Record) -> Part:
    try:
        data = base64.b64decode(str(wanted.get("data", "")), validate=True)
    except binascii.Error as error:
        raise HTTPException(400, "an attachment's data is base64") from error
    content_type = str(wanted.get("content_type") or "application/octet-stream")
    return Part("attachments[]", str(wanted.get("filename") or "file"), content_type, data)


def _person(wish: Record) -> Record:
    if wish.get("role") not in {None, "end-user"}:
        raise HTTPException(400, "only contacts are made here")
    values = {name: value for name, value in wish.items() if name not in {"role", "external_id"}}
    if "external_id" in wish:
        values["unique_external_id"] = wish["external_id"]
    return values


def _newest(kept: Any, request: Request) -> list[Record]:
    limit = int(request.query_params.get("limit", 100))
    return [kept[-place] for place in range(1, min(limit, len(kept)) + 1)]


async def _wish(request: Request, known: frozenset[str]) -> Record:
    wish = await object_of(request)
    if unknown := sorted(set(wish) - known):
        raise HTTPException(400, f"{unknown[0]} is not known here")
    return wish


def _refusable(handler: Any) -> Any:
    """What Freshdesk's rules refuse is refused to agents too, with the same body."""

    async def route(request: Request) -> Response:
        try:
            answer: Response = await handler(request)
        except RefusalError as refusal:
            return Json({"error": refusal.body}, status=refusal.status, headers=refusal.headers)
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return answer

    return route
