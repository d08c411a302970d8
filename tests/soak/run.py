"""One run from beginning to end: start everything, let traffic and faults loose, wait until all is quiet, look."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.flow.installation import ACCOUNTS, failures_in
from tests.soak import ledger
from tests.soak.faults import Fault
from tests.soak.helpdesks import SandboxDesk
from tests.soak.installation import (
    ADMIN_TOKEN,
    EXPORT_DELAY_SECONDS,
    NEW_APP_SECRET,
    OLD_APP_SECRET,
    RECONCILE_SECONDS,
    VERIFY_TOKEN,
    Installation,
)
from tests.soak.leaks import Leak, Needles
from tests.soak.ledger import Balance
from tests.soak.plan import Plan, Strike
from tests.soak.stage import Stage, open_stage
from tests.soak.texts import Texts
from tests.soak.traffic import Traffic

SETTLE_SECONDS = 180.0
"""From the end of the faults until nothing moves and nothing is missing; longer is a failure."""
QUIET_SECONDS = 3.0
FEED_SECONDS = RECONCILE_SECONDS + EXPORT_DELAY_SECONDS + 5.0
"""Whatever a lost ring should have told is known after so long."""
LOOK_EVERY_SECONDS = 0.5
WORK = {"deskbridge_inbox_rows": {"new"}, "deskbridge_effect_rows": {"ready", "performing", "unknown"}}
"""The states that pass, by metric."""
DEAD = {"deskbridge_inbox_rows": {"dead"}, "deskbridge_effect_rows": {"dead"}}


@dataclass(slots=True)
class Outcome:
    """What a run showed."""

    plan: Plan
    balance: Balance = field(default_factory=Balance)
    leaks: Sequence[Leak] = ()
    searched_bytes: int = 0
    stuck: Mapping[str, float] = field(default_factory=dict)
    complaints: Sequence[str] = ()
    unwritten: int = 0
    settled_after_seconds: float = 0.0
    took_seconds: float = 0.0
    noted: Counter[str] = field(default_factory=Counter)
    """What a person may want to know: restarts, dead letters, alarms, failures that no rule covers."""
    struck: Sequence[tuple[float, float, Strike]] = ()
    """(real begin, real end) of each strike."""
    folder: str = ""

    @property
    def adds_up(self) -> bool:
        return not (self.balance.findings or self.leaks or self.stuck or self.complaints or self.unwritten)


def run(
    plan: Plan,
    faults: Mapping[str, Fault],
    *,
    database: str,
    desk: SandboxDesk,
    vendor_plan: str | None = None,
    keep: bool = False,
) -> Outcome:
    """Do it. The folder of a run that does not add up is kept, with `keep` that of any.

    `vendor_plan` None: the helpdesk's plan with the widest limits.
    """
    began = time.monotonic()
    small_disk = any(faults[strike.fault].needs_small_disk for strike in plan.strikes)
    with Installation(
        database=database, desk=desk, plan=vendor_plan or desk.plan, small_disk=small_disk
    ) as installation:
        outcome = asyncio.run(_run(plan, faults, installation))
        if keep or not outcome.adds_up:
            installation.keep()
            outcome.folder = str(installation.folder)
    outcome.took_seconds = time.monotonic() - began
    return outcome


async def _run(plan: Plan, faults: Mapping[str, Fault], installation: Installation) -> Outcome:
    outcome = Outcome(plan)
    struck: list[tuple[float, float, Strike]] = []
    async with open_stage(installation) as stage:
        traffic = Traffic(stage, plan)
        await traffic.gather_people()
        stage.began_at = time.monotonic()
        async with asyncio.TaskGroup() as everything:
            everything.create_task(traffic.play())
            for strike in plan.strikes:
                everything.create_task(_strike(stage, faults[strike.fault], strike, struck))
        outcome.struck = sorted(struck, key=lambda one: one[0])
        ended = time.monotonic()
        await _mend(stage)
        outcome.stuck = await _settle(stage, traffic)
        outcome.settled_after_seconds = time.monotonic() - ended
        outcome.balance = ledger.balance(traffic.sent, traffic.written, await traffic.look())
        outcome.unwritten = len(traffic.unwritten)
        outcome.complaints = stage.complaints
        outcome.noted = await _notes(stage)
        needles = await _needles(stage, traffic)
        answers = await asyncio.to_thread(_answers, installation)
        outcome.leaks, outcome.searched_bytes = await asyncio.to_thread(_search, installation, needles, answers)
    return outcome


async def _strike(stage: Stage, fault: Fault, strike: Strike, struck: list[tuple[float, float, Strike]]) -> None:
    await stage.sleep_until(strike.at_seconds)
    began = stage.seconds()
    async with fault.strike(stage, random.Random(strike.seed)):
        await asyncio.sleep(strike.length_seconds)
    struck.append((began, stage.seconds(), strike))


async def _mend(stage: Stage) -> None:
    """Nothing is broken on purpose any more."""
    delay = f"{stage.helpdesk}.export_delay_seconds"
    turned = [
        name
        for name, switch in (await stage.get("/faults")).items()
        if switch["value"] != switch["default"] and name != delay
    ]
    await stage.post("/faults", dict.fromkeys(turned))


async def _settle(stage: Stage, traffic: Traffic) -> dict[str, float]:
    """Wait until nothing moves and nothing is missing, or could be told any more. What is stuck after the bound."""
    deadline = time.monotonic() + SETTLE_SECONDS
    quiet_since: float | None = None
    looked = False
    while True:
        moves = await _moves(stage)
        now = time.monotonic()
        if moves:
            quiet_since, looked = None, False
        elif quiet_since is None:
            quiet_since = now
        elif now - quiet_since > FEED_SECONDS:
            return {}
        elif now - quiet_since > QUIET_SECONDS and not looked:
            looked = True
            if not ledger.missing(traffic.sent, traffic.written, await traffic.look()):
                return {}
        if now > deadline:
            return moves
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def _moves(stage: Stage) -> dict[str, float]:
    """What is still on its way, in any direction."""
    found = await _samples(stage, WORK)
    if not stage.installation.init.all_run():
        found["processes that do not run"] = 1
    if unfinished := (await stage.get("/whatsapp/deliveries"))["unfinished"]:
        found["webhooks of Meta"] = unfinished
    return found


async def _samples(stage: Stage, wanted: Mapping[str, set[str]]) -> dict[str, float]:
    """The samples of these metrics and states that are not 0."""
    try:
        text = await _metrics(stage.installation)
    except httpx.HTTPError:
        return {"/metrics does not answer": 1}
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.value and sample.labels.get("state", "") in wanted.get(sample.name, ()):
                found[" ".join([sample.name, *sorted(sample.labels.values())])] = sample.value
            if sample.name == "deskbridge_database_up" and not sample.value:
                found["the database does not answer"] = 1
    return found


async def _metrics(installation: Installation) -> str:
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
        answer = await http.get(f"{installation.url}/metrics", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        return answer.raise_for_status().text


async def _notes(stage: Stage) -> Counter[str]:
    installation = stage.installation
    noted: Counter[str] = Counter()
    noted["processes started again"] = installation.init.restarts
    for name, count in installation.init.ended.items():
        noted[f"{name} was ended: it did not answer for long"] = count
    noted["encryption keys that came and went"] = len(installation.every_key) - 1
    for name, value in (await _samples(stage, DEAD)).items():
        noted[f"dead letters: {name}"] = int(value)
    for family in text_string_to_metric_families(await _metrics(installation)):
        for sample in family.samples:
            if sample.name == "deskbridge_alarms" and sample.value:
                noted[f"alarm: {sample.labels['kind']}"] = int(sample.value)
            if sample.name == "deskbridge_unknown_outcomes_total" and sample.value:
                noted[f"answers lost: {sample.labels['kind']}"] = int(sample.value)
    for one in await stage.get("/whatsapp/refused"):
        why = "was told to say no" if one["injected"] else "had to say no"
        noted[f"Meta {why}: {one['code']} ({one['where']})"] += 1
    for ending, count in (await installation.desk.troubles(stage.http)).items():
        noted[f"calls to the helpdesk that ended with {ending}"] = count
    for path in sorted(installation.logs.glob("*.log")):
        for line in failures_in(path.read_text("utf-8", "replace"), of_rq=False):
            noted[f"in {path.name}: {_event_of(line)}"] += 1
    return noted


def _event_of(line: str) -> str:
    """What a line of a log is about, without its particulars."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line[:80]
    told = [str(entry[name]) for name in ("event", "exc_type", "exception_type", "type") if entry.get(name)]
    return " ".join(told)[:120]


