"""Templates of every kind, written as Meta's create call wants them, each with a send that fits it.

`values` is what an agent types behind `/wa template NAME`; `sends` is what the Cloud API gets for it; `shows` is what a
phone shows as its text.
"""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
SAMPLE = "4::sample"
"""Stands for the handle of an uploaded sample file."""


@dataclass(frozen=True)
class Example:
    name: str
    components: list[Json]
    shows: str
    values: dict[str, str] = field(default_factory=dict)
    sends: list[Json] = field(default_factory=list)
    category: str = "UTILITY"
    language: str = "en_US"
    named: bool = False

    def body(self, *, handle: str = SAMPLE) -> Json:
        """The create call's body."""
        return {
            "name": self.name,
            "language": self.language,
            "category": self.category,
            "parameter_format": "NAMED" if self.named else "POSITIONAL",
            "components": _with_handle(self.components, handle),
        }


def _with_handle(what: Any, handle: str) -> Any:
    if isinstance(what, dict):
        return {key: _with_handle(value, handle) for key, value in what.items()}
    if isinstance(what, list):
        return [_with_handle(value, handle) for value in what]
    return handle if what == SAMPLE else what


def body(text: str, *examples: str, **named: str) -> Json:
    component: Json = {"type": "BODY", "text": text}
    if examples:
        component["example"] = {"body_text": [list(examples)]}
    if named:
        params = [{"param_name": name, "example": example} for name, example in named.items()]
        component["example"] = {"body_text_named_params": params}
    return component


def footer(text: str) -> Json:
    return {"type": "FOOTER", "text": text}


def media(shape: str) -> Json:
    return {"type": "HEADER", "format": shape, "example": {"header_handle": [SAMPLE]}}


def buttons(*given: Json) -> Json:
    return {"type": "BUTTONS", "buttons": list(given)}


def quick(text: str) -> Json:
    return {"type": "QUICK_REPLY", "text": text}


def url(text: str, address: str, *example: str) -> Json:
    return {"type": "URL", "text": text, "url": address, **({"example": list(example)} if example else {})}


def said(kind: str, *texts: str) -> Json:
    return {"type": kind, "parameters": [{"type": "text", "text": text} for text in texts]}


def named(kind: str, **texts: str) -> Json:
    parameters = [{"type": "text", "parameter_name": name, "text": text} for name, text in texts.items()]
    return {"type": kind, "parameters": parameters}


def pressed(index: int, sub_type: str, parameter: Json) -> Json:
    return {"type": "button", "sub_type": sub_type, "index": str(index), "parameters": [parameter]}


def card(header: Json, text: str, *given: Json, example: str = "") -> Json:
    return {"components": [header, body(text, *([example] if example else [])), buttons(*given)]}


def linked(kind: str, link: str) -> Json:
    return {"type": "header", "parameters": [{"type": kind, kind: {"link": link}}]}


