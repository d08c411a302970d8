"""Fixtures: one installation per kind of database and test process, and a world in which each test has its own people.

Tests come grouped by installation, since a session fixture with parameters orders them.
"""

import uuid
from collections.abc import Iterator

import pytest

from tests import services
from tests.conftest import FOLDER
from tests.flow.installation import Installation
from tests.flow.world import World


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest) -> Iterator[Installation]:
    """Everything running for real, on each kind of database in turn."""
    if request.param == "sqlite":
        with Installation(None) as made:
            yield made
        return
    server = services.postgresql_socket_folder(request.config.stash[FOLDER])
    name = f"f{uuid.uuid4().hex}"
    services.create_database(server, name)
    try:
        with Installation(services.postgresql_url(server, name)) as made:
            yield made
    finally:
        services.drop_database(server, name)


@pytest.fixture
def world(installation: Installation) -> Iterator[World]:
    """The test's people and switches. Afterwards everything is as it was, and what must always hold is checked."""
    world = World(installation)
    try:
        yield world
        world.mend()
        world.settle()
        world.check()
    finally:
        world.mend()
        print(world.history())
        world.close()
