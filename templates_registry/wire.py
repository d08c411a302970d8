"""How does Meta spell a template? The one place that knows: listing, create body, components, webhooks, sending.

Reading never raises for what Meta tells: what is missing or strange reads as absent, and is noted where it matters.
Reading what a person wrote (`read_draft`) raises `UnreadableDraft`, with every mistake and what was probably meant.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from templates_registry.languages import normalise
from templates_registry.model import (
    MEDIA_FORMATS,
    Body,
    Button,
    ButtonKind,
    Card,
    Category,
    Content,
    Draft,
    Footer,
    Header,
    HeaderFormat,
    Offer,
    ParameterFormat,
    Quality,
    RemoteTemplate,
    TemplateStatus,
)
from templates_registry.variables import find_variables

Json = dict[str, Any]
LIST_FIELDS = (
    *("id", "name", "language", "status", "category", "correct_category", "components", "parameter_format"),
    *("rejected_reason", "quality_score", "previous_category", "message_send_ttl_seconds"),
)
"""What the listing is asked for; by default it leaves out reasons and quality (fact sheet 4.6)."""
_CREATE_KEYS = ("name", "language", "category", "parameter_format", "components", "message_send_ttl_seconds")
_COMPONENT_KEYS = {
    "HEADER": ("type", "format", "text", "example"),
    "BODY": ("type", "text", "example", "add_security_recommendation"),
    "FOOTER": ("type", "text", "code_expiration_minutes"),
    "BUTTONS": ("type", "buttons"),
    "LIMITED_TIME_OFFER": ("type", "limited_time_offer"),
    "CAROUSEL": ("type", "cards"),
}
_EXTRA_KEYS = {
    ButtonKind.FLOW: ("flow_id", "flow_name", "flow_json", "flow_action", "navigate_screen", "icon"),
    ButtonKind.OTP: ("otp_type", "autofill_text", "supported_apps", "zero_tap_terms_accepted"),
}
_BUTTON_KEYS = {
    ButtonKind.URL: ("url", "example"),
    ButtonKind.PHONE_NUMBER: ("phone_number",),
    ButtonKind.COPY_CODE: ("example",),
    **_EXTRA_KEYS,
}


class UnreadableDraft(Exception):
    """What a person wrote is no template; `problems` says where and what, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


# Reading components


def read_components(components: object) -> Content:
    """Never raises: what we have no words for is named in `unknown`."""
    header = body = footer = offer = None
    buttons: tuple[Button, ...] = ()
    cards: tuple[Card, ...] = ()
    unknown: list[str] = []
    for part in _objects(components):
        kind = _upper(part.get("type"))
        match kind:
            case "HEADER":
                header = _header(part, unknown)
            case "BODY":
                body = _body(part)
            case "FOOTER":
                footer = Footer(_text(part.get("text")), _whole(part.get("code_expiration_minutes")))
            case "BUTTONS":
                buttons = _buttons(part.get("buttons"), unknown)
            case "LIMITED_TIME_OFFER":
                told = _object(part.get("limited_time_offer"))
                offer = Offer(_text(told.get("text")), told.get("has_expiration") is True)
            case "CAROUSEL":
                cards = tuple(_card(card, unknown) for card in _objects(part.get("cards")))
            case _:
                unknown.append(f"component {kind or '(none)'}")
    return Content(body, header, footer, buttons, offer, cards, tuple(unknown))


def _header(part: Mapping[str, Any], unknown: list[str]) -> Header | None:
    word = _upper(part.get("format"))
    if word not in HeaderFormat.__members__:
        unknown.append(f"header {word or '(none)'}")
        return None
    if word == HeaderFormat.GIF:
        unknown.append("header GIF")  # of Meta's marketing interface alone
    shape, text, example = HeaderFormat(word), _text(part.get("text")), _object(part.get("example"))
    handles = example.get("header_handle")
    handle = _text(handles[0]) if isinstance(handles, list) and handles else ""
    return Header(shape, text, _examples(text, example, "header_text"), handle if shape in MEDIA_FORMATS else "")


def _body(part: Mapping[str, Any]) -> Body:
    text = _text(part.get("text"))
    advice = part.get("add_security_recommendation")
    examples = _examples(text, _object(part.get("example")), "body_text")
    return Body(text, examples, advice if isinstance(advice, bool) else None)


