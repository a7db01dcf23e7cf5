"""Personal data is found by its checksums, in whatever form people write it; what only looks like it is not."""

import random
import time
import uuid
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban, luhn

from services.dlp.detectors import personal_data
from services.dlp.detectors.database import Database
from services.dlp.findings import Hit
from services.dlp.message import Passage


def hits(*texts: str) -> tuple[Hit, ...]:
    return personal_data.find([Passage(f"text {n}", text) for n, text in enumerate(texts)])


def rules(text: str, least: float = 0.0) -> set[str]:
    return {hit.rule for hit in hits(text) if hit.score >= least}


def card(seed: int, prefix: str = "4", length: int = 16) -> str:
    body = prefix + "".join(random.Random(seed).choices("0123456789", k=length - 1 - len(prefix)))
    return body + luhn.calc_check_digit(body)


CARDS = st.builds(
    lambda seed, kind: card(seed, *kind),
    st.integers(0, 10**9),
    st.sampled_from(
        [("4", 16), ("52", 16), ("2221", 16), ("37", 15), ("6011", 16), ("3530", 16), ("36", 14), ("62", 19)]
    ),
)


@given(CARDS)
@settings(max_examples=60, deadline=None)
def test_a_card_is_found_and_one_wrong_digit_hides_it(number: str) -> None:
    assert "card" in rules(f"Charge {number} please.", 1)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert "card" not in rules(f"Charge {wrong} please.")


@pytest.mark.parametrize(
    "written",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "\uff14\uff11\uff11\uff11 1111 1111 1111",  # full-width digits
        "4111\u20131111\u20131111\u20131111",  # en dashes
        " ".join(["\u0664\u0661\u0661\u0661", *["\u0661" * 4] * 3]),  # Arabic digits
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4111 1111 1111 1111 123",  # a security code behind it
        "4111 1111 1111 1111 12/27",
        "2024 4111 1111 1111 1111",
        "卡号4111111111111111。",
        "card=4111111111111111;",
    ],
)
def test_a_card_is_found_however_it_is_written(written: str) -> None:
    assert [hit.score for hit in hits(written) if hit.rule == "card"] == [1.0]


def test_twenty_cards_in_one_mail_are_a_rule_of_their_own() -> None:
    cards = [card(seed) for seed in range(20)]
    (bulk,) = [hit for hit in hits(*cards) if hit.rule == "card-bulk"]
    assert (bulk.count, bulk.score) == (20, 1.0)
    assert not any(hit.rule == "card-bulk" for hit in hits(*cards[:19], *cards[:19]))


IBANS = {
    "DE": "370400440532013000",
    "GB": "NWBK60161331926819",
    "FR": "20041010050500013M02606",
    "NL": "ABNA0417164300",
    "PL": "109010140000071219812874",
    "NO": "86011117947",
    "CH": "00762011623852957",
    "AT": "1904300234573201",
}


@pytest.mark.parametrize("country", IBANS)
@pytest.mark.parametrize("spaced", [False, True])
def test_a_bank_account_is_found_by_its_check_digits(country: str, spaced: bool) -> None:
    number = country + iban.calc_check_digits(f"{country}00{IBANS[country]}") + IBANS[country]
    wrong = number[:2] + f"{(int(number[2:4]) + 1) % 100:02}" + number[4:]
    shown = iban.format if spaced else str
    assert "iban" in rules(f"Pay to {shown(number)} from today.", 1)
    assert "iban" in rules(f"pay to {shown(number).lower()}", 1)
    assert "iban" not in rules(f"Pay to {shown(wrong)} from today.")


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("us-ssn", "her number is 536-90-4399"),
        ("us-ssn", "SSN: 536904399"),
        ("us-ssn", "social security number 536 90 4399"),
        ("uk-nino", "AB 12 34 56 C"),
        ("uk-nino", "NI number: AB123456C"),
        ("uk-nhs", "NHS number 943 476 5870"),
        ("de-idnr", "Steuer-ID: 36 574 261 809"),
        ("ch-ahv", "756.9217.0769.85"),
        ("fr-nir", "2 95 10 99 126 111 93"),
        ("es-dni", "DNI 54362315-K"),
        ("es-nie", "X-2482300-W"),
        ("it-codice-fiscale", "RCCMNL83S18D969H"),
        ("nl-bsn", "BSN 1112.22.333"),
        ("be-rrn", "85.07.30-033.28"),
        ("fi-hetu", "131052-308T"),
        ("pl-pesel", "PESEL: 44051401359"),
        ("no-fnr", "fødselsnummer 151086 95088"),
        ("se-personnummer", "personnummer 880320-0016"),
        ("dk-cpr", "CPR-nummer 211062-5629"),
        ("tr-tc", "T.C. Kimlik No: 17291716060"),
        ("br-cpf", "390.533.447-05"),
        ("cl-rut", "76.086.428-5"),
        ("ca-sin", "SIN 123-456-782"),
        ("in-aadhaar", "Aadhaar 2341 2341 2346"),
        ("in-pan", "PAN: ACUPA7085R"),
        ("cn-ric", "身份证360426199101010071"),
        ("kr-rrn", "971013-9019902"),
        ("ro-cnp", "CNP 1630615123457"),
        ("hr-oib", "OIB 33392005961"),
        ("gr-amka", "AMKA 01013099997"),
        ("za-id", "ID number 7503305044089"),
        ("mx-curp", "BOXW310820HNERXN09"),
    ],
)
def test_national_numbers_are_found(rule: str, text: str) -> None:
    assert rule in rules(text, 1)


