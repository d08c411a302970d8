"""What an operator sees: a line, and an exit code. Run as the installed command."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMANDS = [
    *(
        ["up"],
        ["serve"],
        ["worker"],
        ["scheduler"],
        ["sandbox"],
        ["migrate"],
        ["doctor"],
        ["reconcile"],
        ["events"],
        ["backup"],
        ["restore"],
    ),
    *(["events", name] for name in ("list", "show", "replay", "drop")),
    *([["connectors"], ["connectors", "list"], ["connectors", "verify"]]),
    *(["keys"], ["keys", "rotate"], ["events", "causes"], ["tokens"]),
    *(["tokens", name] for name in ("create", "list", "revoke")),
    *([["contacts"], ["contacts", "export"], ["contacts", "erase"]]),
]


@pytest.fixture
def deskbridge(tmp_path: Path) -> Run:
    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DESKBRIDGE_", "WHATSAPP_", "ZENDESK_", "FRESHDESK_", "HTTP_DESK_"))
        }
        return subprocess.run(
            [Path(sys.executable).with_name("deskbridge"), *arguments],
            cwd=tmp_path,
            env=own | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(deskbridge: Run, command: list[str]) -> None:
    done = deskbridge(*command, "--help")
    assert done.returncode == 0
    assert "Usage: deskbridge" in done.stdout


def test_it_knows_its_version(deskbridge: Run) -> None:
    assert deskbridge("--version").stdout.startswith("deskbridge 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["worker", "--count", "0"],
        ["events", "replay"],
        ["events", "replay", "--all", "--cause", "503"],
        ["events", "drop"],
        ["tokens", "create", "a/b"],
        ["tokens", "create", "eve", "--role", "owner"],
    ],
)
def test_wrong_usage_is_2(deskbridge: Run, arguments: list[str]) -> None:
    done = deskbridge(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [["up"], ["serve"], ["worker"], ["scheduler"], ["doctor"], ["migrate"], ["events", "list"]]
)
def test_a_mistake_in_the_environment_is_one_line_and_1(deskbridge: Run, command: list[str]) -> None:
    done = deskbridge(*command, DESKBRIDGE_PORT="canary")
    assert done.returncode == 1
    assert done.stderr == "deskbridge: DESKBRIDGE_PORT is not a number in its range: use a number from 1 to 65535\n"
    assert done.stdout == ""


def test_up_outside_the_sandbox_names_what_is_missing(deskbridge: Run) -> None:
    done = deskbridge("up", DESKBRIDGE_SANDBOX="off")
    assert done.returncode == 1
    assert done.stderr.startswith("deskbridge: WHATSAPP_PHONE_NUMBER_ID is missing")
    assert len(done.stderr.splitlines()) == 1


def test_a_role_alone_asks_for_an_account(deskbridge: Run) -> None:
    done = deskbridge("serve")
    assert done.returncode == 1
    assert "deskbridge up" in done.stderr


def test_dead_letters_of_a_new_database_are_none(deskbridge: Run) -> None:
    assert deskbridge("migrate").returncode == 0
    assert json.loads(deskbridge("events", "list", "--json").stdout) == []
    assert deskbridge("events", "list").stdout == "no events\n"


def test_a_database_that_does_not_answer_is_one_line(deskbridge: Run, tmp_path: Path) -> None:
    done = deskbridge("migrate", DESKBRIDGE_DATABASE_URL=f"sqlite:///{tmp_path}/missing/folder/db")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "DESKBRIDGE_DATABASE_URL" in done.stderr


def test_connectors_are_listed_and_one_that_is_unknown_or_not_configured_is_told_in_a_line(deskbridge: Run) -> None:
    listed = json.loads(deskbridge("connectors", "list", "--json").stdout)
    assert [one["name"] for one in listed] == ["freshdesk", "http", "zendesk"]
    assert "FRESHDESK_API_KEY" in listed[0]["variables"]
    for arguments, named in ((["nope"], "freshdesk, http, zendesk"), (["freshdesk"], "FRESHDESK_URL")):
        done = deskbridge("connectors", "verify", *arguments, DESKBRIDGE_SANDBOX="off")
        assert done.returncode == 1
        assert named in done.stderr
        assert done.stderr.count("\n") == 1


def test_account_that_does_not_answer_is_a_red_finding_for_each_promise(deskbridge: Run) -> None:
    account = {"FRESHDESK_URL": "http://127.0.0.1:9", "FRESHDESK_API_KEY": "canary", "DESKBRIDGE_SANDBOX": "off"}
    done = deskbridge("connectors", "verify", "freshdesk", "--json", **account)
    assert done.returncode == 1
    levels = {finding["check"]: finding["level"] for finding in json.loads(done.stdout)}
    assert levels["its credentials are accepted"] == "red"
    assert levels["its variables are described"] == "ok"
    assert "canary" not in done.stdout + done.stderr


def test_rotation_of_a_new_database_has_nothing_to_do(deskbridge: Run) -> None:
    assert deskbridge("migrate").returncode == 0
    told = deskbridge("keys", "rotate")
    assert (told.returncode, told.stderr) == (0, "")
    assert "there was nothing to do" in told.stdout
    as_json = json.loads(deskbridge("keys", "rotate", "--json").stdout)
    assert (as_json["before"], as_json["rewritten"], as_json["removable"]) == ({}, {}, [])