def _examples(text: str, example: Mapping[str, Any], key: str) -> tuple[tuple[str, str], ...]:
    """(variable, example). Numbered ones come by place, in Meta's list of lists; named ones by name."""
    by_name = _objects(example.get(f"{key}_named_params"))
    if by_name:
        return tuple((_text(one.get("param_name")), _text(one.get("example"))) for one in by_name)
    values = example.get(key)
    if isinstance(values, list) and values and isinstance(values[0], list):
        values = values[0]
    texts = [_text(value) for value in values] if isinstance(values, list) else []
    return tuple(zip(sorted(find_variables(text), key=_number), texts, strict=False))


def _number(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isascii() and name.isdecimal() else (0, name)


def _buttons(given: object, unknown: list[str]) -> tuple[Button, ...]:
    found = []
    for part in _objects(given):
        word = _upper(part.get("type"))
        if word not in ButtonKind.__members__:
            unknown.append(f"button {word or '(none)'}")
            continue
        kind = ButtonKind(word)
        example = part.get("example")
        if isinstance(example, list):
            example = example[0] if example else ""
        found.append(
            Button(
                kind,
                _text(part.get("text")),
                _text(part.get("url")),
                _text(example),
                _text(part.get("phone_number")),
                {key: part[key] for key in _EXTRA_KEYS.get(kind, ()) if part.get(key) is not None},
            )
        )
    return tuple(found)


def _card(card: Mapping[str, Any], unknown: list[str]) -> Card:
    inner = read_components(card.get("components"))
    unknown.extend(inner.unknown)
    return Card(inner.header, inner.body, inner.buttons)


# Writing components


def write_components(content: Content, parameter_format: ParameterFormat) -> list[Json]:
    """As the create and edit calls want them."""
    parts: list[Json] = []
    if content.header is not None:
        parts.append(_write_header(content.header, parameter_format))
    if content.offer is not None:
        offer = {"text": content.offer.text, "has_expiration": content.offer.has_expiration}
        parts.append({"type": "LIMITED_TIME_OFFER", "limited_time_offer": offer})
    if content.body is not None:
        parts.append(_write_body(content.body, parameter_format))
    if content.footer is not None:
        parts.append(_write_footer(content.footer))
    if content.buttons:
        parts.append({"type": "BUTTONS", "buttons": [_write_button(button) for button in content.buttons]})
    if content.cards:
        parts.append({"type": "CAROUSEL", "cards": [_write_card(card, parameter_format) for card in content.cards]})
    return parts


def _write_header(header: Header, parameter_format: ParameterFormat) -> Json:
    part: Json = {"type": "HEADER", "format": header.format.value}
    if header.format is HeaderFormat.TEXT:
        part["text"] = header.text
        part |= _write_examples(header.examples, "header_text", parameter_format)
    elif header.handle:
        part["example"] = {"header_handle": [header.handle]}
    return part


def _write_body(body: Body, parameter_format: ParameterFormat) -> Json:
    if body.add_security_recommendation is not None:
        return {"type": "BODY", "add_security_recommendation": body.add_security_recommendation}
    return {"type": "BODY", "text": body.text, **_write_examples(body.examples, "body_text", parameter_format)}


def _write_footer(footer: Footer) -> Json:
    if footer.code_expiration_minutes is not None:
        return {"type": "FOOTER", "code_expiration_minutes": footer.code_expiration_minutes}
    return {"type": "FOOTER", "text": footer.text}


def _write_examples(examples: Sequence[tuple[str, str]], key: str, parameter_format: ParameterFormat) -> Json:
    if not examples:
        return {}
    if parameter_format is ParameterFormat.NAMED:
        named = [{"param_name": name, "example": example} for name, example in examples]
        return {"example": {f"{key}_named_params": named}}
    values = [example for _, example in examples]
    return {"example": {key: [values] if key == "body_text" else values}}


def _write_button(button: Button) -> Json:
    part: Json = {"type": button.kind.value, **button.extra}
    if button.text:
        part["text"] = button.text
    if button.url:
        part["url"] = button.url
    if button.example:
        part["example"] = [button.example] if button.kind is ButtonKind.URL else button.example
    if button.phone_number:
        part["phone_number"] = button.phone_number
    return part


def _write_card(card: Card, parameter_format: ParameterFormat) -> Json:
    content = Content(card.body, card.header, None, card.buttons)
    return {"components": write_components(content, parameter_format)}


def write_draft(draft: Draft) -> Json:
    """The body of the create call. Never `allow_category_change`: Meta decides anyway (fact sheet 4.2)."""
    body: Json = {
        "name": draft.name,
        "language": draft.language,
        "category": draft.category.value,
        "parameter_format": draft.parameter_format.value,
        "components": write_components(draft.content, draft.parameter_format),
    }
    if draft.send_ttl_seconds is not None:
        body["message_send_ttl_seconds"] = draft.send_ttl_seconds
    return body


def digest(content: Content, parameter_format: ParameterFormat) -> str:
    """What tells two versions apart. Sample files do not: Meta hands out other addresses for them each time."""
    bare = replace(
        content,
        header=content.header and replace(content.header, handle=""),
        cards=tuple(replace(card, header=card.header and replace(card.header, handle="")) for card in content.cards),
    )
    written = json.dumps([parameter_format.value, write_components(bare, parameter_format)], sort_keys=True)
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:16]


