"""Where an escape has no sign nothing is undone, and what is written apart is found: beside plain definitions."""

import re
import time
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.dlp import signs
from services.dlp.decoders import closed_up, unescape

SIGNS = {
    signs.HTML: r"<(?:!--|/?[A-Za-z]{1,12}[\s/>])|&[#A-Za-z]",
    signs.PERCENT: r"%[0-9A-Fa-f]{2}",
    signs.QUOTED: r"=[0-9A-Fa-f]{2}|(?<!=)=[ \t]{0,8}\r?\n",
    signs.CHARACTER: r"\\u\{|\\[uU][0-9A-Fa-f]{2}|\\x[0-9A-Fa-f]{2}|[Uu]\+[0-9A-Fa-f]{4}|\\[0-3][0-7]{2}",
    signs.ENCODED_WORD: r"=\?",
    signs.JOINED: r"[A-Za-z0-9 ][\"'`]\s{0,8}[+.&|_][\s+.&|_]{0,15}[\"'`][A-Za-z0-9 ]"
    r"|[A-Za-z0-9][\"'`]\s{0,24}[\"'`][A-Za-z0-9]"
    r"|\\\r?\n|[erwERW]\([0-9]",
    signs.UTF7: r"\+[A-Za-z0-9/]{2,}-",
}
ALL = sum(SIGNS)
PIECES = [
    *(
        "<b>",
        "</p >",
        "<!-- x -->",
        "<ab@c.example>",
        "< ",
        "&amp;",
        "&#65;",
        "& ",
        "%41",
        "%4",
        "%%",
        "=41",
        "=e9",
        "=\n",
    ),
    *(
        "= \t\r\n",
        "==\n",
        "=?utf-8?B?aGk=?=",
        "=é",
        "= ",
        "\\u0041",
        "\\u{41}",
        "\\x41",
        "\\101",
        "\\9",
        "\\",
        "U+0041",
    ),
    *("'", '"', "a'+'b", 'a" & "b', "`.`", "Chr(65)", "r(1", "','", "['a', 'b'].join()", "\\\n", "\\\r\n", "''"),
    *("u+41", "U+", "+AGEAYg-", "+AG-", "\\301", "+aé-", "++", "+-", "é", "\x00", "\n", " a word ", "ab", "1"),
]
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=12).map("".join)


def signs_in(text: str) -> int:
    return signs.escapes(text.encode("ascii", "replace"))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(texts)
@example("")
@example("=")
def test_no_sign_of_an_escape_is_missed(text: str) -> None:
    seen = signs_in(text)
    assert [sign for sign, pattern in SIGNS.items() if re.search(pattern, text) and not seen & sign] == []


@settings(max_examples=400, deadline=None, derandomize=True)
@given(texts)
def test_where_there_is_no_sign_nothing_is_undone(text: str) -> None:
    undone = unescape(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signs, "escapes", lambda _: ALL)
        assert unescape(text) == undone


@pytest.mark.parametrize("text", ["=?\ud800", "\ud800=41", "%41\udc80", "\ud800<b>", "\u202e\udfff", "+AGE-\ud800"])
def test_half_a_character_is_no_error(text: str) -> None:
    assert unescape(text)


@pytest.mark.parametrize(
    "text", ["Dear Bob, 12 % of a = b & c < d + e \\ f?\n=====\n", "a@b.example, 100%", "u + 1 - 2"]
)
def test_prose_has_no_signs(text: str) -> None:
    assert signs_in(text) == 0


# What is apart, and signs of it: four letters as far apart as each other; two, and one beyond marks that are apart too.
APART = re.compile(r".([\W_]{1,3})(?:.\1){7,}.?", re.DOTALL)
FAR = [rf"(?:[A-Za-z0-9][^A-Za-z0-9]{{{far}}}){{4}}" for far in (1, 2, 3)] + [
    rf"[A-Za-z0-9][^A-Za-z0-9]{{{far}}}[A-Za-z0-9][^A-Za-z0-9]{{{far + marks * (far + 1)}}}[A-Za-z0-9]"
    for far, marks in product((1, 2, 3), (1, 2, 3))
]


def runs_apart(text: str) -> list[tuple[int, int, int]]:
    if not any(re.search(far, text) for far in FAR):
        return []
    return [(*found.span(), len(found[1]) + 1) for found in APART.finditer(text)]


characters = st.sampled_from("ab1%é\u0661_ .-\u200b\n\U0001f600")
apart_texts = st.lists(
    st.one_of(
        st.builds(
            lambda between, word: between.join(word),
            st.text(st.sampled_from(" .-_\u200b\U0001f600a"), min_size=1, max_size=4),
            st.text(characters, min_size=4, max_size=14),
        ),
        st.text(characters, max_size=6),
        st.just("% 6 F % 7 0"),
    ),
    max_size=5,
).map("".join)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(apart_texts)
@example("")
@example("a b c d e f g h")
@example("a b c d e f g h ")
@example("   a b c d - - - - - -")
def test_what_is_apart_is_found_as_it_is_defined(text: str) -> None:
    assert signs.apart(text) == runs_apart(text)


@pytest.mark.parametrize("between", [" ", ".", "\n \n", "\u200b", "**"])
def test_what_is_apart_is_moved_together(between: str) -> None:
    assert closed_up(f"say ({between.join('operation')}), - - - - - - - - - -") == "operation"


@pytest.mark.parametrize("piece", ["a ", "a", "-", "%=+<&", "+a", "= ", " ", "a.", "- "])
def test_time_grows_with_the_length_alone(piece: str) -> None:
    text = "x y z w " + piece * (400_000 // len(piece))
    started = time.process_time()
    signs.apart(text)
    signs_in("=" + text)
    assert time.process_time() - started < 1
