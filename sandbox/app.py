"""How the sandbox is put together: one ASGI app with the vendors, their control API and the pages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount

from sandbox import page_routes
from sandbox.answers import sorry
from sandbox.clock import SandboxClock
from sandbox.control import Control
from sandbox.crm import Crm
from sandbox.freshdesk import Freshdesk
from sandbox.journal import Journal
from sandbox.live import Live
from sandbox.state import StateFile
from sandbox.whatsapp import WhatsApp
from sandbox.zendesk import Zendesk


class Sandbox:
    """The outside world: build it, then serve `app` (its lifespan loads, starts, stops and saves everything)."""

    def __init__(self, *, base_url: str, state_file: Path | None = None, clock_file: Path | None = None) -> None:
        self.clock = SandboxClock(clock_file=clock_file)
        self.journal = Journal(clock=self.clock)
        self.live = Live()
        self._state = StateFile(path=state_file, dump=self._dump)
        self.whatsapp = WhatsApp(
            clock=self.clock,
            journal=self.journal,
            notify=self._notify,
            media_folder=None if state_file is None else state_file.with_name("media"),
        )
        self.zendesk = Zendesk(clock=self.clock, journal=self.journal, notify=self._notify, base_url=base_url)
        self.freshdesk = Freshdesk(clock=self.clock, journal=self.journal, notify=self._notify, base_url=base_url)
        self.crm = Crm(clock=self.clock, journal=self.journal, notify=self._notify, base_url=base_url)
        self.journal.on_record = self._journal_grew
        control = Control(
            clock=self.clock,
            journal=self.journal,
            live=self.live,
            notify=self._notify,
            whatsapp=self.whatsapp,
            zendesk=self.zendesk,
            freshdesk=self.freshdesk,
            crm=self.crm,
        )
        self.app = Starlette(
            routes=[
                Mount("/graph", routes=self.whatsapp.routes()),
                Mount("/zendesk", routes=self.zendesk.routes()),
                Mount("/freshdesk", routes=self.freshdesk.routes()),
                Mount("/http", routes=self.crm.routes()),
                Mount("/sandbox/api/zendesk", routes=self.zendesk.control_routes()),
                Mount("/sandbox/api/freshdesk", routes=self.freshdesk.control_routes()),
                Mount("/sandbox/api/http", routes=self.crm.control_routes()),
                Mount("/sandbox/api", routes=[*control.routes(), *self.whatsapp.control_routes()]),
                *page_routes.routes(),
            ],
            exception_handlers={HTTPException: sorry},
            lifespan=self._lifespan,
        )

    def _notify(self, topic: str) -> None:
        self.live.publish(topic)
        self._state.touch()

    def _journal_grew(self) -> None:
        self.live.publish("journal")

    def _dump(self) -> dict[str, Any]:
        return {
            "offset_seconds": self.clock.offset_seconds,
            "whatsapp": self.whatsapp.dump(),
            "zendesk": self.zendesk.dump(),
            "freshdesk": self.freshdesk.dump(),
            "http": self.crm.dump(),
        }

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        kept = self._state.read()
        self.clock.set(kept.get("offset_seconds", 0.0))
        if kept:
            self.whatsapp.load(kept["whatsapp"])
            self.zendesk.load(kept["zendesk"])
        if "freshdesk" in kept:
            self.freshdesk.load(kept["freshdesk"])
        if "http" in kept:
            self.crm.load(kept["http"])
        self._state.open()
        await self.whatsapp.start()
        await self.zendesk.start()
        await self.freshdesk.start()
        await self.crm.start()
        try:
            yield
        finally:
            await self.whatsapp.stop()
            await self.zendesk.stop()
            await self.freshdesk.stop()
            await self.crm.stop()
            await self._state.close()
