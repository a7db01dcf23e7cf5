"""Administrators' own expressions: linear or refused with a reason, and found with the built-in ones in one pass."""

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dlp.detectors.database import Database, compile_pattern, flatten
from services.dlp.detectors.expressions import (
    MAX_EXPRESSIONS,
    MAX_LENGTH,
    MAX_MATCHES,
    ExpressionRefused,
    OwnExpression,
    compiled,
    database,
)
from services.dlp.findings import Hit
from services.dlp.message import Passage


def found(pattern: str, text: str, case_sensitive: bool = False) -> tuple[Hit, ...]:
    return Database(compiled([OwnExpression("ours", pattern, case_sensitive)])).find([Passage("body", text)])


@pytest.mark.parametrize(
    ("pattern", "text", "count"),
    [
        (r"\bPRJ-\d{4}\b", "prj-1234 and PRJ-1234, PRJ-5678; PRJ-99999", 3),
        (r"falcon|eagle", "Eagle, FALCON", 2),
        (r"über\s\w+", "ÜBER allem", 1),
        (r"\pL{3}-\p{Greek}{2}", "абв-γδ", 1),
        (r"机密\d+号", "这是机密12号文件", 1),
        (r"(?:case|matter) no\. (\d+)", "Case No. 17, matter no. 18", 2),
        (r"(?m)^TOP SECRET$", "x\nTOP SECRET\ny", 1),
        (r"contract \d{3}", "contract\u00a0\uff11\uff12\uff13", 1),  # a no-break space, full-width digits
    ],
)
def test_an_expression_is_found(pattern: str, text: str, count: int) -> None:
    (hit,) = found(pattern, text)
    assert (hit.detector, hit.rule, hit.count, hit.score) == ("expression", "ours", count, 1.0)


def test_case_may_be_said_to_matter() -> None:
    assert found("Falcon", "falcon", case_sensitive=False)
    assert not found("Falcon", "falcon", case_sensitive=True)


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        (r"(a)\1", "linear time"),
        (r"(?=a)b", "linear time"),
        (r"(?<!a)b", "linear time"),
        (r"(open", "bracket is not closed"),
        (r"[a-", "class of characters"),
        (r"a{1001}", "repetition"),
        (r"(((a{30}){30}){30})", "repetition"),
        (r"(\pL{1,90} ){1,9}", "memory"),
        (r"a++", "repetition"),
        (r"a*", "found in nothing"),
        (r"\b", "found in nothing"),
        (r"x|", "found in nothing"),
        (r"(?m)$", "found in nothing"),
        ("", "empty"),
        ("a" * (MAX_LENGTH + 1), "longer than"),
    ],
)
def test_an_expression_that_cannot_be_searched_for_is_refused_with_advice(pattern: str, advice: str) -> None:
    with pytest.raises(ExpressionRefused, match=advice) as refused:
        compiled([OwnExpression("ours", pattern)])
    assert "'ours'" in str(refused.value)


def test_names_are_unique_and_expressions_few_enough() -> None:
    with pytest.raises(ExpressionRefused, match="same name"):
        compiled([OwnExpression("a", "x"), OwnExpression("a", "y")])
    with pytest.raises(ExpressionRefused, match="remove some"):
        compiled([OwnExpression(str(n), "x") for n in range(MAX_EXPRESSIONS + 1)])
    with pytest.raises(ExpressionRefused, match="score"):
        compiled([OwnExpression("a", "x", score=0)])


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(a+)+b", "a" * 200_000),
        (r"(?s)x.*y|x", "x" * 200_000),
        (r"(.*)*z", "ab " * 70_000),
        (r"(\w\s?){4,}!", "w w " * 50_000),
        (r"(a|aa)+$", "a" * 200_000 + "b"),
    ],
)
def test_no_text_makes_an_expression_slow(pattern: str, text: str) -> None:
    started = time.process_time()
    found(pattern, text)
    assert time.process_time() - started < 5


def test_matches_are_counted_up_to_a_bound() -> None:
    hit, *_ = found(r"\d+", " ".join(map(str, range(MAX_MATCHES * 2))))
    assert hit.count == MAX_MATCHES


PATTERNS = [
    r"\bé\w",
    r"ß+x",
    r"(?s)a.b",
    r"[^a]{2}b",
    r"\sb$",
    r"(?m)^a",
    r"K",
    r"\pLb",
    r"[à-ü]1",
    r"a\b",
    r"[^k]x",
    r"\W",
    r"[[:alpha:]]1",
    r"s+",
]
TEXTS = st.text(st.sampled_from("abxABK1 \néÉßüÀ\u212a\u017f中"), max_size=12)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_the_first_engine_passes_over_nothing_that_the_second_finds(text: str) -> None:
    for expression, engine in SAMPLES:
        passage, pattern = Passage("body", text), compile_pattern(expression)
        there = any(pattern.search(flatten(layer.text).encode()) for layer in passage.unfolded.layer)
        assert bool(engine.find([passage])) == there, expression.pattern


SAMPLES = [(e, Database([e])) for p in PATTERNS for e in compiled([OwnExpression("ours", p)])]


@given(st.text(st.characters(exclude_categories=[]) | st.characters(categories=["Nd", "Zs", "Pd"]), max_size=50))
def test_a_text_is_flattened_character_for_character(text: str) -> None:
    for character, flat in zip(text, flatten(text), strict=True):
        if character.isdecimal():
            assert flat == str(unicodedata.decimal(character))
        elif "\uff01" <= character <= "\uff5e":
            assert flat == unicodedata.normalize("NFKC", character)
        elif flat != character:
            assert flat in " -sk"
            assert character in "\u2212\u017f\u212a" or unicodedata.category(character) in ("Zs", "Pd")


def test_one_database_has_the_built_in_rules_and_the_organisations() -> None:
    every = database([OwnExpression("project", r"prj-\d{4}")])
    text = "prj-1234 is paid with 4111 1111 1111 1111, postgres://bob:s3cr3tly@db/x"
    assert {(hit.detector, hit.rule) for hit in every.find([Passage("body", text)])} == {
        ("expression", "project"),
        ("personal-data", "card"),
        ("credential", "database-url"),
    }
