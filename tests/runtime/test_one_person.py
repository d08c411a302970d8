"""Does everybody end as one contact, one helpdesk user and one open ticket, in whatever order WhatsApp tells it?

People write, change numbers, hide them, get new ids and take over numbers that others gave up; the webhooks come in any
order while contacts are merged and the helpdesk's lanes run. Everything is real but the helpdesk, which is in memory.
"""

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis.asyncio import Redis
from sqlalchemy import Connection, insert, select

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.runtime import helpdesk_lane, housekeeping, intake
from bridge.runtime.bell import Bell
from bridge.runtime.clock import Clock
from bridge.runtime.metrics import WorkerMetrics
from bridge.runtime.services import Moment
from bridge.store import inbox, leases, migration, outbox
from bridge.store.database import Database
from bridge.store.ids import new_id
from bridge.store.leases import Lease
from bridge.store.outbox import DueLane
from bridge.store.tables import EPOCH, SHARDS, Lane, contact, contact_identity, shard
from connectors.interface import RequesterChange, RequesterDraft, RequesterId, RequesterRef, TicketId, TicketStatus
from tests.runtime.far_side import PHONE_NUMBER_ID, ensure_channel, make_services
from tests.runtime.memory_helpdesk import MemoryHelpdesk

METADATA = {"display_phone_number": "441632960123", "phone_number_id": PHONE_NUMBER_ID}
MINUTE = timedelta(minutes=1)


class Desk(MemoryHelpdesk):
    """Users are found by any name they were ever given, as by an `external_id`; two of them, or two tickets, merge."""

    def __init__(self) -> None:
        super().__init__()
        self.made: set[RequesterId] = set()

    async def find_or_create_requester(self, draft: RequesterDraft) -> RequesterRef:
        for name in (draft.bsuid, draft.wa_id and f"wa:{draft.wa_id}"):
            if name and name in self.requesters:
                return RequesterRef(self.requesters[name])
        made = self.requesters[draft.bsuid or f"wa:{draft.wa_id}"] = RequesterId(str(next(self._ids)))
        self.made.add(made)
        return RequesterRef(made)

    async def update_requester(self, requester: RequesterId, change: RequesterChange) -> None:
        name = change.bsuid or f"wa:{change.wa_id}"
        assert self.requesters.get(name, requester) == requester, "an external_id is taken"
        for old in [name for name, known in self.requesters.items() if known == requester]:
            del self.requesters[old]
        self.requesters[name] = requester

    async def merge_requesters(self, loser: RequesterId, *, into: RequesterId) -> None:
        self.made.discard(loser)
        for name in [name for name, known in self.requesters.items() if known == loser]:
            del self.requesters[name]
        for ticket in self.tickets.values():
            if ticket.requester == loser:
                ticket.requester = into

    async def merge_tickets(self, ticket_id: TicketId, *, into: TicketId, note: str) -> None:
        assert note
        assert self.tickets[into].status is not TicketStatus.CLOSED
        self.tickets[ticket_id].status = TicketStatus.CLOSED


@dataclass
class Person:
    """As they are in truth."""

    bsuid: str
    number: str
    hidden: bool = False
    has_written: bool = False
    texts: list[str] = field(default_factory=list)


def _due_lanes(connection: Connection, *, moment: Moment) -> list[DueLane]:
    return outbox.due_lanes(
        connection, shards=range(SHARDS), lane=Lane.HELPDESK, limit=1, now=moment.business, real_now=moment.real
    )


