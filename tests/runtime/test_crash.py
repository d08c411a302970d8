"""Workers that really die, stop and come back while people write: nothing is lost, nothing comes twice, order holds."""

import asyncio
import itertools
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Connection, func, insert, select, update

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.runtime.clock import Clock
from bridge.store import migration
from bridge.store.database import Database
from bridge.store.inbox import Inbox
from bridge.store.tables import EPOCH, SHARDS, effect, inbox, shard
from tests.runtime.far_side import HELPDESK, PHONE_NUMBER_ID, FarSide, Job, ensure_channel, vault, work

PEOPLE = ("351910000111", "5491155550000", "4915112345678")
PATIENCE_SECONDS = 15
OPEN = ("ready", "performing", "unknown")
METADATA = {"display_phone_number": "441632960123", "phone_number_id": PHONE_NUMBER_ID}


class Plant:
    """A database, the far sides, and the workers between them."""

    def __init__(self, database_url: str, redis_url: str, folder: Path) -> None:
        migration.upgrade(database_url)
        self.database = Database(database_url)
        self.far = FarSide(folder)
        self._job = (database_url, redis_url, str(self.far.socket))
        self._inbox = Inbox(self.database, vault(), now=Clock().real_now)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.runtime.far_side"])
        self._processes: list[BaseProcess] = []
        self._seconds = itertools.count(100)
        self._start = int(Clock().real_now().timestamp()) - 3000
        self._reported = 0
        self.written: dict[str, list[str]] = {person: [] for person in PEOPLE}
        self.replied: dict[str, list[str]] = {person: [] for person in PEOPLE}
        self.database.write_now(ensure_channel)
        self.database.write_now(
            lambda connection: connection.execute(
                insert(shard),
                [{"id": number, "fence": 0, "holder": None, "expires_at": EPOCH} for number in range(SHARDS)],
            )
        )

    def close(self) -> None:
        for process in self._processes:
            if process.is_alive():
                process.kill()
            process.join()
        self.far.close()
        self.database.close()

    def start(self, *, dies_at: int | None = None, moment: str = "commit") -> BaseProcess:
        process = self._context.Process(target=work, args=(Job(*self._job, dies_at=dies_at, moment=moment),))
        process.start()
        self._processes.append(process)
        return process

    def keep(self, *items: InboxItem) -> None:
        asyncio.run(self._inbox.insert(items))

    def people_write(self, *, count: int = 2, people: tuple[str, ...] = PEOPLE) -> None:
        """Each of them writes, a second apart; the webhooks come twice."""
        items: list[InboxItem] = []
        for _, person in itertools.product(range(count), people):
            number = next(self._seconds)
            text = f"message {number} of {person}"
            self.written[person].append(text)
            wamid = f"wamid.IN{number}"
            message = {
                "from": person,
                "id": wamid,
                "timestamp": str(self._start + number),
                "type": "text",
                "text": {"body": text},
            }
            body = orjson.dumps({"metadata": METADATA, "contacts": [{"wa_id": person}], "message": message})
            items.append(InboxItem(InboxKind.MESSAGE, PHONE_NUMBER_ID, wamid, person, body, len(items)))
        self.keep(*items)
        self.keep(*items)

    def agents_reply(self, *, names_comment: bool = True) -> None:
        """Once on every ticket that there is; each rings twice. A trigger's ring names no comment."""
        for person in PEOPLE:
            for ticket_id in self.far.helpdesk.tickets_of(person)[:1]:
                text = f"reply {next(self._seconds)} to {person}"
                comment_id = self.far.helpdesk.reply(ticket_id, text)
                self.replied[person].append(text)
                named = comment_id if names_comment else None
                ring = InboxItem(
                    InboxKind.RING,
                    HELPDESK,
                    f"ring:{HELPDESK}:{ticket_id}:{named or ''}",
                    f"ticket:{ticket_id}",
                    orjson.dumps({"ticket_id": ticket_id, "comment_id": named}),
                    0,
                    HELPDESK,
                )
                self.keep(ring)
                self.keep(ring)

    def meta_reports(self) -> None:
        """A status for every message that Meta took since the last time."""
        sent = self.far.sent[self._reported :]
        self._reported += len(sent)
        for message in sent:
            status = {
                "id": message.wamid,
                "status": "sent",
                "timestamp": str(int(Clock().real_now().timestamp())),
                "recipient_id": message.to,
                "biz_opaque_callback_data": message.key,
            }
            body = orjson.dumps({"metadata": METADATA, "contacts": [], "status": status})
            self.keep(InboxItem(InboxKind.STATUS, PHONE_NUMBER_ID, f"{message.wamid}:sent", message.key, body, 0))

    def minutes_pass(self) -> None:
        """Leases run out, and every call that was under way must have ended."""

        def unit(connection: Connection) -> None:
            connection.execute(update(shard).values(expires_at=EPOCH))
            connection.execute(
                update(effect).where(effect.c.state.in_(OPEN)).values(started_at=EPOCH, not_before_at=EPOCH)
            )
            connection.execute(update(effect).where(effect.c.state.in_(OPEN)).values(due_at=EPOCH))

        self.database.write_now(unit)

    def is_settled(self) -> bool:
        def open_rows(connection: Connection) -> int:
            told = select(func.count()).select_from(inbox).where(inbox.c.state.in_(("new", "dead")))
            wanted = select(func.count()).select_from(effect).where(effect.c.state.in_((*OPEN, "dead")))
            return int(connection.execute(told).scalar_one()) + int(connection.execute(wanted).scalar_one())

        return self.database.read_now(open_rows) == 0

    def has_listened(self) -> bool:
        waiting = select(func.count()).select_from(inbox).where(inbox.c.state == "new")
        return self.database.read_now(lambda connection: connection.execute(waiting).scalar_one()) == 0

    def settle(self) -> None:
        self.until(self.is_settled)

    def until(self, condition: Callable[[], object]) -> None:
        """Other processes cannot be awaited: look until it is so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            failed = [process.exitcode for process in self._processes if process.exitcode not in (None, 0, -9)]
            assert not failed, "a worker failed by itself"
            assert time.monotonic() < deadline, "it never came to be"
            time.sleep(0.01)

    def check(self) -> None:
        """The ledger."""
        for person in PEOPLE:
            tickets = self.far.helpdesk.tickets_of(person)
            assert len(tickets) <= 1
            shown = "\n".join(self.far.helpdesk.shown(person))
            places = [shown.find(text) for text in self.written[person]]
            assert -1 not in places, "lost on the way to the helpdesk"
            assert places == sorted(places), "out of order on the ticket"
            assert [shown.count(f"{text}\n") + shown.endswith(text) for text in self.written[person]] == [1] * len(
                places
            )
            got = [message.text for message in self.far.sent if message.to == person]
            assert len(got) == len(set(got)), "twice at the phone"
            assert got == [text for text in self.replied[person] if text in got], "out of order at the phone"
            notes = [note for ticket_id in tickets for note in self.far.helpdesk.notes(ticket_id)]
            for text in self.replied[person]:
                told = [note for note in notes if "not confirmed" in note and f"“{text}”" in note]
                assert (text in got) or told, "an agent is left to wonder"
                assert len(told) <= 1


@pytest.fixture
def plant(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    made = Plant(database_url, redis_url, tmp_path_factory.mktemp("p"))
    yield made
    made.close()


def test_all_goes_well_when_nobody_dies(plant: Plant) -> None:
    plant.people_write()
    worker = plant.start()
    plant.settle()
    plant.agents_reply()
    plant.people_write()
    plant.settle()
    plant.meta_reports()
    plant.settle()
    plant.check()
    assert len(plant.far.sent) == len(PEOPLE)
    worker.terminate()
    worker.join(PATIENCE_SECONDS)
    assert worker.exitcode == 0


@pytest.mark.parametrize("seed", range(2))
def test_worker_killed_at_any_transaction_loses_and_doubles_nothing(plant: Plant, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(7):
        plant.people_write(count=chance.randint(1, 2))
        plant.agents_reply()
        worker = plant.start(dies_at=chance.randint(1, 9), moment=chance.choice(["commit", "begin"]))
        plant.until(lambda worker=worker: not worker.is_alive() or plant.is_settled())  # type: ignore[misc]
        worker.kill()
        worker.join()
        plant.meta_reports()
        plant.minutes_pass()
    plant.start()
    plant.settle()
    plant.meta_reports()
    plant.settle()
    plant.check()


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("verb", ["find_or_create_requester", "open_ticket", "add_comment", "comments_since", "send"])
def test_worker_killed_during_a_call_loses_and_doubles_nothing(plant: Plant, verb: str, phase: str) -> None:
    plant.people_write()
    victims: list[BaseProcess] = []
    killed: list[str] = []

    def kill(when: str, called: str) -> bool:
        if not victims or killed or (when, called) != (phase, verb):
            return False
        victims[0].kill()
        killed.append(called)
        return True

    plant.far.meddle = kill
    if verb not in ("find_or_create_requester", "open_ticket"):
        first = plant.start()
        plant.settle()
        first.kill()
        first.join()
        plant.minutes_pass()
        plant.people_write(count=1)
        plant.agents_reply()
    victims.append(plant.start())
    plant.until(lambda: killed and not victims[0].is_alive())
    plant.meta_reports()
    plant.minutes_pass()
    plant.people_write(count=1)
    plant.agents_reply()
    plant.start()
    plant.settle()
    plant.meta_reports()
    plant.settle()
    plant.check()


def test_reply_that_overtakes_our_own_record_of_its_ticket_arrives(plant: Plant) -> None:
    """Agents are quick, and the helpdesk's answer may take its time."""
    _reply_before_the_ticket_is_recorded(plant)
    plant.settle()
    plant.check()


