"""The far sides: a Cloud API that accepts at once, and a Zendesk that answers after a while and has no limit.

A raw server that is as lean as can be, since it shares the machine with what is measured. It notes when each request
arrived, and the marks that its text carries. Known tickets need not be made: any id is an open ticket. With `replies`
each ticket shows one public comment by staff, which carries the ticket's mark.

`python -m tests.bench.far_side PORT`; `POST /bench/settings` sets `delay_seconds` and `replies` and forgets what was
noted, `GET /bench/arrivals` tells it.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import uvloop

from tests.bench import people

_MARK = re.compile(rb"mk(\d{8})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_EXTERNAL_ID = re.compile(rb'"external_id":"([^"]*)"')
_LIMITS = (
    "X-Rate-Limit: 1000000\r\nX-Rate-Limit-Remaining: 999999\r\n"
    "ratelimit-limit: 1000000\r\nratelimit-remaining: 999999\r\nratelimit-reset: 60\r\n"
)
_UPDATE_LIMIT = "Zendesk-RateLimit-tickets-update: total=1000000; remaining=999999; resets=60\r\n"
_CREATE_LIMIT = "zendesk-ratelimit-ticket-request-create-by-user-and-ip: total=1000000; remaining=999999; resets=60\r\n"
_BLOCK = bytes(256 * 1024)
_VIA = {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}}


@dataclass(slots=True)
class World:
    """What the far sides are told to do, and what they saw."""

    delay_seconds: float = 0.0
    level: str = "HIGH"
    replies: bool = False
    arrivals: list[tuple[float, str, list[int]]] = field(default_factory=list)
    """(monotonic clock, which call, the marks of its text)."""
    last_id: int = 0
    address: str = ""

    def new_id(self) -> int:
        self.last_id += 1
        return 900_000_000_000 + self.last_id


@dataclass(frozen=True, slots=True)
class Answer:
    """`name` None: a call of the bench's own."""

    name: str | None
    body: object
    status: int = 200
    headers: str = ""
    delayed: bool = True


Handler = Callable[[World, str, bytes], Answer]