HELLO = "Hello, this is the support team of the harbour shop."
WAITS = "Hello, your answer from the support team waits here for you."
EXAMPLES = [
    Example("plain_body", [body(HELLO)], HELLO),
    Example("body_and_footer", [body(HELLO + " How are you?"), footer("Harbour shop")], HELLO + " How are you?"),
    Example(
        "numbered_two",
        [body("Hello {{1}}, there is news about your order {{2}} at our shop.", "Ines", "48211")],
        "Hello O'Brien, there is news about your order <A-1> at our shop.",
        {"1": "O'Brien", "2": "<A-1>"},
        [said("body", "O'Brien", "<A-1>")],
    ),
    Example(
        "numbered_repeated",
        [body("Order {{1}} is ready. Please quote number {{1}} when you come to us, {{2}} says thanks.", "1", "Ana")],
        "Order 7 is ready. Please quote number 7 when you come to us, Ana says thanks.",
        {"1": "7", "2": "Ana"},
        [said("body", "7", "Ana")],
    ),
    Example(
        "named_two",
        [
            body(
                "Hello {{first_name}}, news about your ticket {{ticket_id}} is ready.", first_name="Ines", ticket_id="1"
            )
        ],
        "Hello Ines, news about your ticket 42 is ready.",
        {"first_name": "Ines", "ticket_id": "42"},
        [named("body", first_name="Ines", ticket_id="42")],
        named=True,
    ),
    Example(
        "text_header",
        [{"type": "HEADER", "format": "TEXT", "text": "News for you"}, body("There is news about what you asked us.")],
        "There is news about what you asked us.",
    ),
    Example(
        "text_header_numbered",
        [
            {"type": "HEADER", "format": "TEXT", "text": "Ticket {{1}}", "example": {"header_text": ["42"]}},
            body("There is news about the question that {{1}} asked us.", "Ines"),
        ],
        "There is news about the question that Rui asked us.",
        {"header": "77", "1": "Rui"},
        [said("header", "77"), said("body", "Rui")],
    ),
    Example(
        "text_header_named",
        [
            {
                "type": "HEADER",
                "format": "TEXT",
                "text": "Ticket {{number}}",
                "example": {"header_text_named_params": [{"param_name": "number", "example": "42"}]},
            },
            body("There is news about the question that {{name}} asked us.", name="Ines"),
        ],
        "There is news about the question that Rui asked us.",
        {"number": "77", "name": "Rui"},
        [named("header", number="77"), named("body", name="Rui")],
        named=True,
    ),
    Example(
        "image_header",
        [media("IMAGE"), body("This is the photo of your repaired bicycle.")],
        "This is the photo of your repaired bicycle.",
        {"header": "https://example.com/bike.jpg"},
        [linked("image", "https://example.com/bike.jpg")],
    ),
    Example(
        "video_header",
        [media("VIDEO"), body("This video shows how the valve is closed.")],
        "This video shows how the valve is closed.",
        {"header": "https://example.com/valve.mp4"},
        [linked("video", "https://example.com/valve.mp4")],
    ),
    Example(
        "document_header",
        [media("DOCUMENT"), body("This is the invoice for order {{1}} of this month.", "48211")],
        "This is the invoice for order 5 of this month.",
        {"header": "https://example.com/files/invoice.pdf", "1": "5"},
        [
            {
                "type": "header",
                "parameters": [
                    {
                        "type": "document",
                        "document": {"link": "https://example.com/files/invoice.pdf", "filename": "invoice.pdf"},
                    }
                ],
            },
            said("body", "5"),
        ],
    ),
    Example(
        "location_header",
        [{"type": "HEADER", "format": "LOCATION"}, body("Your parcel waits at the counter shown above.")],
        "Your parcel waits at the counter shown above.",
        {"header": "38.7223,-9.1393,Harbour shop,Rua X 1"},
        [
            {
                "type": "header",
                "parameters": [
                    {
                        "type": "location",
                        "location": {
                            "latitude": "38.7223",
                            "longitude": "-9.1393",
                            "name": "Harbour shop",
                            "address": "Rua X 1",
                        },
                    }
                ],
            }
        ],
    ),
    Example(
        "one_quick_reply",
        [body(WAITS), buttons(quick("Show me"))],
        WAITS,
    ),
    Example(
        "three_quick_replies",
        [body("How did you like the help that you got from us?"), buttons(quick("Good"), quick("So so"), quick("Bad"))],
        "How did you like the help that you got from us?",
        {"button2": "csat:2"},
        [pressed(1, "quick_reply", {"type": "payload", "payload": "csat:2"})],
    ),
    Example(
        "ten_quick_replies",
        [body("Please choose the day on which we may come."), buttons(*(quick(f"Day {day}") for day in range(1, 11)))],
        "Please choose the day on which we may come.",
    ),
    Example(
        "fixed_url",
        [body("You find your case in the portal at any time."), buttons(url("Portal", "https://example.com/portal"))],
        "You find your case in the portal at any time.",
    ),
    Example(
        "url_with_variable",
        [
            body("You can follow your order in our portal."),
            buttons(url("Follow", "https://example.com/o/{{1}}", "https://example.com/o/1")),
        ],
        "You can follow your order in our portal.",
        {"button1": "48211?a=b"},
        [pressed(0, "url", {"type": "text", "text": "48211?a=b"})],
    ),
    Example(
        "two_urls",
        [
            body("Here are the status page and the details of your order."),
            buttons(
                url("Status", "https://example.com/status"),
                url("Details", "https://example.com/d/{{1}}", "https://example.com/d/1"),
            ),
        ],
        "Here are the status page and the details of your order.",
        {"button2": "9"},
        [pressed(1, "url", {"type": "text", "text": "9"})],
    ),
    Example(
        "phone_button",
        [
            body("You can call us about your ticket at any time."),
            buttons({"type": "PHONE_NUMBER", "text": "Call us", "phone_number": "+351910000999"}),
        ],
        "You can call us about your ticket at any time.",
    ),
    Example(
        "voice_call_button",
        [body("You can call us here in the app about it."), buttons({"type": "VOICE_CALL", "text": "Call now"})],
        "You can call us here in the app about it.",
    ),
    Example(
        "contact_info_button",
        [body("Please share your number, so that we can call you."), buttons({"type": "REQUEST_CONTACT_INFO"})],
        "Please share your number, so that we can call you.",
    ),
    Example(
        "two_groups",
        [
            body("Your appointment is near. Will you come to it?"),
            footer("Harbour shop"),
            buttons(
                quick("Yes"),
                quick("No"),
                url("Route", "https://example.com/route"),
                {"type": "PHONE_NUMBER", "text": "Call us", "phone_number": "+351910000999"},
            ),
        ],
        "Your appointment is near. Will you come to it?",
    ),
    Example(
        "coupon_code",
        [
            body("Thank you for waiting. This code is for your next visit."),
            buttons({"type": "COPY_CODE", "example": "SAVE25"}),
        ],
        "Thank you for waiting. This code is for your next visit.",
        {"button1": "THANKS10"},
        [pressed(0, "copy_code", {"type": "coupon_code", "coupon_code": "THANKS10"})],
        category="MARKETING",
    ),
    Example(
        "flow_button",
        [
            body("Please fill in the form, so that we can plan the visit."),
            buttons({"type": "FLOW", "text": "Open form", "flow_id": "77001", "flow_action": "navigate"}),
        ],
        "Please fill in the form, so that we can plan the visit.",
        {"button1": "visit-1"},
        [pressed(0, "flow", {"type": "action", "action": {"flow_token": "visit-1"}})],
    ),
    Example(
        "catalog_button",
        [body("Our catalog has all that fits your bicycle."), buttons({"type": "CATALOG", "text": "View catalog"})],
        "Our catalog has all that fits your bicycle.",
        category="MARKETING",
    ),
    Example(
        "product_list_button",
        [body("These are the parts that fit your bicycle best."), buttons({"type": "MPM", "text": "View items"})],
        "These are the parts that fit your bicycle best.",
        {"button1": "SKU1,SKU2"},
        [
            pressed(
                0,
                "mpm",
                {
                    "type": "action",
                    "action": {
                        "thumbnail_product_retailer_id": "SKU1",
                        "sections": [
                            {
                                "title": "View items",
                                "product_items": [{"product_retailer_id": "SKU1"}, {"product_retailer_id": "SKU2"}],
                            }
                        ],
                    },
                },
            )
        ],
        category="MARKETING",
    ),
    Example(
        "limited_time_offer",
        [
            media("IMAGE"),
            {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Ends soon", "has_expiration": True}},
            body("Hello {{1}}, our offer for the spring ends in a few days.", "Ines"),
            buttons(
                {"type": "COPY_CODE", "example": "SPRING"},
                url("To the shop", "https://example.com/s/{{1}}", "https://example.com/s/1"),
            ),
        ],
        "Hello Rui, our offer for the spring ends in a few days.",
        {
            "header": "https://example.com/spring.jpg",
            "1": "Rui",
            "expires": "2027-01-01T00:00:00Z",
            "button1": "SPRING",
            "button2": "x",
        },
        [
            linked("image", "https://example.com/spring.jpg"),
            {
                "type": "limited_time_offer",
                "parameters": [
                    {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1798761600000}}
                ],
            },
            said("body", "Rui"),
            pressed(0, "copy_code", {"type": "coupon_code", "coupon_code": "SPRING"}),
            pressed(1, "url", {"type": "text", "text": "x"}),
        ],
        category="MARKETING",
    ),
    Example(
        "carousel_quick_replies",
        [
            body("These are the two bicycles that you asked us about."),
            {
                "type": "CAROUSEL",
                "cards": [
                    card(media("IMAGE"), "The red bicycle, with seven gears.", quick("This one")),
                    card(media("IMAGE"), "The blue bicycle, with a basket.", quick("This one")),
                ],
            },
        ],
        "These are the two bicycles that you asked us about.",
        {
            "card1.header": "https://example.com/red.jpg",
            "card2.header": "https://example.com/blue.jpg",
            "card1.button1": "red",
        },
        [
            {
                "type": "carousel",
                "cards": [
                    {
                        "card_index": 0,
                        "components": [
                            linked("image", "https://example.com/red.jpg"),
                            pressed(0, "quick_reply", {"type": "payload", "payload": "red"}),
                        ],
                    },
                    {"card_index": 1, "components": [linked("image", "https://example.com/blue.jpg")]},
                ],
            }
        ],
        category="MARKETING",
    ),
    Example(
        "carousel_variables",
        [
            body("Hello {{1}}, these are our proposals for your garden.", "Ines"),
            {
                "type": "CAROUSEL",
                "cards": [
                    card(
                        media("VIDEO"),
                        f"Proposal {number} costs {{{{1}}}} euros in all.",
                        url("See", "https://example.com/p/{{1}}", "https://example.com/p/1"),
                        example="90",
                    )
                    for number in ("one", "two", "three")
                ],
            },
        ],
        "Hello Rui, these are our proposals for your garden.",
        {"1": "Rui"}
        | {f"card{card}.header": f"https://example.com/{card}.mp4" for card in (1, 2, 3)}
        | {f"card{card}.1": f"{card}00" for card in (1, 2, 3)}
        | {f"card{card}.button1": f"p{card}" for card in (1, 2, 3)},
        [
            said("body", "Rui"),
            {
                "type": "carousel",
                "cards": [
                    {
                        "card_index": card - 1,
                        "components": [
                            linked("video", f"https://example.com/{card}.mp4"),
                            said("body", f"{card}00"),
                            pressed(0, "url", {"type": "text", "text": f"p{card}"}),
                        ],
                    }
                    for card in (1, 2, 3)
                ],
            },
        ],
        category="MARKETING",
    ),
    Example(
        "code_to_copy",
        [
            {"type": "BODY", "add_security_recommendation": True},
            {"type": "FOOTER", "code_expiration_minutes": 10},
            buttons({"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy code"}),
        ],
        "*8712* is your verification code. For your security, do not share this code.",
        {"1": "8712"},
        [said("body", "8712"), pressed(0, "url", {"type": "text", "text": "8712"})],
        category="AUTHENTICATION",
    ),
    Example(
        "code_with_one_tap",
        [
            {"type": "BODY", "add_security_recommendation": False},
            buttons(
                {
                    "type": "OTP",
                    "otp_type": "ONE_TAP",
                    "text": "Copy code",
                    "autofill_text": "Autofill",
                    "supported_apps": [{"package_name": "com.example.shop", "signature_hash": "K8a0001efgh"}],
                }
            ),
        ],
        "*99* is your verification code.",
        {"1": "99"},
        [said("body", "99"), pressed(0, "url", {"type": "text", "text": "99"})],
        category="AUTHENTICATION",
    ),
    Example(
        "hebrew_body",
        [body("שלום {{1}}, יש לנו חדשות לגבי ההזמנה שלך {{2}} והיא מוכנה.", "נועה", "5"), footer("צוות התמיכה")],
        "שלום דנה, יש לנו חדשות לגבי ההזמנה שלך 12 והיא מוכנה.",
        {"1": "דנה", "2": "12"},
        [said("body", "דנה", "12")],
        language="he",
    ),
    Example(
        "portuguese_formats",
        [
            body(
                "*Olá* {{first_name}},\n\ntemos _novidades_ sobre o pedido {{order_id}} 🎉\n\nResponda para continuar.",
                first_name="Ines",
                order_id="1",
            ),
            buttons(quick("Continuar"), quick("Já resolvido")),
        ],
        "*Olá* Rui,\n\ntemos _novidades_ sobre o pedido 48 🎉\n\nResponda para continuar.",
        {"first_name": "Rui", "order_id": "48"},
        [named("body", first_name="Rui", order_id="48")],
        language="pt_PT",
        named=True,
    ),
]
