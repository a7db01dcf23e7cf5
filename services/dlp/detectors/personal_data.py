"""Finds personal data: payment cards, bank accounts, national numbers, passports, dates of birth, ways to reach people.

Whatever has a checksum is believed by its checksum. What has none (a phone number, an address, a date) scores below 1
and holds no mail by itself; many of them in one mail are a rule of their own (`email-bulk`), and so are many cards.
"""

import ipaddress
from collections.abc import Sequence
from functools import cache, partial

import phonenumbers
from stdnum import iban

from services.dlp.detectors.database import Candidate, Database, Expression
from services.dlp.detectors.national_ids import KINDS, NationalId
from services.dlp.findings import Hit
from services.dlp.message import Passage

VERSION = "personal-data 1"
DETECTOR = "personal-data"

BULK = 20
# A mailing list's digest has dozens of addresses, a log hundreds of hosts.
BULK_PHONES = 50
BULK_ADDRESSES = 100

# Reading a number or an address takes up to 50 us, and a flood of them adds nothing to what a mail is.
MAX_PHONES = 200
MAX_HOSTS = 2000


# Issuer ranges: ISO/IEC 7812 prefixes with the lengths their schemes publish.
_ISSUERS: tuple[tuple[range, tuple[int, ...]], ...] = (
    (range(4, 5), (13, 16, 19)),  # Visa
    (range(51, 56), (16,)),  # Mastercard
    (range(2221, 2721), (16,)),
    (range(34, 35), (15,)),  # American Express
    (range(37, 38), (15,)),
    (range(6011, 6012), (16, 17, 18, 19)),  # Discover
    (range(644, 650), (16, 17, 18, 19)),
    (range(65, 66), (16, 17, 18, 19)),
    (range(3528, 3590), (16, 17, 18, 19)),  # JCB
    (range(300, 306), (14,)),  # Diners Club
    (range(36, 37), (14, 15, 16, 17, 18, 19)),
    (range(38, 40), (16, 17, 18, 19)),
    (range(62, 63), (16, 17, 18, 19)),  # UnionPay
    (range(5018, 5019), tuple(range(13, 20))),  # Maestro
    (range(5020, 5021), tuple(range(13, 20))),
    (range(5038, 5039), tuple(range(13, 20))),
    (range(6304, 6305), tuple(range(13, 20))),
    (range(6759, 6764), tuple(range(13, 20))),
    (range(2200, 2205), (16, 17, 18, 19)),  # Mir
)

