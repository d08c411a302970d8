"""What can be made to go wrong at WhatsApp, and which way each unconfirmed vendor behaviour goes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PREFIX = "whatsapp."


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: its value when nobody touched it (its type is that of all values), and one line for people."""

    default: Any
    help: str


SWITCHES: dict[str, Switch] = {
    # outages and lies
    "down": Switch(False, "Every Cloud API call answers 503, code 2."),
    "slow_seconds": Switch(0.0, "Every Cloud API call waits this long before it is even looked at."),
    "drop_answer": Switch(0, "The next N sends are taken and delivered, then the connection is cut without an answer."),
    "refuse_connection_after_read": Switch(0, "The next N sends are read, NOT taken, and the connection is cut."),
    "token_expired": Switch(False, "Every Cloud API call answers 401, code 190."),
    "billing": Switch(False, "Sends are accepted, then fail with 131042 (payment issue)."),
    "fail_next": Switch({}, '{"code", "where": "sync" or "status", "count"}: the next sends fail with that code.'),
    # webhooks
    "redeliver": Switch(0, "Every webhook arrives N extra times."),
    "reorder": Switch(False, "Webhooks are held for a random moment, so that they arrive in another order."),
    "lose_statuses": Switch(0, "The next N statuses are never sent."),
    "hold_statuses": Switch(False, "Statuses are kept back until this is switched off, then sent."),
    "status_delay_milliseconds": Switch(0, "How long a status takes after the send was accepted."),
    "read_skips_delivered": Switch(False, "A message that is read at once gets no delivered status."),
    "batch_milliseconds": Switch(0, "Collect updates this long and send up to 1000 of them in one webhook."),
    "batch_shuffle": Switch(False, "Shuffle the updates inside a batch."),
    "batch_overlap": Switch(0, "Each batch repeats the last N updates of the one before."),
    "webhook_timeout_seconds": Switch(
        10.0, "How long a webhook may take to be answered (unconfirmed: Meta does not say)."
    ),
    # files of customers
    "media_gone_next": Switch(0, "The next N look-ups of a file answer that there is none with that id."),
    "media_download_fails_next": Switch(0, "The next N downloads answer 404, as with an address that is too old."),
    "media_cut_next": Switch(0, "The next N downloads are cut off in the middle."),
    "media_never_ends": Switch(False, "Downloads never end."),
    "media_slow_seconds": Switch(0.0, "Every download waits this long before it begins."),
    "media_size_lie_bytes": Switch(0, "A file is said to be this many bytes longer than it is."),
    "media_size_as_text": Switch(False, "file_size is a text, as one description of the API has it."),
    "media_wants_user_agent": Switch(True, "Downloads without a User-Agent of their own are refused (unconfirmed)."),
    "omit_media_url": Switch(False, "Webhooks of files carry no url, as before November 2025."),
    "coexistence": Switch(False, "The number lives in the WhatsApp Business app too: edits and deletions are told."),
    # limits
    "throughput_per_second": Switch(
        80, "Messages a second and number, both directions, before 130429; 80: as its level says; 0 is no limit."
    ),
    "inbound_counts": Switch(True, "Messages of customers count towards the throughput of the number."),
    "pair_limit": Switch(True, "One message per 6 s and customer; a burst of up to 45 within 6 s borrows (131056)."),
    "messaging_limit": Switch(True, "The messaging limit of the portfolio is enforced."),
    "messaging_limit_code": Switch(131048, "The code for one person too many (unconfirmed; 131064 is the other)."),
    "messaging_limit_sync": Switch(
        False, "One person too many is refused at once instead of by a status (unconfirmed)."
    ),
    "marketing_per_day": Switch(40, "Marketing templates a person gets in 24 hours before 131049; 0 is no limit."),
    "management_calls_per_hour": Switch(5000, "Calls an hour that manage an account before 80007; 0 is no limit."),
    "usage_headers": Switch(True, "Answers tell how much of the call limits is used."),
    "free_tier_messages": Switch(1000, "Free service messages per number and month; later ones are `regular`."),
    "free_tier_enforced": Switch(
        False, "Without a payment method: past the free tier, sends fail with 131042 (unconfirmed)."
    ),
    # behaviours that the documentation leaves open
    "window_error_sync": Switch(False, "131047 comes as the answer (400) instead of a failed status (unconfirmed)."),
    "reaction_opens_window": Switch(False, "A customer's reaction opens the 24-hour window (unconfirmed)."),
    "unsupported_opens_window": Switch(False, "An unsupported message opens the 24-hour window (unconfirmed)."),
    "typing_needs_window": Switch(False, "Typing indicators are refused outside the window (unconfirmed)."),
    "status_before_answer": Switch(False, "Statuses arrive before the send call is answered (unconfirmed)."),
    "type_defaults_to_text": Switch(False, "A send without `type` is a text (unconfirmed)."),
    "count_code_points": Switch(False, "Lengths count code points instead of UTF-16 units (unconfirmed)."),
    "empty_emoji_refused": Switch(False, 'A reaction with emoji "" is refused instead of removed (unconfirmed).'),
    "first_name_needed": Switch(True, "A shared contact needs a name part besides formatted_name (unconfirmed)."),
    "contacts_limit": Switch(5, "Contacts in one message: 5 in one source, 257 in another."),
    "media_type_at_upload": Switch(
        True, "A MIME type that WhatsApp does not take is refused at the upload; off: the message fails (unconfirmed)."
    ),
    "unknown_id_code_33": Switch(False, "An unknown phone number id answers code 33 instead of code 100, subcode 33."),
    "retries_keep_signature": Switch(
        False, "A retried webhook keeps its first signature after the secret changed (unconfirmed)."
    ),
    "omit_profile": Switch(False, "Contacts in webhooks come without `profile`."),
    "username_at_sign": Switch(False, "Usernames come with a leading @."),
    "timestamp_milliseconds": Switch(False, "Timestamps of inbound messages come in milliseconds (seen in the wild)."),
    "bsuid_in_from": Switch(False, "A hidden number's BSUID comes in `from` and `wa_id` too (seen in the wild)."),
    "number_spelt_otherwise": Switch(
        False,
        "Webhooks spell a number the other way: Brazil's ninth digit, Mexico's 1, Argentina's 9.",
    ),
    "parent_ids": Switch(False, "Webhooks bear parent BSUIDs beside the BSUIDs (managed businesses only)."),
    "previous_user_id": Switch(True, "A change of number names the BSUID of before (since August 2026)."),
    "omit_context_from": Switch(False, "A quote's context has no `from` (unconfirmed)."),
    # templates
    "review_seconds": Switch(3.0, "How long Meta reviews a template, by the sandbox's clock."),
    "review_by_hand": Switch(False, "Templates stay in review until the control API judges them."),
    "template_limit": Switch(250, "Templates an account may have; 6000 for a verified portfolio."),
    "template_creations_per_hour": Switch(100, "Templates an account may create in an hour, before 80008."),
    "template_page_limit": Switch(100, "Most templates on one page of the listing (unconfirmed)."),
    "characters_per_variable": Switch(
        10.0, "Characters besides variables that a template needs for each variable, before 2388293 (unconfirmed)."
    ),
    "digits_in_variable_names": Switch(False, "Named variables may have digits (unconfirmed)."),
    "coupon_code_length": Switch(15, "Longest code of a copy-code button: 15 in older texts, 20 in newer ones."),
    "empty_value_code": Switch(131008, "The code for an empty value of a template's variable (unconfirmed)."),
    "unclean_value_code": Switch(
        132018, "The code for line breaks in a template's value: some report 132000, 132012 or 100."
    ),
    "hold_for_quality_assessment": Switch(
        False, "Template sends are held until the control API releases or drops them."
    ),
    "hyphen_in_template_language": Switch(True, "Template webhooks spell the language en-US instead of en_US."),
    "quality_event_as_status_field": Switch(
        False, "Quality events come under the field message_template_status_update, as one page of Meta's shows."
    ),
    "lose_template_events": Switch(False, "No webhook tells of templates."),
    "marketing_switched_off": Switch(False, "Marketing templates are refused with 131063."),
    "old_conversation_object": Switch(False, "Statuses carry a conversation object, as up to v23."),
}


