"""Lists refuse what cannot work, in words an administrator can act on."""

import hashlib
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.dlp.black_words import (
    BlackWord,
    Words,
    words_from_csv,
    words_from_text,
    words_to_csv,
    words_to_text,
)
from services.dlp.inspection import inspect
from services.dlp.lists import Lists, differences, hashes_from_text, hashes_to_text
from services.dlp.policy import Rules
from services.dlp.words import fold

SHA256 = "ab" * 32
SHA1 = "cd" * 20
ADA, EVE = "ada@northwind.example", "eve@contoso.example"


def test_words_are_read_from_csv_with_and_without_heading() -> None:
    expected = (
        BlackWord(term="falcon", threshold=3),
        BlackWord(term="project, secret", threshold=1, scope="outside"),
        BlackWord(term="eagle"),
    )
    rows = 'falcon,3\r\n\r\n"project, secret", 1 , outside\r\neagle\r\n'
    assert tuple(words_from_csv(rows)) == expected
    assert tuple(words_from_csv("\ufeffterm,threshold\n" + rows)) == expected


def test_words_are_read_from_plain_text_one_a_line() -> None:
    words = words_from_text("\ufefffalcon\n\n  project,  secret \r\n")
    assert tuple(words) == (BlackWord(term="falcon"), BlackWord(term="project, secret"))
    assert words_to_text(words) == "falcon\nproject, secret\n"
    with pytest.raises(ValueError, match=r"line 2: term: .*needs a letter or a digit"):
        words_from_text("falcon\n--\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("eagle,1\nfalcon,none", r"line 2: threshold: .*integer"),
        ("falcon,0", r"line 1: threshold: .*greater than or equal to 1"),
        ("falcon,1,everywhere", r"line 1: scope: .*'all' or 'outside'"),
        ("a,1,all,b", r"line 1: expected term,threshold,scope"),
        ("--,1", r"line 1: term: .*needs a letter or a digit"),
        ('falcon,1\n"open', r"line 2: .*"),
        (",3", r"line 1: term: Field required"),
        ("x" * 201, r"line 1: term: .*at most 200"),
    ],
)
def test_a_faulty_line_is_named_with_its_fault(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        words_from_csv(text)


WORDS = st.lists(
    st.builds(
        BlackWord,
        term=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50).map(lambda t: f"{t}x"),
        threshold=st.integers(1, 2**32 - 1),
        scope=st.sampled_from(["all", "outside"]),
    ),
    unique_by=lambda word: (fold(word.term), word.scope),
).map(Words.of)


@given(WORDS)
def test_exported_words_come_back_as_they_were(words: Words) -> None:
    assert words_from_csv(words_to_csv(words)) == words


@given(WORDS)
def test_words_are_kept_as_they_were(words: Words) -> None:
    again = Words.from_bytes(words.to_bytes())
    assert again == words
    assert tuple(again) == tuple(words[place] for place in range(len(words)))
    assert Lists.model_validate_json(Lists(words=words).model_dump_json()).words == words


@given(WORDS, WORDS)
def test_what_is_added_counts_and_what_is_removed_is_gone(words: Words, others: Words) -> None:
    def by_key(some: Words) -> dict[tuple[str, str], int]:
        return {(fold(word.term), word.scope): word.threshold for word in some}

    before, given = by_key(words), by_key(others)
    assert by_key(words.with_words(others)) == before | given
    assert by_key(words.without(others)) == {key: before[key] for key in before.keys() - given.keys()}


@given(WORDS, WORDS)
def test_the_difference_of_two_versions_is_what_one_has_and_the_other_has_not(before: Words, after: Words) -> None:
    said = differences(Lists(words=before), Lists(words=after))
    old, new = set(map(str, before)), set(map(str, after))
    assert said == [("words", "-", one) for one in sorted(old - new)] + [
        ("words", "+", one) for one in sorted(new - old)
    ]


def test_hashes_are_read_as_sha256sum_prints_them() -> None:
    assert hashes_from_text(f"{SHA256.upper()}  plan.pdf\n\n{SHA1}\n", "black") == {SHA256, SHA1}
    assert hashes_from_text(hashes_to_text({SHA256}), "white") == {SHA256}


def test_a_sha1_lets_no_file_pass() -> None:
    with pytest.raises(ValueError, match=r"line 1: expected a SHA-256 .* a SHA-1 can be forged"):
        hashes_from_text(SHA1, "white")
    with pytest.raises(ValidationError):
        Lists(white_hashes=frozenset({SHA1}))
    assert Lists(black_hashes=frozenset({SHA1})).black_hashes == {SHA1}


@pytest.mark.parametrize("entry", ["", "zz" * 32, SHA256 + "00", "falcon"])
def test_what_is_no_hash_is_refused(entry: str) -> None:
    with pytest.raises(ValidationError):
        Lists(black_hashes=frozenset({entry}))


def test_entries_are_kept_in_one_spelling() -> None:
    lists = Lists(white_hashes=frozenset({f" {SHA256.upper()} "}), exempt_senders=frozenset({"Ada@Northwind.Example"}))
    assert lists.white_hashes == {SHA256}
    assert lists.exempt_senders == {"ada@northwind.example"}


def test_a_word_may_stand_once_in_each_scope() -> None:
    inside, outside = BlackWord(term="Falcon", threshold=5), BlackWord(term="falcon", scope="outside")
    assert len(Lists(words=(inside, outside)).words) == 2
    with pytest.raises(ValidationError, match="'FALCON' stands twice with scope 'all'"):
        Lists(words=(inside, BlackWord(term="FALCON")))


@pytest.mark.parametrize(
    "fields",
    [
        {"version": -1},
        {"white_mode": "maybe"},
        {"exempt_senders": ["ada"]},
        {"weight_threshold": 0},
        {"weight_threshold": float("nan")},
        {"colour": "red"},
    ],
)
def test_lists_refuse_nonsense(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Lists.model_validate(fields)


def test_lists_are_frozen_and_survive_json_in_the_same_bytes() -> None:
    lists = Lists(
        version=7,
        words=(BlackWord(term="falcon"),),
        black_hashes=frozenset({SHA1, SHA256}),
        exempt_senders=frozenset({"b@x.example", "a@x.example"}),
    )
    for field in Lists.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(lists, field, None)
    again = Lists.model_validate_json(lists.model_dump_json())
    assert again == lists
    assert '"exempt_senders":["a@x.example","b@x.example"]' in again.model_dump_json()


def test_a_file_known_to_do_harm_is_danger_until_its_last_day() -> None:
    mail = EmailMessage()
    mail.set_content("See the plan.")
    mail.add_attachment("plan, of no known harm", filename="plan.txt")
    digest = hashlib.sha1(b"plan, of no known harm\n").hexdigest()
    end = {"list": "known-bad", "entry": digest, "until": "2026-11-22"}
    rules = Rules.compile(Lists.model_validate({"known_bad": [digest.upper()], "ends": [end]}))

    def decided(day: int) -> list[tuple[str, str]]:
        at = datetime(2026, 11, day, 12, tzinfo=UTC)
        _, decision = inspect(mail.as_bytes(), ADA, [EVE], rules, ["northwind.example"], lambda _files: (), now=at)
        return [(verdict.action, verdict.code) for verdict in decision.verdicts]

    assert decided(22) == [("hold", "danger")]
    assert decided(23) == [("pass", "clean")]
