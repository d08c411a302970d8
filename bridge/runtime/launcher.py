"""How does everything come up with one command, on a machine where nothing is configured?

The launcher alone knows of the sandbox: it starts it as a process, seeds it over HTTP, and hands everybody else
ordinary settings.
"""

import contextlib
import fcntl
import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from bridge.runtime import doctor, embedded_redis, sandbox_accounts, scheduler, web, wiring, worker
from bridge.runtime.configuration import Configuration, renewal
from bridge.runtime.operator_error import OperatorError
from bridge.runtime.sandbox_accounts import SandboxAccounts
from bridge.runtime.settings import Settings, SettingsError, load_settings
from bridge.runtime.supervisor import Role, Supervisor
from connectors.interface import FindingLevel

SANDBOX_PORTS = 20
"""How many ports above our own are tried for the sandbox."""
WEB_PATIENCE_SECONDS = 60.0
SETUP_ATTEMPTS = 5
SETUP_PAUSE_SECONDS = 2.0
_LOOPBACK = "127.0.0.1"


class CannotLaunch(OperatorError):
    """Something on this machine is in the way; the text is one line that says what."""


def up(read: Callable[[], Mapping[str, str]]) -> int:
    """Run everything until a signal ends it; the exit code. `read` gives the variables, as they are written now.

    Raises `CannotLaunch`, `SettingsError`, `EmbeddedRedisError`, `RoleNotReady` and `StoreUnavailable`.
    """
    environ = read()
    settings = load_settings(environ)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone_on(settings.data_dir):
        if not _is_free(settings.host, settings.port):
            taken = f"port {settings.port} of {settings.host} is taken"
            raise CannotLaunch(f"{taken}: end what uses it, or set DESKBRIDGE_PORT")
        roles: list[Role] = []
        sandbox_url = None
        load = partial(_load_account, read)
        if settings.embedded_redis:
            roles.append(_redis_role(settings.data_dir))
        if settings.sandbox:
            accounts = sandbox_accounts.made_once(settings.data_dir)
            sandbox_url = f"http://{_LOOPBACK}:{_sandbox_port(settings.port)}"
            load = partial(_load_beside_sandbox, read, settings.data_dir, accounts, sandbox_url)
            settings = load()
            roles.append(_sandbox_role(settings, accounts, url=sandbox_url))
        settings.encryption_keys()
        settings.admin_token()
        wiring.migrate(settings)
        sandbox_accounts.remember_own_address(settings.data_dir, settings.public_url)
        now = Configuration(settings, load)
        roles += [
            Role("web", lambda: web.run(now), hears_hangup=True),
            Role("worker", lambda: worker.run(now), count=settings.workers, hears_hangup=True),
            Role("scheduler", lambda: scheduler.run(now), hears_hangup=True),
            Role("setup", lambda: _finish_setup(now.settings, sandbox_url=sandbox_url), once=True),
        ]
        # What a start would write down is written as well.
        return Supervisor(roles, renewal=renewal(now, check=wiring.migrate)).run()


def _load_account(read: Callable[[], Mapping[str, str]]) -> Settings:
    settings = load_settings(read())
    settings.account()
    return settings


def _load_beside_sandbox(
    read: Callable[[], Mapping[str, str]], data_dir: Path, accounts: SandboxAccounts, url: str
) -> Settings:
    return load_settings(sandbox_accounts.environment_with(read(), data_dir, accounts, url=url))


def _redis_role(data_dir: Path) -> Role:
    if embedded_redis.answers(data_dir):
        raise CannotLaunch(f"deskbridge already runs on {data_dir}: its Redis answers; end that one first")
    embedded_redis.server_binary()
    return Role(
        "redis",
        lambda: embedded_redis.replace_process(data_dir),
        stage=0,
        ready=lambda: embedded_redis.answers(data_dir),
        not_ready=embedded_redis.did_not_start(data_dir),
    )