class WhatsAppFaults:
    """The switches' current values. Numbers that mean "the next N" count down as they are used."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {name: switch.default for name, switch in SWITCHES.items()}
        self.on_change: list[Callable[[], None]] = []

    def on(self, name: str) -> bool:
        """Is this yes-or-no switch on."""
        return self._values[name] is True

    def number(self, name: str) -> float:
        """The value of a switch that is a number."""
        return float(self._values[name])

    def take(self, name: str) -> bool:
        """Use one of "the next N"; False when none is left."""
        if self._values[name] < 1:
            return False
        self._values[name] -= 1
        return True

    def take_failure(self, where: str) -> int | None:
        """The code with which this send is to fail at `where` (sync or status), or None."""
        planned = self._values["fail_next"]
        if not planned or planned["where"] != where:
            return None
        left = planned["count"] - 1
        self._values["fail_next"] = {**planned, "count": left} if left > 0 else {}
        return int(planned["code"])

    def describe(self) -> dict[str, dict[str, Any]]:
        """Every switch by its dotted key: `{"value", "default", "help"}`."""
        return {
            PREFIX + name: {"value": self._values[name], "default": switch.default, "help": switch.help}
            for name, switch in SWITCHES.items()
        }

    def update(self, values: dict[str, Any]) -> None:
        """Merge dotted keys; None puts a switch back. Raises ValueError, changing nothing, for a bad key or value."""
        merged = {key.removeprefix(PREFIX): _checked(key, value) for key, value in values.items()}
        self._values.update(merged)
        for tell in self.on_change:
            tell()

    def dump(self) -> dict[str, Any]:
        """The values that differ from their defaults."""
        return {PREFIX + name: value for name, value in self._values.items() if value != SWITCHES[name].default}

    def reset(self) -> None:
        """Every switch to its default."""
        self.update({PREFIX + name: None for name in SWITCHES})


def _checked(key: str, value: Any) -> Any:
    switch = SWITCHES.get(key.removeprefix(PREFIX))
    if switch is None or not key.startswith(PREFIX):
        raise ValueError(f"there is no switch {key}")
    if value is None:
        return switch.default
    if key == PREFIX + "fail_next":
        return _failure(value)
    if isinstance(switch.default, bool) != isinstance(value, bool):
        raise ValueError(f"{key} must be {'true or false' if isinstance(switch.default, bool) else 'a number'}")
    if isinstance(value, bool):
        return value
    if not isinstance(value, int | float) or value < 0 or (isinstance(switch.default, int) and value != int(value)):
        raise ValueError(
            f"{key} must be {'a whole number' if isinstance(switch.default, int) else 'a number'} from 0 on"
        )
    return type(switch.default)(value)


def _failure(value: Any) -> dict[str, Any]:
    if value is False or value == {}:
        return {}
    if not isinstance(value, dict) or not isinstance(value.get("code"), int):
        raise ValueError('whatsapp.fail_next must be {"code": number, "where": "sync" or "status", "count": number}')
    where, count = value.get("where", "sync"), value.get("count", 1)
    if where not in ("sync", "status") or not isinstance(count, int) or count < 1:
        raise ValueError('whatsapp.fail_next: "where" is sync or status, "count" at least 1')
    return {"code": value["code"], "where": where, "count": count}
