"""Do alerts and dashboard ask for metrics that exist, and does somebody who is woken find out what to do?"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from bridge.runtime import exposition, monitoring
from bridge.runtime.metrics import BOUNDS, WorkerMetrics
from tests.api.world import World, open_world
from webhooks.metrics import EdgeMetrics

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"deskbridge_[a-z_]+")


async def _said(world: World, redis_url: str, *, metrics: WorkerMetrics | None = None) -> str:
    prometheus = CollectorRegistry()
    EdgeMetrics(prometheus)
    async with Redis.from_url(redis_url) as redis:
        if metrics is not None:
            await metrics.flush(redis)
        return (await exposition.render(prometheus, world.store, redis, data_dir=world.settings.data_dir)).decode()


def test_files_are_the_ones_of_their_source() -> None:
    assert (ROOT / "ops" / monitoring.ALERTS_FILE).read_text("utf-8") == monitoring.render_alerts()
    assert (ROOT / "ops" / monitoring.DASHBOARD_FILE).read_text("utf-8") == monitoring.render_dashboard()
    assert json.loads(monitoring.render_dashboard())["panels"]


async def test_every_metric_that_is_asked_for_is_said(database_url: str, redis_url: str, tmp_path: Path) -> None:
    async with open_world(database_url, tmp_path) as world:
        text = await _said(world, redis_url)
    said = {family.name for family in text_string_to_metric_families(text)}
    typed = {line.split()[2].removesuffix("_total") for line in text.splitlines() if line.startswith("# TYPE")}
    asked = {
        name
        for expression in (
            *(alert.expression for alert in monitoring.ALERTS),
            *(query for panel in monitoring.PANELS for query, _ in panel.queries),
        )
        for name in NAME.findall(expression)
    }
    assert len(asked) > 15
    assert {name.removesuffix("_total").removesuffix("_bucket") for name in asked} - typed - said == set()


def test_every_alert_has_a_runbook() -> None:
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "ops.md").read_text("utf-8"), flags=re.MULTILINE)
    assert {alert.name for alert in monitoring.ALERTS} - set(headings) == set()
    assert {name for name in headings if name.startswith("Deskbridge")} == {alert.name for alert in monitoring.ALERTS}


async def test_histogram_counts_up_to_each_bound(sqlite_url: str, redis_url: str, tmp_path: Path) -> None:
    metrics = WorkerMetrics()
    for seconds in (0.2, 1.5, 4_000.0):
        metrics.observe("deskbridge_post_seconds", seconds)
    async with open_world(sqlite_url, tmp_path) as world:
        text = await _said(world, redis_url, metrics=metrics)
    (family,) = [one for one in text_string_to_metric_families(text) if one.name == "deskbridge_post_seconds"]
    counts = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}
    assert counts["0.5"] == counts["1.0"] == 1
    assert counts["2.0"] == counts[str(BOUNDS[-1])] == 2
    assert counts["+Inf"] == counts["deskbridge_post_seconds_count"] == 3
    assert counts["deskbridge_post_seconds_sum"] == 4001.7


async def test_redis_that_is_away_is_said(sqlite_url: str, tmp_path: Path) -> None:
    async with open_world(sqlite_url, tmp_path) as world:
        text = await _said(world, f"unix://{tmp_path}/nothing")
    assert "deskbridge_redis_up 0.0" in text
    assert "deskbridge_database_up 1.0" in text
    assert 'deskbridge_windows{state="open"} 1.0' in text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_alerts() -> None:
    rules = str(ROOT / "ops" / monitoring.ALERTS_FILE)
    done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
