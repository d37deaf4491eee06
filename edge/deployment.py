"""Why a live camera is there: whose law, on what basis, who answers for it, and where the notice hangs.

Judged by form only: nobody here knows whether a legal basis holds or a notice hangs. That is the operator's to know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

import msgspec

# Without watching staff or pupils, which EU AI Act Art. 5(1)(f) forbids, and deciding about one person.
Purpose = Literal[
    "audience-measurement",
    "exhibition-feedback",
    "product-testing-with-consent",
    "research-with-consent",
    "installation-art",
]
# GDPR Art. 6(1); the last where the law asks for a purpose that was announced, as Japan's APPI Art. 21.
LegalBasis = Literal[
    "consent", "contract", "legal-obligation", "public-task", "legitimate-interest", "announced-purpose"
]
Text = Annotated[str, msgspec.Meta(max_length=200)]

# ISO 3166-1 alpha-2, officially assigned.
_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
    "TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW "
)
COUNTRIES = frozenset(_CODES.split())
# Where faces may not be read without consent: BIPA, CUBI, Washington's H.B. 1493, and France.
ASKS_CONSENT = ("FR", "US-IL", "US-TX", "US-WA")
_FILLERS = {"todo", "tbd", "tba", "na", "none", "null", "unknown", "placeholder", "fixme", "test", "foo", "bar", "asdf"}
_FILLERS |= {"notapplicable", "tobedone", "tobedefined", "tobedetermined", "loremipsum", "notfilled", "replaceme"}
_CONTACTS = (
    r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*\.[^\W\d_]{2,}",  # an e-mail address
    r"https?://[^\s/.]+(\.[^\s/.]+)*\.[^\W\d_]{2,}(:\d+)?(/\S*)?",
    r"\+?(?:[ ()/.-]*\d){7,15}",  # a telephone number, as long as ITU-T E.164 allows
)


class Deployment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a live camera does not start without.

    Attributes:
        purpose: from the closed list.
        jurisdiction: whose law applies: ISO 3166-1 alpha-2, with a subdivision where it differs, e.g. `DE`, `US-IL`.
        legal_basis: what the processing rests on.
        controller: who answers for the data.
        contact: of the controller: an e-mail address, a telephone number or a URL.
        retention_days: how long the receiver keeps windows.
        notice: where visitors read of this camera.
        notice_version, notice_date: of the notice that hangs there.
        notice_policy: hash of the policy that the notice was made for; the device starts with no other. Empty: not
            checked.
        notice_url: where the whole text can be read; the notice's QR code leads there.
        consent_reference: where consents are recorded, for purposes, bases and jurisdictions that need them.
    """

    purpose: Purpose | None = None
    jurisdiction: Text = ""
    legal_basis: LegalBasis | None = None
    controller: Text = ""
    contact: Text = ""
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None
    notice: Text = ""
    notice_version: Text = ""
    notice_date: date | None = None
    notice_policy: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{32})?$")] = ""
    notice_url: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^(https://[^\s/.]+(\.[^\s/.]+)+(/\S*)?)?$")] = ""
    consent_reference: Text = ""

    @property
    def needs_consent(self) -> bool:
        """Whether `consent_reference` has to be filled."""
        by_purpose = (self.purpose or "").endswith("-with-consent")
        return by_purpose or self.legal_basis == "consent" or self.jurisdiction in ASKS_CONSENT


def faults(given: Deployment) -> Iterator[tuple[str, str]]:
    """Key and fault of everything that is missing or cannot be meant, in the order of the keys."""
    for key in given.__struct_fields__:
        value = getattr(given, key)
        if key in ("notice_policy", "notice_url") or (key == "consent_reference" and not given.needs_consent):
            continue
        if value is None or value == "":
            yield key, "not filled"
        elif isinstance(value, str) and (fault := _judge(key, value)):
            yield key, fault


def judge(key: str, value: str) -> str:
    """What is wrong with one answer, as it is typed; empty when nothing is, or only with others it could be wrong."""
    try:
        given = msgspec.convert({key: value}, Deployment, strict=False)
    except msgspec.ValidationError as error:
        flaw = str(error).partition(" - at ")[0].replace("`", "")
        return f"{value!r} cannot be meant ({flaw[:1].lower()}{flaw[1:]})"
    return dict(faults(given)).get(key, "")


def says_nothing(text: str, *, least: int = 2) -> bool:
    """Whether a text is blank or a filler, such as `?`, `TODO` or `xxx`; `least` letters and digits say something."""
    letters = re.sub(r"[\W_]", "", text).lower()
    return letters in _FILLERS or len(letters) < least or (len(letters) > 1 and len(set(letters)) == 1)


def _judge(key: str, text: str) -> str:
    """What is wrong with a text that was given; empty when nothing is."""
    if key == "jurisdiction":
        country, _, part = text.partition("-")
        if country not in COUNTRIES or not re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", text):
            return f"{text!r} is no ISO 3166 code such as DE, JP or US-IL"
        if country == "US" and not part:
            return "the states' laws differ; name one, such as US-IL"
        return ""
    if key != "contact" and says_nothing(text, least=1 if key == "notice_version" else 2):
        return f"{text!r} says nothing"
    if key == "contact" and not any(re.fullmatch(form, text.strip()) for form in _CONTACTS):
        return f"{text!r} is no e-mail address, telephone number or URL"
    return ""
