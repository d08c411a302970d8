"""Keys and secrets change under way, with real processes: nothing is lost, nothing comes twice, nobody is refused."""

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, LargeBinary, func, select, update

from bridge.domain.inbox_item import InboxItem, InboxKind
from bridge.runtime import key_rotation, wiring
from bridge.runtime.settings import Settings, load_settings
from bridge.store import inbox, keyring
from bridge.store.crypto import key_id, key_name
from bridge.store.database import Database
from bridge.store.tables import inbox as inbox_table
from tests import services
from tests.conftest import FOLDER
from tests.flow.installation import ACCOUNTS, DESKBRIDGE, OUR_PREFIXES, Installation, Process, free_port
from tests.flow.waiting import eventually
from tests.flow.world import Customer, World

OLD, NEW = b"o" * 32, b"n" * 32
OLD_NAME, NEW_NAME = (key_name(key_id(key)) for key in (OLD, NEW))
KEYS, APP_SECRETS, RING_SECRETS = "DESKBRIDGE_ENCRYPTION_KEYS", "WHATSAPP_APP_SECRET", "ZENDESK_WEBHOOK_SECRET"
APP_SECRET = ACCOUNTS["whatsapp"]["app_secret"]
SECOND_APP_SECRET = "0f9e8d7c6b5a49382716051423324150"
RING_SECRET = "a-webhook-secret-of-before"


def as_text(*keys: bytes) -> str:
    return ",".join(base64.b64encode(key).decode() for key in keys)


class Rotating(Installation):
    """An installation whose keys and secrets are files, as with Docker secrets."""

    def __init__(self, database_url: str | None) -> None:
        super().__init__(database_url)
        for name in (KEYS, APP_SECRETS, RING_SECRETS):
            self.environ.pop(name, None)
            self.environ[f"{name}_FILE"] = str(self.folder / name)
        self.keys = [OLD]
        """Every one that ever was, newest first."""
        self.as_always()

    def start(self) -> None:
        super().start()
        # A process that still loads its modules would be ended by SIGHUP.
        for role in self.roles:
            eventually(lambda role=role: minds_hangup(role), True)  # type: ignore[misc]  # bound now

    def as_always(self) -> None:
        self.write(KEYS, as_text(*self.keys))
        self.write(APP_SECRETS, APP_SECRET)
        self.write(RING_SECRETS, RING_SECRET)

    def write(self, name: str, value: str) -> None:
        (self.folder / name).write_text(value + "\n")

    def put_key_in_front(self) -> tuple[str, str]:
        """A new one. Returns what the old one and the new one are called."""
        self.keys.insert(0, os.urandom(32))
        self.write(KEYS, as_text(*self.keys))
        return key_name(key_id(self.keys[1])), key_name(key_id(self.keys[0]))

    def hang_up(self, *roles: Process) -> None:
        """SIGHUP, and wait until it was taken."""
        for role in roles or self.roles:
            before = said(role, "configuration.read")
            assert role.pid is not None
            os.kill(role.pid, signal.SIGHUP)
            processes = 3 if role is self.worker else 1  # itself and two children
            eventually(
                lambda role=role: said(role, "configuration.read"),  # type: ignore[misc]  # bound now
                lambda count, before=before, processes=processes: count >= before + processes,
            )

    def told_with(self, secret: str) -> int:
        return httpx.post(f"{self.url}/webhooks/whatsapp", **notice(1, secret=secret)).status_code

    def rung_with(self, secret: str) -> int:
        clock = httpx.get(f"{self.sandbox_url}/sandbox/api/clock").raise_for_status().json()
        stamp = datetime.fromisoformat(clock["now"]).isoformat()
        raw = json.dumps({"ticket_id": "1"}).encode()
        signature = base64.b64encode(hmac.digest(secret.encode(), stamp.encode() + raw, "sha256")).decode()
        headers = {"X-Zendesk-Webhook-Signature": signature, "X-Zendesk-Webhook-Signature-Timestamp": stamp}
        return httpx.post(f"{self.url}/webhooks/zendesk", content=raw, headers=headers).status_code