@pytest.mark.parametrize(
    "text",
    [
        "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000",  # never issued
        "536904399",  # nothing says what it is
        "BSN 123456789",
        "PESEL: 44051401358",
        "85.07.30-033.29",
        "131052-308U",
        "NHS number 943 476 5871",
        "RCCMNL83S18D969A",
        "build 20210412.1234567890 of 4.18.0-305.el8",
        "version 1.2.3.4.5, commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "tracking 1Z999AA10123456784, order 0000 0000 0000 0000",
        "ISBN 978-3-16-148410-0, EAN 4006381333931",
        "tel 5555 5555 5555 5555, 4111 1111-1111 1111, 4111 1111 1111 1112",
    ],
)
def test_what_only_looks_like_it_is_not_found(text: str) -> None:
    assert rules(text, 1) == set()


def test_random_identifiers_are_not_taken_for_personal_data() -> None:
    source = random.Random(4)
    lines = [str(uuid.UUID(int=source.getrandbits(128))) for _ in range(500)]
    lines += [f"{source.getrandbits(160):040x}" for _ in range(500)]
    assert not rules("\n".join(lines), 1)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("phone", "call +49 30 901820"),
        ("phone", "call (202) 456-1111"),
        ("email", "write to jane.doe+x@mail.example.com"),
        ("ip", "host 203.0.113.9"),
        ("ip", "host 2001:db8::17"),
        ("date-of-birth", "Date of birth: 17 March 1984"),
        ("date-of-birth", "geb. am 17.03.1984, geboren am 17.03.1984"),
        ("date-of-birth", "出生日期\uff1a1984-03-17"),
        ("passport", "Passport No. C01X00T47, passport number: 123456789"),
    ],
)
def test_what_has_no_checksum_only_scores(rule: str, text: str) -> None:
    assert [hit.rule for hit in hits(text) if 0 < hit.score < 1] == [rule]


def test_a_passport_is_read_from_its_machine_readable_zone() -> None:
    line = "L898902C36UTO7408122F1204159ZE184226B<<<<<10"  # the specimen of ICAO Doc 9303 part 4
    assert "passport-mrz" in rules(f"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\n{line}", 1)
    assert "passport-mrz" not in rules(line.replace("7408122", "7408123"))


SCREENED = [expression for expression in personal_data.EXPRESSIONS if expression.screen]
ALMOST = st.lists(
    st.builds(str, st.ip_addresses())
    | st.ip_addresses(v=6).map(lambda address: address.exploded)
    | st.from_regex(r"([0-9a-f]{1,4}::?){1,9}[0-9a-f]{0,5}|(\d{1,3}\.){2,5}\d{1,3}", fullmatch=True)
    | st.emails()
    | st.from_regex(r"[a-z0-9.+ -]{1,5}@([a-z0-9-]{1,5}\.){0,3}[a-z0-9]{1,5}", fullmatch=True)
    | CARDS.map(lambda number: " ".join(number[at : at + 4] for at in range(0, len(number), 4)))
    | st.builds("{}-{}".format, CARDS, st.integers(0, 9999))
    | st.sampled_from(["L898902C36UTO7408122F1204159ZE184226B<<<<<10", "7408122F1204159", "12:30:45", "std::a"])
    | st.text(" .:-@<1aF", max_size=3),
    max_size=6,
).map("".join)


@given(ALMOST)
@settings(max_examples=300, deadline=None)
def test_a_screen_passes_over_nothing_that_is_found_without(text: str) -> None:
    passage = [Passage("body", text)]
    assert SCREENS.find(passage) == NO_SCREENS.find(passage)


SCREENS, NO_SCREENS = Database(SCREENED), Database([replace(one, screen="") for one in SCREENED])


def test_invalid_addresses_and_numbers_score_nothing() -> None:
    assert rules("999.1.2.3 at 12:30:45, +1 555 000, 127.0.0.1, user@localhost") == set()


def test_many_addresses_are_a_rule_of_their_own() -> None:
    many = " ".join(f"person{n}@customers.example" for n in range(100))
    (bulk,) = [hit for hit in hits(many) if hit.rule == "email-bulk"]
    assert bulk.count == 100
    assert bulk.score < 1


def test_a_hit_shows_four_characters_and_where() -> None:
    number, before = card(3), "Für Käufe: "
    (hit,) = [hit for hit in hits(f"{before}{number}.") if hit.rule == "card"]
    assert hit.span == (len(before), len(before) + 16)
    assert hit.sample == f"{number[:2]}…{number[-2:]}"
    assert hit.where == "text 0"


def test_a_megabyte_of_almost_numbers_takes_no_long() -> None:
    started = time.process_time()
    hits("4111 1111 1111 1112 " * 10_000, "DE00 1234 5678 9012 3456 00 " * 8_000, "1:" * 100_000, "+1 " * 60_000)
    assert time.process_time() - started < 10
