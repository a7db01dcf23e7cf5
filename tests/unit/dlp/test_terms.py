"""The matcher finds what a patient reader finds, and weighs it as the paper does."""

import math
import re
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dlp import terms
from services.dlp.message import Passage
from services.dlp.terms import Matcher, Occurrence, count_words, fold


def found(term: str, text: str) -> int:
    return Matcher.compile([term]).count(fold(text))[0]


@pytest.mark.parametrize(
    ("term", "text", "times"),
    [
        ("falcon", "The falcon and the FALCON; Falcon.", 3),
        ("falcon", "falcons, superfalcon, falcon2", 0),
        ("falcon", "falcon_plan.pdf falcon-plan (falcon)", 3),
        ("project falcon", "project falcon, Project\r\n   FALCON, project\u00a0falcon", 3),
        ("project falcon", "projectfalcon", 0),
        ("falcon", "\uff26\uff41\uff4c\uff43\uff4f\uff4e", 1),  # full-width letters
        ("straße", "STRASSE strasse", 2),
        ("übernahme", "U\u0308bernahme ÜBERNAHME Neuübernahme", 2),
        ("über", "übernahme über", 1),
        ("a b a", "a b a b a", 2),
        ("c++", "c++ C++, c++11", 3),
        (".net", "ASP.NET and .net", 2),
        ("机密", "这是机密文件", 1),
        ("기밀", "기밀은 아니다", 1),
        ("сокол", "Сокол, соколы", 1),
        ("falcon", "😀falcon😀", 1),
        ("falcon", "", 0),
    ],
)
def test_a_term_is_found_as_a_whole_word(term: str, text: str, times: int) -> None:
    assert found(term, text) == times


def naive(term: str, text: str) -> int:
    """Occurrences with an edge on both sides, counted one character at a time."""
    term, text = fold(term), f" {fold(text)} "

    def joined(left: str, right: str) -> bool:
        return all(c.isalnum() or unicodedata.category(c)[0] == "M" for c in (left, right)) and not re.search(
            "[\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7ff]", left + right
        )

    ends = ((place, place + len(term)) for place in range(len(text)) if text.startswith(term, place))
    return sum(not joined(text[a - 1], text[a]) and not joined(text[b - 1], text[b]) for a, b in ends)


LETTERS = st.text(st.sampled_from("abAB1 _-.\nßéE\u0301密か中Ж"), min_size=1, max_size=40)
TERMS = st.lists(
    st.text(st.sampled_from("abAB1 -ßé密Ж"), min_size=1, max_size=4).filter(lambda t: count_words(fold(t)) > 0),
    min_size=1,
    max_size=8,
)


@settings(max_examples=500)
@given(TERMS, LETTERS)
def test_the_matcher_agrees_with_a_patient_reader(words: list[str], text: str) -> None:
    counts = Matcher.compile(words).count(fold(text))
    assert [counts[i] for i in range(len(words))] == [naive(word, text) for word in words]


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(["abbaba", "ab bab", "ßabab", "éa-bab", "密か密か密", "Жaba1", ".ab ab a"]),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.sampled_from(["ab", "ba", "bab", " ", "ß", "é", "é", "密か", "密", "Ж", "1", "-", "."])).map("".join),
)
def test_and_so_with_longer_terms(words: list[str], text: str) -> None:
    counts = Matcher.compile(words).count(fold(text))
    assert [counts[i] for i in range(len(words))] == [naive(word, text) for word in words]


@given(st.lists(st.sampled_from(["falcon", "eagle", "project falcon", "the", "9"])))
def test_case_and_line_breaks_change_nothing(words: list[str]) -> None:
    matcher = Matcher.compile(["falcon", "project falcon"])
    expected = matcher.count(fold(" ".join(words)))
    assert matcher.count(fold("\r\n\t".join(words).upper())) == expected


@given(st.lists(st.lists(st.sampled_from(["falcon", "eagle", "the"]), max_size=6), min_size=1, max_size=5))
def test_a_text_split_into_passages_has_as_many_occurrences(parts: list[list[str]]) -> None:
    matcher = Matcher.compile(["falcon", "eagle"])
    whole = matcher.search([Passage("body", " ".join(word for part in parts for word in part))])
    split = matcher.search([Passage(f"part {n}", " ".join(part)) for n, part in enumerate(parts)])
    assert {o.term: o.total for o in split} == {o.term: o.total for o in whole}
    for term in {o.term for o in split}:
        assert sum(o.count for o in split if o.term == term) == next(o.total for o in whole if o.term == term)


@pytest.mark.parametrize("words", [["falcon", "project falcon"], ["proj", "con"]])
def test_a_long_text_is_searched_in_pieces_without_a_difference(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    text = "project falcon pr0ject-falc0n, noclaf tcejorp, proj \u0440roj con superfalcon con " * 20
    whole = Matcher.compile(words).search([Passage("body", text)])
    monkeypatch.setattr(terms, "OVERLAP", 40)
    for size in (*range(1, 90, 7), 500):
        monkeypatch.setattr(terms, "BATCH", size)
        assert Matcher.compile(words).search([Passage("body", text)]) == whole


def test_the_weight_is_the_paper_s() -> None:
    passages = [Passage("subject", "falcon"), Passage("body", "falcon falcon " + "word " * 97)]
    body, subject = Matcher.compile(["falcon"]).search(passages)
    assert body == Occurrence(term=0, passage=1, count=2, total=3, weight=2 * math.log(100 / 3))
    assert subject == Occurrence(term=0, passage=0, count=1, total=3, weight=math.log(100 / 3))


def test_a_mail_of_nothing_but_the_term_weighs_nothing() -> None:
    assert [o.weight for o in Matcher.compile(["falcon"]).search([Passage("body", "falcon " * 50)])] == [0.0]


def test_of_two_renderings_of_one_text_the_fuller_counts() -> None:
    passages = [
        Passage("subject", "falcon"),
        Passage("body", "falcon eagle eagle", (1, 0)),
        Passage("body", "falcon falcon eagle", (1, 1)),
        Passage("body", "falcon", (2, 0)),
    ]
    occurrences = Matcher.compile(["falcon", "eagle"]).search(passages)
    assert {o.term: o.total for o in occurrences} == {0: 1 + 2 + 1, 1: 2}


@pytest.mark.parametrize("term", ["", " ", "--", "\u0301", "😀"])
def test_a_term_without_a_letter_or_digit_is_refused(term: str) -> None:
    with pytest.raises(ValueError, match="no letter or digit"):
        Matcher.compile([term])


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("marks", ["\u0300\u0327" * 200_000, "\u0300" * 200_000 + "\u0327" * 200_000])
def test_a_hostile_run_of_marks_folds_in_linear_time(marks: str) -> None:
    # Normalised as it stands, it takes minutes.
    begun = time.process_time()
    assert fold("falcon e" + marks).startswith("falcon ")
    assert time.process_time() - begun < 3


def test_an_empty_list_finds_nothing() -> None:
    assert Matcher.compile([]).search([Passage("body", "falcon")]) == ()


@pytest.mark.parametrize(
    ("text", "words"), [("two words", 2), ("it's 3.5 %", 4), ("snake_case", 2), ("机密 über", 3), ("-- ", 0)]
)
def test_words_are_runs_of_letters_and_digits(text: str, words: int) -> None:
    assert count_words(fold(text)) == words
