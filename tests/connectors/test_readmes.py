"""Does every connector say what it relies on, what it does, and what it leaves out and why?"""

import re
from pathlib import Path

import pytest

from connectors import registry

FOLDER = Path(registry.__file__).parent
COMMON = {
    "credentials checked cheaply",
    "one requester per customer, two at once, lost answer",
    "a ticket opens once per key",
    "a comment is written once per key",
    "authors told apart",
    "webhook verified, several secrets",
    "what webhooks missed",
    "limits shared and learnt",
    "attachments, both ways",
}
"""What a reader compares connectors by."""


@pytest.mark.parametrize("name", registry.built_in())
def test_readme_has_quirks_with_sources_and_a_checklist(name: str) -> None:
    text = (FOLDER / name / "README.md").read_text("utf-8")
    quirks = _rows(text, "Quirks")
    assert len(quirks) > 10
    assert all(len(row) == 3 and row[1] and row[2] for row in quirks), [row for row in quirks if len(row) != 3]
    checklist = _rows(text, "Checklist")
    assert {row[0] for row in checklist} >= COMMON
    assert {row[1] for row in checklist} <= {"done", "todo", "exempt"}
    for item, state, where_or_why in checklist:
        assert state == "todo" or where_or_why, f"{item} is {state} without saying where or why"
        for file in re.findall(r"`(\w+\.py)`", where_or_why):
            assert (FOLDER / name / file).exists(), file


def _rows(text: str, title: str) -> list[list[str]]:
    """The cells of each row of the table under a title."""
    part = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines[2:]]
