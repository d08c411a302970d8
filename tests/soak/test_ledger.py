"""The ledger balances what is right, and notices each thing that is not."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.soak.ledger import Comment, Seen, Sent, Ticket, Written, balance, missing
from tests.soak.stage import to_real

WORD = "abc123"
CUSTOMERS, MESSAGES, REPLIES = 3, 4, 3
NOW = 1_700_000_000.0


def _message(customer: int, number: int) -> str:
    return f"mk{WORD}c{customer:04d}m{number:04d}"


def _reply(customer: int, number: int) -> str:
    return f"mk{WORD}c{customer:04d}r{number:04d}"


def _whisper(customer: int) -> str:
    return f"mk{WORD}c{customer:04d}w{REPLIES:04d}"


class Books:
    """A small world in which everything is right, until a test changes something."""

    def __init__(self) -> None:
        self.sent = [
            Sent(customer, _message(customer, number), number, frozenset(_message(customer, n) for n in range(number)))
            for customer in range(CUSTOMERS)
            for number in range(MESSAGES)
        ]
        self.written = [
            Written(customer, customer, _reply(customer, number), public=True)
            for customer in range(CUSTOMERS)
            for number in range(REPLIES)
        ] + [Written(customer, customer, _whisper(customer), public=False) for customer in range(CUSTOMERS)]
        self.lines = {
            customer: [_message(customer, number) for number in range(MESSAGES)] for customer in range(CUSTOMERS)
        }
        self.phones = {customer: [_reply(customer, n) for n in range(REPLIES)] for customer in range(CUSTOMERS)}
        self.notes: dict[int, list[tuple[str, float]]] = {customer: [] for customer in range(CUSTOMERS)}
        self.users = dict.fromkeys(range(CUSTOMERS), 1)
        self.calls = {reply.marker: [NOW] for reply in self.written}
        self.more_tickets: list[Ticket] = []

    def seen(self) -> Seen:
        tickets = [self._ticket(customer) for customer in range(CUSTOMERS)]
        return Seen(tickets=[*tickets, *self.more_tickets], phones=self.phones, users=self.users, calls=self.calls)

    def _ticket(self, customer: int) -> Ticket:
        comments = [
            Comment(customer * 100 + place, f"{line} and more", True, True, True, NOW)
            for place, line in enumerate(self.lines[customer])
        ] + [
            Comment(customer * 100 + 50 + place, note, False, False, True, at)
            for place, (note, at) in enumerate(self.notes[customer])
        ]
        return Ticket(customer, customer, True, tuple(comments))

    def kinds(self) -> dict[str, int]:
        return dict(balance(self.sent, self.written, self.seen()).by_kind)


def test_what_is_right_adds_up() -> None:
    books = Books()
    assert books.kinds() == {}
    counts = balance(books.sent, books.written, books.seen()).counts
    assert counts["messages on tickets"] == CUSTOMERS * MESSAGES
    assert counts["replies at the phone"] == CUSTOMERS * REPLIES


def _lose_message(books: Books) -> None:
    books.lines[1].pop(2)


def _double_message(books: Books) -> None:
    books.lines[1].append(books.lines[1][-1])


def _double_message_on_another_ticket(books: Books) -> None:
    comment = Comment(990, books.lines[1][0], True, True, True, NOW)
    books.more_tickets.append(Ticket(99, 1, False, (comment,)))


def _swap_messages(books: Books) -> None:
    lines = books.lines[1]
    lines[1], lines[2] = lines[2], f"[2026-01-01 00:00:00 UTC] {lines[1]}"


def _swap_messages_that_crossed_without_a_time(books: Books) -> None:
    books.sent = [replace(one, known_before=frozenset()) for one in books.sent]
    lines = books.lines[1]
    lines[1], lines[2] = lines[2], lines[1]


def _misplace_message(books: Books) -> None:
    books.lines[1].append(books.lines[2].pop(0))


def _mangle_message(books: Books) -> None:
    books.lines[1].append("what the customer never wrote")


def _lose_reply(books: Books) -> None:
    books.phones[1].pop(1)


def _double_reply(books: Books) -> None:
    books.phones[1].append(books.phones[1][0])


def _swap_replies(books: Books) -> None:
    phone = books.phones[1]
    phone[0], phone[1] = phone[1], phone[0]


def _reply_to_somebody_else(books: Books) -> None:
    books.phones[2].append(books.phones[1].pop())
    books.notes[1].append((f"WhatsApp reply not confirmed: “{_reply(1, REPLIES - 1)}”", NOW + 40))


def _leak_whisper(books: Books) -> None:
    books.phones[1].append(_whisper(1))


def _send_what_nobody_wrote(books: Books) -> None:
    books.phones[1].append("hello from nobody")


def _tell_late(books: Books) -> None:
    books.phones[1].pop(1)
    books.notes[1].append((f"WhatsApp reply not confirmed: “{_reply(1, 1)}”", NOW + 65))


def _tell_wrong(books: Books) -> None:
    books.notes[1].append((f"WhatsApp reply not delivered: “{_reply(1, 1)}”", NOW))


def _open_second_ticket(books: Books) -> None:
    books.more_tickets.append(Ticket(99, 1, True, ()))


def _make_second_user(books: Books) -> None:
    books.users[1] = 2


@pytest.mark.parametrize(
    ("harm", "kinds"),
    [
        (_lose_message, {"message lost": 1}),
        (_double_message, {"message doubled": 1}),
        (_double_message_on_another_ticket, {"message doubled": 1}),
        (_swap_messages, {"message out of order": 1}),
        (_swap_messages_that_crossed_without_a_time, {"message out of order": 1}),
        (_misplace_message, {"message misplaced": 1, "message lost": 1}),
        (_mangle_message, {"message changed": 1}),
        (_lose_reply, {"reply lost": 1}),
        (_double_reply, {"reply doubled": 1}),
        (_swap_replies, {"reply out of order": 1}),
        (_reply_to_somebody_else, {"stranger's text at the phone": 1}),
        (_leak_whisper, {"private note leaked": 1}),
        (_send_what_nobody_wrote, {"stranger's text at the phone": 1}),
        (_tell_late, {"reply told late": 1}),
        (_tell_wrong, {"reply told wrong": 1}),
        (_open_second_ticket, {"tickets of one customer": 1}),
        (_make_second_user, {"users of one customer": 1}),
    ],
)
def test_what_is_wrong_is_noticed(harm: Callable[[Books], None], kinds: dict[str, int]) -> None:
    books = Books()
    harm(books)
    assert books.kinds() == kinds


def test_message_that_crossed_a_newer_one_and_carries_its_time_is_right() -> None:
    books = Books()
    books.sent = [replace(one, known_before=frozenset()) for one in books.sent]
    lines = books.lines[1]
    lines[1], lines[2] = lines[2], f"[2026-01-01 00:00:00 UTC] {lines[1]}"
    assert books.kinds() == {}
    assert balance(books.sent, books.written, books.seen()).counts["messages late, with their time"] == 1


@pytest.mark.parametrize("is_there", [True, False])
def test_reply_that_was_told_as_not_confirmed_in_time_is_right(is_there: bool) -> None:
    books = Books()
    books.notes[1].append((f"WhatsApp reply not confirmed: “{_reply(1, 1)}”", NOW + 55))
    if not is_there:
        books.phones[1].pop(1)
    assert books.kinds() == {}


def test_reply_that_waits_for_a_person_is_not_told_yet() -> None:
    books = Books()
    books.phones[1].pop(1)
    books.notes[1].append((f"WhatsApp reply waits: “{_reply(1, 1)}”", NOW))
    assert books.kinds() == {"reply lost": 1}
    assert missing(books.sent, books.written, books.seen()) == 1


@given(st.randoms(use_true_random=False), st.integers(1, CUSTOMERS * MESSAGES))
def test_every_lost_message_is_counted_whichever_they_are(rng: random.Random, count: int) -> None:
    books = Books()
    for marker in rng.sample([one.marker for one in books.sent], count):
        for lines in books.lines.values():
            if marker in lines:
                lines.remove(marker)
    assert books.kinds() == {"message lost": count}


@given(st.permutations(range(MESSAGES)))
def test_order_is_right_only_as_it_was_written(order: list[int]) -> None:
    books = Books()
    books.lines[1] = [_message(1, number) for number in order]
    inversions = sum(order[i] > order[j] for i in range(MESSAGES) for j in range(i + 1, MESSAGES))
    assert books.kinds() == ({"message out of order": inversions} if inversions else {})


def test_time_of_the_sandbox_is_read_as_real_time_across_jumps() -> None:
    offsets = [(0.0, 0.0), (1000.0, 3600.0), (1100.0, 3590.0)]
    assert to_real(offsets, 900.0) == 900.0
    assert to_real(offsets, 4650.0) == 1050.0
    assert to_real(offsets, 4800.0) == 1210.0
