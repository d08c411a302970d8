"""What do traffic and faults share while a run goes on? The installation, the sandbox's hands, and its clock."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport

from tests.soak.installation import Installation

CONNECTIONS = 32


@dataclass(slots=True)
class Stage:
    """`http` is the sandbox's control API."""

    installation: Installation
    http: httpx.AsyncClient
    began_at: float = field(default_factory=time.monotonic)
    offsets: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])
    """(real Unix seconds from which, seconds by which) the sandbox's clock was turned."""
    switched: Counter[str] = field(default_factory=Counter)
    """How many strikes hold each switch of the sandbox."""
    complaints: list[str] = field(default_factory=list)
    """What an operator could not do."""
    keys: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One rotation at a time."""

    @property
    def helpdesk(self) -> str:
        return self.installation.desk.name

    def seconds(self) -> float:
        """Since the traffic began."""
        return time.monotonic() - self.began_at

    async def sleep_until(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds - self.seconds()))

    async def get(self, path: str, **params: Any) -> Any:
        return (await self.http.get(path, params=params)).raise_for_status().json()

    async def post(self, path: str, body: object) -> Any:
        return (await self.http.post(path, json=body)).raise_for_status().json()

    @asynccontextmanager
    async def switches(self, wanted: Mapping[str, object]) -> AsyncIterator[None]:
        """These fault switches of the sandbox for as long as the block; the last to leave one puts it back."""
        self.switched.update(wanted.keys())
        await self.post("/faults", dict(wanted))
        try:
            yield
        finally:
            self.switched.subtract(wanted.keys())
            await self.post("/faults", {name: None for name in wanted if self.switched[name] <= 0})

    async def turn_clock(self, *, by_seconds: float) -> None:
        """Business time and the sandbox's jump."""
        turned = await self.post("/clock", {"advance_seconds": by_seconds})
        self.offsets.append((_now(), turned["offset_seconds"]))

    def sandbox_time(self) -> float:
        """Unix seconds."""
        return _now() + self.offsets[-1][1]

    def to_real(self, sandbox_seconds: float) -> float:
        """When it was by the real clock, what the sandbox says was at this time; the last such moment."""
        return to_real(self.offsets, sandbox_seconds)


def to_real(offsets: list[tuple[float, float]], sandbox_seconds: float) -> float:
    """Pure: `offsets` are (real time from which, seconds by which) the clock was turned, oldest first."""
    for since, offset in reversed(offsets):
        if sandbox_seconds - offset >= since:
            return sandbox_seconds - offset
    return sandbox_seconds - offsets[0][1]


def _now() -> float:
    return time.time_ns() / 1e9


@asynccontextmanager
async def open_stage(installation: Installation) -> AsyncIterator[Stage]:
    """A stage on an installation that runs."""
    base_url = f"{installation.sandbox_url}/sandbox/api"
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(
        base_url=base_url, transport=AiohttpTransport(limits=limits), timeout=60, trust_env=False
    ) as http:
        yield Stage(installation, http)