async def _needles(stage: Stage, traffic: Traffic) -> Needles:
    desk = stage.installation.desk
    texts = Texts(traffic.texts.plan)
    words = {
        "a text": f"mk{texts.plan.word}",
        "a name": f"Aurelia {texts.plan.word}",
        "a username": f"aurelia.{texts.plan.word}",
        "a BSUID": f"PT.77{texts.plan.digits}",
        "the access token": ACCOUNTS["whatsapp"]["access_token"],
        "an app secret": OLD_APP_SECRET,
        "the other app secret": NEW_APP_SECRET,
        "the verify token": VERIFY_TOKEN,
        "the admin token": ADMIN_TOKEN,
    }
    words |= {f"encryption key {number}": key for number, key in enumerate(stage.installation.every_key)}
    for number, secret in enumerate([*desk.secrets, *await desk.ring_secrets(stage.http)]):
        words[f"secret {number} of the helpdesk"] = secret
    return Needles.of(words=words, numbers={"a phone number": texts.wa_id(0)[:-4]})


def _answers(installation: Installation) -> dict[str, str]:
    """What the command line and /metrics say to whoever may ask, without `--reveal`."""
    answers = {"events list": installation.run("events", "list", "--json", "--limit", "1000")}
    for event in json.loads(answers["events list"])[:20]:
        answers[f"events show {event['id']}"] = installation.run("events", "show", event["id"], "--json")
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    for path in ("/metrics", "/readyz", "/healthz"):
        answers[path] = httpx.get(f"{installation.url}{path}", headers=headers, timeout=20).text
    return answers


def _search(installation: Installation, needles: Needles, answers: Mapping[str, str]) -> tuple[list[Leak], int]:
    """Everything that is kept and told, while it is in use: write-ahead logs are not yet folded in."""
    found, size_bytes = needles.in_files([installation.disk, installation.logs])
    for where, answer in answers.items():
        found.update(needles.in_bytes(answer.encode(), where=where))
    return sorted(found, key=lambda leak: (leak.where, leak.what)), size_bytes
