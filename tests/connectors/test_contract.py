"""Does the contract suite pass what keeps it, and find each promise that is broken?"""

from collections.abc import AsyncIterator

import pytest

from connectors.contract import PROMISES, Trial, verify
from connectors.contract_tests import ConnectorContract
from connectors.freshdesk.definition import DEFINITION as FRESHDESK
from connectors.http.definition import DEFINITION as HTTP
from connectors.interface import FindingLevel, TicketId
from connectors.zendesk.definition import DEFINITION as ZENDESK
from tests.connectors.contract_examples import BROKEN, NOW, Example
from tests.connectors.freshdesk_desk import Desk as FreshdeskDesk
from tests.connectors.http_desk import Desk as HttpDesk
from tests.connectors.test_zendesk_against_sandbox import Desk as ZendeskDesk


def trial_of(example: Example, *, with_desk: bool = True) -> Trial:
    return Trial(example, example, example if with_desk else None, since=NOW)


class AtDesk:
    """Somebody at the simulated desk."""

    def __init__(self, desk: ZendeskDesk | FreshdeskDesk | HttpDesk) -> None:
        self._desk = desk

    async def reply(self, ticket_id: TicketId, text: str, *, public: bool) -> None:
        await self._desk.agent("POST", f"/tickets/{ticket_id}/comments", {"text": text, "public": public})

    async def solve(self, ticket_id: TicketId) -> None:
        await self._desk.agent("POST", f"/tickets/{ticket_id}", {"status": "solved"})

    async def delete(self, ticket_id: TicketId) -> None:
        await self._desk.agent("DELETE", f"/tickets/{ticket_id}")

    async def is_open(self, ticket_id: TicketId) -> bool:
        return (await self._desk.agent("GET", f"/tickets/{ticket_id}"))["status"] in {"new", "open"}

    async def lose_next_answer(self) -> None:
        self._desk.account.faults.update({"drop_answer": 1})


class TestExample(ConnectorContract):
    @pytest.fixture
    def trial(self) -> Trial:
        return trial_of(Example())


class TestZendesk(ConnectorContract):
    @pytest.fixture
    async def trial(self) -> AsyncIterator[Trial]:
        desk = ZendeskDesk()
        await desk.account.start()
        yield Trial(desk.connector, ZENDESK, AtDesk(desk))
        await desk.http.aclose()
        await desk.account.stop()


class TestFreshdesk(ConnectorContract):
    @pytest.fixture
    async def trial(self) -> AsyncIterator[Trial]:
        desk = FreshdeskDesk()
        await desk.account.start()
        yield Trial(desk.connector, FRESHDESK, AtDesk(desk))
        await desk.http.aclose()
        await desk.account.stop()


class TestHttp(ConnectorContract):
    """A system that answers questions, told by ids of its own."""

    @pytest.fixture
    async def trial(self) -> AsyncIterator[Trial]:
        desk = HttpDesk()
        await desk.account.start()
        yield Trial(desk.connector, HTTP, AtDesk(desk))
        assert await desk.warnings() == []
        await desk.http.aclose()
        await desk.account.stop()


class TestHttpThatOnlyListens(ConnectorContract):
    """A system that answers nothing but "Accepted": every name is ours, and nothing can be read."""

    @pytest.fixture
    async def trial(self) -> AsyncIterator[Trial]:
        desk = HttpDesk()
        desk.account.faults.update({"answers": "word", "answers_questions": False})
        await desk.account.start()
        yield Trial(desk.connect(HTTP_DESK_ASKS="off"), HTTP, AtDesk(desk))
        assert await desk.warnings() == []
        await desk.http.aclose()
        await desk.account.stop()


def test_every_promise_is_a_test_of_its_own() -> None:
    assert len([name for name in vars(ConnectorContract) if name.startswith("test_")]) == len(PROMISES)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
async def test_broken_connector_is_found_and_told(broken: type[Example]) -> None:
    findings = {finding.check: finding for finding in await verify(trial_of(broken()))}
    found = findings[BROKEN[broken]]
    assert found.level is FindingLevel.RED
    assert len(found.message) > 30
    assert len(findings) == len(PROMISES)


async def test_whole_connector_is_green_and_what_needs_a_desk_is_said_to_be_untried() -> None:
    assert {f.level for f in await verify(trial_of(Example()))} == {FindingLevel.OK}
    alone = await verify(trial_of(Example(), with_desk=False))
    assert [f.message for f in alone if f.level is FindingLevel.WARNING] == [
        "not tried: it needs somebody at the helpdesk's desk"
    ] * 4


async def test_helpdesk_that_refuses_is_a_finding_and_stops_nothing() -> None:
    desk = FreshdeskDesk()
    await desk.account.start()
    desk.account.faults.update({"token_revoked": True})
    findings = {f.check: f for f in await verify(Trial(desk.connector, FRESHDESK))}
    assert findings["its credentials are accepted"].level is FindingLevel.RED
    assert findings["its variables are described"].level is FindingLevel.OK
    await desk.http.aclose()
    await desk.account.stop()