def _sandbox_role(settings: Settings, accounts: SandboxAccounts, *, url: str) -> Role:
    port = urlsplit(url).port
    clock_file = settings.clock_file
    assert port is not None
    assert clock_file is not None

    def ready() -> bool:
        if not _takes_setup(url, accounts, settings):
            return False
        sandbox_accounts.remember_address(settings.data_dir, url)
        return True

    return Role(
        "sandbox",
        lambda: sandbox_accounts.become_sandbox(settings.data_dir, host=_LOOPBACK, port=port, clock_file=clock_file),
        stage=0,
        ready=ready,
        not_ready=f"the sandbox did not start: remove {sandbox_accounts.folder(settings.data_dir)} and start again",
    )


def _takes_setup(url: str, accounts: SandboxAccounts, settings: Settings) -> bool:
    request = accounts.setup_request(public_url=settings.public_url, helpdesk=settings.helpdesk)
    body = json.dumps(request).encode()
    return _status(url, "POST", "/sandbox/api/setup", body) == http.HTTPStatus.OK


def _finish_setup(settings: Settings, *, sandbox_url: str | None) -> None:
    """Once the web part answers: set the sandbox's accounts up as `doctor --fix` would, and say where everything is.

    A real account is left as it is: there, setting up is for a person to ask for.
    """
    _wait_for_web(settings)
    whole = sandbox_url is None or _set_up_whole(settings)
    sys.stdout.write(_addresses(settings, sandbox_url=sandbox_url, whole=whole))


def _set_up_whole(settings: Settings) -> bool:
    for _ in range(SETUP_ATTEMPTS):
        red_count = sum(finding.level is FindingLevel.RED for finding in doctor.run(settings, fix=True))
        if not red_count:
            return True
        structlog.get_logger().warning("setup.incomplete", count=red_count)
        time.sleep(SETUP_PAUSE_SECONDS)
    return False


def _addresses(settings: Settings, *, sandbox_url: str | None, whole: bool) -> str:
    lines = [f"  state of deskbridge       {_own_url(settings)}/readyz"]
    if sandbox_url is not None:
        lines.insert(0, f"  phone and agent's desk    {sandbox_url}/")
    else:
        lines.append(f"  webhook for Meta          {settings.public_url}/webhooks/whatsapp")
        lines.append("  check the accounts        deskbridge doctor")
    if sys.stdout.isatty() and settings.configured_admin_token is None:
        lines.append(f"  admin token               {settings.admin_token().get_secret_value()}")
    if not whole:
        lines.append("  not everything could be set up: deskbridge doctor says what")
    return "\ndeskbridge is up:\n" + "\n".join(lines) + "\n\n"


def _wait_for_web(settings: Settings) -> None:
    url = _own_url(settings)
    deadline = time.monotonic() + WEB_PATIENCE_SECONDS
    while _status(url, "GET", "/healthz") != http.HTTPStatus.OK:
        if time.monotonic() > deadline:
            sys.exit(1)
        time.sleep(0.1)


def _own_url(settings: Settings) -> str:
    host = {"0.0.0.0": _LOOPBACK, "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - read, not bound
    return f"http://[{host}]:{settings.port}" if ":" in host and "[" not in host else f"http://{host}:{settings.port}"


def _status(url: str, method: str, path: str, body: bytes | None = None) -> int | None:
    """The status of one request, or None when nobody answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _sandbox_port(own_port: int) -> int:
    for port in range(own_port + 1, min(own_port + SANDBOX_PORTS, 65535) + 1):
        if _is_free(_LOOPBACK, port):
            return port
    raise CannotLaunch(f"no port above {own_port} is free for the sandbox: set DESKBRIDGE_PORT to another one")


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise SettingsError(f"DESKBRIDGE_HOST is not an address of this machine: use {_LOOPBACK} or 0.0.0.0") from None
    with socket.socket(family, kind, protocol) as probe:
        # As the web part itself will do: a port that only lingers from the last run is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _alone_on(data_dir: Path) -> Iterator[None]:
    """One `up` per data dir. The lock ends with the process that holds it, however it ends."""
    descriptor = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotLaunch(f"deskbridge already runs on {data_dir}: end that one first") from None
        yield
    finally:
        os.close(descriptor)
