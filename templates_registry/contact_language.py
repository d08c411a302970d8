"""Which language does a contact likely read? By the country of their number or id, where nobody knows better.

A guess, and only ever a preference: `languages.choose_language` falls back from it, and an agent may say another.
"""

_BY_COUNTRY = """
    AE:ar_AE AF:prs_AF AL:sq AO:pt_PT AR:es_AR AT:de_AT AU:en_AU AZ:az BD:bn BE:nl_BE BG:bg BH:ar BO:es BR:pt_BR
    BY:be_BY CA:en_CA CH:de_CH CI:fr_CI CL:es_CL CN:zh_CN CO:es_CO CR:es_CR CY:el CZ:cs DE:de DK:da DO:es_DO
    DZ:ar EC:es_EC EE:et EG:ar_EG ES:es_ES FI:fi FR:fr GB:en_GB GE:ka GH:en_GH GR:el GT:es HK:zh_HK HN:es_HN
    HR:hr HU:hu ID:id IE:en_IE IL:he IN:en_IN IQ:ar IR:fa IT:it JM:en_JM JO:ar JP:ja KE:sw KG:ky_KG KH:en KR:ko
    KW:ar KZ:kk LA:lo LB:ar_LB LK:si_LK LT:lt LV:lv LY:ar MA:ar_MA MK:mk MO:pt_PT MX:es_MX MY:ms MZ:pt_PT NG:en
    NI:es NL:nl NO:nb NZ:en_NZ OM:ar PA:es_PA PE:es_PE PH:fil PK:ur PL:pl PR:es PS:ar PT:pt_PT PY:es QA:ar_QA
    RO:ro RS:sr RU:ru RW:rw_RW SA:ar SD:ar SE:sv SG:en_SG SI:sl SK:sk SV:es SY:ar TH:th TN:ar TR:tr TW:zh_TW
    TZ:sw UA:uk UG:en_UG US:en_US UY:es_UY UZ:uz VE:es VN:vi YE:ar ZA:en_ZA ZM:en ZW:en
"""
_BY_CALLING_CODE = """
    1:US 7:RU 20:EG 27:ZA 30:GR 31:NL 32:BE 33:FR 34:ES 36:HU 39:IT 40:RO 41:CH 43:AT 44:GB 45:DK 46:SE 47:NO
    48:PL 49:DE 51:PE 52:MX 54:AR 55:BR 56:CL 57:CO 58:VE 60:MY 61:AU 62:ID 63:PH 64:NZ 65:SG 66:TH 81:JP 82:KR
    84:VN 86:CN 90:TR 91:IN 92:PK 93:AF 94:LK 98:IR 212:MA 213:DZ 216:TN 218:LY 225:CI 233:GH 234:NG 244:AO
    249:SD 250:RW 254:KE 255:TZ 256:UG 258:MZ 260:ZM 263:ZW 351:PT 353:IE 355:AL 357:CY 358:FI 359:BG 370:LT
    371:LV 372:EE 375:BY 380:UA 381:RS 385:HR 386:SI 389:MK 420:CZ 421:SK 502:GT 503:SV 504:HN 505:NI 506:CR
    507:PA 591:BO 593:EC 595:PY 598:UY 852:HK 853:MO 855:KH 856:LA 880:BD 886:TW 961:LB 962:JO 963:SY 964:IQ
    965:KW 966:SA 967:YE 968:OM 970:PS 971:AE 972:IL 973:BH 974:QA 992:RU 994:AZ 995:GE 996:KG 998:UZ
"""
_LANGUAGES = dict(pair.split(":") for pair in _BY_COUNTRY.split())
_COUNTRIES = dict(pair.split(":") for pair in _BY_CALLING_CODE.split())
_LONGEST_CALLING_CODE = 3


def guess_language(*, wa_id: str | None, bsuid: str | None) -> str | None:
    """A code of templates, or None. The id names its country; of a number the calling code does."""
    country = bsuid[:2] if bsuid and bsuid[2:3] == "." else None
    if country is None and wa_id:
        heads = (wa_id[:length] for length in range(_LONGEST_CALLING_CODE, 0, -1))
        country = next((_COUNTRIES[head] for head in heads if head in _COUNTRIES), None)
    return _LANGUAGES.get(country or "")
