"""Does every switch that plays an open question stand on the page of open questions?"""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.crm.faults import SWITCHES as CRM
from sandbox.faults import Switch
from sandbox.freshdesk.faults import SWITCHES as FRESHDESK
from sandbox.zendesk.faults import SWITCHES as ZENDESK

PAGE = (Path(__file__).parents[2] / "docs" / "unconfirmed.md").read_text("utf-8")
PLAYED = {"zendesk": ZENDESK, "freshdesk": FRESHDESK, "http": CRM}


@pytest.mark.parametrize("helpdesk", PLAYED)
def test_every_open_question_of_a_helpdesk_has_a_row_and_every_row_names_switches_that_exist(helpdesk: str) -> None:
    switches: Mapping[str, Switch] = PLAYED[helpdesk]
    open_questions = {name for name, switch in switches.items() if "unconfirmed" in switch.help.lower()}
    named = set(re.findall(rf"`{helpdesk}\.([a-z0-9_]+)`", PAGE))
    assert named >= open_questions, sorted(open_questions - named)
    assert switches.keys() >= named, sorted(named - switches.keys())
