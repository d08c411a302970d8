"""Whatever happens to templates and consent: what our rules let go, Meta's rules never refuse.

Both sides are the real ones, without a wire between: the sandbox's desk with its own reading of the facts, and our
registry, which knows nothing but what the desk lists and tells by webhook.
"""

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sandbox.clock import SandboxClock
from sandbox.journal import Journal
from sandbox.whatsapp.errors import RefusedError
from sandbox.whatsapp.faults import WhatsAppFaults
from sandbox.whatsapp.templates.api import TemplateApi
from sandbox.whatsapp.templates.desk import TemplateDesk
from sandbox.whatsapp.templates.records import Template
from sandbox.whatsapp.templates.review import Verdict
from templates_registry.events import read_event
from templates_registry.filling import CannotFill, fill
from templates_registry.model import Category, RemoteTemplate
from templates_registry.sending_rules import Consent, Recipient, Refusal, State, choose, refusal_for
from templates_registry.wire import LIST_FIELDS, read_template
from templates_registry.wire_send import write_template
from tests.template_examples import EXAMPLES

WABA = "104857600000001"
CATEGORIES = ("MARKETING", "UTILITY")
VALUES = st.sampled_from(("Ines", "O'Brien", "a\nb", " ", "x" * 700, "{{1}}", "12     3", "שלום"))


class Mailbox:
    """Where the desk's webhooks go: told at once."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []

    def tell(self, updates: list[Any]) -> int:
        self.told += [(update.field, update.value) for update in updates]
        return 0


class Templates(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = SandboxClock()
        self.faults = WhatsAppFaults()
        self.faults.update({"whatsapp.review_seconds": 60.0})
        self.mailbox = Mailbox()
        account: Any = SimpleNamespace(waba_id=WABA)
        self.desk = TemplateDesk(
            accounts={"1": account},
            faults=self.faults,
            sender=self.mailbox,  # type: ignore[arg-type]
            clock=self.clock,
            journal=Journal(clock=self.clock),
            notify=lambda _topic: None,
        )
        self.desk.shelf.uploads["4::sample"] = "image/jpeg"
        self.api = TemplateApi(desk=self.desk, faults=self.faults)
        self.known: dict[str, RemoteTemplate] = {}
        self.consent = Consent.NOT_ASKED
        self.sent = 0

    # What happens at Meta

    @rule(example=st.sampled_from(EXAMPLES))
    def is_created(self, example: Any) -> None:
        with suppress(RefusedError):  # it is there, or its name is locked
            self.desk.create(WABA, example.body())

    @rule(seconds=st.sampled_from((61.0, 4 * 3600.0, 7 * 3600.0, 26 * 3600.0)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.desk.settle()

    @precondition(lambda self: self.desk.shelf.templates)
    @rule(data=st.data())
    def is_judged(self, data: st.DataObject) -> None:
        template = self._any(data)
        if template.status in ("PENDING", "APPROVED"):
            is_approved = data.draw(st.booleans())
            category = data.draw(st.sampled_from(CATEGORIES)) if template.category in CATEGORIES else template.category
            self.desk.conclude(template, Verdict(is_approved, category, "INVALID_FORMAT"))

    @precondition(lambda self: self.desk.shelf.templates)
    @rule(data=st.data(), quality=st.sampled_from(("GREEN", "YELLOW", "RED")))
    def is_rated(self, data: st.DataObject, quality: str) -> None:
        self.desk.rate(self._any(data), quality)

    @precondition(lambda self: self.desk.shelf.templates)
    @rule(data=st.data(), category=st.sampled_from(CATEGORIES), notice=st.booleans())
    def is_filed_anew(self, data: st.DataObject, category: str, notice: bool) -> None:
        template = self._any(data)
        if template.category in CATEGORIES:
            self.desk.recategorise(template, category, notice=notice)

    @precondition(lambda self: self.desk.shelf.templates)
    @rule(data=st.data(), other=st.sampled_from([one for one in EXAMPLES if one.category == "UTILITY"]))
    def is_rewritten_elsewhere(self, data: st.DataObject, other: Any) -> None:
        template = self._any(data)
        if template.category == "UTILITY" and (template.parameter_format == "NAMED") is other.named:
            self.desk.rewrite(template, other.body()["components"])

    @precondition(lambda self: self.desk.shelf.templates)
    @rule(data=st.data())
    def is_deleted(self, data: st.DataObject) -> None:
        template = self._any(data)
        if template.status not in ("DISABLED", "DELETED"):
            self.desk.delete(template)

    @rule(consent=st.sampled_from(Consent))
    def customer_says(self, consent: Consent) -> None:
        self.consent = consent

    def _any(self, data: st.DataObject) -> Template:
        found: Template = data.draw(st.sampled_from(list(self.desk.shelf.templates.values())), label="template")
        return found

    # What we do

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def we_send(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted({one.draft.name for one in self.known.values()})), label="name")
        same = {one.draft.language: one for one in self.known.values() if one.draft.name == name}
        recipient = Recipient("351910000111", self.consent)
        chosen = choose([state_of(one) for one in same.values()], wanted="pt_PT", recipient=recipient)
        if chosen is None:
            return
        draft = same[chosen.language].draft
        example = next(one for one in EXAMPLES if one.name == name)
        values = {key: data.draw(st.just(value) | VALUES, label=key) for key, value in example.values.items()}
        try:
            filled = fill(draft.content, draft.parameter_format, draft.category, values)
        except CannotFill:
            return
        content = write_template(name, chosen.language, filled.components)
        try:
            template, _ = self.desk.send(WABA, content)
        except RefusedError as refused:
            raise AssertionError(f"Meta had to say {refused.code}: {refused.details}") from refused
        assert template.category != "MARKETING" or self.consent is Consent.GIVEN
        self.sent += 1

    @invariant()
    def we_know_what_meta_told(self) -> None:
        """Every event holds at once, and the template it names is read anew."""
        told, self.mailbox.told = self.mailbox.told, []
        for field, value in told:
            event = read_event(field, value)
            assert event is not None
            self._read(event.template_id)
        for template in list(self.desk.shelf.templates.values()):
            if template.id not in self.known:
                self._read(template.id)

    def _read(self, template_id: str) -> None:
        template = self.api.find(template_id)
        if template is None:
            self.known.pop(template_id, None)
            return
        node = read_template(orjson.loads(self.api.read(template, ",".join(LIST_FIELDS)).body))
        assert node is not None
        self.known[template_id] = node

    @invariant()
    def nobody_without_consent_may_get_marketing(self) -> None:
        for one in self.known.values():
            refusal = refusal_for(state_of(one), Recipient("351910000111", Consent.WITHDRAWN))
            is_approved = one.status.value == "APPROVED"
            if one.draft.category is Category.MARKETING and is_approved:
                assert refusal is Refusal.OPTED_OUT


def state_of(remote: RemoteTemplate) -> State:
    draft = remote.draft
    return State(draft.name, draft.language, draft.category, remote.status, remote.quality, not draft.content.unknown)


TestTemplates = Templates.TestCase
TestTemplates.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
