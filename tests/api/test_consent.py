"""The ledger of consent over the API: who may read it, who may add to it, and what counts."""

from datetime import datetime, timedelta

from tests.api.world import BSUID, NUMBER, World


async def test_consent_is_recorded_exported_and_the_latest_word_counts(world: World) -> None:
    path = f"/api/v1/contacts/{world.ids['contact']}/consent"
    assert (await world.agent.get(path)).json()["consent"] == "not_asked"

    given = await world.agent.post(path, json={"action": "opt_in", "detail": "web form, 3 May"})
    assert given.status_code == 201
    assert given.json()["consent"] == "given"
    [line] = given.json()["lines"]
    assert (line["source"], line["detail"], line["wa_id"], line["bsuid"]) == (
        "administrator",
        "web form, 3 May",
        NUMBER,
        BSUID,
    )
    earlier = (datetime.fromisoformat(line["at"]) - timedelta(days=1)).isoformat()
    late = await world.agent.post(path, json={"action": "opt_out", "detail": "an older letter", "at": earlier})
    assert late.json()["consent"] == "given"
    assert (await world.agent.post(path, json={"action": "opt_out", "detail": "phone"})).json()[
        "consent"
    ] == "withdrawn"

    page = (await world.agent.get("/api/v1/consent", params={"limit": 2})).json()
    rest = (await world.agent.get("/api/v1/consent", params={"cursor": page["next_cursor"]})).json()
    assert [one["detail"] for one in [*page["items"], *rest["items"]]] == [
        "phone",
        "an older letter",
        "web form, 3 May",
    ]


async def test_reader_sees_that_and_not_who_nor_how(world: World) -> None:
    path = f"/api/v1/contacts/{world.ids['contact']}/consent"
    await world.agent.post(path, json={"action": "opt_out", "detail": "phone"})
    [line] = (await world.reader.get("/api/v1/consent")).json()["items"]
    assert (line["action"], line["wa_id"], line["bsuid"], line["detail"]) == ("opt_out", None, None, None)
    assert (await world.reader.post(path, json={"action": "opt_in", "detail": "phone"})).status_code == 403


async def test_wish_that_makes_no_sense_is_refused_and_nothing_is_kept(world: World) -> None:
    path = f"/api/v1/contacts/{world.ids['contact']}/consent"
    for wish in (
        {"action": "opt_in"},
        {"action": "perhaps", "detail": "phone"},
        {"action": "opt_in", "detail": ""},
        {"action": "opt_in", "detail": "phone", "at": "2199-01-01T00:00:00Z"},
        {"action": "opt_in", "detail": "phone", "at": "2026-01-01T00:00:00"},
    ):
        assert (await world.agent.post(path, json=wish)).status_code == 422
    nobody = path.replace(world.ids["contact"], "01JD0000000000000000000000")
    assert (await world.agent.post(nobody, json={"action": "opt_in", "detail": "phone"})).status_code == 404
    assert (await world.agent.get("/api/v1/consent")).json()["items"] == []
