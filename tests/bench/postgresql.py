"""A PostgreSQL as an operator runs it: durable commits, everything else as it comes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import services


@dataclass(frozen=True, slots=True)
class Server:
    """`pid` is the postmaster's."""

    sockets: Path
    pid: int

    def create(self, name: str) -> str:
        """A fresh database; its SQLAlchemy URL."""
        services.create_database(self.sockets, name)
        return services.postgresql_url(self.sockets, name)


@contextmanager
def running() -> Iterator[Server]:
    """On a Unix socket in a folder of its own, which is removed at the end."""
    folder = services.make_folder()
    try:
        made = services.prepare_postgresql(folder)
        switches = f"-c listen_addresses='' -c unix_socket_directories={made.sockets}"
        made.run([made.programs / "pg_ctl", "-D", made.data, "-l", made.log, "-w", "-t", "30", "-o", switches, "start"])
        yield Server(made.sockets, int((made.data / "postmaster.pid").read_text().split()[0]))
    finally:
        services.stop_all(folder)