def signed(field: str, value: object, *, at: int, secret: str = APP_SECRET) -> dict[str, Any]:
    """A webhook of Meta, as httpx posts it."""
    entry = {"id": ACCOUNTS["whatsapp"]["waba_id"], "time": at, "changes": [{"field": field, "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"content": body, "headers": {"X-Hub-Signature-256": f"sha256={signature}"}}


def notice(number: int, *, secret: str = APP_SECRET) -> dict[str, Any]:
    """One that is kept, and that nothing follows from."""
    return signed("account_update", {"event": "UPDATE", "number": number}, at=number, secret=secret)


def letter(customer: Customer, text: str, *, at: int) -> dict[str, Any]:
    message = {
        "from": customer.wa_id,
        "id": f"wamid.{at}",
        "timestamp": str(at),
        "type": "text",
        "text": {"body": text},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550001234", "phone_number_id": ACCOUNTS["whatsapp"]["phone_number_id"]},
        "contacts": [{"profile": {"name": customer.name}, "wa_id": customer.wa_id}],
        "messages": [message],
    }
    return signed("messages", value, at=at)


def minds_hangup(role: Process) -> bool:
    """Whether it blocks or handles SIGHUP by now."""
    assert role.pid is not None
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{role.pid}/status").read_text().splitlines())
    return any(int(fields[name], 16) >> (signal.SIGHUP - 1) & 1 for name in ("SigBlk", "SigCgt"))


def said(role: Process, event: str) -> int:
    """How often a role's log holds this event."""
    return role.log.read_text().count(f'"event": "{event}"')


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(database, marks=pytest.mark.xdist_group(f"rotation {database}"))
        for database in ("sqlite", "postgresql")
    ],
)
def running(request: pytest.FixtureRequest) -> Iterator[Rotating]:
    if request.param == "sqlite":
        made = Rotating(None)
        with made:
            yield made
        return
    server = services.postgresql_socket_folder(request.config.stash[FOLDER])
    name = f"r{uuid.uuid4().hex}"
    services.create_database(server, name)
    try:
        made = Rotating(services.postgresql_url(server, name))
        with made:
            yield made
    finally:
        services.drop_database(server, name)


@pytest.fixture
def installation(running: Rotating) -> Iterator[Rotating]:
    """One for many tests: each leaves it as it was, but for the keys."""
    yield running
    running.as_always()
    running.hang_up()


@pytest.fixture
def world(installation: Rotating) -> Iterator[World]:
    made = World(installation)
    yield made
    print(made.history())
    made.close()


@contextmanager
def all_the_time(work: Callable[[int], None]) -> Iterator[list[Exception]]:
    """Do this again and again meanwhile; what failed."""
    ended = threading.Event()
    failures: list[Exception] = []

    def run() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            try:
                work(number)
            except Exception as exc:  # noqa: BLE001 - shown by the test
                failures.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield failures
    finally:
        ended.set()
        thread.join()


def rotated(installation: Rotating) -> dict[str, Any]:
    done: dict[str, Any] = json.loads(installation.run("keys", "rotate", "--json"))
    return done


def test_keys_change_in_the_middle_of_a_conversation(installation: Rotating, world: World) -> None:
    people = [world.customer(f"Ana {number}") for number in range(6)]
    ana = people[0]
    tickets = {person.id: person.has_ticket() for person in people}
    told = letter(ana, text := world.words("told twice"), at=int(world.now().timestamp()))
    assert httpx.post(f"{installation.url}/webhooks/whatsapp", **told).status_code == 200
    tickets[ana.id].shows(text)
    said_by: dict[str, list[str]] = {person.id: [] for person in people}
    answers: dict[str, list[str]] = {person.id: [] for person in people}

    def talk(number: int) -> None:
        person = people[number % len(people)]
        said_by[person.id].append(world.words(f"said {number}"))
        person.writes(said_by[person.id][-1])
        answers[person.id].append(world.words(f"answered {number}"))
        tickets[person.id].replies(answers[person.id][-1])
        time.sleep(0.25)  # people take their time

    with all_the_time(talk) as failures:
        old, new = installation.put_key_in_front()
        installation.hang_up()
        done = rotated(installation)
        installation.write(KEYS, as_text(installation.keys[0]))
        installation.hang_up()
        count = len(said_by[ana.id])
        eventually(lambda: len(said_by[ana.id]), lambda now: now > count)
    assert not failures
    assert done["before"][old] > 10
    assert list(done["now"]) == [new]
    assert old in done["removable"]
    for person in people:
        tickets[person.id].shows(*said_by[person.id])
        person.gets(*answers[person.id])
    assert rotated(installation)["rewritten"] == {}

    # Meta repeats for a week.
    assert httpx.post(f"{installation.url}/webhooks/whatsapp", **told).status_code == 200
    world.settle()
    tickets[ana.id].shows(text)
    assert json.loads(installation.run("events", "list", "--json")) == []
    world.check()


def test_worker_that_does_not_know_the_new_key_waits_and_loses_nothing(installation: Rotating, world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    world.settle()
    told = said(installation.worker, "key.unknown")
    _, new = installation.put_key_in_front()
    installation.hang_up(installation.web)
    text, answer = world.words("under the new key"), world.words("answered meanwhile")
    ana.writes(text)
    ticket.replies(answer)
    # Nothing of it can be opened by those who would do it.
    assert rotated(installation)["now"].keys() == {new}
    eventually(lambda: said(installation.worker, "key.unknown"), told + 2)
    assert f'"code": "{new}"' in installation.worker.log.read_text()
    assert installation.metric("deskbridge_alarms", kind="unknown_key") > 0
    assert installation.readiness() == (200, '{"status":"ready","wrong":[]}')
    assert ana.received() == []

    installation.hang_up(installation.worker)
    ticket.shows(text)
    ana.gets(answer)
    world.settle()
    assert said(installation.worker, "key.unknown") == told + 2, "each of the two processes says so once"
    assert json.loads(installation.run("events", "list", "--json")) == []
    world.check()


def test_edge_that_does_not_know_the_new_key_keeps_what_it_is_told(installation: Rotating, world: World) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    old, new = installation.put_key_in_front()
    installation.hang_up(installation.worker)
    # It still seals under the old key, so that cannot be removed yet, and the command says what to do.
    refused = installation.command("keys", "rotate")
    assert refused.returncode == 1
    assert f"a running process still encrypts with {old}: send it SIGHUP" in refused.stderr
    status, text = installation.readiness()
    assert (status, json.loads(text)["status"]) == (200, "degraded")
    assert new in text
    assert installation.told_with(APP_SECRET) == 200
    assert installation.rung_with(RING_SECRET) == 200
    assert installation.metric("deskbridge_database_up") == 1
    said_meanwhile = world.words("to an edge of yesterday")
    ana.writes(said_meanwhile)
    ticket.shows(said_meanwhile)

    installation.hang_up(installation.web)
    assert installation.readiness() == (200, '{"status":"ready","wrong":[]}')
    assert old in rotated(installation)["removable"]
    world.settle()
    world.check()


def test_hangup_refuses_no_webhook_whatever_is_changed(installation: Rotating) -> None:
    kept = installation.metric("deskbridge_webhook_requests_total", endpoint="whatsapp", outcome="kept")
    sent: list[int] = []
    with httpx.Client(timeout=20) as meta:

        def tell(number: int) -> None:
            meta.post(f"{installation.url}/webhooks/whatsapp", **notice(number)).raise_for_status()
            sent.append(number)

        with all_the_time(tell) as failures:
            for secrets in (f"{SECOND_APP_SECRET},{APP_SECRET}", f"{APP_SECRET},{SECOND_APP_SECRET}", APP_SECRET):
                before = len(sent)
                installation.write(APP_SECRETS, secrets)
                installation.hang_up(installation.web)
                eventually(lambda before=before: len(sent) > before + 20, True)  # type: ignore[misc]  # bound now
    assert not failures
    # The counters go on as well.
    now = installation.metric("deskbridge_webhook_requests_total", endpoint="whatsapp", outcome="kept")
    assert now == kept + len(sent)


def test_several_secrets_at_once_and_each_of_them_counts(installation: Rotating) -> None:
    second_ring_secret = "a-webhook-secret-of-after"
    assert [installation.told_with(secret) for secret in (APP_SECRET, SECOND_APP_SECRET)] == [200, 401]
    assert [installation.rung_with(secret) for secret in (RING_SECRET, second_ring_secret)] == [200, 401]
    installation.write(APP_SECRETS, f"{SECOND_APP_SECRET}, {APP_SECRET}")
    installation.write(RING_SECRETS, f"{second_ring_secret}, {RING_SECRET}")
    installation.hang_up(installation.web)
    assert [installation.told_with(secret) for secret in (APP_SECRET, SECOND_APP_SECRET, "x")] == [200, 200, 401]
    assert [installation.rung_with(secret) for secret in (RING_SECRET, second_ring_secret, "x")] == [200, 200, 401]
    installation.write(APP_SECRETS, SECOND_APP_SECRET)
    installation.write(RING_SECRETS, second_ring_secret)
    installation.hang_up(installation.web)
    assert [installation.told_with(secret) for secret in (APP_SECRET, SECOND_APP_SECRET)] == [401, 200]
    assert [installation.rung_with(secret) for secret in (RING_SECRET, second_ring_secret)] == [401, 200]


def test_what_is_wrong_at_a_hangup_is_said_and_everything_goes_on_as_before(
    installation: Rotating, world: World
) -> None:
    ana = world.customer()
    ticket = ana.has_ticket()
    installation.write(KEYS, "no key at all")
    installation.write(APP_SECRETS, SECOND_APP_SECRET)
    for role in installation.roles:
        assert role.pid is not None
        os.kill(role.pid, signal.SIGHUP)
        eventually(lambda role=role: said(role, "configuration.refused"), bool)  # type: ignore[misc]  # bound now
        assert "the configuration stays as it was: DESKBRIDGE_ENCRYPTION_KEYS" in role.log.read_text()
    assert installation.told_with(APP_SECRET) == 200
    text, answer = world.words("still here"), world.words("so are we")
    ana.writes(text)
    ticket.shows(text)
    ticket.replies(answer)
    ana.gets(answer)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """A migrated database of which a part is under the old key, and both keys configured."""
    environ = {
        "DESKBRIDGE_DATA_DIR": str(tmp_path / "var"),
        "DESKBRIDGE_DATABASE_URL": database_url,
        "DESKBRIDGE_ADMIN_TOKEN": "an-admin-token-of-some-length",
    }
    before = load_settings({**environ, "DESKBRIDGE_ENCRYPTION_KEYS": as_text(OLD)})
    wiring.migrate(before)
    keep(before, range(20))
    return load_settings({**environ, "DESKBRIDGE_ENCRYPTION_KEYS": as_text(NEW, OLD)})


def keep(settings: Settings, numbers: range) -> None:
    items = [InboxItem(InboxKind.STATUS, "c", f"c:{number}", "s", b"event %d" % number, number) for number in numbers]
    with wiring.open_store(settings) as store:
        rows = inbox.rows_of(items, vault=store.vault, received_at=store.clock.business_now())
        store.database.write_now(lambda connection: inbox.insert_rows(connection, rows))


def kept(settings: Settings, *keys: bytes) -> list[bytes]:
    alone = settings.model_copy(update={"configured_encryption_keys": keys})
    with wiring.open_store(alone) as store:
        now = store.clock.business_now()
        entries = store.database.read_now(
            lambda connection: inbox.load_due(
                connection, store.vault, shards=range(32), now=now, real_now=now, limit=100_000
            )
        )
    return sorted(entry.body for entry in entries if entry.body is not None)


def environ_of(settings: Settings) -> dict[str, str]:
    assert settings.configured_encryption_keys is not None
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DESKBRIDGE_", "WHATSAPP_"))},
        "DESKBRIDGE_DATA_DIR": str(settings.data_dir),
        "DESKBRIDGE_DATABASE_URL": settings.database_url.get_secret_value(),
        "DESKBRIDGE_ADMIN_TOKEN": "an-admin-token-of-some-length",
        "DESKBRIDGE_ENCRYPTION_KEYS": as_text(*settings.configured_encryption_keys),
    }


def test_rotation_that_is_killed_in_the_middle_is_run_again_and_goes_on(settings: Settings) -> None:
    count = 10_000
    keep(settings.model_copy(update={"configured_encryption_keys": (OLD,)}), range(20, count))
    whole = sorted(b"event %d" % number for number in range(count))
    counts: list[int] = []

    def under_the_new_key(database: Database) -> int:
        found = func.substr(inbox_table.c.body, 2, 4, type_=LargeBinary) == key_id(NEW)
        return int(database.read_now(lambda c: c.execute(select(func.count()).where(found)).scalar_one()))

    database = Database(settings.database_url.get_secret_value())
    for _ in range(2):
        rotation = subprocess.Popen([str(DESKBRIDGE), "keys", "rotate"], env=environ_of(settings))
        before = under_the_new_key(database)
        eventually(lambda: under_the_new_key(database), lambda now, before=before: now > before)
        rotation.kill()
        rotation.wait()
        counts.append(under_the_new_key(database))
        assert kept(settings, NEW, OLD) == whole
    database.close()
    assert 0 < counts[0] < counts[1] < count, "killed before it was through"

    done = key_rotation.rotate(settings, pause=lambda _: None)
    assert done.before == {NEW_NAME: counts[1], OLD_NAME: count - counts[1]}
    assert done.now == {NEW_NAME: count}
    assert done.removable == [OLD_NAME]
    assert kept(settings, NEW) == whole


def test_rotation_amid_writes_of_processes_with_either_key_leaves_nothing_behind(settings: Settings) -> None:
    """Until the last process knows the new key: then the next run says that the old one may go."""
    old_alone = settings.model_copy(update={"configured_encryption_keys": (OLD,)})

    def one_of_yesterday_writes(seconds: float) -> None:
        with wiring.open_store(old_alone, every_key=False) as store:
            items = [InboxItem(InboxKind.STATUS, "c", f"late:{time.monotonic_ns()}", "s", b"late", 0)]
            rows = inbox.rows_of(items, vault=store.vault, received_at=store.clock.business_now())
            store.database.write_now(lambda connection: inbox.insert_rows(connection, rows))

    done = key_rotation.rotate(settings, pause=one_of_yesterday_writes)
    assert done.still_used == [OLD_NAME]
    assert done.removable == []
    assert done.rewritten["inbox.body"] >= 20

    again = key_rotation.rotate(settings, pause=lambda _: None)
    assert again.still_used == []
    assert again.removable == [OLD_NAME]
    assert again.now.keys() == {NEW_NAME}
    assert kept(settings, NEW).count(b"late") == key_rotation.PASSES - 1


def test_old_key_is_kept_while_a_still_newer_one_appears(settings: Settings) -> None:
    """The index key is wrapped anew when nobody else changes keys; until then the old one is needed for it."""
    newer = settings.model_copy(update={"configured_encryption_keys": (b"x" * 32, NEW, OLD)})

    def somebody_goes_further(_seconds: float) -> None:
        keep(newer, range(20, 21))

    done = key_rotation.rotate(settings, pause=somebody_goes_further)
    assert (done.removable, done.left) == ([], 1)
    assert key_rotation.rotate(newer, pause=lambda _: None).removable == [NEW_NAME, OLD_NAME]


def test_old_key_that_is_still_needed_is_asked_for_at_the_start(settings: Settings) -> None:
    new_alone = environ_of(settings) | {"DESKBRIDGE_ENCRYPTION_KEYS": as_text(NEW)}
    for command in (["up"], ["keys", "rotate"]):
        done = subprocess.run(
            [str(DESKBRIDGE), *command],
            env={**new_alone, "DESKBRIDGE_SANDBOX": "on"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(
            "deskbridge: the database holds values under the encryption key "
        )
        assert OLD_NAME in done.stderr
        assert "DESKBRIDGE_ENCRYPTION_KEYS" in done.stderr
        assert as_text(OLD) not in done.stderr
    assert key_rotation.rotate(settings, pause=lambda _: None).removable == [OLD_NAME]
    subprocess.run([str(DESKBRIDGE), "migrate"], env=new_alone, capture_output=True, check=True, timeout=60)


def test_damaged_value_is_told_and_the_old_key_is_to_be_kept(settings: Settings) -> None:
    def damage(connection: Connection) -> None:
        row_id, body = connection.execute(select(inbox_table.c.id, inbox_table.c.body).limit(1)).one()
        altered = body[:-1] + bytes([body[-1] ^ 1])
        connection.execute(update(inbox_table).where(inbox_table.c.id == row_id).values(body=altered))

    with wiring.open_store(settings) as store:
        store.database.write_now(damage)
    done = subprocess.run(
        [str(DESKBRIDGE), "keys", "rotate"],
        env=environ_of(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "1 value(s) do not open with their own key (inbox.body): keep the old keys" in done.stderr
    assert "can be removed" not in done.stdout
    assert "written anew: 19 inbox.body" in done.stdout


def test_first_start_puts_its_key_on_record(settings: Settings) -> None:
    with wiring.open_store(settings, seals=False) as store:
        assert store.database.read_now(keyring.on_record) == {OLD_NAME}


def test_up_takes_a_new_key_at_a_hangup_and_goes_on_when_a_needed_one_is_missing(tmp_path: Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(OUR_PREFIXES)}
    environ = {**own, "DESKBRIDGE_PORT": str(free_port()), "DESKBRIDGE_LOG_FORMAT": "json"}
    log, keys = tmp_path / "log", tmp_path / "var" / "encryption-keys"

    def rotate() -> subprocess.CompletedProcess[str]:
        command = [str(DESKBRIDGE), "keys", "rotate"]
        return subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        )

    with log.open("wb") as out:
        parent = subprocess.Popen([str(DESKBRIDGE), "up"], env=environ, cwd=tmp_path, stdout=out, stderr=out)
    try:
        eventually(log.read_text, lambda text: "deskbridge is up" in text, patience_seconds=60)
        old = keys.read_text().strip()
        keys.write_text(f"{as_text(NEW)},{old}\n")
        parent.send_signal(signal.SIGHUP)
        # The parent, the web part, the worker and the scheduler.
        eventually(lambda: log.read_text().count('"configuration.read"'), 4)
        assert "it can be removed from DESKBRIDGE_ENCRYPTION_KEYS now" in rotate().stdout
        keys.write_text(old + "\n")
        parent.send_signal(signal.SIGHUP)
        eventually(log.read_text, lambda text: "the configuration stays as it was" in text)
        assert NEW_NAME in log.read_text()
        keys.write_text(as_text(NEW) + "\n")
        parent.send_signal(signal.SIGHUP)
        eventually(lambda: log.read_text().count('"configuration.read"'), 8)
        assert httpx.get(f"http://127.0.0.1:{environ['DESKBRIDGE_PORT']}/readyz").json()["status"] == "ready"
        parent.terminate()
        assert parent.wait(12) == 0
        assert '"role.died"' not in log.read_text()
        assert '"role.killed"' not in log.read_text()
    finally:
        parent.kill()
        parent.wait()