def _send(world: World, path: str, body: bytes) -> Answer:
    wamid = people.wamid(world.new_id() % 10**9, f"R{world.last_id}")
    dialled = str(json.loads(body).get("to", ""))
    contact = {"input": dialled, "wa_id": dialled.removeprefix("+")}
    answer = {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": wamid}]}
    return Answer("send", answer, delayed=False)


def _number(world: World, path: str, body: bytes) -> Answer:
    # The smallest number that is not in the WhatsApp Business app, unless a measurement wants another.
    node = {"throughput": {"level": world.level}, "is_on_biz_app": world.level == "COEXISTENCE"}
    return Answer(None, {**node, "whatsapp_business_manager_messaging_limit": "TIER_UNLIMITED"})


def _update(world: World, path: str, body: bytes) -> Answer:
    ticket_id = int(path.rpartition("/")[2])
    return Answer("update_ticket", _written(world, ticket_id, body), headers=_UPDATE_LIMIT)


def _create(world: World, path: str, body: bytes) -> Answer:
    return Answer("create_ticket", _written(world, world.new_id(), body), status=201, headers=_CREATE_LIMIT)


def _written(world: World, ticket_id: int, body: bytes) -> object:
    asked = json.loads(body)["ticket"]
    now = _now()
    audit_id = world.new_id()
    event = {
        "id": world.new_id(),
        "type": "Comment",
        "author_id": asked["comment"].get("author_id", people.STAFF_ID),
        "body": asked["comment"].get("html_body", ""),
        "html_body": asked["comment"].get("html_body", ""),
        "plain_body": asked["comment"].get("html_body", ""),
        "public": asked["comment"].get("public", True),
        "attachments": [],
        "audit_id": audit_id,
    }
    audit = {
        "id": audit_id,
        "ticket_id": ticket_id,
        "created_at": now,
        "author_id": people.STAFF_ID,
        "metadata": {"system": {"client": "deskbridge", "ip_address": "203.0.113.7"}, "custom": asked["metadata"]},
        "events": [event, {"id": world.new_id(), "type": "Change", "field_name": "status", "value": "open"}],
        "via": _VIA,
    }
    return {"ticket": _ticket(ticket_id, now, asked.get("external_id")), "audit": audit}


def _show(world: World, path: str, body: bytes) -> Answer:
    return Answer("show_ticket", {"ticket": _ticket(int(path.rpartition("/")[2]), _now(), None)})


def _ticket(ticket_id: int, now: str, external_id: str | None) -> object:
    return {
        "id": ticket_id,
        "url": f"https://bench.zendesk.com/api/v2/tickets/{ticket_id}.json",
        "external_id": external_id,
        "via": _VIA,
        "created_at": now,
        "updated_at": now,
        "generated_timestamp": int(time.monotonic()),
        "type": "question",
        "subject": "WhatsApp: Inês Duarte",
        "raw_subject": "WhatsApp: Inês Duarte",
        "description": "Olá, a encomenda ainda não chegou. Podem ver onde está?",
        "priority": "normal",
        "status": "open",
        "requester_id": people.requester_id(ticket_id),
        "submitter_id": people.requester_id(ticket_id),
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "has_incidents": False,
        "is_public": True,
        "tags": ["wa_window_open", "whatsapp"],
        "custom_fields": [{"id": 360_555_001, "value": "wa_window_open"}, {"id": 360_555_002, "value": False}],
        "satisfaction_rating": {"score": "unoffered"},
        "ticket_form_id": 360_009,
        "brand_id": 360_001,
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
    }


def _comments(world: World, path: str, body: bytes) -> Answer:
    ticket_id = int(path.split("/")[4])
    comments = []
    if world.replies:
        text = f"Bom dia, a encomenda {people.mark(ticket_id - people.ticket_id(0))} chega amanhã."
        comments = [
            {
                "id": ticket_id * 10,
                "type": "Comment",
                "author_id": people.STAFF_ID,
                "body": text,
                "html_body": f'<div class="zd-comment" dir="auto"><p dir="auto">{text}</p></div>',
                "plain_body": text,
                "public": True,
                "attachments": [],
                "audit_id": ticket_id * 10 + 1,
                "via": {"channel": "web", "source": {"from": {}, "to": {}, "rel": None}},
                "created_at": _now(),
                "metadata": {"system": {"client": "Mozilla/5.0"}, "custom": {}},
            }
        ]
    staff = {"id": people.STAFF_ID, "name": "Rui", "role": "agent", "active": True, "role_type": None}
    answer = {"comments": comments, "users": [staff], "meta": {"has_more": False, "after_cursor": None}, "links": {}}
    return Answer("read_comments", answer)


def _find_users(world: World, path: str, body: bytes) -> Answer:
    return Answer("find_user", {"users": []})


def _create_user(world: World, path: str, body: bytes) -> Answer:
    external_id = _EXTERNAL_ID.search(body)
    user = {
        "id": world.new_id(),
        "external_id": external_id[1].decode() if external_id else None,
        "role": "end-user",
        "active": True,
    }
    return Answer("create_user", {"user": user}, status=201)


def _token(world: World, path: str, body: bytes) -> Answer:
    return Answer("token", {"access_token": "bench-token", "token_type": "bearer", "expires_in": 3600}, delayed=False)


def _feed(world: World, path: str, body: bytes) -> Answer:
    return Answer("feed", {"ticket_events": [], "end_time": int(_seconds()), "end_of_stream": True, "count": 0})


def _fields(world: World, path: str, body: bytes) -> Answer:
    return Answer("other", {"ticket_fields": [], "meta": {"has_more": False}})


def _settings(world: World, path: str, body: bytes) -> Answer:
    wanted = json.loads(body)
    world.delay_seconds, world.replies = wanted["delay_seconds"], wanted["replies"]
    world.level = wanted.get("level", world.level)
    world.arrivals.clear()
    return Answer(None, {})


def _arrivals(world: World, path: str, body: bytes) -> Answer:
    return Answer(None, world.arrivals)


def _find_media(world: World, path: str, body: bytes) -> Answer:
    """A file whose id says how many megabytes it has; its bytes are all alike."""
    size = int(path.rpartition("/")[2][-3:]) * 1_000_000
    told = {"messaging_product": "whatsapp", "url": f"{world.address}/bytes/{size}", "file_size": size}
    return Answer("find_media", {**told, "mime_type": "application/pdf", "sha256": ""}, delayed=False)


def _upload(world: World, path: str, body: bytes) -> Answer:
    return Answer("upload", {"upload": {"token": f"t{world.new_id()}"}}, status=201, delayed=False)


_ROUTES: list[tuple[str, re.Pattern[str], Handler]] = [
    ("PUT", re.compile(r"/api/v2/tickets/\d+\Z"), _update),
    ("POST", re.compile(r"/v[\d.]+/\d+/messages\Z"), _send),
    ("GET", re.compile(r"/v[\d.]+/\d+\Z"), _number),
    ("GET", re.compile(r"/api/v2/tickets/\d+/comments\Z"), _comments),
    ("POST", re.compile(r"/api/v2/tickets\Z"), _create),
    ("GET", re.compile(r"/api/v2/tickets/\d+\Z"), _show),
    ("GET", re.compile(r"/api/v2/users/(show_many|search)\Z"), _find_users),
    ("POST", re.compile(r"/api/v2/users\Z"), _create_user),
    ("POST", re.compile(r"/oauth/tokens\Z"), _token),
    ("GET", re.compile(r"/api/v2/incremental/ticket_events\Z"), _feed),
    ("GET", re.compile(r"/api/v2/ticket_fields\Z"), _fields),
    ("POST", re.compile(r"/bench/settings\Z"), _settings),
    ("GET", re.compile(r"/v[\d.]+/7\d+\Z"), _find_media),
    ("POST", re.compile(r"/api/v2/uploads\Z"), _upload),
    ("GET", re.compile(r"/bench/arrivals\Z"), _arrivals),
]


def _answer(world: World, method: str, path: str, body: bytes) -> Answer:
    for wanted, pattern, handler in _ROUTES:
        if wanted == method and pattern.match(path):
            return handler(world, path, body)
    return Answer("unknown", {"error": "InvalidEndpoint", "description": "Not found"}, status=404)


def _seconds() -> float:
    return datetime.now(UTC).timestamp()  # noqa: TID251 - the far side has a clock of its own


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - as above


class _Connection(asyncio.Protocol):
    def __init__(self, world: World) -> None:
        self._world = world
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._ignored: tuple[bytes, int] | None = None
        """The head of a request whose body is not kept, and how much of that is still to come."""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._streaming: asyncio.Task[None] | None = None

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        arrived_at = time.monotonic()
        if self._ignored is not None:
            head, left = self._ignored
            if len(data) < left:
                self._ignored = (head, left - len(data))
                return
            self._ignored, data = None, data[left:]
            self._take(arrived_at, head, b"")
        self._received += data
        while True:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._received[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                if head.startswith(b"POST /api/v2/uploads"):
                    self._ignored, self._received = (head, whole - len(self._received)), b""
                return
            body, self._received = self._received[end + 4 : whole], self._received[whole:]
            self._take(arrived_at, head, body)

    def _take(self, arrived_at: float, head: bytes, body: bytes) -> None:
        method, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
        world = self._world
        if target.startswith("/bytes/"):
            world.arrivals.append((arrived_at, "download", []))
            self._streaming = asyncio.get_running_loop().create_task(self._stream(int(target.rpartition("/")[2])))
            return
        answer = _answer(world, method, target.partition("?")[0], body)
        if answer.name is not None:
            world.arrivals.append((arrived_at, answer.name, [int(mark) for mark in _MARK.findall(body)]))
        content = json.dumps(answer.body, ensure_ascii=False).encode()
        limits = _LIMITS if "/api/v2/" in target else ""
        response = (
            f"HTTP/1.1 {answer.status} OK\r\nContent-Type: application/json; charset=utf-8\r\n{limits}{answer.headers}"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        if answer.name is not None and answer.delayed and world.delay_seconds:
            asyncio.get_running_loop().call_later(world.delay_seconds, self._write, response)
        else:
            self._write(response)

    async def _stream(self, size: int) -> None:
        assert self._transport is not None
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: {size}\r\n\r\n%PDF-1.7"
        self._transport.write(head.encode())
        left = size - len("%PDF-1.7")
        while left > 0 and not self._transport.is_closing():
            await self._may_write.wait()
            self._transport.write(_BLOCK[:left])
            left -= len(_BLOCK)

    def _write(self, response: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(response)


async def _serve(port: int) -> None:
    world = World(address=f"http://127.0.0.1:{port}")
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(world), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
