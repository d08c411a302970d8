"""Does the sandbox show the desk that the bridge works on?"""

from pathlib import Path

import pytest

from bridge.runtime import sandbox_accounts
from tests.sandbox import world as far_side
from tests.sandbox.world import sandbox_world


@pytest.mark.parametrize("before", [(), ("zendesk",), ("freshdesk",)])
@pytest.mark.parametrize("helpdesk", ["zendesk", "freshdesk"])
async def test_the_helpdesk_that_is_configured_is_the_one_that_is_shown(
    tmp_path: Path, helpdesk: str, before: tuple[str, ...]
) -> None:
    accounts = sandbox_accounts.made_once(tmp_path)
    async with sandbox_world(far_side.Product()) as world:
        for name in (*before, helpdesk):
            await world.control("/setup", accounts.setup_request(public_url="http://127.0.0.1:1", helpdesk=name))
        assert (await world.look("/state"))["helpdesks"][0] == helpdesk