# Reading what Meta tells


def read_template(node: Mapping[str, Any]) -> RemoteTemplate | None:
    """A row of the listing, or a template node; None where it names no template."""
    template_id, name, language = (_id(node.get("id")), _text(node.get("name")), _text(node.get("language")))
    if not (template_id and name and language):
        return None
    content = read_components(node.get("components"))
    category = _category(node.get("category"))
    if category is None:
        content = replace(content, unknown=(*content.unknown, f"category {_upper(node.get('category'))}"))
    word = _upper(node.get("status"))
    told = _object(node.get("quality_score"))
    quality_at = _whole(told.get("date"))
    reason = _upper(node.get("rejected_reason"))
    return RemoteTemplate(
        id=template_id,
        draft=Draft(
            name=name,
            language=language,
            category=category or Category.MARKETING,  # the strictest of them, for consent
            content=content,
            parameter_format=_format(node.get("parameter_format")) or ParameterFormat.POSITIONAL,
            send_ttl_seconds=_whole(node.get("message_send_ttl_seconds")),
        ),
        status=read_status(word),
        status_word=word,
        rejected_reason="" if reason == "NONE" else reason,
        rejection_words=rejection_words(node),
        quality=read_quality(told.get("score")),
        quality_at=datetime.fromtimestamp(quality_at, UTC) if quality_at and quality_at < 10**11 else None,
        previous_category=_category(node.get("previous_category")),
        correct_category=_category(node.get("correct_category")),
    )


def rejection_words(holder: Mapping[str, Any]) -> str:
    """Meta's own words on a rejection, where it gives any."""
    told = _object(holder.get("rejection_info"))
    return " ".join(words for key in ("reason", "recommendation") if (words := _text(told.get(key)).strip()))


def read_status(word: object) -> TemplateStatus:
    upper = _upper(word)
    known = upper in TemplateStatus.__members__ and upper != TemplateStatus.DRAFT
    return TemplateStatus(upper) if known else TemplateStatus.UNKNOWN


def read_quality(word: object) -> Quality:
    upper = _upper(word)
    return Quality(upper) if upper in Quality.__members__ else Quality.UNKNOWN


def read_category(word: object) -> Category | None:
    return _category(word)


def read_language(word: object) -> str:
    """Webhooks spell `en-US` what the listing spells `en_US` (fact sheet 1.10)."""
    return normalise(_text(word))


def _category(word: object) -> Category | None:
    upper = _upper(word)
    return Category(upper) if upper in Category.__members__ else None


def _format(word: object) -> ParameterFormat | None:
    upper = _upper(word)
    return ParameterFormat(upper) if upper in ParameterFormat.__members__ else None


# Reading what a person wrote


