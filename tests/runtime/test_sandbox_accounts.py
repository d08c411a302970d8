"""Does the sandbox show the desk that the bridge works on?"""

import json
from pathlib import Path

import pytest

from bridge.runtime import sandbox_accounts
from bridge.runtime.settings import load_settings
from tests.sandbox import world as far_side
from tests.sandbox.world import sandbox_world


@pytest.mark.parametrize("before", [(), ("zendesk",), ("freshdesk",), ("http",)])
@pytest.mark.parametrize("helpdesk", ["zendesk", "freshdesk", "http"])
async def test_the_helpdesk_that_is_configured_is_the_one_that_is_shown(
    tmp_path: Path, helpdesk: str, before: tuple[str, ...]
) -> None:
    accounts = sandbox_accounts.made_once(tmp_path)
    async with sandbox_world(far_side.Product()) as world:
        for name in (*before, helpdesk):
            await world.control("/setup", accounts.setup_request(public_url="http://127.0.0.1:1", helpdesk=name))
        assert (await world.look("/state"))["helpdesks"][0] == helpdesk


def test_a_data_dir_of_a_version_that_played_fewer_helpdesks_is_completed(tmp_path: Path) -> None:
    made = sandbox_accounts.made_once(tmp_path)
    path = sandbox_accounts.folder(tmp_path) / "credentials.json"
    kept = json.loads(path.read_text())
    del kept["helpdesks"]["http"]
    path.write_text(json.dumps(kept))

    completed = sandbox_accounts.made_once(tmp_path)
    assert completed.helpdesks["zendesk"] == made.helpdesks["zendesk"]
    assert completed.helpdesks["http"] != made.helpdesks["http"]
    assert completed == sandbox_accounts.made_once(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_commands_look_where_up_listens_unless_they_are_told_otherwise(tmp_path: Path) -> None:
    environ = {"DESKBRIDGE_DATA_DIR": str(tmp_path)}
    assert sandbox_accounts.environment_beside_up(environ) == environ
    sandbox_accounts.remember_own_address(tmp_path, "http://127.0.0.1:9123")
    found = sandbox_accounts.environment_beside_up(environ)
    assert load_settings(found, accounts=False).public_url == "http://127.0.0.1:9123"
    told = {**environ, "DESKBRIDGE_PORT": "9200"}
    assert sandbox_accounts.environment_beside_up(told) == told