_LENGTHS = {str(prefix): lengths for prefixes, lengths in _ISSUERS for prefix in prefixes}
# Luhn's sum (ISO/IEC 7812-1 annex B) by tables: a text may have a candidate at every character.
_VALUE = bytes(byte - 48 if 48 <= byte <= 57 else 0 for byte in range(256))
_DOUBLED = bytes(value * 2 % 10 + value * 2 // 10 for value in _VALUE)

# Digits in one run, in the groups that cards are embossed in, or one by one; the separators are all alike. Nineteen
# digits in groups are an expression of their own: the fifth group may as well be the security code that follows.
_GROUPED = [rf"[2-6]\d{{3}}{s}\d{{4}}{s}\d{{4}}{s}\d{{4}}" for s in (" ", "-", r"\.", "  ", "/", "_")]
_CARD = "|".join(
    [r"[2-6]\d{12,18}", *_GROUPED]
    + [rf"3\d{{3}}{s}\d{{6}}{s}\d{{4,5}}" for s in (" ", "-", r"\.", "  ")]
    + [rf"[2-6](?:{s}\d){{12,18}}" for s in (" ", "-", r"\.")]
)
_LONG_CARD = "|".join(rf"{grouped}[ \-.]\d{{1,3}}" for grouped in _GROUPED)


def _digits(value: str) -> str:
    return "".join(filter(str.isdigit, value))


def is_card(number: str) -> bool:
    """Whether digits are a payment card's: an issuer's range, a length of that issuer's, and the Luhn digit."""
    if not any(len(number) in _LENGTHS.get(number[:width], ()) for width in range(1, 5)):
        return False
    digits = number.encode()[::-1]
    return (sum(digits[::2].translate(_VALUE)) + sum(digits[1::2].translate(_DOUBLED))) % 10 == 0


def _card(found: Candidate) -> float:
    return float(is_card(_digits(found.value)))


def _iban(found: Candidate) -> float:
    value = found.value.upper()
    # The form runs on into the words that follow, so the check digits decide where the number ends.
    for end in range(len(value), 14, -1):
        if value[end - 1].isalnum() and (end == len(value) or not value[end].isalnum()):
            number = value[:end].replace(" ", "").replace("-", "")
            if _mod_97(number) == 1 and iban.is_valid(number):
                return 1.0
    return 0.0


def _mod_97(number: str) -> int:
    """ISO 7064 MOD 97-10, letters being 10 to 35: 1 where the check digits of an IBAN are right."""
    return int("".join(str(int(character, 36)) for character in number[4:] + number[:4])) % 97


def _national(kind: NationalId, found: Candidate) -> float:
    return float(kind.holds(found.value))


def _ip(found: Candidate) -> float:
    try:
        address = ipaddress.ip_address(found.value)
    except ValueError:
        return 0.0
    return 0.0 if address.is_loopback or address.is_unspecified or address.is_multicast else 0.2


def _phone(found: Candidate) -> float:
    try:
        number = phonenumbers.parse(found.value, None if found.value.startswith("+") else "US")
    except phonenumbers.NumberParseException:
        return 0.0
    return 0.3 if phonenumbers.is_valid_number(number) else 0.0


def _score(score: float, _: Candidate) -> float:
    return score


_MRZ_VALUES = {character: value for value, character in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {"<": 0}


def _mrz_digit(field: str) -> str:
    """ICAO Doc 9303 part 3, section 4.9: the sum of the values weighed 7, 3, 1, modulo 10."""
    return str(sum(_MRZ_VALUES[character] * (7, 3, 1)[place % 3] for place, character in enumerate(field)) % 10)


def _mrz(found: Candidate) -> float:
    """The second line of a passport's machine-readable zone (ICAO Doc 9303 part 4): three fields with check digits."""
    line = found.value
    fields = ((line[:9], line[9]), (line[13:19], line[19]), (line[21:27], line[27]))
    return float(all(_mrz_digit(field) == digit for field, digit in fields))


_MONTHS = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
    "|mär|mai|okt|dez|janv|févr|avr|juin|juil|août|déc|ene|abr|ago|dic|gen|mag|giu|lug|set|ott"
)
_DATE = (
    r"(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d{2}|(?:19|20)\d{2}[./-]\d{1,2}[./-]\d{1,2}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)? (?:{_MONTHS})[^ 0-9]{{0,6}}\.?,? (?:19|20)\d{{2}}"
    rf"|(?:{_MONTHS})[a-z]{{0,6}}\.? \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d{{2}})"
)
_BORN = (
    "date of birth|birth ?date|birthday|d\\.?o\\.?b|born(?: on)?|geburtsdatum|geb|geboren(?: am)?|née? le"
    "|date de naissance|fecha de nacimiento|nacid[oa] el|data di nascita|nat[oa] il|data de nascimento|geboortedatum"
    "|születési idő|data urodzenia|дата рождения|出生日期|生年月日|생년월일"
)
_PASSPORT = (
    "passport(?: (?:no|number|nr|#))?|reisepass(?:-?(?:nr|nummer))?|passeport|pasaporte|passaporto|paspoort"
    "|paszport|паспорт|护照|護照|旅券"
)

EXPRESSIONS: tuple[Expression, ...] = (
    Expression(DETECTOR, "card", rf"\b(?:{_CARD})\b", _card, bulk=BULK),
    Expression(DETECTOR, "card", rf"\b(?:{_LONG_CARD})\b", _card, bulk=BULK, screen=rf"\b(?:{_CARD})\b"),
    Expression(
        DETECTOR,
        "iban",
        r"(?i)\b[a-z]{2}\d{2}(?:[a-z0-9]{11,30}|(?:[ -][a-z0-9]{4}){2,7}(?:[ -][a-z0-9]{1,3})?)\b",
        _iban,
        bulk=BULK,
    ),
    *(Expression(DETECTOR, kind.rule, kind.pattern, partial(_national, kind), bulk=BULK) for kind in KINDS),
    Expression(
        DETECTOR,
        "passport-mrz",
        r"\b[A-Z0-9][A-Z0-9<]{8}\d[A-Z<]{3}\d{6}\d[MFX<]\d{6}\d[A-Z0-9<]{14}[\d<]\d",
        _mrz,
        screen=r"[A-Z<]{3}\d{7}[MFX<]\d{7}",
    ),
    Expression(
        DETECTOR,
        "passport",
        rf"(?i)(?:^|[^0-9A-Za-z])(?:{_PASSPORT})(?:[^0-9A-Za-z][^0-9]{{0,20}})?\b([A-Z]{{0,2}}\d{{6,9}})\b",
        partial(_score, 0.7),
        bulk=BULK,
    ),
    Expression(
        DETECTOR,
        "date-of-birth",
        rf"(?i)(?:^|[^0-9A-Za-z])(?:{_BORN})[^0-9A-Za-z][^0-9A-Za-z]{{0,10}}({_DATE})\b",
        partial(_score, 0.5),
        bulk=BULK,
    ),
    Expression(
        DETECTOR,
        "phone",
        r"\+[1-9](?:[ ().\-/]{0,2}\d){6,14}\b|(?:\(\d{3}\) ?|\b\d{3}[-. ])\d{3}[-. ]\d{4}\b",
        _phone,
        bulk=BULK_PHONES,
        bulk_score=0.8,
        most=MAX_PHONES,
    ),
    Expression(
        DETECTOR,
        "email",
        r"(?i)\b[a-z0-9][a-z0-9._%+\-]{0,63}@(?:[a-z0-9\-]{1,63}\.){1,8}[a-z]{2,24}\b",
        partial(_score, 0.1),
        bulk=BULK_ADDRESSES,
        bulk_score=0.8,
        screen=r"(?i)[a-z0-9._%+\-]@[a-z0-9\-]",
    ),
    Expression(
        DETECTOR,
        "ip",
        r"\b(?:\d{1,3}\.){3}\d{1,3}\b|(?i)\b(?:[0-9a-f]{1,4}:){1,7}(?::?[0-9a-f]{1,4}){1,7}\b",
        _ip,
        bulk=BULK_ADDRESSES,
        bulk_score=0.8,
        most=MAX_HOSTS,
        # Of the second kind an address has two colons side by side, or seven; a time has neither.
        screen=r"(?i)\d\.\d{1,3}\.\d{1,3}\.\d|[0-9a-f]::[0-9a-f]|(?:[0-9a-f]{1,4}:){7}",
    ),
)


@cache
def _database() -> Database:
    return Database(EXPRESSIONS)


def find(passages: Sequence[Passage]) -> tuple[Hit, ...]:
    """Personal data in `passages`, one hit for each rule and passage; hits in bulk come last."""
    return _database().find(passages)
