"""Who writes what? Customers at their phones and agents at their desk, as the plan says; and what they find there."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

from tests.soak.ledger import Seen, Sent, Ticket, Written
from tests.soak.plan import Letter, Plan, Reply
from tests.soak.stage import Stage
from tests.soak.texts import Texts, markers_in

T = TypeVar("T")

AT_ONCE = 16
LOOK_FOR_TICKETS_SECONDS = 0.5
AGENT_PATIENCE_SECONDS = 150.0
"""How long after the end of the traffic an agent still waits for a ticket to answer on."""
BUSY_SECONDS = 2.0


class Traffic:
    """Plays one plan. `sent` and `written` grow as it goes."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self.texts = Texts(plan)
        self.sent: list[Sent] = []
        self.written: list[Written] = []
        self.unwritten: list[str] = []
        """Replies for which no ticket came."""
        self._stage = stage
        self._plan = plan
        self._ids: dict[int, str] = {}
        self._tickets: dict[int, int] = {}
        self._some_ticket_came = asyncio.Condition()

    async def gather_people(self) -> None:
        """Everybody gets a phone."""

        async def one(customer: int) -> None:
            wish: dict[str, Any] = {
                "name": self.texts.name(customer),
                "wa_id": self.texts.wa_id(customer),
                "user_id": self.texts.user_id(customer),
                "hidden_number": self._plan.is_shy(customer),
            }
            if self._plan.is_shy(customer):
                wish["username"] = self.texts.username(customer)
            self._ids[customer] = (await self._stage.post("/customers", wish))["id"]

        await _at_once([one(customer) for customer in range(self._plan.customers)])

    async def play(self) -> None:
        """Returns once everything is written."""
        letters: dict[int, list[Letter]] = defaultdict(list)
        replies: dict[int, list[Reply]] = defaultdict(list)
        for letter in self._plan.letters:
            letters[letter.customer].append(letter)
        for reply in self._plan.replies:
            replies[reply.customer].append(reply)
        watcher = asyncio.create_task(self._watch_tickets())
        try:
            async with asyncio.TaskGroup() as people:
                for customer, theirs in letters.items():
                    people.create_task(self._customer(customer, theirs))
                for customer, mine in replies.items():
                    people.create_task(self._agent(customer, mine))
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    async def _customer(self, customer: int, letters: Iterable[Letter]) -> None:
        path = f"/customers/{self._ids[customer]}/messages"
        timestamp = 0
        for letter in letters:
            await self._stage.sleep_until(letter.at_seconds)
            known = await self._known(path) if letter.number else frozenset[str]()
            marker = self.texts.message(customer, letter.number)
            timestamp = max(timestamp + 1, int(self._stage.sandbox_time()))
            text = f"{marker} is what I have to say"
            await self._stage.post(path, {"text": text, "timestamp": timestamp})
            self.sent.append(Sent(customer, marker, timestamp, known))

    async def _known(self, path: str) -> frozenset[str]:
        """What this customer wrote and the bridge has answered 200."""
        return frozenset(
            marker
            for message in await self._stage.get(path)
            if message["direction"] == "in" and message["status"] != "queued"
            for marker, _ in markers_in(message["text"])
        )

    async def _agent(self, customer: int, replies: Iterable[Reply]) -> None:
        for reply in replies:
            await self._stage.sleep_until(reply.at_seconds)
            marker = self.texts.reply(customer, reply.number, public=reply.public)
            ticket_id = await self._ticket_of(customer)
            if ticket_id is None:
                self.unwritten.append(marker)
                continue
            text = f"{marker} is our answer"
            desk = self._stage.installation.desk
            taken = await desk.comment(self._stage.http, ticket_id, text=text, public=reply.public)
            while not taken:
                await asyncio.sleep(BUSY_SECONDS)
                taken = await desk.comment(self._stage.http, ticket_id, text=text, public=reply.public)
            self.written.append(Written(customer, ticket_id, marker, reply.public))

    async def _ticket_of(self, customer: int) -> int | None:
        patience = self._plan.traffic_seconds + AGENT_PATIENCE_SECONDS - self._stage.seconds()
        try:
            async with asyncio.timeout(max(0.0, patience)), self._some_ticket_came:
                await self._some_ticket_came.wait_for(lambda: customer in self._tickets)
        except TimeoutError:
            return self._tickets.get(customer)
        return self._tickets[customer]

    async def _watch_tickets(self) -> None:
        while len(self._tickets) < self._plan.customers:
            for ticket_id, name in await self._stage.installation.desk.tickets(self._stage.http):
                customer = self.texts.customer_named(name)
                if customer is not None:
                    self._tickets[customer] = ticket_id
            async with self._some_ticket_came:
                self._some_ticket_came.notify_all()
            await asyncio.sleep(LOOK_FOR_TICKETS_SECONDS)

    async def wamids(self) -> list[str]:
        """Of every message either way."""
        threads = await self._threads()
        return [message["wamid"] for thread in threads.values() for message in thread]

    async def _threads(self) -> dict[int, list[dict[str, Any]]]:
        async def one(customer: int) -> tuple[int, list[dict[str, Any]]]:
            return customer, await self._stage.get(f"/customers/{self._ids[customer]}/messages")

        return dict(await _at_once([one(customer) for customer in range(self._plan.customers)]))

    async def look(self) -> Seen:
        """What both far sides hold now."""
        desk, http = self._stage.installation.desk, self._stage.http

        async def one(ticket_id: int, name: str) -> Ticket:
            customer = self.texts.customer_named(name)
            return await desk.look(http, ticket_id, customer=customer, to_real=self._stage.to_real)

        tickets = await _at_once([one(ticket_id, name) for ticket_id, name in await desk.tickets(http)])
        phones = {
            customer: [message["text"] for message in thread if message["direction"] == "out"]
            for customer, thread in (await self._threads()).items()
        }
        users: dict[int, int] = defaultdict(int)
        for name in await desk.user_names(http):
            customer = self.texts.customer_named(name)
            if customer is not None:
                users[customer] += 1
        return Seen(tickets=tickets, phones=phones, users=users, calls=await self._calls())

    async def _calls(self) -> dict[str, list[float]]:
        calls: dict[str, list[float]] = defaultdict(list)
        for call in await self._stage.get("/whatsapp/sends"):
            for marker, _ in markers_in(_text_of(call["body"])):
                calls[marker].append(self._stage.to_real(call["at"]))
        return calls


def _text_of(body: str) -> str:
    """The text that a request to send carries."""
    try:
        request = json.loads(body)
    except ValueError:
        return ""
    return str(request.get("text", {}).get("body", "")) if isinstance(request, dict) else ""


async def _at_once(work: Iterable[Awaitable[T]]) -> list[T]:
    """All of it, a few at a time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(piece: Awaitable[T]) -> T:
        async with slots:
            return await piece

    return list(await asyncio.gather(*(one(piece) for piece in work)))
