"""Templates over the API: what there is, what lint says, and what is on record."""

from typing import Any

from bridge.runtime import template_sync
from bridge.runtime.services import Moment
from bridge.whatsapp.template_api import Listing
from templates_registry.wire import read_template
from tests.api.world import World
from tests.template_examples import EXAMPLES, body


async def keep(world: World, *names: str) -> dict[str, str]:
    """Templates of these examples, as a listing tells them; their ids by name."""
    wanted = [example for example in EXAMPLES if example.name in names]
    nodes = [read_template({"id": str(n), "status": "APPROVED", **one.body()}) for n, one in enumerate(wanted, 1)]
    channel = (await world.reader.get("/api/v1/channels")).json()["items"][0]
    moment = Moment.take(world.store.clock)
    listing = Listing([node for node in nodes if node is not None], 0, 250)
    world.store.database.write_now(
        lambda connection: template_sync.take_listing(
            connection,
            world.store.vault,
            listing,
            waba_id=channel["waba_id"],
            moment=moment,
            asked_at=moment.business,
        )
    )
    items: list[dict[str, Any]] = (await world.reader.get("/api/v1/templates")).json()["items"]
    return {item["name"]: item["id"] for item in items}


async def test_list_is_paged_and_one_is_shown_whole(world: World) -> None:
    ids = await keep(world, "numbered_two", "named_two", "plain_body")
    first = (await world.reader.get("/api/v1/templates", params={"limit": 2})).json()
    last = (await world.reader.get("/api/v1/templates", params={"cursor": first["next_cursor"]})).json()
    assert {item["name"] for item in [*first["items"], *last["items"]]} == set(ids)
    whole = (await world.reader.get(f"/api/v1/templates/{ids['numbered_two']}")).json()
    assert [slot["key"] for slot in whole["slots"]] == ["1", "2"]
    assert whole["preview"] == "Hello Ines, there is news about your order 48211 at our shop."
    assert [version["number"] for version in whole["versions"]] == [1]
    assert (await world.reader.get("/api/v1/templates/01KAGX00000000000000000000")).status_code == 404


async def test_lint_tells_rule_place_mend_and_preview(world: World) -> None:
    await keep(world, "plain_body")
    wrong = {
        "name": "x",
        "language": "en_US",
        "category": "UTILITY",
        "components": [body("{{1}}, here is what you wanted.", "a")],
    }
    answer = (await world.reader.post("/api/v1/templates/lint", json=wrong)).json()
    assert answer["passes"] is False
    assert {"variable-at-edge"} <= {finding["rule"] for finding in answer["findings"]}
    assert answer["parts"]["body"] == "a, here is what you wanted."
    strange = (await world.reader.post("/api/v1/templates/lint", json={"nmae": "x"})).json()
    assert "did you mean 'name'?" in " ".join(strange["unreadable"])


async def test_only_an_administrator_changes_templates_and_without_an_account_it_says_so(world: World) -> None:
    ids = await keep(world, "plain_body")
    good = next(example for example in EXAMPLES if example.name == "numbered_two").body()
    assert (await world.agent.post("/api/v1/templates", json=good)).status_code == 403
    refused = await world.admin.post("/api/v1/templates", json=good)
    assert (refused.status_code, "WHATSAPP" in refused.json()["detail"]) == (409, True)
    assert (await world.reader.delete(f"/api/v1/templates/{ids['plain_body']}")).status_code == 403


async def test_mapping_is_kept_and_on_record(world: World) -> None:
    ids = await keep(world, "numbered_two")
    path = f"/api/v1/templates/{ids['numbered_two']}"
    answer = await world.admin.put(f"{path}/mapping", json={"fields": {"1": "first_name", "2": "ticket"}})
    assert answer.status_code == 200
    assert (await world.reader.get(path)).json()["mapping"] == {"1": "first_name", "2": "ticket"}
    bad = await world.admin.put(f"{path}/mapping", json={"fields": {"1": "shoe_size"}})
    assert bad.status_code == 422
    deeds = (await world.admin.get("/api/v1/audit")).json()["items"]
    assert deeds[0]["action"] == "template.map"


async def test_age_and_error_of_the_sync_and_an_empty_usage_are_shown(world: World) -> None:
    await keep(world, "plain_body")
    state = (await world.reader.get("/api/v1/templates/sync")).json()
    assert (state["failures"], state["listed"], state["quota"]) == (0, 1, 250)
    usage = (await world.reader.get("/api/v1/templates/usage")).json()
    assert usage == {"items": [], "concerns": [], "next_cursor": None}
