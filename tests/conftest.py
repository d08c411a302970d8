"""Fixtures that every house shares: a real Redis, a real PostgreSQL, SQLite, each fresh for the test."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests import services

FOLDER = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-cases", action="store_true", help="rewrite what the case folders expect")


def pytest_configure(config: pytest.Config) -> None:
    worker_input: dict[str, str] | None = getattr(config, "workerinput", None)
    config.stash[FOLDER] = Path(worker_input["services"]) if worker_input else services.make_folder()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["services"] = str(node.config.stash[FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        services.stop_all(config.stash[FOLDER])


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> Path:
    """The socket of a Redis shared by the whole run. Never end it: tests that do start one of their own."""
    return services.redis_socket(request.config.stash[FOLDER])


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest) -> Path:
    """The socket folder of a PostgreSQL shared by the whole run."""
    return services.postgresql_socket_folder(request.config.stash[FOLDER])


@pytest.fixture
def redis_url(redis_server: Path, worker_id: str) -> str:
    """An empty Redis database that no other xdist worker touches."""
    number = int(worker_id.removeprefix("gw")) % 64 if worker_id.startswith("gw") else 0
    url = f"unix://{redis_server}?db={number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that does not exist yet, in the test's own folder."""
    return f"sqlite:///{tmp_path / 'deskbridge.sqlite3'}"


@pytest.fixture
def postgresql_url(postgresql_server: Path) -> Iterator[str]:
    """An empty PostgreSQL database, dropped afterwards whoever is still connected."""
    name = f"t{uuid.uuid4().hex}"
    services.create_database(postgresql_server, name)
    yield services.postgresql_url(postgresql_server, name)
    services.drop_database(postgresql_server, name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind in turn (SQLAlchemy URL); run the migrations on it."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
