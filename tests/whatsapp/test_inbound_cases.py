"""What becomes of each item from Meta? One folder a case: `body.json` in, `expected.json` out, no Python needed.

`pytest tests/whatsapp --update-cases` rewrites what is expected.
"""

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.domain.model import InboundMessage
from bridge.whatsapp.translate import translate_call, translate_echo, translate_message, translate_status

CASES = Path(__file__).parents[1] / "cases" / "whatsapp" / "inbound"
TRANSLATIONS = {"status": translate_status, "call": translate_call, "echo": translate_echo}
FOLDERS = sorted(folder for folder in CASES.iterdir() if folder.is_dir())
ONLY_WHERE_SET = {"parent_bsuid", "told_number", "new_parent_bsuid", "previous_parent_bsuid"}
"""What few messages have is in the cases of those alone."""
RECEIVED_AT = datetime(2026, 11, 1, 10, 0, 5, tzinfo=UTC)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return {name: value for name, value in pairs if value or name not in ONLY_WHERE_SET}


def _told(body: dict[str, object]) -> dict[str, object]:
    translate = next((TRANSLATIONS[member] for member in TRANSLATIONS if member in body), translate_message)
    found = translate(body, received_at=RECEIVED_AT)
    values = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in dataclasses.asdict(found, dict_factory=_members).items()
    }
    if isinstance(found, InboundMessage):
        values["text"] = found.text.split("\n")
        values["media"] = list(values["media"])
        # Only what a case is about.
        for name, usual in {
            "about": None,
            "says": None,
            "media": [],
            "origin": None,
            "is_understood": True,
            "is_echo": False,
        }.items():
            if values[name] == usual:
                del values[name]
    return {"is": type(found).__name__, **values}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_item_is_translated_as_its_case_expects(folder: Path, request: pytest.FixtureRequest) -> None:
    # ASCII escapes keep lone surrogates in the files, which UTF-8 could not hold.
    told = _told(json.loads((folder / "body.json").read_text("ascii")))
    expected = folder / "expected.json"
    if request.config.getoption("--update-cases"):
        expected.write_text(json.dumps(told, indent=1) + "\n", "ascii")
    assert told == json.loads(expected.read_text("ascii"))


def test_every_case_folder_is_complete_and_named_after_event_and_variant() -> None:
    assert FOLDERS
    for folder in FOLDERS:
        assert "__" in folder.name
        # What the agent reads of it: `tests/flow/test_every_message.py`.
        assert {file.name for file in folder.iterdir()} - {"agent.txt"} == {"body.json", "expected.json"}
