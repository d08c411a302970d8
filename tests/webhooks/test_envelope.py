"""One item per event, whatever the body looks like."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.inbox_item import InboxItem, InboxKind
from tests.webhooks.edge import NUMBER_ID, WABA, contact, entry, envelope, message, messages_change, status
from webhooks.envelope import NotJson, refused, split
from webhooks.signatures import VerifiedBody

MESSAGE, STATUS, CHANGE = InboxKind.MESSAGE, InboxKind.STATUS, InboxKind.CHANGE


def items_of(body: bytes) -> list[InboxItem]:
    return split(VerifiedBody(body))


def told(item: InboxItem) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(item.body)
    return body


def kinds_of(*messages: Any) -> list[InboxKind]:
    return [item.kind for item in items_of(envelope(entry(messages_change(messages=list(messages)))))]


def template_change(**changes: Any) -> dict[str, Any]:
    value = {"event": "REJECTED", "message_template_id": 2500000000000042, "reason": "INVALID_FORMAT"} | changes
    return {"field": "message_template_status_update", "value": value}


def test_message_becomes_one_item_with_its_envelope_and_contact() -> None:
    [item] = items_of(envelope(entry(messages_change(contacts=[contact()], messages=[message()]))))
    assert item == InboxItem(
        kind=MESSAGE,
        channel=NUMBER_ID,
        event_key=f"message:{NUMBER_ID}:wamid.IN1",
        shard_key="PT.30991122334455667788",
        body=item.body,
        position=0,
        source="whatsapp",
    )
    assert told(item) == {
        "entry_id": WABA,
        "field": "messages",
        "metadata": {"display_phone_number": "441632960123", "phone_number_id": NUMBER_ID},
        "contacts": [contact()],
        "message": message(),
    }


def test_status_becomes_one_item_keyed_by_message_and_status() -> None:
    [item] = items_of(envelope(entry(messages_change(contacts=[contact()], statuses=[status()]))))
    assert (item.kind, item.channel) == (STATUS, NUMBER_ID)
    assert item.event_key == f"status:{NUMBER_ID}:wamid.OUT1:delivered:"
    assert item.shard_key == "PT.30991122334455667788"
    assert told(item)["status"] == status()
    assert told(item)["contacts"] == [contact()]


def test_statuses_of_one_message_and_of_each_participant_are_told_apart() -> None:
    statuses = [
        status(status="sent"),
        status(status="read"),
        status(status="read", recipient_participant_id="351910000222"),
        status(status="read", recipient_participant_id="351910000333", recipient_participant_user_id="PT.3"),
    ]
    keys = [item.event_key for item in items_of(envelope(entry(messages_change(statuses=statuses))))]
    assert keys == [
        f"status:{NUMBER_ID}:wamid.OUT1:sent:",
        f"status:{NUMBER_ID}:wamid.OUT1:read:",
        f"status:{NUMBER_ID}:wamid.OUT1:read:351910000222",
        f"status:{NUMBER_ID}:wamid.OUT1:read:PT.3",
    ]


@pytest.mark.parametrize(
    ("changes", "shard_key"),
    [
        ({"biz_opaque_callback_data": "db1:7:01JD0W"}, "db1:7:01JD0W"),
        ({"biz_opaque_callback_data": "of another app"}, "PT.30991122334455667788"),
        ({"recipient_user_id": None}, "351910000111"),
        ({"recipient_user_id": None, "recipient_id": None}, WABA),
        ({"recipient_user_id": None, "recipient_id": None, "biz_opaque_callback_data": "db1:7:x"}, "db1:7:x"),
    ],
)
def test_status_is_sharded_by_our_own_key_before_its_recipient(changes: dict[str, Any], shard_key: str) -> None:
    [item] = items_of(envelope(entry(messages_change(statuses=[status(**changes)]))))
    assert (item.kind, item.shard_key) == (STATUS, shard_key)


@pytest.mark.parametrize(
    ("changes", "shard_key"),
    [({"from_user_id": None}, "351910000111"), ({"from": None}, "PT.30991122334455667788"), ({"from": 5}, "PT.")],
)
def test_message_is_sharded_by_whatever_id_its_sender_has(changes: dict[str, Any], shard_key: str) -> None:
    [item] = items_of(envelope(entry(messages_change(messages=[message(**changes)]))))
    assert item.kind is MESSAGE
    assert item.shard_key.startswith(shard_key)


def test_message_without_a_sender_is_still_a_message() -> None:
    sender: dict[str, Any] = {"from": None, "from_user_id": None}
    [item] = items_of(envelope(entry(messages_change(messages=[message(**sender)]))))
    assert (item.kind, item.shard_key) == (MESSAGE, WABA)


def test_each_item_of_a_batch_holds_its_own_contact_alone() -> None:
    contacts = [contact(wa_id=f"35191{number:07}", user_id=f"PT.{number}") for number in range(500)]
    messages = [message(number, **{"from": f"35191{number:07}", "from_user_id": None}) for number in range(500)]
    items = items_of(envelope(entry(messages_change(contacts=contacts, messages=messages))))
    assert [told(item)["contacts"] for item in items] == [[one] for one in contacts]


def test_contact_spelled_otherwise_belongs_to_the_only_message_but_never_to_one_of_two() -> None:
    other = contact(wa_id="5491123456789", user_id=None)
    sender: dict[str, Any] = {"from": "541123456789", "from_user_id": None}
    alone = message(**sender)
    [item] = items_of(envelope(entry(messages_change(contacts=[other], messages=[alone]))))
    assert told(item)["contacts"] == [other]
    items = items_of(envelope(entry(messages_change(contacts=[other], messages=[alone, message(2)]))))
    assert [told(item)["contacts"] for item in items] == [[], []]


def test_bsuid_inside_from_still_finds_its_contact() -> None:
    sender: dict[str, Any] = {"from": "PT.30991122334455667788", "from_user_id": None}
    hidden = message(**sender)
    [item, _] = items_of(envelope(entry(messages_change(contacts=[contact()], messages=[hidden, message(2)]))))
    assert told(item)["contacts"] == [contact()]


def test_accounts_and_numbers_mix_in_one_body_and_positions_count_through() -> None:
    items = items_of(
        envelope(
            entry(
                messages_change(messages=[message(1)], statuses=[status(1), status(2)]),
                messages_change(number_id="2", messages=[message(1)]),
            ),
            entry(template_change(), waba="222", time=1793613600),
            entry(messages_change(number_id="3", statuses=[status(1)]), waba="333"),
        )
    )
    assert [(item.kind, item.channel, told(item)["entry_id"]) for item in items] == [
        (MESSAGE, NUMBER_ID, WABA),
        (STATUS, NUMBER_ID, WABA),
        (STATUS, NUMBER_ID, WABA),
        (MESSAGE, "2", WABA),
        (CHANGE, "", "222"),
        (STATUS, "3", "333"),
    ]
    assert [item.position for item in items] == list(range(6))
    assert len({item.event_key for item in items}) == 6


def test_template_event_is_keyed_by_account_field_object_event_and_time() -> None:
    [item] = items_of(envelope(entry(template_change(), time=1793613600)))
    assert item.event_key == f"change:{WABA}:message_template_status_update:2500000000000042:REJECTED:1793613600"
    assert (item.shard_key, told(item)["time"]) == (WABA, 1793613600)
    [as_text] = items_of(envelope(entry(template_change(message_template_id="2500000000000042"), time=1793613600)))
    assert as_text.event_key == item.event_key
    [later] = items_of(envelope(entry(template_change(), time=1793613601)))
    assert later.event_key != item.event_key


def test_account_events_that_name_no_object_differ_by_what_they_hold() -> None:
    def tier(region: str) -> dict[str, Any]:
        value = {"event": "VOLUME_BASED_PRICING_TIER_UPDATE", "volume_tier_info": {"region": region}}
        return {"field": "account_update", "value": value}

    body = envelope(entry(tier("BR"), tier("IN"), time=1793613600))
    first, second = items_of(body)
    assert first.event_key != second.event_key
    assert [item.event_key for item in items_of(body)] == [first.event_key, second.event_key]


def test_hash_key_ignores_the_order_of_members_and_heeds_account_and_time() -> None:
    def key(body: str) -> str | None:
        [item] = items_of(body.encode())
        return item.event_key

    one = '{"entry":[{"id":"1","time":5,"changes":[{"field":"x","value":{"a":1,"b":2}}]}]}'
    assert key(one) == key(one.replace('"a":1,"b":2', '"b":2,"a":1'))
    assert len({key(one), key(one.replace('"1"', '"2"')), key(one.replace("5", "6")), key(one.replace("x", "y"))}) == 4


@pytest.mark.parametrize("name", ["user_preferences", "smb_message_echoes", "calls", "history", "never heard of"])
def test_other_field_is_one_item_per_change(name: str) -> None:
    value = messages_change()["value"] | {"things": [{"id": 1}, {"id": 2}], "statuses": [status()]}
    [item] = items_of(envelope(entry({"field": name, "value": value})))
    assert (item.kind, item.channel, item.shard_key) == (CHANGE, NUMBER_ID, WABA)
    assert told(item)["field"] == name
    assert told(item)["value"] == value


def test_errors_without_a_message_and_unknown_arrays_are_kept_beside_it() -> None:
    change = messages_change(messages=[message()], errors=[{"code": 130429}, {"code": 0}], reactions=[{"id": "r"}])
    items = items_of(envelope(entry(change)))
    assert [item.kind for item in items] == [MESSAGE, CHANGE, CHANGE, CHANGE]
    assert [told(item)["value"] for item in items[1:]] == [
        {"errors": [{"code": 130429}]},
        {"errors": [{"code": 0}]},
        {"reactions": [{"id": "r"}]},
    ]


def test_entry_with_arrays_other_than_changes_keeps_them() -> None:
    items = items_of(envelope(entry(messages_change(messages=[message()]), standby=[{"id": "s"}])))
    assert [item.kind for item in items] == [MESSAGE, CHANGE]
    assert told(items[1])["value"] == {"standby": [{"id": "s"}]}


@pytest.mark.parametrize(
    "broken", [None, 5, "text", [], {}, {"id": None}, {"id": ""}, {"id": 7}, {"id": ["wamid.X"]}, True]
)
def test_one_broken_event_among_a_thousand_is_kept_and_its_neighbours_go_on(broken: object) -> None:
    messages: list[object] = [message(number) for number in range(1000)]
    messages[500] = broken
    items = items_of(envelope(entry(messages_change(messages=messages))))
    assert [item.kind for item in items] == [MESSAGE] * 500 + [CHANGE] + [MESSAGE] * 499
    assert told(items[500])["value"] == {"messages": [broken]}
    assert (items[500].channel, items[500].position) == (NUMBER_ID, 500)


@pytest.mark.parametrize("broken", [None, 5, [], {}, {"id": "wamid.X"}, {"id": "wamid.X", "status": 3}])
def test_broken_status_is_kept_as_a_change(broken: object) -> None:
    items = items_of(envelope(entry(messages_change(statuses=[broken, status()]))))
    assert [item.kind for item in items] == [CHANGE, STATUS]
    assert told(items[0])["value"] == {"statuses": [broken]}


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (None, 1),
        (7, 1),
        ([], 1),
        ({}, 1),
        ({"field": None, "value": {}}, 1),
        ({"field": "messages"}, 1),
        ({"field": "messages", "value": None}, 1),
        ({"field": "messages", "value": []}, 1),
        ({"field": "messages", "value": {}}, 1),
        (messages_change(), 1),
        (messages_change(messages=[]), 1),
        (messages_change(messages=None, statuses=None), 1),
        (messages_change(messages={"id": "wamid.X"}, statuses=5), 2),
    ],
)
def test_change_of_a_wrong_shape_is_kept_and_the_next_one_goes_on(change: object, count: int) -> None:
    items = items_of(envelope(entry(change, messages_change(messages=[message()]))))
    assert [item.kind for item in items] == [CHANGE] * count + [MESSAGE]


@pytest.mark.parametrize("broken", [None, 7, "text", [], {}, {"id": WABA}, {"id": WABA, "changes": None}])
def test_entry_of_a_wrong_shape_is_kept_and_the_next_one_goes_on(broken: object) -> None:
    items = items_of(envelope(broken, entry(messages_change(messages=[message()]))))
    assert [item.kind for item in items] == [CHANGE, MESSAGE]
    assert told(items[0])["value"] == broken


@pytest.mark.parametrize(
    "value", [{"metadata": None}, {"metadata": 5}, {"metadata": {"phone_number_id": None}}, {"metadata": []}]
)
def test_message_without_usable_metadata_has_no_channel(value: dict[str, Any]) -> None:
    change = {"field": "messages", "value": {"messages": [message()]} | value}
    [item] = items_of(envelope(entry(change)))
    assert (item.kind, item.channel, item.event_key) == (MESSAGE, "", "message::wamid.IN1")


def test_channel_that_a_database_could_not_hold_is_left_out() -> None:
    items = items_of(envelope(entry(messages_change(number_id="99\x00", messages=[message()]))))
    assert [item.channel for item in items] == [""]


@pytest.mark.parametrize("document", [None, 5, "text", [], [{"entry": []}], {}, {"entry": None}, {"entry": {}}])
def test_json_without_entries_is_kept_as_one_change(document: object) -> None:
    [item] = items_of(json.dumps(document).encode())
    assert item.kind is CHANGE
    assert told(item)["value"] == document


def test_no_entry_is_no_item() -> None:
    assert items_of(envelope()) == []


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"{", b'{"entry":[}', b'{"a":1}x', b"\xff\xfe", b"[" * 200_000, b'"abc', b'"a\\']
)
def test_bytes_that_are_no_json_are_told_so(body: bytes) -> None:
    with pytest.raises(NotJson):
        items_of(body)


def test_refused_body_is_kept_to_the_byte_and_its_repeats_share_a_key() -> None:
    first, again, other = (refused(VerifiedBody(body)) for body in (b"\xff{", b"\xff{", b"\xff["))
    assert (first.kind, first.body) == (InboxKind.REFUSED, b"\xff{")
    assert first.event_key == again.event_key != other.event_key


def test_lone_surrogate_becomes_a_replacement_character_and_pairs_stay_whole() -> None:
    body = envelope(entry(messages_change(messages=[message(text={"body": "a\ud800b 😀"}), message(2)])))
    items = items_of(body)
    assert [item.kind for item in items] == [MESSAGE, MESSAGE]
    assert told(items[0])["message"]["text"] == {"body": "a\ufffdb 😀"}
    assert told(items[1])["message"] == message(2)


def test_lone_surrogate_in_an_id_gives_a_key_that_can_be_encoded() -> None:
    [item] = items_of(envelope(entry(messages_change(messages=[message(id="wamid.\udfff")]))))
    assert (item.event_key or "").encode().endswith(b"wamid.\xef\xbf\xbd")


def test_nul_and_a_text_of_65536_characters_survive() -> None:
    text = "\x00" + "é😀" * 32_768
    [item] = items_of(envelope(entry(messages_change(messages=[message(text={"body": text})]))))
    assert told(item)["message"]["text"]["body"] == text


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (b"NaN", "NaN"),
        (b"-Infinity", "-Infinity"),
        (b"1e999", "1e999"),
        (b"-1e999", "-1e999"),
        (b"9" * 5000, None),
        (b"1" + b"0" * 400 + b".5", None),
        (b"9007199254740993", 9007199254740993),
    ],
)
def test_absurd_number_is_kept_and_its_neighbours_go_on(number: bytes, kept: object) -> None:
    whole = envelope(entry(messages_change(messages=[message(order="NUMBER"), message(2)])))
    items = items_of(whole.replace(b'"NUMBER"', number))
    assert [item.kind for item in items] == [MESSAGE, MESSAGE]
    assert told(items[0])["message"]["order"] == (number.decode() if kept is None else kept)


@pytest.mark.parametrize("depth", [150, 190, 247, 250, 300, 1_000, 1_100, 100_000])
def test_great_depth_is_kept_as_text_where_it_cannot_be_written_and_its_neighbours_go_on(depth: int) -> None:
    bomb = b"[" * depth + b'"]\\""' + b"]" * depth
    whole = envelope(entry(messages_change(messages=[message(order="BOMB"), message(2)])))
    items = items_of(whole.replace(b'"BOMB"', bomb))
    assert [item.kind for item in items] == [MESSAGE, MESSAGE]
    found, unpacked = told(items[0])["message"]["order"], 0
    while isinstance(found, list):
        [found] = found
        unpacked += 1
    inner = (
        json.loads(bomb[unpacked : len(bomb) - unpacked]) if unpacked == depth else bomb[unpacked:-unpacked].decode()
    )
    assert found == inner


@pytest.mark.parametrize("depth", [200, 201, 254, 255, 260, 300])
def test_deep_json_without_entries_is_kept(depth: int) -> None:
    [item] = items_of(b"[" * depth + b"]" * depth)
    assert item.kind is CHANGE
    assert told(item)["value"]


def test_items_keep_personal_data_out_of_their_repr() -> None:
    [item] = items_of(envelope(entry(messages_change(contacts=[contact()], messages=[message()]))))
    assert not any(secret in repr(item) for secret in ("351910000111", "PT.3099", "wamid", "Ines", "encomenda"))


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
ids = st.text(min_size=1, max_size=5) | st.sampled_from(["wamid.A", "wamid.B"])
good_messages = st.builds(lambda one, more: {"m": more, "id": one, "from": "1"}, ids, any_json)
good_statuses = st.builds(lambda one, more: {"m": more, "id": one, "status": "read"}, ids, any_json)
shapeless = any_json.filter(lambda found: not isinstance(found, dict))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, list[InboxKind]]:
    """An envelope and the kinds of what it holds, in order."""
    entries: list[object] = []
    kinds: list[InboxKind] = []
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            entries.append(draw(shapeless))
            kinds.append(CHANGE)
            continue
        changes: list[object] = []
        for _ in range(draw(st.integers(0, 3))):
            shape = draw(st.sampled_from(["messages", "other", "broken"]))
            if shape == "broken":
                changes.append(draw(shapeless))
                kinds.append(CHANGE)
            elif shape == "other":
                changes.append({"field": draw(st.text(max_size=4)), "value": draw(any_json)})
                kinds.append(CHANGE)
            else:
                messages = draw(st.lists(good_messages | shapeless, max_size=4))
                statuses = draw(st.lists(good_statuses | shapeless, max_size=4))
                arrays = {"messages": messages, "statuses": statuses, "contacts": draw(any_json)}
                changes.append({"field": "messages", "value": arrays | {"metadata": draw(any_json)}})
                found = [MESSAGE if isinstance(one, dict) else CHANGE for one in messages]
                found += [STATUS if isinstance(one, dict) else CHANGE for one in statuses]
                kinds += found or [CHANGE]
        entries.append({"id": draw(any_json), "time": draw(any_json), "changes": changes})
    return json.dumps({"entry": entries}).encode(), kinds


@given(bodies())
@settings(max_examples=200, deadline=None)
def test_every_envelope_gives_exactly_its_items_and_each_can_be_read_and_stored(
    given_body: tuple[bytes, list[InboxKind]],
) -> None:
    body, kinds = given_body
    items = items_of(body)
    assert [item.kind for item in items] == kinds
    for position, item in enumerate(items):
        assert item.position == position
        assert {"entry_id", "field", "metadata", "contacts"} < told(item).keys()
        assert len({"message", "status", "value"} & told(item).keys()) == 1
        assert item.event_key
        assert item.event_key.encode()
        assert item.shard_key.encode() is not None
        assert "\x00" not in item.channel
    assert [item.event_key for item in items_of(body)] == [item.event_key for item in items]


@given(any_json)
@settings(max_examples=200, deadline=None)
def test_any_json_at_all_is_split_without_an_error(document: object) -> None:
    for item in items_of(json.dumps(document).encode()):
        assert told(item)


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_split_or_told_to_be_no_json(body: bytes) -> None:
    try:
        items = items_of(body)
    except NotJson:
        assert refused(VerifiedBody(body)).body == body
    else:
        assert all(told(item) for item in items)
