import json
import math
import random

import orjson
import pytest

from bridge.store.ids import shard_of
from tests.bench import people
from tests.bench.bodies import STATUSES, Batch, requests_of, status_of
from tests.bench.figures import percentile, steady_rate
from tests.bench.people import Population
from tests.bench.report import Line, shown, table, to_json
from webhooks.envelope import split
from webhooks.signatures import verify_meta

POPULATION = Population(customers=7, sent=100)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.501, 51), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_percentile_is_the_smallest_value_that_the_share_does_not_exceed(share: float, expected: int) -> None:
    values = list(range(1, 101))
    random.Random(3).shuffle(values)
    assert percentile(values, share) == expected


def test_a_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(percentile([], 0.5))


def test_a_rate_counts_between_the_first_and_the_last_look() -> None:
    assert steady_rate([(10.0, 100.0), (10.5, 400.0), (12.0, 700.0)]) == 300.0


@pytest.mark.parametrize("looks", [[], [(1.0, 5.0)], [(1.0, 5.0), (1.0, 9.0)]])
def test_a_rate_of_too_few_looks_is_no_number(looks: list[tuple[float, float]]) -> None:
    assert math.isnan(steady_rate(looks))


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (Line("a", "b", "c", 300.0, "/s", target=300), "met"),
        (Line("a", "b", "c", 299.9, "/s", target=300), "missed"),
        (Line("a", "b", "c", 50.0, "ms", target=50, at_most=True), "met"),
        (Line("a", "b", "c", 50.1, "ms", target=50, at_most=True), "missed"),
        (Line("a", "b", "c", 270.0, "MiB", target=250, at_most=True, floor=300), "floor"),
        (Line("a", "b", "c", 301.0, "MiB", target=250, at_most=True, floor=300), "missed"),
        (Line("a", "b", "c", math.nan, "ms", target=50, at_most=True), "missed"),
        (Line("a", "b", "c", 1.0, "ms"), ""),
    ],
)
def test_a_figure_is_held_against_its_target(line: Line, verdict: str) -> None:
    assert line.verdict == verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [(24_123.4, "24,123"), (99.96, "100"), (12.345, "12.3"), (0.2512, "0.251"), (0.0, "0"), (math.nan, "none")],
)
def test_values_show_the_digits_that_count(value: float, text: str) -> None:
    assert shown(value) == text


def test_the_table_says_what_limits_a_figure_only_where_it_falls_short() -> None:
    lines = [
        Line("drain", "sqlite", "messages", 310.0, "/s", target=300, limit="worker 99%"),
        Line("drain", "postgresql", "messages", 120.0, "/s", target=300, limit="worker 98%"),
    ]
    head, rule, met, missed = table(lines).splitlines()
    assert head.split() == ["scenario", "database", "figure", "value", "target"]
    assert set(rule) == {"-"}
    assert met.split() == ["drain", "sqlite", "messages", "310", "/s", ">=", "300", "met"]
    assert missed.endswith("120 /s  >= 300  missed  worker 98%")


def test_the_file_holds_every_figure_with_its_verdict_and_null_for_none() -> None:
    lines = [
        Line("drain", "sqlite", "messages", 310.0, "/s", target=300),
        Line("latency", "sqlite", "p99", math.nan, "ms", target=250, at_most=True),
    ]
    written = json.loads(to_json(lines, about={"quick": True}))
    assert written["quick"] is True
    assert [(one["name"], one["value"], one["verdict"]) for one in written["figures"]] == [
        ("messages", 310.0, "met"),
        ("p99", None, "missed"),
    ]


def test_each_event_that_is_sent_is_one_that_the_edge_takes_for_new() -> None:
    batch = Batch("mix", 50, POPULATION, 8000, events=4)
    keys = []
    for _, request in requests_of(batch):
        head, _, raw = request.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert int(headers["Content-Length"]) == len(raw)
        items = split(verify_meta(raw, headers["X-Hub-Signature-256"], [people.APP_SECRET]))
        assert [item.kind.value for item in items] == ["message", "status", "status", "status"]
        keys += [item.event_key for item in items]
    assert len(set(keys)) == 200


def test_statuses_name_our_messages_and_fall_on_their_customers_shard() -> None:
    [(_, request)] = requests_of(Batch("status", 1, POPULATION, 8000))
    _, _, raw = request.partition(b"\r\n\r\n")
    [change] = orjson.loads(raw)["entry"][0]["changes"]
    [status] = change["value"]["statuses"]
    assert shard_of(status["biz_opaque_callback_data"]) == shard_of(people.bsuid(0))
    assert status["biz_opaque_callback_data"].endswith(people.sent_message_id(0))
    assert len(people.sent_message_id(0)) == 26


def test_each_of_our_messages_gets_each_status_once_and_in_order() -> None:
    told: dict[int, list[str]] = {}
    for number in range(30_000):
        message, status = status_of(number)
        told.setdefault(message, []).append(status)
    assert set(told) == set(range(10_000))
    assert {tuple(statuses) for statuses in told.values()} == {STATUSES}


def test_the_file_can_be_read_when_nothing_was_measured() -> None:
    assert json.loads(to_json([], about={}))["figures"] == []
