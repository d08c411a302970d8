"""When should a person be woken, and what do they look at? The one source of the files in `ops/`.

`python -m bridge.runtime.monitoring ops` writes them anew; a test compares, and asks `/metrics` for every name used.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUNBOOK = "docs/ops.md"
ALERTS_FILE = Path("prometheus") / "alerts.yml"
DASHBOARD_FILE = Path("grafana") / "deskbridge.json"


@dataclass(frozen=True, slots=True)
class Alert:
    """`expression` is PromQL; `lasts` how long it must hold; `page`: somebody is woken, else it can wait for the
    morning."""

    name: str
    expression: str
    lasts: str
    page: bool
    summary: str

    @property
    def runbook(self) -> str:
        """The heading in the runbook."""
        return self.name


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: PromQL with the legend of its lines. `unit` is Grafana's."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"


ALERTS = (
    Alert("DeskbridgeDown", 'absent(up{job="deskbridge"}) or up{job="deskbridge"} == 0', "2m", True, "No web answers"),
    Alert("DeskbridgeDatabaseDown", "deskbridge_database_up == 0", "1m", True, "The database does not answer"),
    Alert("DeskbridgeRedisDown", "deskbridge_redis_up == 0", "2m", True, "Redis does not answer: replies wait"),
    Alert("DeskbridgeNoWorker", "max(deskbridge_workers) == 0", "2m", True, "No worker lives"),
    Alert(
        "DeskbridgeBacklog",
        "max(deskbridge_inbox_oldest_seconds) > 120",
        "5m",
        True,
        "Events wait for more than two minutes",
    ),
    Alert(
        "DeskbridgeNeedsOperator",
        "max by (scope, code) (deskbridge_gate_closed) == 1",
        "1m",
        True,
        "A far side waits for a person: {{ $labels.scope }}, code {{ $labels.code }}",
    ),
    Alert(
        "DeskbridgeDeadLetters",
        '(sum(deskbridge_effect_rows{state="dead"}) or vector(0)) '
        '+ (sum(deskbridge_inbox_rows{state=~"dead|refused"}) or vector(0)) > 0',
        "5m",
        False,
        "Something could not be done and waits for a decision",
    ),
    Alert(
        "DeskbridgeRefusesWebhooks",
        'sum(rate(deskbridge_webhook_requests_total{outcome=~"unavailable|overloaded"}[5m])) > 0',
        "5m",
        True,
        "Webhooks are answered 503",
    ),
    Alert(
        "DeskbridgeBadSignatures",
        'sum by (endpoint) (rate(deskbridge_webhook_requests_total{outcome="bad_signature"}[10m])) > 0.1',
        "10m",
        False,
        "Webhooks with a wrong signature at {{ $labels.endpoint }}",
    ),
    Alert(
        "DeskbridgeUnconfirmed",
        "sum(increase(deskbridge_unknown_outcomes_total[30m])) > 10",
        "0m",
        False,
        "Many calls got no verdict",
    ),
    Alert(
        "DeskbridgeSlowToHelpdesk",
        "histogram_quantile(0.9, sum by (le) (rate(deskbridge_post_seconds_bucket[10m]))) > 60",
        "10m",
        False,
        "Customers' messages take more than a minute to the ticket",
    ),
    Alert(
        "DeskbridgeSlowToWhatsApp",
        "histogram_quantile(0.9, sum by (le) (rate(deskbridge_send_seconds_bucket[10m]))) > 60",
        "10m",
        False,
        "Replies take more than a minute to WhatsApp",
    ),
    Alert(
        "DeskbridgeMessagingLimit",
        "max by (phone_number_id) (deskbridge_limit_level) >= 90",
        "5m",
        False,
        "Meta's messaging limit is almost used up",
    ),
    Alert(
        "DeskbridgeFeedStale",
        "time() - max(deskbridge_feed_polled_timestamp_seconds > 0) > 1800",
        "5m",
        False,
        "The helpdesk's change feed was not read for half an hour",
    ),
    Alert(
        "DeskbridgeMistake",
        "sum(increase(deskbridge_lane_failures_total[15m])) > 0",
        "0m",
        False,
        "A failure that no rule covers",
    ),
    Alert("DeskbridgeDiskFull", "min(deskbridge_disk_free_bytes) < 1e9", "5m", True, "Less than 1 GB is left"),
)

PANELS = (
    Panel(
        "Webhooks per second",
        (("sum by (endpoint, outcome) (rate(deskbridge_webhook_requests_total[5m]))", "{{endpoint}} {{outcome}}"),),
        "reqps",
    ),
    Panel("Age of the oldest event", (("max(deskbridge_inbox_oldest_seconds)", "oldest"),), "s"),
    Panel("Events that wait", (("sum by (kind, state) (deskbridge_inbox_rows)", "{{kind}} {{state}}"),)),
    Panel(
        "From event to ticket",
        tuple(
            (f"histogram_quantile({share}, sum by (le) (rate(deskbridge_post_seconds_bucket[10m])))", f"{share}")
            for share in (0.5, 0.9, 0.99)
        ),
        "s",
    ),
    Panel(
        "From reply to WhatsApp",
        tuple(
            (f"histogram_quantile({share}, sum by (le) (rate(deskbridge_send_seconds_bucket[10m])))", f"{share}")
            for share in (0.5, 0.9, 0.99)
        ),
        "s",
    ),
    Panel("Effects by how they ended", (("sum by (outcome) (rate(deskbridge_effects_total[5m]))", "{{outcome}}"),)),
    Panel("Effects that stand", (("sum by (kind, state) (deskbridge_effect_rows)", "{{kind}} {{state}}"),)),
    Panel("Statuses", (("sum by (status) (rate(deskbridge_statuses_received_total[5m]))", "{{status}}"),)),
    Panel("Sends held back", (("sum by (limit) (rate(deskbridge_sends_held_back_total[5m]))", "{{limit}}"),)),
    Panel("Calls to the helpdesk", (("sum by (cause) (rate(deskbridge_helpdesk_calls_total[5m]))", "{{cause}}"),)),
    Panel("Windows", (("sum by (state) (deskbridge_windows)", "{{state}}"),)),
    Panel("Closed gates", (("sum by (scope, code) (deskbridge_gate_closed)", "{{scope}} {{code}}"),)),
    Panel("Workers and shards", (("max(deskbridge_workers)", "workers"), ("max(deskbridge_shards_held)", "shards"))),
    Panel(
        "Database",
        (("max(deskbridge_database_bytes)", "size"), ("min(deskbridge_disk_free_bytes)", "free")),
        "bytes",
    ),
)
COLUMNS = 2
WIDTH, HEIGHT = 12, 8


def render_alerts() -> str:
    """Prometheus' rule file."""
    lines = [
        "# Written by `python -m bridge.runtime.monitoring ops`: change bridge/runtime/monitoring.py instead.",
        "groups:",
        "  - name: deskbridge",
        "    rules:",
    ]
    for alert in ALERTS:
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {json.dumps(alert.expression)}",
            f"        for: {alert.lasts}",
            "        labels:",
            f"          severity: {'page' if alert.page else 'ticket'}",
            "        annotations:",
            f"          summary: {json.dumps(alert.summary)}",
            f"          runbook: {json.dumps(f'{RUNBOOK}#{alert.runbook.lower()}')}",
        ]
    return "\n".join(lines) + "\n"


def render_dashboard() -> str:
    """Grafana's dashboard, to be imported; it asks which Prometheus to use."""
    source = {"type": "prometheus", "uid": "${source}"}
    panels: list[dict[str, Any]] = [
        {
            "id": number + 1,
            "type": "timeseries",
            "title": panel.title,
            "datasource": source,
            "gridPos": {
                "h": HEIGHT,
                "w": WIDTH,
                "x": WIDTH * (number % COLUMNS),
                "y": HEIGHT * (number // COLUMNS),
            },
            "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
            "targets": [
                {"refId": chr(ord("A") + index), "datasource": source, "expr": expression, "legendFormat": legend}
                for index, (expression, legend) in enumerate(panel.queries)
            ],
        }
        for number, panel in enumerate(PANELS)
    ]
    dashboard = {
        "title": "deskbridge",
        "uid": "deskbridge",
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": panels,
    }
    return json.dumps(dashboard, indent=2) + "\n"


def write(folder: Path) -> None:
    for name, text in ((ALERTS_FILE, render_alerts()), (DASHBOARD_FILE, render_dashboard())):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