def read_draft(written: object) -> Draft:
    """A template in the shape of Meta's create call. Raises `UnreadableDraft` for what it cannot mean."""
    if not isinstance(written, Mapping):
        raise UnreadableDraft(["a template is a JSON object with name, language, category and components"])
    problems: list[str] = []
    _check_keys(written, _CREATE_KEYS, "the template", problems)
    problems += [f"{key} is missing" for key in ("name", "language", "category", "components") if key not in written]
    category, parameter_format = _category(written.get("category")), _format(written.get("parameter_format"))
    if "category" in written and category is None:
        problems.append(_not_one_of("category", written["category"], Category.__members__))
    if "parameter_format" in written and parameter_format is None:
        problems.append(_not_one_of("parameter_format", written["parameter_format"], ParameterFormat.__members__))
    problems += [
        f"{key} must be a text" for key in ("name", "language") if key in written and not isinstance(written[key], str)
    ]
    seconds = written.get("message_send_ttl_seconds")
    if seconds is not None and _whole(seconds) is None:
        problems.append("message_send_ttl_seconds must be a whole number")
    if "components" in written:
        _check_components(written["components"], "components", problems)
    if problems:
        raise UnreadableDraft(problems)
    assert category is not None
    return Draft(
        name=written["name"],
        language=written["language"],
        category=category,
        content=read_components(written["components"]),
        parameter_format=parameter_format or ParameterFormat.POSITIONAL,
        send_ttl_seconds=seconds,
    )


def _check_components(components: object, place: str, problems: list[str]) -> None:
    if not isinstance(components, list):
        problems.append(f"{place} must be a list")
        return
    seen: set[str] = set()
    for number, part in enumerate(components):
        here = f"{place}[{number}]"
        if not isinstance(part, Mapping):
            problems.append(f"{here} must be an object")
            continue
        kind = _upper(part.get("type"))
        if kind not in _COMPONENT_KEYS:
            problems.append(_not_one_of(f"{here}.type", part.get("type"), _COMPONENT_KEYS))
            continue
        if kind in seen:
            problems.append(f"{here}: there may be one {kind} only")
        seen.add(kind)
        _check_keys(part, _COMPONENT_KEYS[kind], here, problems)
        problems += [
            f"{here}.{key} must be a text" for key in ("text", "format") if not isinstance(part.get(key, ""), str)
        ]
        if kind == "HEADER" and _upper(part.get("format")) not in HeaderFormat.__members__:
            problems.append(_not_one_of(f"{here}.format", part.get("format"), HeaderFormat.__members__))
        if kind == "BUTTONS":
            _check_buttons(part.get("buttons"), f"{here}.buttons", problems)
        if kind == "CAROUSEL":
            _check_cards(part.get("cards"), f"{here}.cards", problems)


def _check_cards(cards: object, place: str, problems: list[str]) -> None:
    if not isinstance(cards, list):
        problems.append(f"{place} must be a list")
        return
    for number, card in enumerate(cards):
        here = f"{place}[{number}]"
        if not isinstance(card, Mapping):
            problems.append(f"{here} must be an object")
            continue
        _check_keys(card, ("components",), here, problems)
        _check_components(card.get("components"), f"{here}.components", problems)


def _check_buttons(buttons: object, place: str, problems: list[str]) -> None:
    if not isinstance(buttons, list):
        problems.append(f"{place} must be a list")
        return
    for number, button in enumerate(buttons):
        here = f"{place}[{number}]"
        kind = _upper(button.get("type")) if isinstance(button, Mapping) else ""
        if not isinstance(button, Mapping):
            problems.append(f"{here} must be an object")
        elif kind not in ButtonKind.__members__:
            problems.append(_not_one_of(f"{here}.type", button.get("type"), ButtonKind.__members__))
        else:
            keys = ("type", "text", *_BUTTON_KEYS.get(ButtonKind(kind), ()))
            _check_keys(button, keys, here, problems)
            problems += [
                f"{here}.{key} must be a text"
                for key in ("text", "url", "phone_number")
                if not isinstance(button.get(key, ""), str)
            ]


def _check_keys(found: Mapping[str, Any], known: Sequence[str], place: str, problems: list[str]) -> None:
    problems += [f"{place} has no {key!r}{did_you_mean(str(key), known)}" for key in found if key not in known]


def _not_one_of(place: str, found: object, known: Mapping[str, object] | Sequence[str]) -> str:
    words = list(known)
    return f"{place} is {_text(found)[:40]!r}: use one of {', '.join(words)}{did_you_mean(_upper(found), words)}"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`, did you mean …?`, or nothing where nothing is close."""
    closest = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f", did you mean {closest[0]!r}?" if closest else ""


def _objects(found: object) -> list[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _object(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _text(found: object) -> str:
    if not isinstance(found, str):
        return ""
    return found.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _upper(found: object) -> str:
    return _text(found).strip().upper()


def _whole(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _id(found: object) -> str:
    """A string in answers, a number in webhooks."""
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else _text(found)
