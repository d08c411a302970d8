"""Which processes are soaked? All of them for real, started again when they die, as an init would.

SQLite: the roles of one machine. PostgreSQL: several worker groups; the last reaches Redis and the database over
cables that can be cut.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx
import psycopg
import redis

from bridge.runtime import embedded_redis
from tests import services
from tests.flow.installation import ACCOUNTS, DESKBRIDGE, OUR_PREFIXES, CommandLine, Process, free_port, status_of
from tests.flow.waiting import eventually
from tests.soak.cable import Cable
from tests.soak.helpdesks import SandboxDesk

RECONCILE_SECONDS = 10
EXPORT_DELAY_SECONDS = 2.0
START_SECONDS = 40.0
RESTART_SECONDS = 0.4
LOOK_SECONDS = 0.1
PROBE_EVERY_SECONDS = 2.0
SILENT_SECONDS = 20.0
"""An init ends what does not answer for so long."""
DISK_MEGABYTES = {"sqlite": 96, "postgresql": 320}
GROUPS = {"sqlite": (2,), "postgresql": (2, 1, 1)}
"""Processes of each worker group."""
OLD_APP_SECRET = ACCOUNTS["whatsapp"]["app_secret"]
NEW_APP_SECRET = "0f9e8d7c6b5a49382716059f8e7d6c5b"
VERIFY_TOKEN = "soak-verify-token-9f2c"
ADMIN_TOKEN = "soak-admin-token-0123456789abcdef"
FIRST_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@dataclass(frozen=True, slots=True)
class Group:
    """A worker group; `cables` (to Redis, to the database) only where it can be cut off."""

    process: Process
    cables: Mapping[str, Cable]


class Installation(CommandLine):
    """Everything that runs, in a `with` block. `small_disk`: what is kept lies on a small disk of its own."""

    def __init__(self, *, database: str, desk: SandboxDesk, plan: str, small_disk: bool) -> None:
        self.database = database
        self.desk = desk
        self._vendor_plan = plan
        self._keep = False
        # A short path (sockets), which an unprivileged PostgreSQL may walk through.
        self.folder = Path(tempfile.mkdtemp(prefix="deskbridge-s-"))
        self.folder.chmod(0o711)
        self.disk = self.folder / "disk"
        self.disk.mkdir(mode=0o711)
        self._mounted = small_disk and _mount(self.disk, megabytes=DISK_MEGABYTES[database])
        self.data_dir = self.disk / "data"
        self.logs = self.folder / "logs"
        self.data_dir.mkdir(mode=0o700)
        self.logs.mkdir()
        self.clock_file = self.folder / "clock"
        self._keys_file = self.folder / "keys"
        self.keys: list[str] = []
        """The encryption keys that are configured, newest first."""
        self.every_key: list[str] = []
        self.configure_keys([FIRST_KEY])
        sandbox_port, port = free_port(), free_port()
        self.sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        self.url = f"http://127.0.0.1:{port}"
        self.redis_url = embedded_redis.url(self.data_dir)
        self._cables: list[Cable] = []
        self._plain = {name: value for name, value in os.environ.items() if not name.startswith(OUR_PREFIXES)}
        self.environ = {
            **self._plain,
            "DESKBRIDGE_DATA_DIR": str(self.data_dir),
            "DESKBRIDGE_REDIS_URL": self.redis_url,
            "DESKBRIDGE_PORT": str(port),
            "DESKBRIDGE_ADMIN_TOKEN": ADMIN_TOKEN,
            "DESKBRIDGE_ENCRYPTION_KEYS_FILE": str(self._keys_file),
            "DESKBRIDGE_RECONCILE_SECONDS": str(RECONCILE_SECONDS),
            "DESKBRIDGE_CLOCK_FILE": str(self.clock_file),
            "DESKBRIDGE_LOG_FORMAT": "json",
            "DESKBRIDGE_SANDBOX": "off",
            "WHATSAPP_API_URL": f"{self.sandbox_url}/graph",
            "WHATSAPP_PHONE_NUMBER_ID": ACCOUNTS["whatsapp"]["phone_number_id"],
            "WHATSAPP_BUSINESS_ACCOUNT_ID": ACCOUNTS["whatsapp"]["waba_id"],
            "WHATSAPP_ACCESS_TOKEN": ACCOUNTS["whatsapp"]["access_token"],
            "WHATSAPP_APP_SECRET": f"{OLD_APP_SECRET},{NEW_APP_SECRET}",
            "WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
            **desk.environ(self.sandbox_url),
        }
        self._server: services.PreparedPostgresql | None = None
        self.postgresql: Process | None = None
        if database == "postgresql":
            self._server = services.prepare_postgresql(self.disk)
            self.postgresql = self._postgresql_process(self._server)
            self.environ["DESKBRIDGE_DATABASE_URL"] = services.postgresql_url(self._server.sockets, "deskbridge")
        self.redis = Process(
            "redis",
            embedded_redis.command(self.data_dir),
            environ=self._plain,
            log=self.logs / "redis.log",
        )
        self.sandbox = Process(
            "sandbox",
            [
                *(sys.executable, "-m", "sandbox", "--port", str(sandbox_port)),
                *("--clock-file", str(self.clock_file)),
            ],
            environ=self._plain,
            log=self.folder / "sandbox.log",
        )
        self.web = self._role("web", ["serve"])
        self.scheduler = self._role("scheduler", ["scheduler"])
        self.second_scheduler = self._role("scheduler-2", ["scheduler"])
        self.groups = self._make_groups()
        self.init = Init()

    def _postgresql_process(self, server: services.PreparedPostgresql) -> Process:
        # Durable against the death of processes, which is what is tested here, not of the machine.
        switches = {
            "listen_addresses": "",
            "unix_socket_directories": str(server.sockets),
            "fsync": "off",
            "synchronous_commit": "on",
            "max_connections": "100",
            "shared_buffers": "32MB",
            # A recovery that met a full disk waits for the next one.
            "checkpoint_timeout": "30s",
            "max_wal_size": "64MB",
            "min_wal_size": "32MB",
            "log_min_messages": "warning",
            "restart_after_crash": "on",
        }
        return Process(
            "postgresql",
            [
                *(str(server.programs / "postgres"), "-D", str(server.data)),
                *(part for name, value in switches.items() for part in ("-c", f"{name}={value}")),
            ],
            environ={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            log=server.log,
            owner=server.owner,
        )

    def _role(self, name: str, arguments: list[str], environ: Mapping[str, str] | None = None) -> Process:
        log = self.logs / f"{name}.log"
        return Process(name, [str(DESKBRIDGE), *arguments], environ=environ or self.environ, log=log)

    def _make_groups(self) -> list[Group]:
        groups = []
        sizes = GROUPS[self.database]
        for number, size in enumerate(sizes):
            cables: dict[str, Cable] = {}
            environ = self.environ
            if self._server is not None and number == len(sizes) - 1:
                cables = {
                    "redis": self._laid(embedded_redis.socket_path(self.data_dir)),
                    "database": self._laid(self._server.sockets / ".s.PGSQL.5432"),
                }
                environ = {
                    **environ,
                    "DESKBRIDGE_REDIS_URL": f"redis://127.0.0.1:{cables['redis'].port}",
                    "DESKBRIDGE_DATABASE_URL": (
                        f"postgresql+psycopg://postgres@127.0.0.1:{cables['database'].port}/deskbridge?sslmode=disable"
                    ),
                }
            process = self._role(f"worker-{number}", ["worker", "--count", str(size)], environ)
            groups.append(Group(process, cables))
        return groups

    def _laid(self, target: Path) -> Cable:
        cable = Cable(target)
        self._cables.append(cable.__enter__())
        return cable

    @property
    def small_disk(self) -> bool:
        """Whether what is kept lies on a small disk."""
        return self._mounted

    @property
    def servers(self) -> list[Process]:
        return [self.redis, *([self.postgresql] if self.postgresql is not None else [])]

    @property
    def roles(self) -> list[Process]:
        return [self.web, self.scheduler, *(group.process for group in self.groups)]

    def start(self) -> None:
        for server in self.servers:
            server.start()
        self.sandbox.start()
        if self._server is not None:
            sockets = self._server.sockets
            eventually(lambda: _makes_database(sockets), True, patience_seconds=START_SECONDS)
        eventually(self.redis_answers, True, patience_seconds=START_SECONDS)
        self.run("migrate")
        eventually(lambda: status_of(f"{self.sandbox_url}/sandbox/api/state"), 200, patience_seconds=START_SECONDS)
        with self.control() as http:
            account = self.desk.account(self._vendor_plan, url=self.url)
            setup = {"whatsapp": ACCOUNTS["whatsapp"], self.desk.name: account}
            http.post("/setup", json=setup).raise_for_status()
            http.post("/faults", json=dict(self.desk.desk.baseline)).raise_for_status()
        self.web.start()
        eventually(lambda: status_of(f"{self.url}/readyz"), 200, patience_seconds=START_SECONDS)
        self.run("doctor", "--fix")
        for role in self.roles:
            if not role.lives:
                role.start()
        probes = {} if self.postgresql is None else {self.postgresql.name: self.postgresql_answers}
        self.init.watch([*self.servers, *self.roles], probes)

    def stop(self) -> dict[str, int | None]:
        """End everything in order; the exit codes of the roles."""
        self.init.stop()
        codes: dict[str, int | None] = {}
        try:
            for role in [*self.roles, self.second_scheduler]:
                with contextlib.suppress(AssertionError):
                    codes[role.name] = role.stop()
        finally:
            for process in [*self.roles, self.second_scheduler, self.sandbox, self.redis]:
                process.kill()
            if self.postgresql is not None:
                with contextlib.suppress(AssertionError):
                    self.postgresql.stop(how=signal.SIGINT)
            for cable in self._cables:
                cable.__exit__(None, None, None)
            shutil.rmtree(embedded_redis.socket_path(self.data_dir).parent, ignore_errors=True)
        return codes

    def keep(self) -> None:
        """Leave the folder for a person to look at."""
        self._keep = True

    def __enter__(self) -> "Installation":
        try:
            self.start()
        except BaseException:
            self.stop()
            self._forget_disk()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.stop()
        self._forget_disk()
        if kind is None and not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _forget_disk(self) -> None:
        if self._mounted:
            if self._keep:
                shutil.copytree(self.disk, self.folder / "kept", ignore_dangling_symlinks=True)
            subprocess.run(["umount", str(self.disk)], check=False)

    def control(self) -> httpx.Client:
        return httpx.Client(base_url=f"{self.sandbox_url}/sandbox/api", timeout=60)

    def redis_answers(self) -> bool:
        return embedded_redis.answers(self.data_dir)

    def postgresql_answers(self) -> bool:
        assert self._server is not None
        try:
            psycopg.connect(f"host={self._server.sockets} user=postgres dbname=postgres connect_timeout=2").close()
        except psycopg.OperationalError:
            return False
        return True

    def redis_client(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url, socket_timeout=2)

    def configure_keys(self, keys: list[str]) -> None:
        """As an operator edits the file: whole or not at all."""
        self.keys = keys
        self.every_key += [key for key in keys if key not in self.every_key]
        fresh = self._keys_file.with_suffix(".new")
        fresh.write_text(",".join(keys))
        fresh.replace(self._keys_file)

    def hang_up(self) -> None:
        """`SIGHUP` to every role: files are read again."""
        for role in [*self.roles, self.second_scheduler]:
            if role.pid is not None:
                send_signal(role.pid, signal.SIGHUP)

    def processes_of(self, process: Process) -> list[int]:
        """The process itself and its children."""
        if process.pid is None:
            return []
        path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        with contextlib.suppress(OSError):
            return [process.pid, *(int(child) for child in path.read_text().split())]
        return [process.pid]

    def kill_one_of(self, process: Process, rng: random.Random) -> None:
        """`SIGKILL` the process or one of its children."""
        found = self.processes_of(process)
        if found:
            send_signal(rng.choice(found), signal.SIGKILL)

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """Not a byte is left, until the block ends."""
        assert self._mounted
        filler = self.disk / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                for size in (1 << 20, 1 << 12, 1):
                    with contextlib.suppress(OSError):
                        while True:
                            file.write(b"\0" * size)
            yield
        finally:
            filler.unlink(missing_ok=True)


class Init:
    """Starts again what died, and what does not answer for long, but for what is down on purpose.

    A thread of its own; safe to call from any.
    """

    def __init__(self) -> None:
        self._watched: list[Process] = []
        self._probes: Mapping[str, Callable[[], bool]] = {}
        self._down: dict[str, int] = {}
        self._died_at: dict[str, float] = {}
        self._answered_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="init", daemon=True)
        self.restarts = 0
        self.ended: Counter[str] = Counter()
        """Who was ended for not answering."""

    def watch(self, processes: list[Process], probes: Mapping[str, Callable[[], bool]]) -> None:
        """`probes`: by name of a process, whether it answers."""
        self._watched, self._probes = processes, probes
        self._thread.start()

    def stop(self) -> None:
        """Start nothing any more."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    @contextlib.contextmanager
    def down(self, process: Process) -> Iterator[None]:
        """Whoever ends this process in the block, it stays down until the block ends."""
        with self._lock:
            self._down[process.name] = self._down.get(process.name, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._down[process.name] -= 1
                self._died_at.pop(process.name, None)

    def all_run(self) -> bool:
        with self._lock:
            return all(process.lives for process in self._watched)

    def _run(self) -> None:
        probed_at = 0.0
        while not self._end.wait(LOOK_SECONDS):
            silent = set()
            if time.monotonic() - probed_at > PROBE_EVERY_SECONDS:
                silent = {name for name, answers in self._probes.items() if not answers()}
                probed_at = time.monotonic()
                self._answered_at |= dict.fromkeys(self._probes.keys() - silent, probed_at)
            with self._lock:
                for process in self._watched:
                    if process.name in silent:
                        self._look_whether_stuck(process)
                    self._look_after(process)

    def _look_whether_stuck(self, process: Process) -> None:
        """PostgreSQL 18 may stay alive for ever without a start-up process when its recovery met a full disk."""
        now = time.monotonic()
        if self._down.get(process.name) or not process.lives:
            self._answered_at[process.name] = now
        elif now - self._answered_at.setdefault(process.name, now) > SILENT_SECONDS:
            self.ended[process.name] += 1
            process.kill()

    def _look_after(self, process: Process) -> None:
        if process.lives or self._down.get(process.name):
            return
        now = time.monotonic()
        if now - self._died_at.setdefault(process.name, now) >= RESTART_SECONDS:
            del self._died_at[process.name]
            self._answered_at[process.name] = now
            self.restarts += 1
            process.start()


def send_signal(pid: int, number: signal.Signals) -> None:
    """To a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def mounts() -> bool:
    """Whether this user may make a small disk."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


def _mount(folder: Path, *, megabytes: int) -> bool:
    if not mounts():
        return False
    options = f"size={megabytes}m,mode=0711"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "soak", str(folder)], check=False)
    return done.returncode == 0


def _makes_database(sockets: Path) -> bool:
    try:
        services.create_database(sockets, "deskbridge")
    except psycopg.errors.DuplicateDatabase:
        return True
    except psycopg.OperationalError:
        return False
    return True
