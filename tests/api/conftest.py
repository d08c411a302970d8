"""A web part in process, on each kind of database in turn."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.world import World, open_world


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def small_world(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """For what does not depend on the kind of database."""
    async with open_world(sqlite_url, tmp_path) as opened:
        yield opened
