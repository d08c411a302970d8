"""What number did somebody type? In any spelling that people use, read as a telephone network would.

`phonenumbers` is large, so only who reads a helpdesk's numbers loads it.
"""

import re

LONGEST = 64
"""What is longer is no number."""


def read(text: str, *, region: str | None) -> tuple[str, ...]:
    """The number in E.164 digits; two where digits alone may be a national or an international one. `region`: where a
    number without country code is dialled from, like `PT`."""
    import phonenumbers
    from phonenumbers import NumberParseException

    typed = text.strip()[:LONGEST]
    if not any(char.isdigit() for char in typed):
        return ()
    typed = re.sub(r"^\(?00", "+", typed)
    ways: list[tuple[str, str | None]] = [(typed, region)]
    if not typed.startswith("+") and re.fullmatch(r"[\d\s().-]{10,}", typed):
        ways.append((f"+{typed}", None))
    found: dict[str, None] = {}
    for way, where in ways:
        try:
            number = phonenumbers.parse(way, where)
        except NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            found[f"{number.country_code}{phonenumbers.national_significant_number(number)}"] = None
    return tuple(found)


def region_of(number: str) -> str | None:
    """The region of a number in digits."""
    import phonenumbers
    from phonenumbers import NumberParseException

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(f"+{number}"))
    except NumberParseException:
        return None