class Plant:
    """One installation for all examples: each has people of its own."""

    def __init__(self, database_url: str, redis_url: str, folder: Path) -> None:
        self.folder = folder
        migration.upgrade(database_url)
        self.loop = asyncio.new_event_loop()
        self.database = Database(database_url)
        self.numbers = itertools.count(351_910_000_000)
        self.bsuids = itertools.count(1)
        self.desk = Desk()
        self.run(self._open(redis_url))

    async def _open(self, redis_url: str) -> None:
        channel = await self.database.write(ensure_channel)
        await self.database.write(
            lambda connection: connection.execute(
                insert(shard),
                [{"id": number, "fence": 0, "holder": None, "expires_at": EPOCH} for number in range(SHARDS)],
            )
        )
        self.redis = Redis.from_url(redis_url)
        self.http = httpx.AsyncClient()
        metrics = WorkerMetrics()
        self.bell = Bell(self.redis, redis_url=redis_url)
        self.services = make_services(
            self.database,
            channel,
            self.desk,
            client=self.http,
            redis=self.redis,
            bell=self.bell,
            metrics=metrics,
            files=self.folder,
        )
        now = Clock().real_now() + timedelta(days=1)
        held = await self.database.write(
            lambda connection: leases.claim(
                connection, holder="test", wanted=range(SHARDS), at_most=SHARDS, real_now=now
            )
        )
        self.leases: dict[int, Lease] = {lease.shard: lease for lease in held}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        self.bell.close()
        self.run(self.redis.aclose())
        self.run(self.http.aclose())
        self.database.close()
        self.loop.close()

    def hear(self, message: dict[str, Any], contacts: list[dict[str, Any]]) -> None:
        body = {"metadata": METADATA, "contacts": contacts, "message": message}
        item = InboxItem(
            kind=InboxKind.MESSAGE,
            channel=PHONE_NUMBER_ID,
            event_key=f"message:{message['id']}",
            shard_key=message.get("from_user_id") or message.get("from") or "",
            body=orjson.dumps(body),
            position=0,
        )
        rows = inbox.rows_of([item], vault=self.services.vault, received_at=self.services.clock.business_now())
        self.database.write_now(lambda connection: inbox.insert_rows(connection, rows))
        self.run(self._take_in())

    async def _take_in(self) -> None:
        while entries := await self.database.read(
            lambda connection: inbox.load_due(
                connection,
                self.services.vault,
                shards=range(SHARDS),
                now=self.services.clock.business_now(),
                real_now=self.services.clock.real_now(),
                limit=100,
            )
        ):
            lease = self.leases[entries[0].shard]
            found = intake.sort_entries([entries[0]], phone_number_id=PHONE_NUMBER_ID)
            await intake.set_aside(self.services, lease, found)
            await intake.take_notices(self.services, lease, found.notices)
            for letters in found.letters.values():
                await intake.take_letters(self.services, lease, letters)

    def keep_house(self) -> None:
        for lease in self.leases.values():
            self.run(housekeeping.run(self.services, lease))

    def work(self, *, steps: int = 10_000) -> bool:
        """Run the helpdesk's lanes for so many steps. True when something was done."""
        done = 0
        while done < steps:
            moment = Moment.take(self.services.clock)
            due = self.database.read_now(partial(_due_lanes, moment=moment))
            if not due or not self.run(
                helpdesk_lane.run_step(self.services, self.leases[due[0].shard], due[0].conversation_id)
            ):
                break
            done += 1
        return done > 0


