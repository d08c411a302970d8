"""One worker's share of the work: lease shards, take in what was told, and keep every lane moving.

A pass loads what is due on the shards that are held, turns inbox rows into state and effects, and starts the lanes
that have something to do; lanes of different conversations run side by side. A drain ends when nothing came for a
while, or when it is told to stop; what it began is finished or released within seconds.
"""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from bridge.domain.inbox_item import InboxKind
from bridge.domain.meta_limits import Urgency
from bridge.domain.retry import backoff
from bridge.runtime import (
    directory,
    files_from_whatsapp,
    files_to_helpdesk,
    helpdesk_lane,
    history,
    housekeeping,
    intake,
    limits_watch,
    notices,
    receipts,
    reconcile,
    replies,
    sweep,
    template_sync,
    whatsapp_lane,
    windows,
)
from bridge.runtime.services import Moment, Services
from bridge.runtime.slots import Slots
from bridge.store import inbox, leases, media, outbox
from bridge.store.conversations import Ticket
from bridge.store.crypto import UnknownKey
from bridge.store.database import StoreUnavailable
from bridge.store.inbox import InboxEntry
from bridge.store.leases import Due, Lease, LeaseLost
from bridge.store.media import DueMedia
from bridge.store.outbox import DueLane
from bridge.store.tables import SHARDS, EffectState, Lane

LINGER_SECONDS = 5.0
LONGEST_SECONDS = 60.0
"""A job ends after this, or at the next quiet moment, so that RQ sees a worker that lives."""
TICK_SECONDS = 0.5
BREATH_SECONDS = 0.015
"""Passes begin no closer together: under load each finds more to do at once."""
RENEW_SECONDS = 4.0
RECONCILE_LOOK_SECONDS = 5.0
LIMITS_LOOK_SECONDS = 1.0
TEMPLATES_LOOK_SECONDS = 2.0
LOOK_AROUND_SECONDS = 0.25
LISTEN_SECONDS = 0.5
CALLED_SECONDS = 0.05
"""A step that was over sooner only looked; it says nothing of the far side."""
CLAIM_SECONDS = 2.0
Step = Callable[[Services, Lease, str], Awaitable[bool]]

LANES_AT_ONCE = {
    (Lane.HELPDESK, Urgency.REPLY): 96,
    (Lane.WHATSAPP, Urgency.REPLY): 64,
    (Lane.WHATSAPP, Urgency.TRANSACTION): 48,
    (Lane.WHATSAPP, Urgency.MARKETING): 48,
    (Lane.RECEIPTS, Urgency.REPLY): 16,
}
STEPS: dict[Lane, Step] = {
    Lane.HELPDESK: helpdesk_lane.run_step,
    Lane.WHATSAPP: whatsapp_lane.run_step,
    Lane.RECEIPTS: receipts.run_step,
}
RINGS_AT_ONCE = 16
FILES_AT_ONCE = 4
EVENTS_AT_ONCE = 500
LANES_LOADED = 128
LANES_STARTED = 256
STOP_PATIENCE_SECONDS = 4.5
LONGEST_PAUSE = timedelta(seconds=60)

log = structlog.get_logger()


