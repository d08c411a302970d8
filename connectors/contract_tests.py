"""The contract as a test class: inherit it, and give a fixture `trial`.

    class TestMyConnector(ConnectorContract):
        @pytest.fixture
        async def trial(self):
            async with DEFINITION.connect(...) as connector:
                yield Trial(connector, DEFINITION)

Needs pytest with pytest-asyncio in automatic mode; nothing here imports them. A promise that needs somebody at the desk
passes untried where the trial has no `desk`.
"""

import contextlib
from collections.abc import Awaitable, Callable

from connectors.contract import PROMISES, NobodyThere, Promise, Trial


class ConnectorContract:
    """One test for each promise."""

    __test__ = False

    def __init_subclass__(cls) -> None:
        cls.__test__ = True


def _test_of(promise: Promise) -> Callable[[ConnectorContract, Trial], Awaitable[None]]:
    async def test(self: ConnectorContract, trial: Trial) -> None:  # noqa: ARG001 - a method
        with contextlib.suppress(NobodyThere):
            await promise.try_out(trial)

    test.__name__ = "test_" + "".join(letter if letter.isalnum() else "_" for letter in promise.name)
    test.__doc__ = promise.name
    return test


for _promise in PROMISES:
    _test = _test_of(_promise)
    setattr(ConnectorContract, _test.__name__, _test)
