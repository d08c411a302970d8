"""Whatever people do and however the clock moves: does Meta never have to say 131047 or 131050?

Our rules on one side, and on the other Meta's own, kept apart: a window of 24 hours from the customer's last message,
and people who stopped marketing.
"""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge.domain.consent import ConsentAction, ConsentEntry, ConsentSource, consent_after, parse_keyword
from bridge.domain.customer_service_window import CustomerServiceWindow
from bridge.domain.decide import (
    AgentReplied,
    ClosedWindowPolicy,
    CustomerWrote,
    Decision,
    ReleaseHeld,
    Rules,
    SendText,
    decide,
)
from bridge.domain.window_timer import Turn, first_look_at, look
from templates_registry.model import Category, TemplateStatus
from templates_registry.sending_rules import Recipient, State, refusal_for

META_WINDOW = timedelta(hours=24)
WARN_BEFORE = timedelta(hours=2)
MARKETING = State("offers", "en_US", Category.MARKETING, TemplateStatus.APPROVED)
SERVICE = State("order_news", "en_US", Category.UTILITY, TemplateStatus.APPROVED)


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)
        self.rules = Rules(ClosedWindowPolicy.HOLD, timedelta(hours=72), WARN_BEFORE)
        # Ours
        self.window = CustomerServiceWindow(None)
        self.ledger: list[ConsentEntry] = []
        self.lane: list[tuple[str, bool]] = []
        """What is to be sent, in order, and whether it is held."""
        self.look_at: datetime | None = None
        self.is_unanswered = False
        self.warned_of: list[datetime] = []
        # Meta's
        self.last_wrote_at: datetime | None = None
        self.has_stopped = False
        self.in_order: list[str] = []
        self.count = 0

    # What Meta takes

    def meta_takes_free_text(self, text: str) -> None:
        assert self.last_wrote_at is not None, "131047"
        assert self.now - self.last_wrote_at < META_WINDOW, "131047"
        self.in_order.append(text)

    # What people do

    @rule(late=st.integers(0, 100_000), word=st.sampled_from(["hello", "STOP", "توقف", "start"]))
    def customer_writes(self, late: int, word: str) -> None:
        """`late`: seconds that the webhook took."""
        sent_at = self.now - timedelta(seconds=late)
        self.last_wrote_at = max(sent_at, self.last_wrote_at or sent_at)
        if (action := parse_keyword(word)) is not None:
            self.ledger.append(ConsentEntry(action, ConsentSource.KEYWORD, sent_at))
        before = self.window
        self.settle(decide(self.window, CustomerWrote(sent_at, opens_window=True), now=self.now, rules=self.rules))
        if self.window.last_inbound_at != before.last_inbound_at:
            self.is_unanswered = True
            self.look_at = self.look_at or first_look_at(self.window, warn_before=WARN_BEFORE)

    @rule()
    def agent_replies(self) -> None:
        self.count += 1
        self.settle(decide(self.window, AgentReplied(f"reply {self.count}"), now=self.now, rules=self.rules))
        self.is_unanswered = False

    def settle(self, decision: Decision) -> None:
        self.window = decision.window
        for effect in decision.effects:
            match effect:
                case SendText(text=text, held=held):
                    self.lane.append((text, held))
                case ReleaseHeld():
                    self.lane = [(text, False) for text, _ in self.lane]
                case _:
                    pass

    @rule()
    def lane_moves(self) -> None:
        """A reply leaves only into a window that is open when it leaves; else everything is held again."""
        if not self.lane or self.lane[0][1]:
            return
        if self.window.is_open(self.now):
            self.meta_takes_free_text(self.lane.pop(0)[0])
        else:
            self.lane = [(text, True) for text, _ in self.lane]

    @rule(seconds=st.sampled_from([1, 60, 3_600, 79_000, 86_000, 86_279, 86_281, 200_000]))
    def time_goes_by(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(stops=st.booleans())
    def customer_turns_the_switch_in_whatsapp(self, stops: bool) -> None:
        self.has_stopped = stops
        action = ConsentAction.OPT_OUT if stops else ConsentAction.OPT_IN
        self.ledger.append(ConsentEntry(action, ConsentSource.META, self.now))
        self.now += timedelta(seconds=1)

    @rule()
    def agent_puts_an_opt_out_on_record(self) -> None:
        self.ledger.append(ConsentEntry(ConsentAction.OPT_OUT, ConsentSource.AGENT, self.now))

    @rule(state=st.sampled_from([MARKETING, SERVICE]))
    def somebody_sends_a_template(self, state: State) -> None:
        recipient = Recipient("351910000111", consent_after(self.ledger))
        if refusal_for(state, recipient) is not None:
            assert state is MARKETING, "service messages stay possible"
            return
        if state is MARKETING and self.has_stopped:
            # Whoever agreed by a word of their own after the switch has not turned it back: Meta will refuse, once.
            assert self.ledger[-1].source is not ConsentSource.META, "131050"
            self.ledger.append(ConsentEntry(ConsentAction.OPT_OUT, ConsentSource.REFUSED, self.now))

    @rule()
    def windows_are_looked_at(self) -> None:
        if self.look_at is None or self.look_at > self.now:
            return
        found = look(self.window, is_unanswered=self.is_unanswered, now=self.now, warn_before=WARN_BEFORE)
        if found.turn is Turn.WARN:
            assert self.window.closes_at is not None
            self.warned_of.append(self.window.closes_at)
        self.look_at = found.next_at

    # What always holds

    @invariant()
    def replies_arrive_in_their_order_and_once(self) -> None:
        numbers = [int(text.removeprefix("reply ")) for text in [*self.in_order, *(text for text, _ in self.lane)]]
        assert numbers == sorted(set(numbers))

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.in_order) + len(self.lane) == self.count

    @invariant()
    def each_window_is_warned_of_once(self) -> None:
        assert len(self.warned_of) == len(set(self.warned_of))


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