class Drain:
    """One run of a worker. `stop` may be set from any thread."""

    def __init__(self, services: Services, *, holder: str, stop: threading.Event) -> None:
        self._services = services
        self._holder = holder
        self._stop = stop
        self._wake = asyncio.Event()
        self._held: dict[int, Lease] = {}
        self._lanes: dict[tuple[str, Lane], Urgency] = {}
        self._rings: set[str] = set()
        self._reading: set[str] = set()
        self._fetching: set[str] = set()
        self._busy: Counter[int] = Counter()
        """Tasks per shard."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._reconciling = False
        self._looking_at_windows = False
        self._syncing = False
        self._next_at: dict[str, float] = {}
        # Each kind of work has slots of its own: a helpdesk that hangs must not stop what goes to customers.
        # And so has each urgency: however much marketing waits, a reply finds a slot.
        self._slots = {kind: Slots(partial(self._size_of, kind)) for kind in LANES_AT_ONCE}
        self._ring_slots = asyncio.Semaphore(RINGS_AT_ONCE)

    async def run(self) -> None:
        """Work until nothing is due for `LINGER_SECONDS`, for `LONGEST_SECONDS` at most, or until told to stop.

        Raises `StoreUnavailable`.
        """
        bell = self._services.bell
        await bell.answer()
        await limits_watch.look(self._services)
        if not await self._find_due() and not await self._is_anything_to_ask():
            return
        loop = asyncio.get_running_loop()
        started = busy = loop.time()
        helpers = [asyncio.create_task(self._listen()), asyncio.create_task(self._keep_leases())]
        try:
            while not self._stop.is_set() and not self._is_time_to_end(loop.time() - started):
                if self._is_due("listening", LISTEN_SECONDS):
                    await bell.keep_listening()
                await self._services.upkeep()
                self._wake.clear()
                began = loop.time()
                if await self._guarded_pass() or self._tasks:
                    busy = loop.time()
                elif loop.time() - busy > LINGER_SECONDS:
                    break
                await self._sleep(TICK_SECONDS)
                await asyncio.sleep(max(0.0, began + BREATH_SECONDS - loop.time()))
        finally:
            await self._finish(helpers)
        await bell.answer()
        if not self._stop.is_set() and await self._find_due():
            await asyncio.gather(bell.ring(), return_exceptions=True)

    async def _is_anything_to_ask(self) -> bool:
        services = self._services
        return (
            await reconcile.is_due(services)
            or await limits_watch.is_due(services)
            or await template_sync.is_due(services)
        )

    def _is_time_to_end(self, age_seconds: float) -> bool:
        """After `LONGEST_SECONDS` at the first quiet moment: work goes on until then, whoever hangs."""
        return age_seconds > LONGEST_SECONDS and (not self._tasks or age_seconds > 2 * LONGEST_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _listen(self) -> None:
        async for _ in self._services.bell.rings():
            self._wake.set()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            mine = list(self._held.values())
            if not mine:
                continue
            real_now = self._services.clock.real_now()
            try:
                kept, share = await self._services.database.write(partial(self._renew, mine=mine, real_now=real_now))
            except StoreUnavailable:
                continue  # every commit checks the fence anyway
            for lease in mine:
                if lease not in kept:
                    self._forget(lease)
            await self._shed(len(self._held) - share)

    def _renew(self, connection: Connection, *, mine: Sequence[Lease], real_now: datetime) -> tuple[list[Lease], int]:
        """(what is still ours, how many we should hold at most)."""
        kept = leases.renew(connection, mine, real_now=real_now)
        return kept, leases.share_of(connection, holder=self._holder, real_now=real_now)

    async def _shed(self, count: int) -> None:
        """A worker that came later gets its share of what nothing runs on at the moment."""
        surplus = [lease for lease in self._held.values() if not self._busy[lease.shard]][: max(0, count)]
        if not surplus:
            return
        for lease in surplus:
            self._forget(lease)
        await self._release(surplus)

    async def _release(self, mine: Sequence[Lease]) -> None:
        real_now = self._services.clock.real_now()
        try:
            await self._services.database.write(lambda connection: leases.release(connection, mine, real_now=real_now))
        except StoreUnavailable:
            log.warning("store.unavailable")  # they run out by themselves

    def _forget(self, lease: Lease) -> None:
        if self._held.get(lease.shard) == lease:
            del self._held[lease.shard]

    async def _find_due(self) -> Due:
        moment = Moment.take(self._services.clock)
        return await self._services.database.read(
            lambda connection: leases.find_due(connection, now=moment.business, real_now=moment.real)
        )

    async def _guarded_pass(self) -> bool:
        """A pass whose failure is recorded and ends nobody's work. True when something was done."""
        try:
            return await self._pass()
        except UnknownKey:
            raise  # the shards go to whoever has the key
        except StoreUnavailable:
            log.warning("store.unavailable")
        except Exception as exc:  # the outermost loop: recorded, and the next pass goes on
            log.error("pass.failed", exc_info=exc)
            self._services.metrics.count("deskbridge_lane_failures_total", type(exc).__name__)
        await asyncio.sleep(TICK_SECONDS)
        return False

    async def _pass(self) -> bool:
        """One look at everything that is due."""
        if self._is_due("sweeping", sweep.EVERY.total_seconds()):
            self._spawn(sweep.run(self._services))
        await self._look_at_feed()
        await self._look_at_limits()
        await self._look_at_templates()
        worked = await self._look_around() if self._is_due("looking around", LOOK_AROUND_SECONDS) else False
        mine = list(self._held)
        entries, lanes = await self._services.database.read(lambda connection: self._load(connection, mine))
        if entries:
            await self._take_in(entries)
            lanes = await self._services.database.read(lambda connection: self._load_lanes(connection, mine))
        if len(entries) >= EVENTS_AT_ONCE:
            self._wake.set()  # there may be more
        for lane in lanes:
            self._start_lane(lane)
        due_media = await self._services.database.read(lambda connection: self._load_media(connection, mine))
        for due in due_media:
            self._start_fetch(due)
        return bool(entries) or bool(lanes) or bool(due_media) or worked

    async def _look_around(self) -> bool:
        """Hold our share of the shards, those with work first, and see to what fell due by itself."""
        due = await self._find_due()
        await self._claim(due)
        worked = False
        ours = [self._held[shard] for shard in due.windows if shard in self._held]
        if ours and not self._looking_at_windows and self._is_due("windows", 0.0):
            self._looking_at_windows = True
            self._spawn(self._look_at_windows(ours))
        for shard in due.chores:
            if (lease := self._held.get(shard)) is not None:
                worked |= await self._under(lease, housekeeping.run(self._services, lease))
        return worked

    async def _look_at_windows(self, mine: Sequence[Lease]) -> None:
        """One at a time in a process, so that warnings are never in the way of messages."""
        try:
            if not await windows.look(self._services, mine, stop=self._stop):
                self._next_at["windows"] = asyncio.get_running_loop().time() + windows.PAUSE_SECONDS
        finally:
            self._looking_at_windows = False

    def _is_due(self, what: str, every_seconds: float) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._next_at.get(what, 0.0):
            return False
        self._next_at[what] = now + every_seconds
        return True

    async def _under(self, lease: Lease, work: Coroutine[Any, Any, bool]) -> bool:
        """`work`, or nothing once the shard is somebody else's."""
        try:
            return await work
        except LeaseLost:
            self._forget(lease)
            return False

    async def _look_at_limits(self) -> None:
        if self._is_due("limits", LIMITS_LOOK_SECONDS):
            await limits_watch.look(self._services)
            if await limits_watch.is_due(self._services):
                self._spawn(limits_watch.run_if_due(self._services))

    async def _look_at_feed(self) -> None:
        if self._reconciling or not self._is_due("feed", RECONCILE_LOOK_SECONDS):
            return
        if await reconcile.is_due(self._services):
            self._reconciling = True
            self._spawn(self._reconcile())

    async def _look_at_templates(self) -> None:
        if self._syncing or not self._is_due("templates", TEMPLATES_LOOK_SECONDS):
            return
        if await template_sync.is_due(self._services):
            self._syncing = True
            self._spawn(self._sync_templates())

    async def _sync_templates(self) -> None:
        try:
            await template_sync.run_if_due(self._services)
        finally:
            self._syncing = False

    async def _reconcile(self) -> None:
        try:
            await reconcile.run_if_due(self._services)
            await directory.run_if_due(self._services)
        finally:
            self._reconciling = False

    def _load(self, connection: Connection, shards: Sequence[int]) -> tuple[list[InboxEntry], list[DueLane]]:
        """What was told; where nothing was, which lanes have something to do."""
        entries = self._load_events(connection, shards)
        return entries, [] if entries else self._load_lanes(connection, shards)

    def _load_events(self, connection: Connection, shards: Sequence[int]) -> list[InboxEntry]:
        entries = inbox.load_due(
            connection,
            self._services.vault,
            shards=shards,
            now=self._services.clock.business_now(),
            real_now=self._services.clock.real_now(),
            limit=EVENTS_AT_ONCE + len(self._rings),
        )
        return [entry for entry in entries if entry.id not in self._rings]

    def _load_lanes(self, connection: Connection, shards: Sequence[int]) -> list[DueLane]:
        moment = Moment.take(self._services.clock)
        return [
            due
            for (lane, urgency), started in self._started().items()
            if started < (LANES_STARTED if urgency is Urgency.REPLY else LANES_AT_ONCE[lane, urgency])
            for due in outbox.due_lanes(
                connection,
                shards=shards,
                lane=lane,
                urgency=urgency,
                now=moment.business,
                real_now=moment.real,
                limit=LANES_LOADED + started,
                states=self._startable(lane),
            )
        ]

    def _load_media(self, connection: Connection, shards: Sequence[int]) -> list[DueMedia]:
        if len(self._fetching) >= FILES_AT_ONCE:
            return []
        found = media.load_due(
            connection,
            shards=shards,
            now=self._services.clock.business_now(),
            limit=FILES_AT_ONCE + len(self._fetching),
        )
        return [due for due in found if due.id not in self._fetching][: FILES_AT_ONCE - len(self._fetching)]

    def _size_of(self, kind: tuple[Lane, Urgency]) -> int:
        """A helpdesk that slows down, or refuses, gets fewer calls at once."""
        if kind[0] is Lane.HELPDESK:
            return min(LANES_AT_ONCE[kind], self._services.budget.concurrency.allowed)
        return LANES_AT_ONCE[kind]

    def _startable(self, lane: Lane) -> tuple[EffectState, ...]:
        """While nothing may leave at all, only what is settled without a call."""
        is_quiet = lane is Lane.WHATSAPP and self._services.send_limits.is_quiet
        return (EffectState.UNKNOWN,) if is_quiet else (EffectState.UNKNOWN, EffectState.READY)

    def _started(self) -> dict[tuple[Lane, Urgency], int]:
        """Lanes that run, or wait for a slot."""
        counts = Counter((lane, urgency) for (_, lane), urgency in self._lanes.items())
        return {kind: counts[kind] for kind in LANES_AT_ONCE}

    async def _claim(self, due: Due) -> None:
        free = [shard for shard in range(SHARDS) if shard not in self._held]
        has_work = not due.work.isdisjoint(free) or not due.chores.isdisjoint(free) or not due.windows.isdisjoint(free)
        if not has_work and not (self._held and free and self._is_due("more shards", CLAIM_SECONDS)):
            return
        # Those without work as well: what comes there is found without a look around.
        wanted = sorted(
            random.sample(free, len(free)), key=lambda shard: shard not in due.work | due.chores | due.windows
        )
        real_now = self._services.clock.real_now()
        timeout, file_timeout = self._helpdesk_timeout, self._file_timeout

        def unit(connection: Connection) -> list[Lease]:
            share = leases.share_of(connection, holder=self._holder, real_now=real_now)
            room = max(0, share - len(self._held))
            claimed = leases.claim(connection, holder=self._holder, wanted=wanted, at_most=room, real_now=real_now)
            for lease in claimed:
                outbox.adopt_left_behind(
                    connection, shard=lease.shard, helpdesk_timeout=timeout, file_timeout=file_timeout
                )
            return claimed

        for lease in await self._services.database.write(unit):
            self._held[lease.shard] = lease

    @property
    def _helpdesk_timeout(self) -> timedelta:
        return timedelta(seconds=self._services.connector.limits.longest_write_seconds)

    @property
    def _file_timeout(self) -> timedelta | None:
        limits = files_to_helpdesk.limits(self._services)
        late_write_seconds = self._services.connector.limits.late_write_seconds
        return None if limits is None else timedelta(seconds=limits.call_timeout_seconds + late_write_seconds)

    async def _take_in(self, entries: Sequence[InboxEntry]) -> None:
        by_shard: dict[int, list[InboxEntry]] = {}
        for entry in entries:
            by_shard.setdefault(entry.shard, []).append(entry)
        held = [(self._held[shard], rows) for shard, rows in by_shard.items() if shard in self._held]
        outcomes = await asyncio.gather(
            *(self._under(lease, self._take_in_shard(lease, rows)) for lease, rows in held), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _take_in_shard(self, lease: Lease, entries: Sequence[InboxEntry]) -> bool:
        rings = [entry for entry in entries if entry.kind is InboxKind.RING]
        told = [entry for entry in entries if entry.kind is not InboxKind.RING]
        found = intake.sort_entries(told, phone_number_id=self._services.channel.phone_number_id)
        await intake.set_aside(self._services, lease, found)
        if found.templates:
            changed = [entry for entry, _, _ in found.templates]
            await self._guard_entries(
                lease, changed, template_sync.take_changes(self._services, lease, found.templates)
            )
        if found.notices:
            # Before messages: who writes under a new id is known by it then.
            await self._guard_entries(
                lease,
                [told.entry for told in found.notices],
                intake.take_notices(self._services, lease, found.notices),
            )
        await asyncio.gather(
            *(
                self._guard_entries(
                    lease,
                    [letter.entry for letter in letters],
                    intake.take_letters(self._services, lease, letters),
                )
                for letters in found.letters.values()
            )
        )
        for entry, thread in found.histories:
            await self._guard_entries(lease, [entry], history.take(self._services, lease, entry, thread))
        for entry, notice in found.news:
            await self._guard_entries(lease, [entry], notices.take(self._services, lease, entry, notice))
        for wishes in found.wishes:
            await self._guard_entries(lease, [wishes.entry], intake.take_wishes(self._services, lease, wishes))
        for start in range(0, len(found.reports), intake.STATUSES_AT_ONCE):
            reports = found.reports[start : start + intake.STATUSES_AT_ONCE]
            await self._guard_entries(
                lease, [report.entry for report in reports], intake.take_reports(self._services, lease, reports)
            )
        # A ring that comes while its ticket is being read may be of something newer: it is read once more afterwards.
        heard = [ring for ring in replies.group_rings(rings) if ring.ticket_id not in self._reading]
        if heard:
            for ring, ticket in await replies.take_rings(self._services, lease, heard):
                self._reading.add(ring.ticket_id)
                self._rings.update(entry.id for entry in ring.entries)
                self._spawn(self._answer_ring(lease, ring, ticket), lease)
        return True

    async def _guard_entries(
        self, lease: Lease, entries: Sequence[InboxEntry], work: Coroutine[Any, Any, bool]
    ) -> None:
        """One sender's events never stop the others': what fails is tried again, and then kept as a dead letter."""
        try:
            if await work:
                self._wake.set()
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as exc:  # the outermost loop: recorded, and the neighbours go on
            log.error("events.failed", exc_info=exc, count=len(entries), shard=lease.shard)
            await self._postpone(lease, entries, reason=type(exc).__name__)

    async def _postpone(self, lease: Lease, entries: Sequence[InboxEntry], *, reason: str) -> None:
        attempts = max(entry.attempts for entry in entries)
        pause = min(backoff(attempts + 1, jitter=random.random()), LONGEST_PAUSE)
        due_at = self._services.clock.business_now() + pause
        ids = [entry.id for entry in entries]
        await self._services.commit_outcome(
            lease, lambda connection: inbox.postpone(connection, ids, due_at=due_at, reason=reason)
        )
        self._services.metrics.count("deskbridge_events_postponed_total", entries[0].kind.value)

    async def _answer_ring(self, lease: Lease, ring: replies.Ring, ticket: Ticket) -> None:
        try:
            async with self._ring_slots:
                pause = await replies.answer_ring(self._services, lease, ring, ticket)
            if pause is not None:
                not_before_at = self._services.clock.real_now() + pause
                ids = [entry.id for entry in ring.entries]
                await self._services.commit_outcome(
                    lease, lambda connection: inbox.wait(connection, ids, not_before_at=not_before_at)
                )
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as exc:  # the outermost loop: recorded, and tried again
            log.error("ring.failed", exc_info=exc, shard=lease.shard)
            await self._postpone(lease, ring.entries, reason=type(exc).__name__)
        finally:
            self._reading.discard(ring.ticket_id)
            self._rings.difference_update(entry.id for entry in ring.entries)

    def _start_lane(self, due: DueLane) -> None:
        lease = self._held.get(due.shard)
        if (due.conversation_id, due.lane) in self._lanes or lease is None or self._stop.is_set():
            return
        self._lanes[due.conversation_id, due.lane] = due.urgency
        self._spawn(self._run_lane(lease, due), lease)

    async def _run_lane(self, lease: Lease, due: DueLane) -> None:
        step = STEPS[due.lane]
        try:
            async with self._slots[due.lane, due.urgency]:
                while await self._measured(step, lease, due):
                    self._wake.set()
                    if self._stop.is_set():
                        return
        except LeaseLost:
            self._forget(lease)
        except StoreUnavailable:
            await self._adopt(lease, due)  # what was committed without our knowing is pending
        except Exception as exc:  # the outermost loop: recorded, and looked up before anything is repeated
            log.error("lane.failed", exc_info=exc, shard=lease.shard, kind=due.lane.value)
            self._services.metrics.count("deskbridge_lane_failures_total", type(exc).__name__)
            await self._adopt(lease, due)
        finally:
            self._lanes.pop((due.conversation_id, due.lane), None)

    def _start_fetch(self, due: DueMedia) -> None:
        lease = self._held.get(due.shard)
        if lease is None or self._stop.is_set():
            return
        self._fetching.add(due.id)
        self._spawn(self._fetch(lease, due), lease)

    async def _fetch(self, lease: Lease, due: DueMedia) -> None:
        try:
            await files_from_whatsapp.fetch(self._services, lease, due)
        except LeaseLost:
            self._forget(lease)
        except StoreUnavailable:
            raise
        except Exception as exc:  # the outermost loop: recorded, and tried again later
            log.error("file.failed", exc_info=exc, shard=lease.shard)
            self._services.metrics.count("deskbridge_lane_failures_total", type(exc).__name__)
            await files_from_whatsapp.postpone(self._services, lease, due)
        finally:
            self._fetching.discard(due.id)

    async def _measured(self, step: Step, lease: Lease, due: DueLane) -> bool:
        if due.lane is not Lane.HELPDESK:
            return await step(self._services, lease, due.conversation_id)
        loop = asyncio.get_running_loop()
        began = loop.time()
        went_on = await step(self._services, lease, due.conversation_id)
        took = loop.time() - began
        if went_on and took >= CALLED_SECONDS:
            self._services.budget.concurrency.took(took, now=loop.time())
        return went_on

    async def _adopt(self, lease: Lease, due: DueLane) -> None:
        """What failed in a way no rule covers is pending, as if its worker had died."""
        timeout, file_timeout = self._helpdesk_timeout, self._file_timeout
        await asyncio.sleep(TICK_SECONDS)
        await self._services.commit_outcome(
            lease,
            lambda connection: outbox.adopt_left_behind(
                connection,
                shard=lease.shard,
                helpdesk_timeout=timeout,
                file_timeout=file_timeout,
                of_lane=(due.conversation_id, due.lane),
            ),
        )

    def _spawn(self, work: Coroutine[Any, Any, None], lease: Lease | None = None) -> None:
        task = asyncio.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if lease is not None:
            self._busy[lease.shard] += 1
            task.add_done_callback(lambda _: self._busy.subtract([lease.shard]))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """What fails in one task is recorded and stops no other; its rows say where it stood."""
        try:
            await work
        except LeaseLost:
            log.info("lease.lost")
        except StoreUnavailable:
            log.warning("store.unavailable")
            await asyncio.sleep(TICK_SECONDS)
        except Exception as exc:  # the outermost loop: recorded, and the others go on
            log.error("task.failed", exc_info=exc)
            self._services.metrics.count("deskbridge_lane_failures_total", type(exc).__name__)
            await asyncio.sleep(TICK_SECONDS)
        finally:
            self._wake.set()

    async def _finish(self, helpers: Sequence[asyncio.Task[None]]) -> None:
        """Let calls that are under way end, then give the shards back. Who comes next looks up what is cut off."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_PATIENCE_SECONDS)
        ending = [*self._tasks, *helpers]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        mine, self._held = list(self._held.values()), {}
        await self._release(mine)
