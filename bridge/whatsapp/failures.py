"""What does a refusal of the Cloud API mean for a message, and what do we tell the agent?

One table, by Meta's code (fact sheet WhatsApp 6); texts of Meta are shown, never interpreted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bridge.domain.model import DeliveryFailure
from bridge.domain.text import flatten, preview
from connectors.errors import NeedsOperator, OutcomeUnknown, Permanent, RateLimited, RemoteFailure, RetryLater

UNREADABLE = -1
"""Stands for the code where Meta gave none."""

_DETAILS_LENGTH = 300


class FailureKind(StrEnum):
    """What is to be done about it."""

    RETRY_LATER = "retry_later"
    RATE_LIMITED = "rate_limited"
    PERMANENT = "permanent"
    WINDOW_CLOSED = "window_closed"
    NEEDS_OPERATOR = "needs_operator"
    OUTCOME_UNKNOWN = "outcome_unknown"


class LimitScope(StrEnum):
    """Whose limit it is: one customer's, our number's, or that of the app and its business account."""

    PAIR = "pair"
    THROUGHPUT = "throughput"
    ACCOUNT = "account"


class WindowClosedByMeta(Permanent):
    """131047: the customer service window is closed, whatever our own clock says. Nothing was delivered."""


class Seen(StrEnum):
    """Whether the customer saw anything of the message, in a sentence for the agent."""

    NOTHING = "The customer has not received it."
    PERHAPS = "The customer may or may not have received it."
    NO_MESSAGE = ""
    """It is not about a message of ours."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One row: what happened (`explanation`), what the agent does (`advice`) and what an administrator does (`admin`),
    a sentence or two each. `scope` and `after_seconds` are set for `RATE_LIMITED`.

    `shows_details`: Meta's own words add something for the reader.
    """

    kind: FailureKind
    explanation: str
    advice: str
    admin: str
    seen: Seen = Seen.NOTHING
    scope: LimitScope | None = None
    after_seconds: float | None = None
    shows_details: bool = False


_ASK_ADMIN = "Nothing is lost: it goes out once an administrator has mended the connection. They have been told."
_OTHER_WAY = "Reach the customer in another way (phone, e-mail)."
_WAIT = "Nothing to do: it is sent as soon as WhatsApp takes it."
_REPORT = "Please tell an administrator, with this note; sending it again will not help."
_NEW_TEMPLATE = "Choose another template, or ask an administrator to mend this one."
_NOT_YOURS = "Nothing to do for you: this is a matter of the set-up, for an administrator."

_NOTHING_TO_MEND = "Nothing to mend: this concerns this customer or this message alone."
_PASSES = "Nothing to do: it passes by itself. If it lasts for hours, look at Meta's status page."
_REPORT_MISTAKE = "This is a mistake of deskbridge: report it with the code and the version (deskbridge --version)."
_MEND_TEMPLATE = "Compare the template in WhatsApp Manager > Message templates with how it is used, and mend either."
_READ_QUALITY = "Open WhatsApp Manager > Account Quality, read the reason and ask for a review."
_OTHER_FEATURE = "This belongs to a part of WhatsApp that deskbridge does not use: find out what else uses the account."


def _operator(explanation: str, admin: str) -> Failure:
    return Failure(FailureKind.NEEDS_OPERATOR, explanation, _ASK_ADMIN, admin)


def _permanent(
    explanation: str,
    advice: str,
    admin: str = _NOTHING_TO_MEND,
    *,
    shows_details: bool = False,
    seen: Seen = Seen.NOTHING,
) -> Failure:
    return Failure(FailureKind.PERMANENT, explanation, advice, admin, seen, shows_details=shows_details)


def _later(explanation: str, admin: str = _PASSES) -> Failure:
    return Failure(FailureKind.RETRY_LATER, explanation, _WAIT, admin)


def _limited(explanation: str, admin: str, scope: LimitScope, *, after_seconds: float) -> Failure:
    return Failure(FailureKind.RATE_LIMITED, explanation, _WAIT, admin, scope=scope, after_seconds=after_seconds)


def _set_up(explanation: str, admin: str) -> Failure:
    """Of calls that set something up: never the verdict on a message."""
    return Failure(FailureKind.PERMANENT, explanation, _NOT_YOURS, admin, Seen.NO_MESSAGE, shows_details=True)


_TOKEN = _operator(
    "WhatsApp does not accept our access token any more.",
    "Make a new system-user token in Meta Business Settings and set WHATSAPP_ACCESS_TOKEN.",
)
_PERMISSION = _operator(
    "Our WhatsApp app lacks a permission.",
    "Give the system user the scopes whatsapp_business_messaging and whatsapp_business_management, and full control "
    "of the WhatsApp account, in Meta Business Settings.",
)
_RESTRICTED = _operator("Meta has restricted our WhatsApp account.", _READ_QUALITY)
_NUMBER = _operator(
    "Our WhatsApp number is not registered.",
    "Register the number again in WhatsApp Manager (or POST /{phone number id}/register) and run deskbridge doctor.",
)
_TOO_MANY_CALLS = _limited(
    "WhatsApp asks us to slow down: too many calls of this account.",
    "Nothing to do: deskbridge waits and goes on. If it lasts, find out what else calls with this app.",
    LimitScope.ACCOUNT,
    after_seconds=60,
)
_META_TROUBLE = _later("WhatsApp has trouble on its side at the moment.")
_OUR_MISTAKE = _permanent("WhatsApp rejected the message as malformed.", _REPORT, _REPORT_MISTAKE, shows_details=True)
_WRONG_VALUES = _permanent("The values do not fit the template.", _NEW_TEMPLATE, _MEND_TEMPLATE, shows_details=True)
_MARKETING_ONLY = _permanent(
    "This belongs to Meta's marketing interface, which is not used here.", _REPORT, _OTHER_FEATURE
)
_GROUPS = _permanent("This belongs to WhatsApp groups, which are not used here.", _REPORT, _OTHER_FEATURE)
_CALLS = _permanent("This belongs to WhatsApp calls, which are not used here.", _REPORT, _OTHER_FEATURE)
_USERNAME = _set_up("WhatsApp did not take the user name for our number.", "Choose another one in WhatsApp Manager.")
_HISTORY = _set_up(
    "WhatsApp did not hand over the earlier messages of the WhatsApp Business app.",
    "Ask for them within 24 hours of connecting the number, and confirm it on the phone.",
)
_TEMPLATE_TEXT = _set_up(
    "WhatsApp did not take the template as it is written.",
    "Mend what Meta names (lengths, variables and their examples), and submit it again.",
)
_UNLISTED = _permanent(
    "WhatsApp did not deliver the message.",
    _OTHER_WAY,
    "This version does not know the code: look it up in Meta's list of WhatsApp error codes.",
    shows_details=True,
)
_UNKNOWN_OUTCOME = Failure(
    FailureKind.OUTCOME_UNKNOWN,
    "WhatsApp gave no clear answer: the message may have arrived, or not.",
    "Ask the customer, or have it sent again with /wa resend; it may then arrive twice.",
    "If this happens often, look at the network and the proxy between deskbridge and WhatsApp.",
    Seen.PERHAPS,
)
_WRONG_ADDRESS = _operator(
    "What answers at WhatsApp's address is not WhatsApp.",
    "Check WHATSAPP_API_URL, WHATSAPP_API_VERSION and any proxy in between.",
)

FAILURES: dict[int, Failure] = {
    # Section 6.1, authorisation and integrity
    0: _TOKEN,
    190: _TOKEN,
    3: _PERMISSION,
    10: _PERMISSION,
    **dict.fromkeys(range(200, 300), _PERMISSION),
    131005: _PERMISSION,
    368: _RESTRICTED,
    131031: _RESTRICTED,
    130497: _permanent(
        "Our account may not write to customers in this country.",
        _OTHER_WAY,
        "See in WhatsApp's business policy which countries are open to your kind of business.",
    ),
    33: _operator(
        "Our WhatsApp number does not exist any more.", "Check WHATSAPP_PHONE_NUMBER_ID in WhatsApp Manager."
    ),
    # Section 6.2, throttling
    4: _TOO_MANY_CALLS,
    17: _TOO_MANY_CALLS,
    32: _TOO_MANY_CALLS,
    613: _TOO_MANY_CALLS,
    80007: _TOO_MANY_CALLS,
    80008: _TOO_MANY_CALLS,
    130429: _limited(
        "WhatsApp asks our number to slow down.",
        "Nothing to do: deskbridge waits and goes on. If it lasts, find out what else sends with this number.",
        LimitScope.THROUGHPUT,
        after_seconds=1,
    ),
    131056: _limited(
        "WhatsApp allows only so many messages in a row to one customer.",
        "Nothing to do: deskbridge sends the rest at the pace that WhatsApp allows.",
        LimitScope.PAIR,
        after_seconds=4,
    ),
    # No throttling but a penalty of hours or days: to try again would make it worse.
    131048: _permanent(
        "Our number is limited for now, because customers have blocked or reported it.",
        "Reach the customer in another way; an administrator finds the state of the number in WhatsApp Manager.",
        _READ_QUALITY,
    ),
    131064: _permanent(
        "Meta limits our sending, because templates were filed under a wrong category.",
        "Reach the customer in another way; an administrator finds the reason in WhatsApp Manager.",
        "Put the templates that Meta names under their right category, then ask for a review in WhatsApp Manager.",
    ),
    133016: _operator("The number was registered too often.", "Wait 72 hours before the number is registered again."),
    # Section 6.3, cannot be delivered
    131026: _permanent(
        "This customer cannot receive it: the number is not on WhatsApp, the app is too old, or Meta's terms were "
        "not accepted.",
        _OTHER_WAY,
    ),
    131047: Failure(
        FailureKind.WINDOW_CLOSED,
        "The customer's last message is more than 24 hours old, so WhatsApp takes no free text.",
        "Wait until the customer writes, send an approved template, or reach them in another way.",
        "Nothing to mend. If it happens often, see that the clock of the server is right.",
    ),
    131049: _permanent(
        "Meta withheld this marketing message to protect the customer from too many.",
        "Try in a day or more, or reach the customer in another way.",
        "Nothing to mend: Meta limits how many marketing messages a person gets, from all businesses together.",
    ),
    131050: _permanent(
        "The customer does not want marketing messages.",
        "Do not send them; a plain reply is allowed.",
        "Nothing to mend: the customer's wish is on record, and marketing messages to them are stopped from now on.",
    ),
    130472: _permanent("Meta did not deliver it: the number is part of one of its experiments.", _OTHER_WAY),
    130403: _permanent(
        "This customer is blocked by our number.",
        "Unblock the customer first, in WhatsApp Manager.",
        "Take the customer off the list of blocked users, if they should be written to.",
    ),
    131021: _permanent("The customer's number is our own number.", "Reach the customer in another way."),
    131030: _permanent(
        "The number is a test number, and the customer is not on its list of recipients.",
        "An administrator can add the customer to the list, in the app's dashboard.",
        "Add the customer to the test number's list (app dashboard, WhatsApp > API setup), or use a real number.",
    ),
    131037: _operator(
        "The set-up of our WhatsApp number is not complete.",
        "Have the display name approved, in WhatsApp Manager > Phone numbers.",
    ),
    131042: _operator(
        "There is a billing problem with our WhatsApp account; Meta sends nothing.",
        "Add or renew the payment method in Meta Business Settings > Billing.",
    ),
    131045: _NUMBER,
    133010: _NUMBER,
    131051: _permanent("WhatsApp does not know this type of message.", _REPORT, _REPORT_MISTAKE),
    131052: _permanent(
        "WhatsApp could not fetch a file.",
        "Ask for the file in another way, or for a smaller one.",
        seen=Seen.NO_MESSAGE,
    ),
    131053: _permanent(
        "WhatsApp does not take this file: its type, size or address.", "Send another file type or a smaller one."
    ),
    131060: _permanent(
        "The message can be seen only in the WhatsApp Business app.", "Look there.", seen=Seen.NO_MESSAGE
    ),
    131062: _permanent(
        "This kind of message needs the customer's phone number, which WhatsApp hides.", "Ask the customer for it."
    ),
    131063: _permanent(
        "Marketing templates are switched off for our account.",
        "Choose another template.",
        "Switch marketing templates on for the Cloud API, in WhatsApp Manager, if you want to send them.",
    ),
    137000: _permanent(
        "The customer's WhatsApp identity has changed (a new phone, or somebody else).",
        "Make sure in another way who it is, before anything personal is sent.",
    ),
    131058: _permanent("The template hello_world works from test numbers only.", _NEW_TEMPLATE),
    # Section 6.4, request and server
    100: _OUR_MISTAKE,
    131008: _OUR_MISTAKE,
    131009: _OUR_MISTAKE,
    135000: _OUR_MISTAKE,
    1: _META_TROUBLE,
    2: _META_TROUBLE,
    131000: _META_TROUBLE,
    131016: _META_TROUBLE,
    131057: _later("WhatsApp is upgrading our account; this takes about a minute."),
    133004: _META_TROUBLE,
    # Section 6.5, templates and flows
    132000: _WRONG_VALUES,
    132001: _permanent(
        "The template does not exist in this language, or is not approved.", _NEW_TEMPLATE, _MEND_TEMPLATE
    ),
    132005: _permanent("The values make the template too long.", "Shorten the values.", _MEND_TEMPLATE),
    132007: _permanent("The template is against WhatsApp's policy.", _NEW_TEMPLATE, _MEND_TEMPLATE),
    132008: _WRONG_VALUES,
    132012: _WRONG_VALUES,
    132015: _permanent(
        "WhatsApp has paused this template for low quality.",
        "Choose another one, or try later.",
        "Send it less, or to people who expect it; WhatsApp Manager says when it may be used again.",
    ),
    132016: _permanent(
        "WhatsApp has switched this template off for good.",
        _NEW_TEMPLATE,
        "Make a new template with another text, and take this one out of use.",
    ),
    132018: _permanent(
        "The values do not fit the template.",
        "Take line breaks, tabs and runs of spaces out of the values.",
        _MEND_TEMPLATE,
    ),
    132068: _permanent("The form in this message is blocked.", _NEW_TEMPLATE, _MEND_TEMPLATE),
    132069: _permanent("The form in this message was sent too often in this hour.", "Try again in an hour."),
    **dict.fromkeys((2388040, 2388047, 2388072, 2388073, 2388293, 2388299), _TEMPLATE_TEXT),
    2388019: _set_up(
        "The account has as many templates as it may have.",
        "Delete templates that nobody uses, or have the business verified.",
    ),
    2388039: _set_up(
        "The template may not be changed at present.",
        "Wait: an approved template can be changed once in 24 hours and ten times in 30 days.",
    ),
    131059: _set_up("WhatsApp's list of templates changed while it was read.", _PASSES),
    131055: _MARKETING_ONLY,
    134100: _MARKETING_ONLY,
    134101: _MARKETING_ONLY,
    134102: _MARKETING_ONLY,
    # Section 6.6, registration, block list and the rest
    133000: _set_up("An earlier deregistration of the number did not end.", "Deregister the number once more."),
    133005: _set_up("The PIN of the number is wrong.", "Use the right PIN, or set a new one in WhatsApp Manager."),
    133006: _set_up(
        "The number is not verified yet.", "Verify it by SMS or call in WhatsApp Manager, then register it."
    ),
    133008: _set_up("The PIN was wrong too often.", "Wait as long as Meta says, then use the right PIN."),
    133009: _set_up("The PIN was entered too fast.", "Wait a minute, then enter it again."),
    133015: _set_up("The number was deleted a moment ago.", "Wait five minutes before you register it again."),
    134011: _set_up("WhatsApp's terms for payments are not accepted.", "Accept them in WhatsApp Manager."),
    **dict.fromkeys(
        (139100, 139101, 139102, 139103),
        _set_up(
            "WhatsApp did not change the list of blocked users, or not all of it.",
            "Look at the list in WhatsApp Manager and try again; it holds 64,000 entries at most.",
        ),
    ),
    139200: _permanent(
        "Our account may not send messages without a template outside the 24 hours any more.",
        _NEW_TEMPLATE,
        "Meta has taken Direct Send from this account: use templates.",
    ),
    **dict.fromkeys(range(147001, 147006), _USERNAME),
    **dict.fromkeys(range(138000, 138025), _CALLS),
    131020: _GROUPS,
    131041: _GROUPS,
    **dict.fromkeys(range(131201, 131216), _GROUPS),
    **dict.fromkeys(range(2593107, 2593110), _HISTORY),
}


_GATEWAY_STATUSES = frozenset((502, 504))
_WITHOUT_CODE: dict[int, Failure] = {
    401: _TOKEN,
    403: _WRONG_ADDRESS,
    404: _WRONG_ADDRESS,
    405: _WRONG_ADDRESS,
    407: _WRONG_ADDRESS,
    408: _UNKNOWN_OUTCOME,
    429: _TOO_MANY_CALLS,
}


def failure_of(code: int | None, *, http_status: int | None) -> Failure:
    """The row for a refused send. `http_status` None: the code came by a status webhook, so it is a verdict.

    An unlisted code is permanent. Without a verdict of Meta's own (a gateway's 502 or 504, a 5xx without a listed
    code) the message may have gone out.
    """
    if http_status in _GATEWAY_STATUSES:
        return _UNKNOWN_OUTCOME
    if code is not None and code in FAILURES:
        return FAILURES[code]
    if http_status is not None and http_status >= 500:
        return _UNKNOWN_OUTCOME
    if code is None and http_status is not None:
        return _WITHOUT_CODE.get(http_status, _WRONG_ADDRESS if http_status < 400 else _UNLISTED)
    return _UNLISTED


def kind_of(code: int | None, *, http_status: int | None) -> FailureKind:
    return failure_of(code, http_status=http_status).kind


def explain(code: int | None, details: str | None = None) -> DeliveryFailure:
    """Plain words for the agent. Meta's `details` are added where they say more than our own text does."""
    failure = failure_of(code, http_status=None)
    shown = preview(details, _DETAILS_LENGTH) if failure.shows_details and details and flatten(details) else ""
    return DeliveryFailure(
        code=UNREADABLE if code is None else code,
        explanation=failure.explanation,
        advice=failure.advice,
        customer_saw=failure.seen.value,
        details=shown,
    )


