"""Alphabets spell as a table would, character by character; words begin and end where a patient reader sees it."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.dlp.alphabets import APART, BESIDE, IN_WORD, SHOWN, UNSPACED, Alphabet, edges, fold_ascii, near_symbols

TEXTS = (
    st.text()
    | st.text(st.characters(codec=None, categories=None))
    | st.text(st.sampled_from("ab \0\x7f\x80ßé漢🦅\ud800"))
)


def read(character: str) -> str:
    """Some characters as nothing, some as themselves, some as several."""
    return (
        character * (0, 1, 1, 1, 2, 3)[ord(character) % 6]
        if character < "\u0800"
        else character[ord(character) % 5 == 0 :]
    )


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@given(TEXTS)
@example("")
@example("\0")
@example("\U0010ffff")
@example("a" * 70_000)
def test_a_text_is_spelt_character_by_character(text: str) -> None:
    alphabet = Alphabet(read)
    assert alphabet.spell(text) == encoded("".join(map(read, text)))
    spelt, seats = alphabet.seated(text)
    assert spelt == alphabet.spell(text)
    assert seats.tolist() == [at for at, character in enumerate(text) for _ in encoded(read(character))]


@given(TEXTS)
def test_an_alphabet_that_shares_the_rest_differs_in_ascii_alone(text: str) -> None:
    def loud(character: str) -> str:
        return character.upper() if character.isascii() else read(character)

    one, other = Alphabet(read), Alphabet(read)
    sharing = Alphabet(loud, one)
    for alphabet in (one, sharing, other, one):
        alphabet.spell(text)
    assert sharing.spell(text) == encoded("".join(map(loud, text)))
    assert one.spell(text) == other.spell(text)


def test_a_character_spelt_at_length_is_refused() -> None:
    with pytest.raises(ValueError, match="U\\+0078 is spelt in 8 bytes"):
        Alphabet(lambda _: "12345678").spell("x")


KINDS = st.lists(st.integers(0, IN_WORD | UNSPACED | SHOWN), max_size=40)


def goes_on(left: int, right: int) -> bool:
    return bool(left & IN_WORD and right & IN_WORD) and not (left | right) & UNSPACED


@given(KINDS)
@example([])
@example([IN_WORD | SHOWN, IN_WORD, IN_WORD | SHOWN])
def test_a_word_begins_and_ends_beside_what_stands_there_or_shows(kinds: list[int]) -> None:
    def ends(kinds: list[int]) -> list[int]:
        """Of each character whether a word may end with it, by what follows it, and by what shows next."""
        rests = [kinds[at + 1 :] for at in range(len(kinds))]
        shown = [next((other for other in rest if other & SHOWN), 0) for rest in rests]
        return [
            BESIDE * (not goes_on(kind, (*rest, 0)[0])) + APART * (kind & SHOWN > 0 and not goes_on(kind, after))
            for kind, rest, after in zip(kinds, rests, shown, strict=True)
        ]

    opens, closes = edges(bytes(kinds))
    assert closes.tolist() == ends(kinds)
    assert opens.tolist() == ends(kinds[::-1])[::-1]


CHARACTERS = st.tuples(st.sampled_from([0, IN_WORD]), st.integers(0, 3), st.integers(0, 1), st.integers(0, 1))


@given(st.lists(CHARACTERS, max_size=40), st.integers(0, 20))
def test_symbols_are_letters_where_no_word_stands_beside_them(
    characters: list[tuple[int, int, int, int]], reach: int
) -> None:
    kinds, opens, closes = ([one[which] for one in characters] for which in (0, 2, 3))
    seats = [place for place, (_, size, _, _) in enumerate(characters) for _ in range(size)]

    def begins(place: int) -> bool:
        bytes_from_here = seats[seats.index(place) :][:reach]
        near = any(not kinds[seat] for seat in bytes_from_here)
        return near and (kinds[place] > 0 or place == 0 or not kinds[place - 1])

    def ends(place: int) -> bool:
        return kinds[place] > 0 or not (*kinds, 0)[place + 1]

    flags = (np.array(edge, np.uint8) for edge in (opens, closes))
    near_opens, near_closes = near_symbols(bytes(kinds), *flags, np.array(seats, np.int32), reach)
    places = range(len(characters))
    assert near_opens.tolist() == [opens[at] if at in seats and begins(at) else 0 for at in places]
    assert near_closes.tolist() == [closes[at] if at in seats and ends(at) else 0 for at in places]


@pytest.mark.parametrize("seat", [-1, 3, 2**31 - 1])
def test_a_seat_that_is_no_place_is_an_error(seat: int) -> None:
    anywhere = np.ones(3, np.uint8)
    with pytest.raises(IndexError):
        near_symbols(bytes(3), anywhere, anywhere, np.array([0, seat], np.int32), 5)


@given(st.text(st.characters(max_codepoint=127)) | st.text(st.sampled_from("aZ \t\n\r\x1c\x1f")))
@example("")
@example(" \n")
@example(" A\r\n B ")
def test_a_text_in_ascii_is_folded_as_python_would(text: str) -> None:
    assert fold_ascii(text.encode()) == " ".join(text.lower().split())
