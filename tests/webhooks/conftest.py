"""The edge that every test of this house calls."""

from collections.abc import AsyncIterator

import pytest

from tests.webhooks.edge import Edge, make_edge


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    """A fresh edge whose inbox answers at once."""
    made = make_edge()
    async with made.client:
        yield made
