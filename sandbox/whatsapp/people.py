"""Who is on WhatsApp in the sandbox, and what was said: accounts, customers and messages as they are kept."""

import secrets
import string
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Account:
    """A business phone number with its WhatsApp Business Account and app, as `POST /sandbox/api/setup` names them."""

    app_id: str
    app_secret: str
    waba_id: str
    phone_number_id: str
    display_phone_number: str
    access_token: str
    verified_name: str = "Deskbridge Sandbox"
    override_callback_uri: str = ""
    free_month: str = ""
    free_used: int = 0
    portfolio_id: str = "880000000000003"
    level: str = "STANDARD"
    quality: str = "GREEN"
    on_biz_app: bool = False

    @property
    def digits(self) -> str:
        """The number as a wa_id spells it."""
        return "".join(filter(str.isdigit, self.display_phone_number))


@dataclass(slots=True)
class Message:
    """One message. `direction` is Meta's view: `in` is from the customer, `out` is from the business.

    `status`: out: accepted, sent, delivered, read, failed; in: queued (webhook not answered yet), delivered, read.
    """

    wamid: str
    direction: str
    customer: str
    phone_number_id: str
    type: str
    content: Any
    at: float
    status: str
    text: str
    context: str = ""
    opaque: str | None = None
    input: str = ""
    to_bsuid: bool = False
    fate: int = 0
    injected: bool = False
    error: int = 0
    pricing: dict[str, Any] | None = None
    shown: dict[str, Any] | None = None
    """What the phone shows of a template."""
    category: str = ""
    """A template's, as it was when it was sent."""
    free_until: float = 0.0
    """Sent within a free entry point, which ends then."""
    is_held: bool = False
    """For the quality assessment of its template."""


@dataclass(slots=True)
class Customer:
    """One person with a phone. `waiting`: messages that the phone lacks; `unread`: those that it has not shown yet."""

    id: str
    name: str
    wa_id: str
    user_id: str
    username: str = ""
    hidden_number: bool = False
    online: bool = True
    reads: bool = False
    read_receipts: bool = True
    thread: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    windows: dict[str, float] = field(default_factory=dict)
    referred: dict[str, float] = field(default_factory=dict)
    """When they came to a number by an advertisement that was not answered yet."""
    free_entries: dict[str, float] = field(default_factory=dict)
    """Until when what a number sends them is free."""
    stopped_marketing: bool = False
    """Told WhatsApp that no marketing is wanted: marketing templates fail with 131050."""


class Book:
    """Customers by id, number and BSUID; messages by wamid."""

    def __init__(self) -> None:
        self.customers: dict[str, Customer] = {}
        self.messages: dict[str, Message] = {}
        self._by_number: dict[str, str] = {}
        self._by_user_id: dict[str, str] = {}

    def add(self, customer: Customer) -> None:
        """Keep a customer. Raises ValueError when the number or BSUID is somebody else's."""
        if self._by_number.get(customer.wa_id, customer.id) != customer.id:
            raise ValueError("another customer has this number")
        if self._by_user_id.get(customer.user_id, customer.id) != customer.id:
            raise ValueError("another customer has this user_id")
        self.customers[customer.id] = customer
        self._by_number[customer.wa_id] = customer.id
        self._by_user_id[customer.user_id] = customer.id

    def renumber(self, customer: Customer, *, wa_id: str, user_id: str) -> None:
        """The customer is another number and BSUID from now on. Raises ValueError when one is somebody else's."""
        if self._by_number.get(wa_id, customer.id) != customer.id:
            raise ValueError("another customer has this number")
        del self._by_number[customer.wa_id], self._by_user_id[customer.user_id]
        customer.wa_id, customer.user_id = wa_id, user_id
        self.add(customer)

    def by_number(self, digits: str) -> Customer | None:
        """Whom Meta reaches by a number (Brazil's ninth digit and Mexico's 1 may differ, fact sheet WhatsApp 8.1)."""
        for spelling in spellings(digits) if not digits.startswith("54") else [digits]:
            if (found := self._by_number.get(spelling)) is not None:
                return self.customers[found]
        return None

    def by_user_id(self, user_id: str) -> Customer | None:
        """Whose BSUID this is."""
        found = self._by_user_id.get(user_id)
        return None if found is None else self.customers[found]

    def clear(self) -> None:
        """Nobody and nothing."""
        self.customers.clear()
        self.messages.clear()
        self._by_number.clear()
        self._by_user_id.clear()


def spellings(digits: str) -> list[str]:
    """The number itself, then the other way in which Meta may spell it."""
    if digits.startswith("55") and len(digits) == 13 and digits[4] == "9":
        return [digits, digits[:4] + digits[5:]]
    if digits.startswith("55") and len(digits) == 12:
        return [digits, f"{digits[:4]}9{digits[4:]}"]
    if digits.startswith("521") and len(digits) == 13:
        return [digits, "52" + digits[3:]]
    if digits.startswith("52") and len(digits) == 12:
        return [digits, "521" + digits[2:]]
    if digits.startswith("549") and len(digits) == 13:
        return [digits, "54" + digits[3:]]
    if digits.startswith("54") and len(digits) == 12:
        return [digits, "549" + digits[2:]]
    return [digits]


COUNTRIES = {"351": "PT", "55": "BR", "52": "MX", "54": "AR", "44": "GB", "49": "DE", "33": "FR", "34": "ES", "1": "US"}


def new_user_id(wa_id: str) -> str:
    """A fresh BSUID with the country of the number (fact sheet WhatsApp 8.2)."""
    country = next((code for prefix, code in COUNTRIES.items() if wa_id.startswith(prefix)), "NL")
    return f"{country}.{''.join(secrets.choice(string.digits) for _ in range(20))}"
