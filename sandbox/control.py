"""How the sandbox is scripted: setup, reset, clock, faults, journal and the live stream, under `/sandbox/api`."""

from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.answers import Json, object_of
from sandbox.clock import SandboxClock
from sandbox.crm import Crm
from sandbox.freshdesk import Freshdesk
from sandbox.journal import Journal
from sandbox.live import Live
from sandbox.whatsapp import WhatsApp
from sandbox.zendesk import Zendesk


class Control:
    """The parts of the control API that belong to no vendor."""

    def __init__(
        self,
        *,
        clock: SandboxClock,
        journal: Journal,
        live: Live,
        notify: Callable[[str], None],
        whatsapp: WhatsApp,
        zendesk: Zendesk,
        freshdesk: Freshdesk,
        crm: Crm,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._live = live
        self._notify = notify
        self._whatsapp = whatsapp
        self._zendesk = zendesk
        self._freshdesk = freshdesk
        self._crm = crm
        self._desk = "zendesk"

    def routes(self) -> list[Route]:
        """To be mounted under `/sandbox/api`."""
        return [
            Route("/setup", self._setup, methods=["POST"]),
            Route("/state", self._state, methods=["GET"]),
            Route("/reset", self._reset, methods=["POST"]),
            Route("/clock", self._clock_now, methods=["GET"]),
            Route("/clock", self._turn_clock, methods=["POST"]),
            Route("/faults", self._faults, methods=["GET"]),
            Route("/faults", self._turn_faults, methods=["POST"]),
            Route("/journal", self._read_journal, methods=["GET"]),
            Route("/live", self._stream, methods=["GET"]),
        ]

    async def _setup(self, request: Request) -> Response:
        wish = await object_of(request)
        if unknown := sorted(set(wish) - {"whatsapp", "zendesk", "freshdesk", "http", "desk"}):
            raise HTTPException(400, f"there is no part {unknown[0]}")
        if any(not isinstance(part, dict) for part in wish.values()):
            raise HTTPException(400, "every part is an object")
        try:
            if "whatsapp" in wish:
                self._whatsapp.setup(wish["whatsapp"])
            if "zendesk" in wish:
                self._zendesk.setup(wish["zendesk"])
            if "freshdesk" in wish:
                self._freshdesk.setup(wish["freshdesk"])
            if "http" in wish:
                self._crm.setup(wish["http"])
            self._desk = str(wish.get("desk", {}).get("name", self._desk))
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        self._notify("setup")
        return self._summary()

    async def _state(self, _request: Request) -> Response:
        return self._summary()

    def _summary(self) -> Json:
        """`helpdesks` names those that were given a way in, the chosen one (`desk`) first: the agent page shows it."""
        ways_in = {
            "freshdesk": self._freshdesk.summary()["is_open"],
            "http": self._crm.summary()["is_open"],
            "zendesk": self._zendesk.summary()["oauth_client_id"],
        }
        helpdesks = sorted((name for name, way_in in ways_in.items() if way_in), key=lambda name: name != self._desk)
        return Json({"whatsapp": self._whatsapp.summary(), "helpdesks": helpdesks, "clock": self._time()})

    async def _reset(self, _request: Request) -> Response:
        self._whatsapp.reset()
        self._zendesk.reset()
        self._freshdesk.reset()
        self._crm.reset()
        self._journal.clear()
        self._clock.set(0)
        for topic in ("customers", "faults", "clock", "tickets", "journal"):
            self._notify(topic)
        return self._summary()

    def _time(self) -> dict[str, Any]:
        return {"offset_seconds": self._clock.offset_seconds, "now": self._clock.now().isoformat()}

    async def _clock_now(self, _request: Request) -> Response:
        return Json(self._time())

    async def _turn_clock(self, request: Request) -> Response:
        wish = await object_of(request)
        seconds = wish.get("advance_seconds", wish.get("offset_seconds"))
        known = set(wish) in ({"advance_seconds"}, {"offset_seconds"})
        if not known or isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise HTTPException(400, 'give "advance_seconds" or "offset_seconds", a number')
        if "advance_seconds" in wish:
            self._clock.advance(seconds)
        else:
            self._clock.set(seconds)
        self._notify("clock")
        return Json(self._time())

    async def _faults(self, _request: Request) -> Response:
        return Json(self._described_faults())

    def _described_faults(self) -> dict[str, Any]:
        parts = (self._whatsapp, self._zendesk, self._freshdesk, self._crm)
        return {key: fault for part in parts for key, fault in part.faults.describe().items()}

    async def _turn_faults(self, request: Request) -> Response:
        wish = await object_of(request)
        known = self._described_faults()
        if unknown := sorted(set(wish) - set(known)):
            raise HTTPException(400, f"there is no switch {unknown[0]}")
        try:
            for name, faults in (
                ("whatsapp", self._whatsapp.faults),
                ("zendesk", self._zendesk.faults),
                ("freshdesk", self._freshdesk.faults),
                ("http", self._crm.faults),
            ):
                faults.update({key: value for key, value in wish.items() if key.startswith(f"{name}.")})
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        self._notify("faults")
        return Json(self._described_faults())

    async def _read_journal(self, request: Request) -> Response:
        limit, after = request.query_params.get("limit", "100"), request.query_params.get("after", "0")
        if not (limit.isdecimal() and after.isdecimal()):
            raise HTTPException(400, "limit and after are numbers")
        return Json(self._journal.newest(limit=int(limit), after=int(after)))

    async def _stream(self, _request: Request) -> Response:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._live.stream(), media_type="text/event-stream", headers=headers)
