"""What does the customer see of a template? As a value for previews, and as text for the ticket. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from templates_registry.model import Body, Button, ButtonKind, Content, Footer, Header, HeaderFormat, ParameterFormat
from templates_registry.variables import fill_variables, find_variables

_DEFAULT_TEXTS = {
    ButtonKind.COPY_CODE: "Copy offer code",
    ButtonKind.CATALOG: "View catalog",
    ButtonKind.MPM: "View items",
    ButtonKind.SPM: "View",
    ButtonKind.REQUEST_CONTACT_INFO: "Share contact info",
    ButtonKind.OTP: "Copy code",
}


@dataclass(frozen=True, slots=True)
class ShownHeader:
    """`source`: the address, place or product that was given for it."""

    format: HeaderFormat
    text: str = field(repr=False, default="")
    source: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class ShownButton:
    """`leads_to`: an address, a number, a code, or nothing."""

    kind: ButtonKind
    text: str = field(repr=False)
    leads_to: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Shown:
    body: str = field(repr=False, default="")
    header: ShownHeader | None = None
    footer: str = field(repr=False, default="")
    buttons: tuple[ShownButton, ...] = ()
    offer: str = field(repr=False, default="")
    cards: tuple["Shown", ...] = ()


def render(content: Content, parameter_format: ParameterFormat, values: Mapping[str, str]) -> Shown:
    """With `values` by slot key; what is missing stays a visible variable."""
    return _part(content, parameter_format, values, "")


def render_examples(content: Content, parameter_format: ParameterFormat) -> Shown:
    """As Meta's reviewers see it: with the examples, never with the sample files."""
    values: dict[str, str] = {}
    if content.header is not None:
        values |= _example_values(content.header.examples, parameter_format, header=True)
    if content.body is not None:
        values |= dict(content.body.examples)
    for number, card in enumerate(content.cards, start=1):
        if card.body is not None:
            values |= {f"card{number}.{name}": example for name, example in card.body.examples}
    return render(content, parameter_format, values)


def _example_values(
    examples: tuple[tuple[str, str], ...], parameter_format: ParameterFormat, *, header: bool
) -> dict[str, str]:
    if header and parameter_format is ParameterFormat.POSITIONAL:
        return {"header": examples[0][1]} if examples else {}
    return dict(examples)


def _part(content: Content, parameter_format: ParameterFormat, values: Mapping[str, str], prefix: str) -> Shown:
    own = {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
    return Shown(
        body=_body(content.body, own),
        header=None if content.header is None else _header(content.header, parameter_format, own),
        footer=_footer(content.footer),
        buttons=tuple(_button(button, own.get(f"button{n}", "")) for n, button in enumerate(content.buttons, start=1)),
        offer="" if content.offer is None else content.offer.text,
        cards=tuple(
            _part(Content(card.body, card.header, None, card.buttons), parameter_format, values, f"card{number}.")
            for number, card in enumerate(content.cards, start=1)
        ),
    )


def _body(body: Body | None, values: Mapping[str, str]) -> str:
    return "" if body is None else fill_variables(body.text, values)


def _footer(footer: Footer | None) -> str:
    if footer is None:
        return ""
    if footer.text or footer.code_expiration_minutes is None:
        return footer.text
    return f"This code expires in {footer.code_expiration_minutes} minutes."


def _header(header: Header, parameter_format: ParameterFormat, values: Mapping[str, str]) -> ShownHeader:
    if header.format is not HeaderFormat.TEXT:
        return ShownHeader(header.format, source=values.get("header", ""))
    if parameter_format is ParameterFormat.POSITIONAL:
        values = {"1": values["header"]} if "header" in values else {}
    return ShownHeader(header.format, text=fill_variables(header.text, values))


def _button(button: Button, value: str) -> ShownButton:
    text = button.text or _DEFAULT_TEXTS.get(button.kind, "")
    match button.kind:
        case ButtonKind.URL:
            leads_to = fill_variables(button.url, dict.fromkeys(find_variables(button.url), value) if value else {})
        case ButtonKind.PHONE_NUMBER:
            leads_to = button.phone_number
        case ButtonKind.COPY_CODE | ButtonKind.MPM:
            leads_to = value
        case _:
            leads_to = ""
    return ShownButton(button.kind, text, leads_to)


def to_text(shown: Shown) -> str:
    """Line by line what the phone shows, in WhatsApp's own markup; files and buttons in square brackets."""
    lines: list[str] = []
    if shown.header is not None:
        header = shown.header
        if header.format is HeaderFormat.TEXT:
            lines.append(f"*{header.text}*" if header.text else "")
        else:
            lines.append(f"[{header.format.value.capitalize()}] {header.source}".strip())
    if shown.offer:
        lines.append(f"[Offer] {shown.offer}")
    lines += [shown.body, f"_{shown.footer}_" if shown.footer else ""]
    for button in shown.buttons:
        lines.append(f"[Button] {button.text}" + (f" ({button.leads_to})" if button.leads_to else ""))
    for number, card in enumerate(shown.cards, start=1):
        lines += [f"[Card {number}]", to_text(card)]
    return "\n".join(line for line in lines if line)
