"""Do the rules carry the peak of a season: more messages than a helpdesk takes updates, and a backlog of a bad night?

A model of the helpdesk lanes, in seconds of its own: what waits together on a ticket is one write, whoever waits
longest goes first, a write draws on every limit or waits for the longest of them, and the pauses are the real rules.
The far side counts for itself.
"""

import random
from collections import deque
from dataclasses import dataclass, field

from bridge.domain.throttle import RollingWindow, account_pause, coalescing_pause, longest

STEP_SECONDS = 0.25
AT_ONCE = 50
TICKET_LIMIT, TICKET_SECONDS = 30, 600.0
"""Zendesk's own: updates of one ticket by one user (fact sheet Zendesk 7.2)."""


@dataclass
class Ticket:
    waiting: deque[tuple[float, int]] = field(default_factory=deque)
    """(when it came, its number), oldest first."""
    written: list[int] = field(default_factory=list)
    not_before: float = 0.0
    window: RollingWindow = field(default_factory=lambda: RollingWindow(TICKET_LIMIT, TICKET_SECONDS))


class Traffic:
    """Tickets, the limits as we keep them, and the same limits as the far side does."""

    def __init__(self, tickets: int, *, calls: int, updates: int) -> None:
        self.tickets = [Ticket() for _ in range(tickets)]
        self.now = 0.0
        self.account, self.updates = RollingWindow(calls, 60.0), RollingWindow(updates, 60.0)
        self.far_account, self.far_updates = RollingWindow(calls, 60.0), RollingWindow(updates, 60.0)
        self.calls_at: list[float] = []
        self.longest_wait = 0.0
        self.refused = 0

    def say(self, ticket: int, number: int) -> None:
        self.tickets[ticket].waiting.append((self.now, number))

    def step(self) -> None:
        """Everybody who may write writes, in order of who waits longest."""
        self.now += STEP_SECONDS
        due = [one for one in self.tickets if one.waiting and one.not_before <= self.now]
        for ticket in sorted(due, key=lambda one: one.waiting[0]):
            self._write(ticket)

    def _write(self, ticket: Ticket) -> None:
        windows = (self.account, self.updates, ticket.window)
        wait = longest([window.wait(self.now) for window in windows])
        if wait > 0:
            ticket.not_before = self.now + wait
            return
        for window in windows:
            window.draw(self.now)
        self._take(ticket)
        ticket.not_before = self.now + max(
            coalescing_pause(used=len(ticket.window.drawn_at), limit=TICKET_LIMIT, period_seconds=TICKET_SECONDS),
            account_pause(used=len(self.account.drawn_at), limit=self.account.limit),
        )

    def _take(self, ticket: Ticket) -> None:
        """The far side: refuses what is too much, and shows the rest."""
        self.refused += self.far_account.wait(self.now) > 0 or self.far_updates.wait(self.now) > 0
        self.far_account.draw(self.now)
        self.far_updates.draw(self.now)
        self.calls_at.append(self.now)
        for _ in range(min(AT_ONCE, len(ticket.waiting))):
            came, number = ticket.waiting.popleft()
            ticket.written.append(number)
            self.longest_wait = max(self.longest_wait, self.now - came)

    @property
    def waiting(self) -> int:
        return sum(len(ticket.waiting) for ticket in self.tickets)


def test_600_messages_a_minute_from_150_customers_at_100_updates_a_minute() -> None:
    customers, minutes = 150, 10
    traffic, rng = Traffic(customers, calls=700, updates=100), random.Random(5)
    arrivals = sorted(rng.uniform(0, 60.0 * minutes) for _ in range(600 * minutes))
    sent: list[list[int]] = [[] for _ in range(customers)]
    coming = deque(enumerate(arrivals))
    while coming or traffic.waiting:
        while coming and coming[0][1] <= traffic.now:
            number, _ = coming.popleft()
            customer = rng.randrange(customers)
            sent[customer].append(number)
            traffic.say(customer, number)
        traffic.step()
        assert traffic.now < 60.0 * (minutes + 3), "it never ends"
    assert [ticket.written for ticket in traffic.tickets] == sent
    assert traffic.refused == 0
    # 150 tickets by turns, 100 a minute: a turn takes 90 s, and a new minute may have to be waited for.
    assert traffic.longest_wait <= customers / 100 * 60 + 60
    # Of the limit next to nothing is left unused while there is more to tell than it takes.
    first_half = [at for at in traffic.calls_at if 60.0 <= at < 300.0]
    assert len(first_half) >= 0.95 * 100 * 4


def test_backlog_of_5000_messages_at_200_calls_a_minute_uses_95_percent_of_them() -> None:
    traffic = Traffic(2_500, calls=200, updates=1_000)
    for number in range(5_000):
        traffic.say(number % 2_500, number)
    while traffic.waiting:
        traffic.step()
    assert sum(len(ticket.written) for ticket in traffic.tickets) == 5_000
    assert traffic.refused == 0
    assert len(traffic.calls_at) == 2_500
    assert len(traffic.calls_at) >= 0.95 * 200 * (traffic.now - 60.0) / 60.0 + 0.95 * 200