def test_ticket_that_rang_before_we_knew_it_is_heard_when_it_rings_again(plant: Plant) -> None:
    _reply_before_the_ticket_is_recorded(plant)
    plant.settle()
    plant.agents_reply(names_comment=False)
    plant.settle()
    plant.check()


def _reply_before_the_ticket_is_recorded(plant: Plant) -> None:
    opened, go = threading.Event(), threading.Event()

    def hang(when: str, verb: str) -> bool:
        if when == "after" and verb == "open_ticket":
            opened.set()
            go.wait(PATIENCE_SECONDS)
        return False

    plant.far.meddle = hang
    plant.people_write(people=PEOPLE[:1])
    plant.start()
    assert opened.wait(PATIENCE_SECONDS)
    plant.agents_reply(names_comment=False)
    plant.until(plant.has_listened)
    go.set()


def test_worker_that_slept_beyond_its_lease_changes_nothing_any_more(plant: Plant) -> None:
    plant.people_write(people=PEOPLE[:1])  # so that it is in this call alone, and in no transaction
    asleep: list[BaseProcess] = []

    def stop(when: str, verb: str) -> bool:
        if when == "after" and verb == "open_ticket" and not stopped:
            os.kill(asleep[0].pid or 0, signal.SIGSTOP)
            stopped.append(verb)
        return False

    stopped: list[str] = []
    plant.far.meddle = stop
    asleep.append(plant.start())
    plant.until(lambda: stopped)
    plant.minutes_pass()
    plant.start()
    plant.people_write()
    plant.settle()
    os.kill(asleep[0].pid or 0, signal.SIGCONT)
    plant.people_write()
    plant.agents_reply()
    plant.settle()
    plant.meta_reports()
    plant.settle()
    plant.check()
    assert asleep[0].is_alive()


def test_two_workers_share_the_work_and_double_nothing(plant: Plant) -> None:
    plant.start()
    plant.start()
    for _ in range(3):
        plant.people_write()
        plant.agents_reply()
        plant.settle()
        plant.meta_reports()
    plant.settle()
    plant.check()


def test_worker_that_is_told_to_end_does_so_although_a_call_hangs(plant: Plant) -> None:
    plant.people_write()
    hanging: list[str] = []
    go = threading.Event()

    def hang(when: str, verb: str) -> bool:
        if when == "before" and verb == "open_ticket" and not hanging:
            hanging.append(verb)
            go.wait(PATIENCE_SECONDS)
            return True
        return False

    plant.far.meddle = hang
    worker = plant.start()
    plant.until(lambda: hanging)
    worker.terminate()
    worker.join(10)
    assert worker.exitcode == 0
    go.set()
    plant.minutes_pass()
    plant.start()
    plant.settle()
    plant.check()
