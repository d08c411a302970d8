"""Does any shape of JSON get through translation, and is a customer's message never lost on the way?"""

import json
import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.model import InboundMessage, StatusUpdate, SystemNotice, Unrecognised
from bridge.whatsapp.translate import translate_message, translate_status

RECEIVED_AT = datetime(2026, 11, 1, 10, 0, 5, tzinfo=UTC)
TYPES = re.findall(
    r"\w+",
    """
    text image video audio voice document sticker location contacts reaction interactive button order system
    unsupported unknown edit revoke hologram
    """,
)
MEMBERS = re.findall(
    r"\w+",
    """
    from from_user_id id timestamp type context referral errors text body image caption filename voice location
    latitude longitude name address url contacts phones phone emails org origin reaction emoji message_id
    interactive button_reply list_reply nfm_reply response_json title description button order product_items
    quantity item_price system wa_id user_id previous_user_id unsupported edit message original_message_id code
    error_data details profile username forwarded referred_product group_id status biz_opaque_callback_data
    recipient_type
    """,
)

texts = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=20),
    st.sampled_from(
        ["", "\ud83d", "\0", "1793527200", "9" * 25, "-1", "nan", "1e400", "[" * 30_000, '{"a":[{}]}', "²"]
    ),
    st.sampled_from([*TYPES, "button_reply", "nfm_reply", "list_reply", "group", "351910000111", "PT.3"]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(MEMBERS), texts), inner, max_size=6),
    ),
    max_leaves=25,
)
objects = st.dictionaries(st.sampled_from(MEMBERS), values, max_size=10)


def _is_storable(text: str | None) -> bool:
    return text is None or ("\0" not in text and text.encode("utf-8") is not None)


@given(contacts=values, message=values)
def test_any_json_as_message_is_translated_without_an_error(contacts: object, message: object) -> None:
    found = translate_message({"contacts": contacts, "message": message}, received_at=RECEIVED_AT)
    assert isinstance(found, InboundMessage | SystemNotice | Unrecognised)


@given(kind=st.sampled_from(TYPES), contacts=values, rest=objects, body=values)
def test_a_message_with_id_and_sender_is_never_lost(
    kind: str, contacts: object, rest: dict[str, object], body: object
) -> None:
    message = {**rest, kind: body, "id": "wamid.1", "from": "351910000111", "type": kind}
    message.pop("group_id", None)
    found = translate_message({"contacts": contacts, "message": message}, received_at=RECEIVED_AT)
    assert isinstance(found, SystemNotice if kind == "system" else InboundMessage)
    assert found.sender.wa_id == "351910000111"
    assert found.sent_at <= RECEIVED_AT + timedelta(days=1)
    assert _is_storable(found.sender.name)
    assert _is_storable(found.sender.bsuid)
    if isinstance(found, InboundMessage):
        assert found.text.strip()
        assert _is_storable(found.text)
        assert _is_storable(found.quoted)


@given(status=values, rest=objects)
def test_any_json_as_status_is_translated_without_an_error(status: object, rest: dict[str, object]) -> None:
    for item in ({"status": status}, {"status": rest}, {"status": {**rest, "id": "wamid.1", "status": "failed"}}):
        assert isinstance(translate_status(item, received_at=RECEIVED_AT), StatusUpdate | Unrecognised)


@given(body=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1))
def test_text_reaches_the_agent_as_the_customer_wrote_it(body: str) -> None:
    message = {"id": "wamid.1", "from_user_id": "PT.3", "type": "text", "text": {"body": body}}
    found = translate_message({"message": message}, received_at=RECEIVED_AT)
    assert isinstance(found, InboundMessage)
    assert found.text == (body if body.strip() else "[A message without content]")


def test_reprs_hold_nothing_personal() -> None:
    canary = "351910000111"
    message = {
        "id": f"wamid.{canary}",
        "from": canary,
        "from_user_id": f"PT.{canary}",
        "type": "text",
        "text": {"body": canary},
        "context": {"id": f"wamid.{canary}"},
    }
    item = {"contacts": [{"wa_id": canary, "profile": {"name": canary}}], "message": message}
    status = {"status": {"id": f"wamid.{canary}", "status": "failed", "errors": [{"code": 1, "details": canary}]}}
    found = (
        translate_message(item, received_at=RECEIVED_AT),
        translate_message({**item, "message": {**message, "type": canary}}, received_at=RECEIVED_AT),
        translate_message({"message": {"type": canary}}, received_at=RECEIVED_AT),
        translate_status(status, received_at=RECEIVED_AT),
        translate_status({"status": {"id": "wamid.1", "status": canary}}, received_at=RECEIVED_AT),
    )
    assert canary not in json.dumps([repr(one) for one in found])


def test_deeply_nested_form_answer_is_survived() -> None:
    message = {
        "id": "wamid.1",
        "from": "351910000111",
        "type": "interactive",
        "interactive": {"type": "nfm_reply", "nfm_reply": {"body": "Sent", "response_json": '{"a":' * 100_000}},
    }
    found = translate_message({"message": message}, received_at=RECEIVED_AT)
    assert isinstance(found, InboundMessage)
    assert found.text == "[Form]\nSent"
