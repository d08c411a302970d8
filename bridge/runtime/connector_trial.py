"""Which helpdesks are there, and does a connector keep the contract on the account that is configured for it?"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.domain.throttle import RollingWindow, longest
from bridge.runtime.settings import SettingsError
from connectors import registry
from connectors.configuration import InvalidConfiguration
from connectors.contract import Trial, verify
from connectors.interface import Draw, Finding


@dataclass(frozen=True, slots=True)
class ConnectorSummary:
    """One line of `connectors list`. `variables`: what it reads."""

    name: str
    origin: str
    variables: tuple[str, ...]


FEED_PATIENCE_SECONDS = 150.0
"""Feeds may leave out their last minute."""


class _OwnBudget:
    """The far side's limits as this process alone keeps them: it waits where a worker would do something else."""

    def __init__(self) -> None:
        self._windows: dict[str, RollingWindow] = {}
        self._closed_until: dict[str, float] = {}

    async def take(self, cause: str, draws: Sequence[Draw]) -> None:
        del cause
        windows = [
            self._windows.setdefault(draw.bucket, RollingWindow(draw.limit, draw.period_seconds)) for draw in draws
        ]
        await asyncio.sleep(self._wait(windows, draws))
        for window in windows:
            window.draw(time.monotonic())

    def _wait(self, windows: Sequence[RollingWindow], draws: Sequence[Draw]) -> float:
        now = time.monotonic()
        closed = [self._closed_until.get(draw.bucket, now) - now for draw in draws]
        return longest([0.0, *(window.wait(now) for window in windows), *closed])

    async def learn(self, bucket: str, *, limit: int, remaining: int, reset_seconds: float) -> None:
        del remaining, reset_seconds  # a trial is short
        if bucket in self._windows:
            self._windows[bucket].limit = limit

    async def close(self, bucket: str, *, seconds: float) -> None:
        self._closed_until[bucket] = time.monotonic() + seconds


def list_connectors() -> list[ConnectorSummary]:
    """Every connector that can be chosen."""
    return [
        ConnectorSummary(
            name,
            "built in" if name in registry.built_in() else "installed",
            tuple(variable.name for variable in registry.find(name).variables),
        )
        for name in registry.names()
    ]


def run(name: str, environ: Mapping[str, str]) -> list[Finding]:
    """Try every promise. Raises `SettingsError` for an unknown name or an account that is not configured."""
    prefix = registry.variable_prefix(name)
    variables = {variable: value for variable, value in environ.items() if variable.startswith(prefix)}
    try:
        definition = registry.find(name)
        definition.check(variables)
    except InvalidConfiguration as exc:
        raise SettingsError(str(exc)) from None
    return asyncio.run(_verify(definition, variables))


async def _verify(definition: registry.Definition, variables: Mapping[str, str]) -> list[Finding]:
    warnings: list[str] = []
    async with definition.connect(
        variables, budget=_OwnBudget(), field_ids={}, on_warning=warnings.append
    ) as connector:
        return await verify(Trial(connector, definition, patience_seconds=FEED_PATIENCE_SECONDS))
