"""Fixtures: one installation per kind of database, helpdesk and test process, and a world in which each test has its
own people.

Tests come grouped by installation, since a session fixture with parameters orders them. A story runs on every one; what
is one helpdesk's alone says so, by `@pytest.mark.helpdesk(name)` or by a switch with that helpdesk's name.
"""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests import services
from tests.conftest import FOLDER
from tests.flow.desks import DESKS
from tests.flow.installation import Installation
from tests.flow.world import World

HELPDESKS = {"sqlite": "zendesk", "postgresql": "zendesk", "freshdesk": "freshdesk", "http": "http"}
"""The helpdesk of each installation. What a database does differently does not depend on the helpdesk."""
STORIES = {"http": frozenset({"test_conversation", "test_cost", "test_own_system", "test_rings", "test_tickets"})}
"""Where not every story is told: the others are not about what this helpdesk does in its own way."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about another helpdesk than the installation's; keep together what shares an installation."""
    for item in items:
        installed = _parameters(item).get("installation")
        if installed is not None:
            half = "faults" if item.path.stem == "test_faults" else "stories"
            item.add_marker(pytest.mark.xdist_group(f"{installed} {half}"))
    foreign = [item for item in items if _helpdesks_of(item) - {_helpdesk_under(item)} or not _is_told(item)]
    if foreign:
        config.hook.pytest_deselected(items=foreign)
        items[:] = [item for item in items if item not in set(foreign)]


def _is_told(item: pytest.Item) -> bool:
    told = STORIES.get(_helpdesk_under(item))
    return told is None or item.path.stem in told


def _helpdesk_under(item: pytest.Item) -> str:
    return HELPDESKS.get(_parameters(item).get("installation", ""), "")


def _helpdesks_of(item: pytest.Item) -> set[str]:
    """The helpdesks that the test names; none where it is about all of them."""
    if "installation" not in _parameters(item):
        return set()
    marked = {name for mark in item.iter_markers("helpdesk") for name in mark.args}
    return marked | set(re.findall(rf"'({'|'.join(DESKS)})\.", str(_parameters(item))))


def _parameters(item: pytest.Item) -> dict[str, Any]:
    found: dict[str, Any] = (
        item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    )
    return found


@pytest.fixture(scope="session", params=[*HELPDESKS])
def installation(request: pytest.FixtureRequest) -> Iterator[Installation]:
    """Everything running for real, on each kind of database in turn, and on each helpdesk."""
    if request.param != "postgresql":
        with Installation(None, helpdesk=HELPDESKS[request.param]) as made:
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
