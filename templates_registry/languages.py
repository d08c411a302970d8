"""Which languages has WhatsApp for templates, which is right for a contact, and which way does it read?

Codes are compared as Meta compares them: exactly (`en` is not `en_US`). Fact sheet WhatsApp 4.4.
"""

from collections.abc import Iterable, Sequence

_CODES = """
    af sq ar ar_EG ar_AE ar_LB ar_MA ar_QA az be_BY bn bn_IN bg ca zh_CN zh_HK zh_TW hr cs da prs_AF nl nl_BE en en_GB
    en_US en_AE en_AU en_CA en_GH en_IE en_IN en_JM en_MY en_NZ en_QA en_SG en_UG en_ZA et fil fi fr fr_BE fr_CA fr_CH
    fr_CI fr_MA ka de de_AT de_CH el gu ha he hi hu id ga it ja kn kk rw_RW ko ky_KG lo lv lt mk ms ml mr nb ps_AF fa
    pl pt_BR pt_PT pa ro ru sr si_LK sk sl es es_AR es_CL es_CO es_CR es_DO es_EC es_HN es_MX es_PA es_PE es_ES es_UY
    sw sv ta te th tr uk ur uz vi zu
"""
LANGUAGES = tuple(_CODES.split())
RIGHT_TO_LEFT = frozenset(("ar", "he", "fa", "ur", "ps", "prs"))
_OLD_NAMES = {"iw": "he", "in": "id", "no": "nb", "nn": "nb", "tl": "fil"}


def normalise(code: str) -> str:
    """Webhooks and people write `en-us`: as Meta's own list spells it where it has it, else cleaned up."""
    parts = code.strip().replace("-", "_").split("_")
    head = _OLD_NAMES.get(parts[0].lower(), parts[0].lower())
    spelled = "_".join((head, *(part.upper() if len(part) == 2 else part for part in parts[1:])))
    return next((known for known in LANGUAGES if known.lower() == spelled.lower()), spelled)


def is_right_to_left(code: str) -> bool:
    return code.partition("_")[0] in RIGHT_TO_LEFT


def choose_language(wanted: str | None, available: Iterable[str], *, preferred: Sequence[str] = ()) -> str | None:
    """The best of `available` for somebody who reads `wanted`; None where nothing is available.

    Exact, then the same language without a country, then the same language of any country, then `preferred` in its
    order (each in the same way), then English, then the first one by name. So a template that exists is never refused
    for its language alone; `preferred` says what the business writes when it does not know better.
    """
    there = sorted(set(available))
    for wish in (wanted, *preferred, "en"):
        if not wish:
            continue
        code = normalise(wish)
        head = code.partition("_")[0]
        if code in there:
            return code
        if head in there:
            return head
        akin = next((one for one in there if one.partition("_")[0] == head), None)
        if akin is not None:
            return akin
    return there[0] if there else None
