"""Which processes are under test? The sandbox, the web part, the workers, the scheduler and a Redis, all for real."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import httpx

from bridge.runtime.embedded_redis import EmbeddedRedis
from tests.flow.desks import DESKS
from tests.flow.waiting import eventually

DESKBRIDGE = Path(sys.executable).with_name("deskbridge")
RECONCILE_SECONDS = 10
WORKERS = 2
END_SECONDS = 12.0
COMMAND_SECONDS = 120
ACCOUNTS = {
    "whatsapp": {
        "app_id": "700000000000001",
        "app_secret": "b7d1f3a95c2e48608f1a7c3e5d9b2046",
        "waba_id": "800000000000001",
        "phone_number_id": "900000000000001",
        "display_phone_number": "15550001234",
        "access_token": "EAAflowtoken0123456789abcdefghij",
    },
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One process with a log of its own. `owner`: (uid, gid) it runs as; None is us."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        *,
        environ: Mapping[str, str],
        log: Path,
        owner: tuple[int, int] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._owner = owner
        self._arguments = arguments
        self._environ = environ
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self, *, extra: Mapping[str, str] | None = None) -> None:
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._arguments,
                env={**self._environ, **(extra or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
                user=self._owner[0] if self._owner else None,
                group=self._owner[1] if self._owner else None,
                extra_groups=[] if self._owner else None,
            )

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._popen.pid if self._popen is not None and self.lives else None

    @property
    def lives(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def stop(self, *, how: signal.Signals = signal.SIGTERM) -> int | None:
        """End it as an operator would, and wait. Returns its exit code; None when it did not run."""
        popen, self._popen = self._popen, None
        if popen is None:
            return None
        popen.send_signal(how)
        try:
            return popen.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
            raise AssertionError(f"{self.name} did not end within {END_SECONDS:.0f} s of SIGTERM") from None

    def kill(self) -> None:
        """End it at once, whatever it does."""
        popen, self._popen = self._popen, None
        if popen is not None:
            popen.kill()
            popen.wait()


class CommandLine:
    """Types `deskbridge …` as an operator does, with the variables and in the folder of an installation."""

    environ: dict[str, str]
    folder: Path

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(DESKBRIDGE), *arguments],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )

    def run(self, *arguments: str) -> str:
        """The same where it must succeed; what it printed."""
        done = self.command(*arguments)
        assert done.returncode == 0, f"deskbridge {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout


class Installation(CommandLine):
    """Everything that runs for one database and helpdesk, in a `with` block.

    What differs per test goes through the control API.
    """

    def __init__(self, database_url: str | None, *, helpdesk: str = "zendesk") -> None:
        self.desk = DESKS[helpdesk]
        # A short path (sockets), and none that pytest keeps.
        self.folder = Path(tempfile.mkdtemp(prefix="deskbridge-f-"))
        self.data_dir = self.folder / "data"
        self.logs = self.folder / "logs"
        self.data_dir.mkdir(mode=0o700)
        self.logs.mkdir()
        self.redis = EmbeddedRedis(self.data_dir)
        self.redis_disturbed = False
        """Set by tests that wipe or end Redis: RQ calls it an error, later too, that the job it works on is gone."""
        sandbox_port, port = free_port(), free_port()
        self.sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        self.url = f"http://127.0.0.1:{port}"
        clock_file = self.folder / "clock"
        plain = {name: value for name, value in os.environ.items() if not name.startswith(OUR_PREFIXES)}
        self.environ = {
            **plain,
            "DESKBRIDGE_DATA_DIR": str(self.data_dir),
            "DESKBRIDGE_REDIS_URL": self.redis.url,
            "DESKBRIDGE_PORT": str(port),
            "DESKBRIDGE_ADMIN_TOKEN": "flow-admin-token-0123456789abcdef",
            "DESKBRIDGE_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "DESKBRIDGE_RECONCILE_SECONDS": str(RECONCILE_SECONDS),
            "DESKBRIDGE_CLOCK_FILE": str(clock_file),
            "DESKBRIDGE_LOG_FORMAT": "json",
            "DESKBRIDGE_READ_RECEIPTS": "answered",
            "DESKBRIDGE_SANDBOX": "off",
            "WHATSAPP_API_URL": f"{self.sandbox_url}/graph",
            "WHATSAPP_PHONE_NUMBER_ID": ACCOUNTS["whatsapp"]["phone_number_id"],
            "WHATSAPP_BUSINESS_ACCOUNT_ID": ACCOUNTS["whatsapp"]["waba_id"],
            "WHATSAPP_ACCESS_TOKEN": ACCOUNTS["whatsapp"]["access_token"],
            "WHATSAPP_APP_SECRET": ACCOUNTS["whatsapp"]["app_secret"],
            "WHATSAPP_VERIFY_TOKEN": "flow-verify-token",
            "DESKBRIDGE_HELPDESK": helpdesk,
            **self.desk.environ(self.sandbox_url),
        }
        if database_url is not None:
            self.environ["DESKBRIDGE_DATABASE_URL"] = database_url
        self.sandbox = Process(
            "sandbox",
            [
                *(sys.executable, "-m", "sandbox", "--port", str(sandbox_port)),
                *("--state", str(self.folder / "state.json"), "--clock-file", str(clock_file)),
            ],
            environ=plain,
            log=self.folder / "sandbox.log",
        )
        self.web = self._role("serve")
        self.worker = self._role("worker", "--count", str(WORKERS))
        self.scheduler = self._role("scheduler")

    def _role(self, *arguments: str) -> Process:
        log = self.logs / f"{arguments[0]}.log"
        return Process(arguments[0], [str(DESKBRIDGE), *arguments], environ=self.environ, log=log)

    @property
    def roles(self) -> tuple[Process, ...]:
        return self.web, self.worker, self.scheduler

    def start(self) -> None:
        self.redis.start()
        self.sandbox.start()
        self.run("migrate")
        eventually(lambda: status_of(f"{self.sandbox_url}/sandbox/api/state"), 200)
        for path, body in (
            ("setup", {**ACCOUNTS, self.desk.name: self.desk.setup(url=self.url)}),
            ("faults", self.desk.baseline),
        ):
            httpx.post(f"{self.sandbox_url}/sandbox/api/{path}", json=body).raise_for_status()
        self.web.start()
        eventually(lambda: status_of(f"{self.url}/readyz"), 200)
        self.run("doctor", "--fix")
        self.worker.start()
        self.scheduler.start()
        # The web part knows the secret of a webhook that was just made within a second.
        eventually(lambda: self.ring({"ticket_id": "1"}), 200)

    def ring(self, body: object, *, age_seconds: float = 0.0) -> int:
        """Call our webhook as the helpdesk does; the status. `age_seconds`: age of the signature, if there is one."""
        raw = json.dumps(body).encode()
        headers = self.desk.headers_of_ring(raw, sandbox_url=self.sandbox_url, age_seconds=age_seconds)
        return httpx.post(f"{self.url}/webhooks/{self.desk.name}", content=raw, headers=headers).status_code

    def stop(self) -> None:
        try:
            codes = {role.name: role.stop() for role in self.roles if role.lives}
            # uvicorn raises its signal again once it has shut down: a clean end that reads as "killed by 15".
            assert all(code in (0, -signal.SIGTERM) for code in codes.values()), f"exit codes: {codes}"
        finally:
            for process in (*self.roles, self.sandbox):
                process.kill()
            self.redis.stop()

    def __enter__(self) -> "Installation":
        try:
            self.start()
        except BaseException:
            for process in (*self.roles, self.sandbox):
                process.kill()
            self.redis.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.stop()
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def metric(self, name: str, **labels: str) -> float:
        """A sample of `/metrics`; 0 when there is none."""
        return self.metrics().get((name, frozenset(labels.items())), 0.0)

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        from prometheus_client.parser import text_string_to_metric_families

        text = httpx.get(f"{self.url}/metrics", headers=self.admin).raise_for_status().text
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    @property
    def admin(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.environ['DESKBRIDGE_ADMIN_TOKEN']}"}

    def readiness(self) -> tuple[int, str]:
        answer = httpx.get(f"{self.url}/readyz", timeout=10)
        return answer.status_code, answer.text

    def log_sizes(self) -> dict[Path, int]:
        return {role.log: role.log.stat().st_size if role.log.exists() else 0 for role in self.roles}

    def logged_since(self, sizes: Mapping[Path, int]) -> str:
        """What our processes wrote since `log_sizes`."""
        return "".join(
            path.read_bytes()[size:].decode("utf-8", "replace") for path, size in sizes.items() if path.exists()
        )


OUR_PREFIXES = ("DESKBRIDGE_", "WHATSAPP_", "ZENDESK_", "FRESHDESK_", "HTTP_DESK_", "SENTRY_")


def failures_in(log: str, *, of_rq: bool) -> list[str]:
    """Lines that say that something failed which no rule covers; RQ's own only if asked for."""
    found = []
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            if "Traceback" in line:
                found.append(line)
            continue
        if not isinstance(entry, dict) or (entry.get("logger") == "rq.worker" and not of_rq):
            continue
        if entry.get("level") in {"error", "critical"}:
            found.append(line)
    return found


def status_of(url: str) -> int | None:
    """The status of a GET; None while nobody answers."""
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.HTTPError:
        return None
