"""Fixtures of the sandbox's own tests."""

from collections.abc import AsyncIterator

import pytest

from tests.sandbox.world import Product, World, product_listening, sandbox_world


@pytest.fixture
async def product() -> AsyncIterator[Product]:
    """A receiver of webhooks that answers 200."""
    async with product_listening() as listening:
        yield listening


@pytest.fixture
async def bare_world(product: Product) -> AsyncIterator[World]:
    """A sandbox with an account to which nothing is subscribed."""
    async with sandbox_world(product) as world:
        yield world


@pytest.fixture
async def world(bare_world: World) -> World:
    """A sandbox whose webhooks reach the product."""
    return await bare_world.subscribe_all()