class People(RuleBasedStateMachine):
    """`told` is what WhatsApp has yet to deliver: (message, contacts)."""

    plant: Plant

    def __init__(self) -> None:
        super().__init__()
        self.people: list[Person] = []
        self.free: list[str] = []
        self.recycled: set[str] = set()
        self.told: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
        self.at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=20)  # noqa: TID251 - a time to begin at

    def _bsuid(self) -> str:
        return f"PT.{next(self.plant.bsuids):020d}"

    def _number(self) -> str:
        return str(next(self.plant.numbers))

    def _tick(self) -> str:
        self.at += MINUTE
        return str(int(self.at.timestamp()))

    def _tell(self, message: dict[str, Any], contacts: list[dict[str, Any]] | None = None) -> None:
        self.told.append(({"id": f"wamid.{new_id()}", "timestamp": self._tick(), **message}, contacts or []))

    @initialize(count=st.integers(1, 2))
    def begin(self, count: int) -> None:
        self.people = [Person(self._bsuid(), self._number()) for _ in range(count)]

    @rule(which=st.integers(0, 5))
    def writes(self, which: int) -> None:
        person = self.people[which % len(self.people)]
        text = f"text {new_id()}"
        person.texts.append(text)
        person.has_written = True
        sender: dict[str, Any] = {"from_user_id": person.bsuid}
        known: dict[str, Any] = {"user_id": person.bsuid, "profile": {"name": "Ana"}}
        if not person.hidden:
            sender["from"] = known["wa_id"] = person.number
        self._tell({**sender, "type": "text", "text": {"body": text}}, [known])

    @rule(which=st.integers(0, 5), hides=st.booleans(), names_former_id=st.booleans(), reuses=st.booleans())
    def changes_number(self, which: int, hides: bool, names_former_id: bool, reuses: bool) -> None:
        person = self.people[which % len(self.people)]
        bsuid, number = person.bsuid, person.number
        names_former_id |= hides or person.hidden or not person.has_written or number in self.recycled
        person.bsuid, person.number = self._bsuid(), self._number()
        if reuses and self.free and not hides:
            person.number = self.free.pop()
            self.recycled.add(person.number)
        system: dict[str, Any] = {"user_id": person.bsuid, "body": "changed"}
        message: dict[str, Any] = {"type": "system", "system": system}
        if names_former_id:
            system["previous_user_id"] = bsuid
        if hides:
            system["type"] = "user_changed_user_id"
        else:
            system |= {"type": "user_changed_number", "wa_id": person.number}
            message["from"] = number
        if names_former_id:
            self.free.append(number)
        person.hidden, person.has_written = hides, False
        self._tell(message)

    @rule(which=st.integers(0, 5))
    def shows_or_hides_the_number(self, which: int) -> None:
        person = self.people[which % len(self.people)]
        person.hidden = not person.hidden

    @rule()
    def stranger_takes_a_number_that_was_given_up(self) -> None:
        if self.free and len(self.people) < 5:
            number = self.free.pop()
            self.recycled.add(number)
            self.people.append(Person(self._bsuid(), number))
            self.writes(len(self.people) - 1)

    @rule(place=st.integers(0, 50))
    def whatsapp_delivers(self, place: int) -> None:
        if self.told:
            self.plant.hear(*self.told.pop(place % len(self.told)))

    @rule(steps=st.integers(1, 4))
    def works_a_little(self, steps: int) -> None:
        self.plant.work(steps=steps)

    @rule()
    def keeps_house(self) -> None:
        self.plant.keep_house()

    @invariant()
    def nobody_reads_anothers_words(self) -> None:
        whose = {text: place for place, person in enumerate(self.people) for text in person.texts}
        for ticket in self.plant.desk.tickets.values():
            owners = {whose[line] for comment in ticket.comments for line in comment.text.split("\n") if line in whose}
            assert len(owners) <= 1

    def teardown(self) -> None:
        while self.told:
            self.plant.hear(*self.told.pop(0))
        for _ in range(20):
            self.plant.keep_house()
            if not self.plant.work():
                break
        for person in self.people:
            self._check(person)

    def _check(self, person: Person) -> None:
        if not person.texts:
            return
        desk = self.plant.desk
        mine = [
            ticket
            for ticket in desk.tickets.values()
            if any(text in comment.text for comment in ticket.comments for text in person.texts)
        ]
        shown = "\n".join(comment.text for ticket in mine for comment in ticket.comments)
        assert [shown.count(text) for text in person.texts] == [1] * len(person.texts)
        assert len({ticket.requester for ticket in mine}) == 1
        assert mine[0].requester in desk.made
        assert sum(ticket.status is not TicketStatus.CLOSED for ticket in mine) == 1
        assert self.plant.database.read_now(lambda connection: self._contacts(connection, person)) == 1

    def _contacts(self, connection: Connection, person: Person) -> int:
        index = self.plant.services.vault.index("bsuid", person.bsuid)
        owners = select(contact_identity.c.contact_id).where(contact_identity.c.value_index == index)
        known = set(connection.execute(owners).scalars())
        living = select(contact.c.id).where(contact.c.id.in_(known), contact.c.merged_into.is_(None))
        return len(connection.execute(living).all()) if known else 1


@pytest.fixture
def plant(sqlite_url: str, redis_url: str, tmp_path: Path) -> Any:
    made = Plant(sqlite_url, redis_url, tmp_path)
    yield made
    made.close()


def test_everybody_is_one_person_whatever_comes_first(plant: Plant) -> None:
    class Here(People):
        pass

    Here.plant = plant
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
