"""The agents' hands: the routes by which tests and the agent page work in this Zendesk as people do."""

import base64
import binascii
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.answers import Json, object_of
from sandbox.zendesk import attachments, changes, fields, people, tickets
from sandbox.zendesk.account import MAIL, RULE, WEB_FORM, Account, Actor
from sandbox.zendesk.calls import CallLog
from sandbox.zendesk.changes import Change, NewComment
from sandbox.zendesk.wire import Record, RefusalError, split_tags

STAFF = frozenset({"agent", "admin"})
OPEN = frozenset({"new", "open", "pending", "hold"})
PLAIN_KEYS = frozenset(
    {"status", "subject", "priority", "type", "assignee_id", "requester_id", "group_id", "external_id"}
)
CHANGE_KEYS = PLAIN_KEYS | {"tags", "custom_fields", "agent", "as_api_user"}
COMMENT_KEYS = CHANGE_KEYS | {"html", "text", "public", "attachments"}


class Control:
    """What the page and the tests do by hand. Everything here is made in the UI (`via` web form) and fires triggers."""

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
            ("/agents", self._agents, "GET"),
            ("/users", self._users, "GET"),
            ("/users", self._make_user, "POST"),
            ("/users/{id:int}", self._change_user, "POST"),
            ("/users/{id:int}/merge", self._merge_users, "POST"),
            ("/fields", self._fields, "GET"),
            ("/triggers", self._triggers, "GET"),
            ("/webhooks", self._webhooks, "GET"),
            ("/invocations", self._invocations, "GET"),
            ("/calls", self._calls, "GET"),
        ]
        return [Route(path, _refusable(handler), methods=[method]) for path, handler, method in rows]

    async def _tickets(self, request: Request) -> Response:
        """Newest change first; `?view=open` leaves out what is solved or closed, `?requester_id=`, `?external_id=`."""
        store, query = self._account.store, request.query_params
        if (requester_id := query.get("requester_id")) is not None:
            found = store.tickets_of_requester(int(requester_id))
        elif (external_id := query.get("external_id")) is not None:
            found = store.tickets_with_external_id(external_id)
        else:
            found = list(store.live_tickets())
        if query.get("view") == "open":
            found = [ticket for ticket in found if ticket["status"] in OPEN]
        found.sort(key=lambda ticket: (ticket["updated_at"], ticket["id"]), reverse=True)
        return Json([self._brief(ticket) for ticket in found[: int(query.get("limit", 500))]])

    async def _ticket(self, request: Request) -> Response:
        ticket = self._account.store.tickets.get(request.path_params["id"])
        if ticket is None:
            raise HTTPException(404, "no such ticket")
        return Json(self._full(ticket))

    async def _open(self, request: Request) -> Response:
        """An agent opens a ticket: `{"requester_id", "subject"?, "text" | "html", "public"?}`."""
        wish = await _wish(request, COMMENT_KEYS)
        actor = self._actor(wish)
        requester = self._account.store.users.get(wish.get("requester_id", 0))
        if requester is None:
            raise HTTPException(400, "requester_id is a user's id")
        comment = self._new_comment(wish, actor)
        if comment is None:
            raise HTTPException(400, "text or html is missing")
        ticket, _ = changes.open_ticket(
            self._account,
            requester=requester,
            submitter=actor.user,
            wanted=self._wanted(wish, comment),
            actor=actor,
        )
        return Json(self._full(ticket), status=201)

    async def _comment(self, request: Request) -> Response:
        wish = await _wish(request, COMMENT_KEYS)
        ticket, actor = self._alive(request), self._actor(wish)
        changes.check_open(ticket)
        self._count_update(ticket, actor)
        comment = self._new_comment(wish, actor)
        if comment is None:
            raise HTTPException(400, "text or html is missing")
        wanted = self._wanted(wish, comment)
        takes = (
            actor.user["role"] in STAFF and not actor.user["only_private_comments"] and ticket["assignee_id"] is None
        )
        if takes and comment.public and "assignee_id" not in wish:
            wanted.plain["assignee_id"] = actor.user["id"]
        changes.change_ticket(self._account, ticket, wanted, actor)
        full = self._full(ticket)
        return Json({"comment": full["comments"][-1], "ticket": full}, status=201)

    async def _change(self, request: Request) -> Response:
        wish = await _wish(request, CHANGE_KEYS)
        ticket, actor = self._alive(request), self._actor(wish)
        changes.check_open(ticket)
        self._count_update(ticket, actor)
        changes.change_ticket(self._account, ticket, self._wanted(wish, None), actor)
        return Json(self._full(ticket))

    async def _merge(self, request: Request) -> Response:
        """Merge this ticket into another: `{"into": id}`."""
        wish = await _wish(request, frozenset({"into", "agent", "public"}))
        source = self._alive(request)
        target = self._account.store.ticket(wish.get("into", 0))
        if target is None:
            raise HTTPException(400, "into is a ticket's id")
        both = bool(wish.get("public"))
        results = tickets.merge_tickets(
            self._account, target, [source["id"]], actor=self._actor(wish), target_public=both, source_public=both
        )
        if not results[0]["success"]:
            raise HTTPException(409, "this ticket cannot be merged")
        return Json({"source": self._full(source), "target": self._full(target)})

    async def _delete(self, request: Request) -> Response:
        changes.delete_ticket(self._account, self._alive(request), self._actor({}))
        return Json({})

    async def _close(self, request: Request) -> Response:
        """What the automation does days after solving."""
        ticket = self._alive(request)
        changes.close_ticket(self._account, ticket)
        return Json(self._full(ticket))

    async def _agents(self, _request: Request) -> Response:
        kinds = ((user, "light agent" if user["only_private_comments"] else user["role"]) for user in self._staff())
        api_user_id = self._account.setting("api_user_id")
        return Json(
            [
                {"id": user["id"], "name": user["name"], "kind": kind, "is_api_user": user["id"] == api_user_id}
                for user, kind in kinds
            ]
        )

    async def _users(self, request: Request) -> Response:
        users = list(self._account.store.users.values())
        if (role := request.query_params.get("role")) is not None:
            users = [user for user in users if user["role"] == role]
        return Json([{**user, "identities": self._account.store.identities[user["id"]]} for user in users])

    async def _make_user(self, request: Request) -> Response:
        wish = await _wish(request, frozenset(people.CHANGEABLE) | {"phone"})
        return Json(people.make_user(self._account, wish), status=201)

    async def _change_user(self, request: Request) -> Response:
        wish = await _wish(request, frozenset(people.CHANGEABLE) | {"phone"})
        user = self._user(request.path_params["id"])
        people.change_user(self._account, user, wish)
        return Json(user)

    async def _merge_users(self, request: Request) -> Response:
        """Merge this user into another: `{"into": id}`."""
        wish = await _wish(request, frozenset({"into"}))
        winner = self._user(wish.get("into"))
        people.merge_users(self._account, loser=self._user(request.path_params["id"]), winner=winner)
        return Json(winner)

    async def _fields(self, _request: Request) -> Response:
        return Json(
            [field for field in self._account.store.fields.values() if field["type"] not in fields.SYSTEM_TYPES]
        )

    async def _triggers(self, _request: Request) -> Response:
        return Json(list(self._account.store.triggers.values()))

    async def _webhooks(self, _request: Request) -> Response:
        secrets = self._account.store.secrets
        webhooks = self._account.store.webhooks.values()
        return Json([{**webhook, "signing_secret": secrets[webhook["id"]]} for webhook in webhooks])

    async def _invocations(self, request: Request) -> Response:
        limit = int(request.query_params.get("limit", 100))
        kept = self._account.store.invocations
        return Json([kept[-place] for place in range(1, min(limit, len(kept)) + 1)])

    async def _calls(self, request: Request) -> Response:
        """Counters and calls; `?since=` the mark that an earlier answer gave."""
        return Json(self._log.since(int(request.query_params.get("since", 0))))

    def _staff(self) -> list[Record]:
        return [user for user in self._account.store.users.values() if user["role"] in STAFF and user["active"]]

    def _user(self, user_id: object) -> Record:
        user = self._account.store.users.get(user_id) if isinstance(user_id, int) else None
        if user is None or not user["active"]:
            raise HTTPException(404, "no such user")
        return user

    def _actor(self, wish: Record) -> Actor:
        """Who acts: `agent` by id or name, the API user with `as_api_user`, else Bia; an end user writes by mail."""
        who = wish.get("agent")
        if wish.get("as_api_user"):
            user = self._user(self._account.setting("api_user_id"))
        elif isinstance(who, str):
            named = [user for user in self._staff() if user["name"] == who]
            if not named:
                raise HTTPException(400, "no such agent")
            user = named[0]
        else:
            user = self._user(self._account.setting("bia") if who is None else who)
        return Actor(user=user, via_id=MAIL if user["role"] == "end-user" else WEB_FORM, client="Mozilla/5.0")

    def _alive(self, request: Request) -> Record:
        ticket = self._account.store.ticket(request.path_params["id"])
        if ticket is None:
            raise HTTPException(404, "no such ticket")
        return ticket

    def _count_update(self, ticket: Record, actor: Actor) -> None:
        if actor.via_id != RULE:
            self._account.limits.ticket_update({}, user_id=actor.user["id"], ticket_id=ticket["id"])

    def _new_comment(self, wish: Record, actor: Actor) -> NewComment | None:
        if not wish.get("text") and not wish.get("html"):
            return None
        files = tuple(self._file(wanted) for wanted in wish.get("attachments") or [])
        # What was pasted into the text stands there as a picture.
        pasted = "".join(f'<p><img src="{file["content_url"]}"></p>' for file in files if file["inline"])
        comment = NewComment(
            author=actor.user,
            body=str(wish.get("text") or ""),
            html_body=f"{wish['html']}{pasted}" if wish.get("html") else "",
            public=bool(wish.get("public", True)),
            files=files,
        )
        return changes.checked(self._account, comment)

    def _file(self, wanted: Record) -> Record:
        try:
            data = base64.b64decode(str(wanted.get("data", "")), validate=True)
        except binascii.Error as error:
            raise HTTPException(400, "an attachment's data is base64") from error
        return attachments.keep(
            self._account,
            name=str(wanted.get("filename") or "file"),
            content_type=str(wanted.get("content_type") or "application/octet-stream"),
            data=data,
            inline=bool(wanted.get("inline")),
        )

    def _wanted(self, wish: Record, comment: NewComment | None) -> Change:
        plain = {name: wish[name] for name in PLAIN_KEYS if name in wish}
        if plain.get("status", "open") not in tickets.STATUSES:
            raise HTTPException(400, f"status is one of {', '.join(tickets.STATUSES)}")
        tags = split_tags(wish["tags"]) if "tags" in wish else None
        return Change(plain, tags, fields.wanted_values(self._account, wish.get("custom_fields"), None), comment)

    def _brief(self, ticket: Record) -> Record:
        requester = self._account.store.users.get(ticket["requester_id"])
        comments = self._account.store.comments[ticket["id"]]
        names = (
            "id",
            "subject",
            "status",
            "tags",
            "external_id",
            "requester_id",
            "assignee_id",
            "created_at",
            "updated_at",
        )
        return {
            **{name: ticket[name] for name in names},
            "requester_name": requester["name"] if requester else None,
            "comment_count": len(comments),
            "latest": comments[-1]["plain_body"][:120] if comments else "",
        }

    def _full(self, ticket: Record) -> Record:
        """The ticket with its requester, its fields by title, and every comment with its author and custom metadata."""
        store = self._account.store
        names = {field["id"]: field["title"] for field in store.fields.values()}
        shown: list[Any] = []
        for comment in store.comments[ticket["id"]]:
            author = store.users.get(comment["author_id"])
            shown.append(
                {
                    **comment,
                    "author_name": author["name"] if author else "System",
                    "author_role": author["role"] if author else "system",
                    "custom": comment["metadata"].get("custom", {}),
                }
            )
        return {
            **ticket,
            "requester": store.users.get(ticket["requester_id"]),
            "assignee": store.users.get(ticket["assignee_id"] or 0),
            "fields_by_title": {names.get(entry["id"], "?"): entry["value"] for entry in ticket["custom_fields"]},
            "comments": shown,
            "audits": store.audits[ticket["id"]],
        }


async def _wish(request: Request, known: frozenset[str]) -> Record:
    wish = await object_of(request)
    if unknown := sorted(set(wish) - known):
        raise HTTPException(400, f"{unknown[0]} is not known here")
    return wish


def _refusable(handler: Any) -> Any:
    """What Zendesk's rules refuse is refused to agents too, with the same body."""

    async def route(request: Request) -> Response:
        try:
            answer: Response = await handler(request)
        except RefusalError as refusal:
            return Json({"error": refusal.body}, status=refusal.status, headers=refusal.headers)
        except ValueError as error:
            raise HTTPException(400, "that is not a number") from error
        return answer

    return route