def rows() -> Iterator[tuple[str, Failure]]:
    """The whole table for people, by code (`200-299` for a run of codes that mean the same), the nameless ones last."""
    codes = sorted(FAILURES)
    first = 0
    for place, code in enumerate(codes):
        after = codes[place + 1] if place + 1 < len(codes) else None
        if after == code + 1 and FAILURES[after] is FAILURES[code]:
            continue
        yield (str(code) if codes[first] == code else f"{codes[first]}-{code}"), FAILURES[code]
        first = place + 1
    yield "no answer", _UNKNOWN_OUTCOME
    yield "not WhatsApp", _WRONG_ADDRESS
    yield "any other", _UNLISTED


def sentences() -> set[str]:
    """Everything in the table that an agent may be told, for the catalogues."""
    return {
        sentence
        for _, failure in rows()
        for sentence in (failure.explanation, failure.advice, failure.admin, failure.seen.value)
        if sentence
    }


def error_for_send(code: int | None, *, http_status: int, after_seconds: float | None = None) -> RemoteFailure:
    """The exception for a refused send. `after_seconds` is what a `Retry-After` asked for."""
    failure = failure_of(code, http_status=http_status)
    name = str(code) if code is not None else f"http_{http_status}"
    match failure.kind:
        case FailureKind.RETRY_LATER:
            return RetryLater(name, after_seconds=after_seconds)
        case FailureKind.RATE_LIMITED:
            return _rate_limited(failure, after_seconds=after_seconds)
        case FailureKind.PERMANENT:
            return Permanent(name)
        case FailureKind.WINDOW_CLOSED:
            return WindowClosedByMeta(name)
        case FailureKind.NEEDS_OPERATOR:
            return NeedsOperator(name, action=failure.admin)
        case FailureKind.OUTCOME_UNKNOWN:
            return OutcomeUnknown(name)


def error_for_read(code: int | None, *, http_status: int, after_seconds: float | None = None) -> RemoteFailure:
    """The same for a call that is harmless to repeat: nothing is ambiguous about it."""
    failure = failure_of(code, http_status=http_status)
    if failure.kind is FailureKind.OUTCOME_UNKNOWN:
        return RetryLater(f"http_{http_status}", after_seconds=after_seconds)
    return error_for_send(code, http_status=http_status, after_seconds=after_seconds)


def _rate_limited(failure: Failure, *, after_seconds: float | None) -> RateLimited:
    assert failure.scope is not None
    assert failure.after_seconds is not None
    # What they ask for, and never less than what the table holds to be decent.
    return RateLimited(failure.scope.value, after_seconds=max(after_seconds or 0.0, failure.after_seconds))
