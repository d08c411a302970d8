"""What runs for one measurement? The product's own processes, the far sides, and the load; all for real."""

import http.client
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from bridge.runtime import embedded_redis
from bridge.runtime.settings import SQLITE_FILE
from tests.bench import people, seeding
from tests.bench.bodies import Batch
from tests.bench.generator import Plan
from tests.bench.people import Population
from tests.bench.processes import Process, family_cpu_seconds, free_port
from tests.bench.stage import PATIENCE_SECONDS, Stage

DESKBRIDGE = Path(sys.executable).with_name("deskbridge")
ROLES: Mapping[str, tuple[str, ...]] = {
    "web": ("serve",),
    "worker": ("worker", "--count", "1"),
    "scheduler": ("scheduler",),
}
WARMUP_REQUESTS = 20
WARMUP_FIRST = 900_000_000
"""Numbers that no measurement uses."""
PRODUCT = (*ROLES, "redis")


@dataclass(frozen=True, slots=True)
class DatabaseKind:
    """`url` None: SQLite in the data dir. `server_pid`: of a database that is a process of its own."""

    name: str
    url: str | None = None
    server_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that reached a far side. `at` is on the monotonic clock; `marks` tell whose texts it carries."""

    at: float
    call: str
    marks: Sequence[int]


class Rig(Stage):
    """A fresh installation and its far sides."""

    def __init__(self, database: DatabaseKind) -> None:
        super().__init__()
        self.database = database
        self.data_dir = self.folder / "data"
        self.data_dir.mkdir(mode=0o700)
        self.far_port, self.port = free_port(), free_port()
        self.environ = {**self._plain, **self._settings()}
        self._engine = create_engine(self.database.url or f"sqlite:///{self.data_dir / SQLITE_FILE}")
        self.start_module("far side", "tests.bench.far_side", str(self.far_port))

    def _settings(self) -> dict[str, str]:
        far = f"http://127.0.0.1:{self.far_port}"
        settings = {
            "DESKBRIDGE_DATA_DIR": str(self.data_dir),
            "DESKBRIDGE_PORT": str(self.port),
            "DESKBRIDGE_ADMIN_TOKEN": "bench-admin-token-0123456789abcdef",
            "DESKBRIDGE_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "DESKBRIDGE_LOG_FORMAT": "json",
            "DESKBRIDGE_SANDBOX": "off",
            "WHATSAPP_API_URL": far,
            "WHATSAPP_PHONE_NUMBER_ID": people.PHONE_NUMBER_ID,
            "WHATSAPP_BUSINESS_ACCOUNT_ID": people.WABA_ID,
            "WHATSAPP_ACCESS_TOKEN": "bench-access-token",
            "WHATSAPP_APP_SECRET": people.APP_SECRET,
            "WHATSAPP_VERIFY_TOKEN": people.VERIFY_TOKEN,
            "ZENDESK_URL": far,
            "ZENDESK_OAUTH_CLIENT_ID": "deskbridge",
            "ZENDESK_OAUTH_CLIENT_SECRET": "bench-client-secret",
            "ZENDESK_WEBHOOK_SECRET": people.RING_SECRET,
        }
        if self.database.url is not None:
            settings["DESKBRIDGE_DATABASE_URL"] = self.database.url
        return settings

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._engine.dispose()
        super().__exit__(kind, *rest)
        shutil.rmtree(embedded_redis.socket_path(self.data_dir).parent, ignore_errors=True)

    # --- the product

    def start_product(self, population: Population) -> None:
        """Everything but the worker, with those customers known."""
        self.environ["DESKBRIDGE_REDIS_URL"] = embedded_redis.url(self.data_dir)
        self.start_command("redis", embedded_redis.command(self.data_dir), environ=self.environ)
        self.until(lambda: embedded_redis.answers(self.data_dir), "Redis answers")
        self._run_to_end("migrate")
        if population.customers:
            seeding.seed(self.environ, population)
        self.start("web")
        self.until_ready()
        self.start("scheduler")

    def start(self, role: str) -> None:
        self.start_command(role, [str(DESKBRIDGE), *ROLES[role]], environ=self.environ)

    def start_worker(self, population: Population) -> None:
        """Start it and let it work once: from here on it knows its token and what the helpdesk allows."""
        self.start("worker")
        self.set_far_side(delay_seconds=0.0)
        self.post_all(Batch("message", WARMUP_REQUESTS, population, self.port, first=WARMUP_FIRST))
        self.until(lambda: len(self.arrivals()) >= WARMUP_REQUESTS and not self.in_hand(), "the worker works")

    def _run_to_end(self, *arguments: str) -> None:
        process = Process(
            arguments[0],
            [str(DESKBRIDGE), *arguments],
            environ=self.environ,
            log=self.folder / "command.log",
            cwd=self.folder,
        )
        if process.popen.wait(PATIENCE_SECONDS):
            process.check()

    def until_ready(self) -> None:
        self.until(lambda: status(self.port, "/readyz") == http.client.OK, "the web part is ready")

    def cpu(self) -> dict[str, float]:
        """A database server of its own is counted with all its children."""
        used = super().cpu()
        if self.database.server_pid is not None:
            used["database"] = family_cpu_seconds(self.database.server_pid)
        return used

    # --- far sides

    def set_far_side(self, *, delay_seconds: float, replies: bool = False, level: str = "HIGH") -> None:
        """How the helpdesk behaves from here on, and what Meta allows the number; what they saw before is forgotten."""
        self.until(lambda: status(self.far_port, "/bench/arrivals") == http.client.OK, "the far side answers")
        settings = {"delay_seconds": delay_seconds, "replies": replies, "level": level}
        _request(self.far_port, "POST", "/bench/settings", json.dumps(settings).encode())

    def arrivals(self) -> list[Arrival]:
        """What reached the far sides, in order; without tokens and the poll of the change feed."""
        raw: list[tuple[float, str, list[int]]] = json.loads(_request(self.far_port, "GET", "/bench/arrivals")[1])
        return [Arrival(*one) for one in raw if one[1] not in {"token", "feed"}]

    # --- load

    def post_all(self, batch: Batch) -> None:
        """Hand everything in as fast as it is taken. Raises `RuntimeError` unless all was accepted."""
        result = self.send(Plan(batch, connections=8, seconds=PATIENCE_SECONDS))
        if result.accepted != batch.requests:
            raise RuntimeError(f"only {result.accepted} of {batch.requests} requests were accepted: {result.statuses}")

    # --- database

    def query(self, statement: str) -> int:
        """One number from the database, read from outside."""
        with self._engine.connect() as connection:
            return int(connection.execute(text(statement)).scalar_one())

    def waiting(self) -> int:
        """Events that nobody has worked on yet."""
        return self.query("SELECT count(*) FROM inbox WHERE state = 'new'")

    def in_hand(self) -> int:
        """Events and effects that are not done."""
        effects = self.query("SELECT count(*) FROM effect WHERE state IN ('ready', 'performing', 'unknown')")
        return self.waiting() + effects


def status(port: int, path: str) -> int | None:
    """Of a GET; None while nobody answers."""
    try:
        return _request(port, "GET", path)[0]
    except OSError:
        return None


def _request(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def product_cpu(used: Mapping[str, float]) -> float:
    """Of the product's own processes."""
    return sum(used.get(name, 0.0) for name in PRODUCT)
