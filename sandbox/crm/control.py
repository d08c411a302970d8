"""How do the agents' hands work? The control API under `/sandbox/api/http`, in the shapes of Zendesk's."""

import base64
import binascii
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.answers import Json, object_of
from sandbox.crm import desk
from sandbox.crm.account import Account, html_of, lines_of
from sandbox.crm.store import Record
from sandbox.freshdesk.calls import CallLog

STATUSES = ("open", "pending", "hold", "solved", "closed")
CHANGE_KEYS = frozenset({"status", "subject", "tags", "assignee_id", "requester_id", "agent", "as_api_user"})
COMMENT_KEYS = CHANGE_KEYS | {"html", "text", "public", "attachments"}
TELLS = {"solved": "solve", "closed": "close"}


class Control:
    """What the page and the tests do by hand. What agents do is told to the bridge; what customers do by other ways is
    not."""

    def __init__(self, account: Account, *, log: CallLog) -> None:
        self._account = account
        self._log = log

    def routes(self) -> list[Route]:
        """All of them."""
        rows = [
            ("/tickets", self._tickets, "GET"),
            ("/tickets", self._open, "POST"),
            ("/tickets/{id}", self._ticket, "GET"),
            ("/tickets/{id}", self._change, "POST"),
            ("/tickets/{id}", self._delete, "DELETE"),
            ("/tickets/{id}/comments", self._comment, "POST"),
            ("/tickets/{id}/merge", self._merge, "POST"),
            ("/tickets/{id}/close", self._close, "POST"),
            ("/agents", self._agents, "GET"),
            ("/users", self._users, "GET"),
            ("/users", self._make_user, "POST"),
            ("/users/{id:int}", self._delete_user, "DELETE"),
            ("/fields", self._fields, "GET"),
            ("/webhooks", self._webhooks, "GET"),
            ("/invocations", self._invocations, "GET"),
            ("/calls", self._calls, "GET"),
        ]
        return [Route(path, handler, methods=[method]) for path, handler, method in rows]

    async def _tickets(self, request: Request) -> Response:
        """Newest change first; `?view=open` leaves out what is solved or closed, `?requester_id=`."""
        query = request.query_params
        found = [ticket for ticket in self._account.store.tickets.values() if ticket["status"] != "deleted"]
        if (requester_id := query.get("requester_id")) is not None:
            found = [ticket for ticket in found if str(ticket["requester_id"]) == requester_id]
        if query.get("view") == "open":
            found = [ticket for ticket in found if ticket["status"] not in TELLS]
        found.sort(key=lambda ticket: (ticket["updated_at"], ticket["id"]), reverse=True)
        return Json([desk.brief(self._account, ticket) for ticket in found[: int(query.get("limit", 500))]])

    async def _ticket(self, request: Request) -> Response:
        return Json(desk.full(self._account, self._any(request)))

    async def _open(self, request: Request) -> Response:
        """An agent opens a ticket: `{"requester_id", "subject"?, "text" | "html"}`. The bridge is told nothing."""
        wish = await _wish(request, COMMENT_KEYS)
        requester = self._account.store.people.get(wish.get("requester_id", 0))
        if requester is None:
            raise HTTPException(400, "requester_id is a user's id")
        subject = str(wish.get("subject") or "No subject")
        ticket = self._account.open_ticket(requester=requester, subject=subject, known_as=None, follows=None)
        text, markup = _texts(wish)
        author = self._actor(wish)
        self._account.add_comment(
            ticket, author=author, public=True, text=text, html=markup, event_id=None, channel="web"
        )
        return Json(desk.full(self._account, ticket), status=201)

    async def _comment(self, request: Request) -> Response:
        wish = await _wish(request, COMMENT_KEYS)
        ticket, actor = self._open_for_comments(request), self._actor(wish)
        text, markup = _texts(wish)
        is_light = actor["role"] == "light agent"
        files = tuple(self._file(one) for one in wish.get("attachments") or [])
        comment = self._account.add_comment(
            ticket,
            author=actor,
            public=bool(wish.get("public", True)) and not is_light,
            text=text,
            html=markup,
            event_id=None,
            channel="mail" if actor["role"] == "end-user" else "web",
            attachments=files,
        )
        if actor["role"] == "end-user":
            ticket["status"] = "open"
        if actor["role"] == "agent":
            self._tell_comment(ticket, comment)
        self._apply(ticket, wish)
        full = desk.full(self._account, ticket)
        return Json({"comment": full["comments"][-1], "ticket": full}, status=201)

    def _tell_comment(self, ticket: Record, comment: Record) -> None:
        kind = "reply" if comment["public"] else "note"
        told = {
            "type": kind,
            "ticket_id": self._account.name_of(ticket),
            "id": comment["id"],
            "text": comment["text"],
            "html": comment["html"],
            "created_at": comment["created_at"],
            "author_name": self._account.store.people[comment["author_id"]]["name"],
        }
        files = [{"name": one["file_name"], "url": one["content_url"]} for one in comment["attachments"]]
        self._account.tell(ticket, {**told, **({"attachments": files} if files else {})})

    async def _change(self, request: Request) -> Response:
        wish = await _wish(request, CHANGE_KEYS)
        ticket = self._alive(request)
        self._apply(ticket, wish)
        self._account.touch(ticket)
        return Json(desk.full(self._account, ticket))

    def _apply(self, ticket: Record, wish: Record) -> None:
        before = ticket["status"]
        status = wish.get("status", before)
        if status not in STATUSES:
            raise HTTPException(400, f"status is one of {', '.join(STATUSES)}")
        ticket["status"] = status
        for name in ("subject", "tags", "assignee_id", "requester_id"):
            if name in wish:
                ticket[name] = wish[name]
        if status != before and status in TELLS:
            self._account.tell(ticket, {"type": TELLS[status], "ticket_id": self._account.name_of(ticket)})

    async def _close(self, request: Request) -> Response:
        ticket = self._alive(request)
        self._apply(ticket, {"status": "closed"})
        self._account.touch(ticket)
        return Json(desk.full(self._account, ticket))

    async def _merge(self, request: Request) -> Response:
        """Merge this ticket into another: `{"into": id}`."""
        wish = await _wish(request, frozenset({"into", "agent", "public"}))
        source, target = self._alive(request), self._account.store.tickets.get(wish.get("into", 0))
        if target is None or target is source or target["status"] in {"deleted", "closed"}:
            raise HTTPException(400, "into is another ticket's id")
        at = self._account.now_iso()
        source |= {"status": "closed", "_merged_into": target["id"], "_merged_at": at}
        told = {
            "type": "merge",
            "ticket_id": self._account.name_of(source),
            "into": self._account.name_of(target),
            "created_at": at,
        }
        self._account.tell(source, told)
        self._account.touch(source)
        self._account.touch(target)
        return Json({"source": desk.full(self._account, source), "target": desk.full(self._account, target)})

    async def _delete(self, request: Request) -> Response:
        ticket = self._any(request)
        ticket["status"] = "deleted"
        self._account.touch(ticket)
        return Json({})

    # People, records

    async def _agents(self, _request: Request) -> Response:
        own = self._account.api_user()["id"]
        return Json(
            [
                {"id": one["id"], "name": one["name"], "kind": one["role"], "is_api_user": one["id"] == own}
                for one in self._account.agents()
            ]
        )

    async def _users(self, request: Request) -> Response:
        """Everybody; `?role=end-user` the customers."""
        found = [desk.user(one) for one in self._account.store.people.values()]
        if (role := request.query_params.get("role")) is not None:
            found = [one for one in found if one["role"] == role and one["active"]]
        return Json(found)

    async def _make_user(self, request: Request) -> Response:
        wish = await _wish(request, frozenset({"name", "phone", "mobile", "email", "role"}))
        if not wish.get("name"):
            raise HTTPException(400, "name is missing")
        person = self._account.make_person(name=wish["name"], phone=wish.get("phone") or wish.get("mobile"))
        person["role"] = wish.get("role") or "end-user"
        self._account.notify("users")
        return Json(desk.user(person), status=201)

    async def _delete_user(self, request: Request) -> Response:
        person = self._account.store.people.get(request.path_params["id"])
        if person is None:
            raise HTTPException(404, "no such user")
        person["active"] = False
        self._account.notify("users")
        return Json({})

    async def _fields(self, _request: Request) -> Response:
        return Json([])

    async def _webhooks(self, _request: Request) -> Response:
        """Where agents' doings are told."""
        setup = self._account.store.setup
        return Json([{"id": 1, "name": "deskbridge", "status": "active", "endpoint": setup.get("api_url")}])

    async def _invocations(self, request: Request) -> Response:
        kept = list(self._account.store.invocations)
        return Json(kept[::-1][: int(request.query_params.get("limit", 100))])

    async def _calls(self, request: Request) -> Response:
        """Counters and events; `?since=` the mark that an earlier answer gave."""
        return Json(self._log.since(int(request.query_params.get("since", 0))))

    # What a wish names

    def _actor(self, wish: Record) -> Record:
        """Who acts: `agent` by id or name, the bridge's own user with `as_api_user`, else Bia."""
        if wish.get("as_api_user"):
            return self._account.api_user()
        who = wish.get("agent", "Bia")
        found = [one for one in self._account.store.people.values() if who == one["id"] or (who == one["name"] != "")]
        if not found or not found[0]["active"]:
            raise HTTPException(404, "no such user")
        person: Record = found[0]
        return person

    def _any(self, request: Request) -> Record:
        """By our id, or by the bridge's name."""
        ticket = self._account.ticket_called(request.path_params["id"])
        if ticket is None:
            raise HTTPException(404, "no such ticket")
        return ticket

    def _alive(self, request: Request) -> Record:
        ticket = self._any(request)
        if ticket["status"] == "deleted":
            raise HTTPException(404, "the ticket is deleted")
        return ticket

    def _open_for_comments(self, request: Request) -> Record:
        ticket = self._alive(request)
        if ticket["status"] == "closed":
            raise HTTPException(409, "the ticket is closed for good")
        return ticket

    def _file(self, wish: Any) -> Record:
        try:
            data = base64.b64decode(wish["data"], validate=True)
            number = self._account.store.next_id()
            return {
                "id": number,
                "file_name": str(wish["filename"]),
                "content_type": str(wish.get("content_type", "application/octet-stream")),
                "content_url": f"{self._account.url}/files/{number}",
                "size": len(data),
                "data": wish["data"],
            }
        except (KeyError, TypeError, binascii.Error) as error:
            raise HTTPException(400, "an attachment is {filename, content_type, data in base64}") from error


def _texts(wish: Record) -> tuple[str, str]:
    """(plain, HTML) of what was typed."""
    if wish.get("html"):
        return lines_of(str(wish["html"])), str(wish["html"])
    if not wish.get("text"):
        raise HTTPException(400, "text or html is missing")
    return str(wish["text"]), html_of(str(wish["text"]))


async def _wish(request: Request, known: frozenset[str]) -> Record:
    wish = await object_of(request)
    if unknown := sorted(set(wish) - known):
        raise HTTPException(400, f"there is no {unknown[0]}")
    return wish
