"""What a set-up check can read from the sandbox's Cloud API."""

from tests.sandbox.world import APP_ID, NUMBER_ID, SECRET, TOKEN, WABA_ID, World, code_of


async def test_debug_token_tells_app_scopes_and_expiry(world: World) -> None:
    answer = await world.graph("GET", f"/debug_token?input_token={TOKEN}")
    data = answer.json()["data"]
    assert (data["app_id"], data["is_valid"], data["expires_at"]) == (APP_ID, True, 0)
    assert set(data["scopes"]) == {"whatsapp_business_management", "whatsapp_business_messaging"}
    assert not (await world.graph("GET", "/debug_token?input_token=wrong")).json()["data"]["is_valid"]
    await world.faults(token_expired=True)
    answer = await world.graph("GET", f"/debug_token?input_token={TOKEN}", token=f"{APP_ID}|{SECRET}")
    assert not answer.json()["data"]["is_valid"]


async def test_only_asked_fields_come_with_the_id(world: World) -> None:
    number = await world.graph("GET", f"/{NUMBER_ID}?fields=status,platform_type,throughput")
    assert number.json() == {
        "status": "CONNECTED",
        "platform_type": "CLOUD_API",
        "throughput": {"level": "STANDARD"},
        "id": NUMBER_ID,
    }
    account = await world.graph("GET", f"/{WABA_ID}?fields=account_review_status,currency")
    assert account.json() == {"account_review_status": "APPROVED", "currency": "EUR", "id": WABA_ID}
    assert code_of(await world.graph("GET", f"/{NUMBER_ID}?fields=shoe_size")) == 100


async def test_callback_in_force_is_readable_at_the_number(world: World) -> None:
    answer = await world.graph("GET", f"/{NUMBER_ID}?fields=webhook_configuration")
    assert answer.json()["webhook_configuration"] == {"application": world.product.url}


async def test_phone_numbers_of_the_account_are_a_page(world: World) -> None:
    answer = (await world.graph("GET", f"/{WABA_ID}/phone_numbers?fields=display_phone_number")).json()
    assert answer["data"] == [{"display_phone_number": "441632960123", "id": NUMBER_ID}]
    assert set(answer["paging"]["cursors"]) == {"before", "after"}


async def test_no_templates_yet(world: World) -> None:
    assert (await world.graph("GET", f"/{WABA_ID}/message_templates")).json() == {"data": []}


async def test_unknown_objects_and_paths_are_refused(world: World) -> None:
    assert code_of(await world.graph("GET", "/12345?fields=id")) == 100
    assert code_of(await world.graph("GET", f"/{NUMBER_ID}/nothing")) == 2500
