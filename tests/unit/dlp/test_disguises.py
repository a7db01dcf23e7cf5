"""A black phrase is found whatever it is dressed in, once, with the dress named; and mails without it stay clean."""

import base64
import codecs
import quopri
import random
import re
import string
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Literal
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dlp.lookalikes import bare
from services.dlp.message import Passage
from services.dlp.reading import read
from services.dlp.terms import Matcher
from services.dlp.views import described, skeleton
from services.dlp.words import fold

PHRASES = ["operation bluebell", "Quarterly acquisition plan", "nightingale protocol", "confidentiality"]
OTHERS = ["mailing list", "project falcon", "salary table", "prj-4821377", "c++", "ceo", "Vorstandsbeschluss"]
MATCHER = Matcher.compile(PHRASES + OTHERS)

MAIL = """Hello Bob,

thanks for the minutes of last Tuesday. I went through them on the train (see http://intranet.example/m?id=2041&v=7)
and have two remarks: the budget line is 12 % too high, and we need the room from 14:00 on.

{}

Could you send me the updated sheet before noon? Call me under +49 30 1234567 if anything is unclear!

> On Monday, Bob wrote:
> Attached are the minutes. MD5 9e107d9d372bb6826bd81d3542a419d6

Best regards
Ada <ada@northwind.example>
"""


def each(change: Callable[[str], str]) -> Callable[[str], str]:
    """A disguise that changes one character after the other."""
    return lambda text: "".join(map(change, text))


def mapped(of: str, to: str) -> Callable[[str], str]:
    return lambda text: text.translate(str.maketrans(of, to))


def between(mark: str) -> Callable[[str], str]:
    return mark.join


def shifted(start: int) -> Callable[[str], str]:
    """Small letters as those of an alphabet that begins at `start`."""
    return each(lambda c: chr(start + ord(c) - ord("a")) if "a" <= c <= "z" else c)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def wrapped(text: str, width: int = 20, mark: str = "") -> str:
    return "\n".join(mark + text[place : place + width] for place in range(0, len(text), width))


def codes(form: str, mark: str) -> Callable[[str], str]:
    """A disguise that writes the number of each byte in this form."""
    return lambda text: mark.join(format(byte, form) for byte in text.encode())


def parts(text: str, size: int = 3) -> list[str]:
    return [text[place : place + size] for place in range(0, len(text), size)]


def strings(mark: str, sign: str) -> Callable[[str], str]:
    """A disguise that puts a text together of strings, as a program does."""
    return lambda text: mark + f"{mark}{sign}{mark}".join(parts(text)) + mark


def dump(address: str, group: str, size: int = 1, order: Literal["big", "little"] = "big") -> Callable[[str], str]:
    """A disguise that is a dump of the bytes, sixteen in a line, in groups of so many."""

    def dumped(text: str) -> str:
        data = text.encode() + b"\0" * (-len(text) % size)
        lines = (
            f"{place:{address}} "
            + " ".join(format(int.from_bytes(data[at : at + size], order), group) for at in range(place, last, size))
            for place in range(0, len(data), 16)
            for last in [min(place + 16, len(data))]
        )
        return "\n".join(lines)

    return dumped


DISGUISES: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "wrapped over lines": lambda t: t.replace(" ", "\r\n   "),
    "full-width": each(lambda c: chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c),
    "mathematical bold": lambda t: shifted(0x1D41A)(t.lower()),
    "mathematical script": lambda t: shifted(0x1D4EA)(t.lower()),
    "circled": lambda t: shifted(0x24D0)(t.lower()),
    "negative squared": lambda t: shifted(0x1F170)(t.lower()),
    "regional indicators": lambda t: shifted(0x1F1E6)(t.lower()),
    "superscript": mapped("aeiou", "ᵃᵉⁱᵒᵘ"),
    "small capitals": mapped("abcdeghklmnopt", "ᴀʙᴄᴅᴇɢʜᴋʟᴍɴᴏᴘᴛ"),
    "Cyrillic look-alikes": mapped("aceopxy", "\u0430\u0441\u0435\u043e\u0440\u0445\u0443"),
    "Greek look-alikes": mapped("aiopv", "\u03b1\u03b9\u03bf\u03c1\u03bd"),
    "Cherokee look-alikes": lambda t: mapped("ABCDEGHT", "\u13aa\u13f4\u13df\u13a0\u13ac\u13c0\u13bb\u13a2")(t.upper()),
    "accents": mapped("aeiounc", "áèïõûñç"),
    "strokes and hooks": mapped("oltbd", "øłŧɓɖ"),
    "struck through": each(lambda c: c + "\u0336"),
    "stacked marks": each(lambda c: c + "\u0300\u0317\u0489"),
    "zero-width spaces": between("\u200b"),
    "soft hyphens": between("\u00ad"),
    "word joiners": between("\u2060"),
    "bidi controls": between("\u202e"),
    "variation selectors": between("\ufe0f"),
    "tag characters": each(lambda c: chr(0xE0000 + ord(c))),
    "Wingdings": each(lambda c: chr(0xF000 + ord(c))),
    "spaced out": between(" "),
    "dotted": between("."),
    "dashed": between("-"),
    "starred": between("*"),
    "slashed, wide": between(" / "),
    "emoji between": between("\U0001f600"),
    "in a column": between("\n"),
    "without spaces": lambda t: t.replace(" ", ""),
    "spaces moved": lambda t: " ".join(t.replace(" ", "")[n : n + 5] for n in range(0, len(t.replace(" ", "")), 5)),
    "camel case": lambda t: t.title().replace(" ", ""),
    "underscores": lambda t: t.replace(" ", "_"),
    "leet": mapped("oeast", "03457"),
    "leet with symbols": mapped("asi", "@$!"),
    "heavy leet": mapped("oieastblgzOIEAST", "0134578192013457"),
    "capital i for l": lambda t: t.lower().replace("l", "I"),
    "pipe for l": lambda t: t.lower().replace("l", "|"),
    "leet, spaced out": lambda t: " ".join(mapped("oeas", "0345")(t)),
    "rot13": lambda t: codecs.encode(t, "rot13"),
    "reversed": lambda t: t[::-1],
    "reversed, spaced out": lambda t: " ".join(t[::-1]),
    "base64": b64,
    "base64, URL-safe, no padding": lambda t: base64.urlsafe_b64encode(f"?{t}>".encode()).decode().rstrip("="),
    "base64, wrapped": lambda t: wrapped(b64(f"about the {t} and what follows from it"), 24),
    "base64, wrapped and quoted": lambda t: wrapped(b64(f"about the {t} and what follows from it"), 40, "> "),
    "base64, twice": lambda t: b64(b64(t)),
    "base64, three times": lambda t: b64(b64(b64(t))),
    "base64, in groups": lambda t: " ".join(b64(f"our {t} !")[n : n + 4] for n in range(0, len(b64(f"our {t} !")), 4)),
    "base64 behind a word": lambda t: "key" + b64(f"the {t} is on"),
    "base64 of UTF-16": lambda t: base64.b64encode(t.encode("utf-16-le")).decode(),
    "base64, reversed": lambda t: b64(f"the {t} is on")[::-1],
    "base64, in rot13": lambda t: codecs.encode(b64(f"the {t} is on"), "rot13"),
    "base64 of rot13": lambda t: b64(codecs.encode(t, "rot13")),
    "base64 of leet": lambda t: b64(mapped("oeas", "0345")(t)),
    "data URL": lambda t: f"data:text/plain;base64,{b64(t)}",
    "base32": lambda t: base64.b32encode(t.encode()).decode(),
    "base32, small letters": lambda t: base64.b32encode(t.encode()).decode().lower().rstrip("="),
    "ascii85": lambda t: base64.a85encode(t.encode(), adobe=True).decode(),
    "hex": lambda t: t.encode().hex(),
    "hex, spaced": lambda t: t.encode().hex(" "),
    "hex, colons": lambda t: t.encode().hex(":").upper(),
    "hex, as bytes in C": lambda t: ", ".join(f"0x{b:02x}" for b in t.encode()),
    "hex of base64": lambda t: b64(t).encode().hex(),
    "binary digits": lambda t: " ".join(f"{b:08b}" for b in t.encode()),
    "decimal codes": lambda t: " ".join(str(b) for b in t.encode()),
    "percent, some": lambda t: t.replace("e", "%65").replace("o", "%6F"),
    "percent, all": lambda t: "".join(f"%{b:02X}" for b in t.encode()),
    "percent, twice": lambda t: quote("".join(f"%{b:02X}" for b in t.encode())),
    "quoted-printable": lambda t: "".join(f"={b:02X}" for b in t.encode()),
    "quoted-printable soft breaks": lambda t: quopri.encodestring(t.encode()).decode()[:4] + "=\n" + t[4:],
    "HTML, decimal references": each(lambda c: f"&#{ord(c)};"),
    "HTML, hexadecimal references": each(lambda c: f"&#x{ord(c):x};"),
    "HTML comments": between("<!-- x -->"),
    "HTML split tags": lambda t: "<b>" + "</b><b>".join(t) + "</b>",
    "unicode escapes": each(lambda c: f"\\u{ord(c):04x}"),
    "unicode escapes, braces": each(lambda c: f"\\u{{{ord(c):x}}}"),
    "hex escapes": each(lambda c: f"\\x{ord(c):02x}"),
    "octal escapes": each(lambda c: f"\\{ord(c):03o}"),
    "code points": lambda t: " ".join(f"U+{ord(c):04X}" for c in t),
    "encoded word": lambda t: f"=?utf-8?B?{b64(t)}?=",
    "UTF-7": lambda t: "+" + base64.b64encode(t.encode("utf-16-be")).decode().rstrip("=") + "-",
    "look-alikes, invisible and spaced": lambda t: " ".join(mapped("aceo", "\u0430\u0441\u0435\u043e")(t)).replace(
        " ", " \u200b"
    ),
    "base64 in percent escapes": lambda t: "".join(f"%{ord(c):02X}" for c in b64(t)),
    "strings, plus": strings("'", "+"),
    "strings, plus and blanks": strings('"', " + "),
    "strings, dots": strings('"', " . "),
    "strings, ampersands": strings('"', " & _\r\n    "),
    "strings, bars": strings("'", " || "),
    "strings, side by side": strings('"', " "),
    "strings, with nothing between": strings('"', ""),
    "strings in a list that is joined": lambda t: f"[{strings(chr(39), ', ')(t)}].join('')",
    "strings and characters": lambda t: f"'{t[:4]}' + String.fromCharCode({ord(t[4])}) + '{t[5:]}'",
    "lines that go on": lambda t: "\\\n".join(parts(t)),
    "decimal codes, commas": codes("d", ","),
    "decimal codes, a list": lambda t: f"fromCharCode({codes('d', ', ')(t)})",
    "decimal codes, dashes": codes("d", "-"),
    "decimal codes, a line each": codes("d", "\n"),
    "decimal codes, calls": lambda t: " & ".join(f"Chr({byte})" for byte in t.encode()),
    "a decimal code between strings": lambda t: f'"{t[:2]}" & Chr$({ord(t[2])}) & "{t[3:]}"',
    "decimal codes, commas here and there": lambda t: codes("d", ", ")(t).replace("1, 1", "1 1"),
    "octal codes": codes("o", " "),
    "octal codes, commas": codes("#o", ", "),
    "binary digits, together": codes("08b", ""),
    "binary digits, in short lines": lambda t: wrapped(codes("08b", "")(t), 24),
    "binary digits, in lines that end within a byte": lambda t: wrapped(codes("08b", "")(t), 60, "> "),
    "binary digits, seven": codes("07b", " "),
    "binary digits, as numbers": codes("#010b", ", "),
    "binary digits, in groups of any size": lambda t: re.sub(
        "(.{8})(.{24})(.{8})(.{8})", r"\1 \2 \3\4 ", codes("08b", "")(t)
    ),
    "binary digits, in groups of four": lambda t: " ".join(parts(codes("08b", "")(t), 4)),
    "hex, dots": lambda t: t.encode().hex("."),
    "hex, bars": lambda t: t.encode().hex("|"),
    "hex, as in Basic": codes("02X", ", &H"),
    "hex, in groups of three": lambda t: " ".join(parts(t.encode().hex(), 3)),
    "hex, nothing but marks between": lambda t: "0x" + codes("02x", "0x")(t),
    "a dump as by xxd": dump("08x", "04x", 2),
    "a dump as by od": dump("07o", "06o", 2, "little"),
    "a dump as by od, bytes": dump("07o", "03o"),
    "a dump as by hexdump": dump("07x", "04x", 2, "little"),
    "a dump as by hexdump, bytes": dump("08x", "02x"),
    "base64, in lines of four": lambda t: "\n".join(parts(b64(f"the {t} flies"), 4)),
    "base64, in groups of five": lambda t: " ".join(parts(b64(f"the {t} flies"), 5)),
    "base64, dotted groups": lambda t: ".".join(parts(b64(f"the {t} flies"), 8)),
    "base64 in strings": lambda t: strings("'", " + ")(b64(f"the {t} flies")),
    "base32, in groups": lambda t: " ".join(parts(base64.b32encode(f"the {t} flies".encode()).decode(), 4)),
    "references in base64": lambda t: b64("".join(f"&#{ord(c)};" for c in t)),
}


def found(text: str) -> dict[str, tuple[int, list[str]]]:
    """The terms in a text, with their number in all and the views."""
    terms = PHRASES + OTHERS
    seen: dict[str, tuple[int, list[str]]] = {}
    for occurrence in MATCHER.search([Passage("body", text)]):
        _, views = seen.get(terms[occurrence.term], (0, []))
        seen[terms[occurrence.term]] = occurrence.total, [*views, occurrence.view]
    return seen


@pytest.mark.parametrize(
    "text",
    [
        "op%65ration bluebell' + 's",
        "see op&#101;ration bluebell\\\ns",
        "op\\x65ration bluebell' + chr(115)",
        "?q=op%65ration bluebell' + 's=62",
    ],
)
def test_a_word_that_ends_where_strings_are_joined_does_not_go_on_in_the_next(text: str) -> None:
    assert list(found(text)) == ["operation bluebell"]


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguised_phrase_is_found_once(disguise: str, phrase: str) -> None:
    seen = found(MAIL.format(DISGUISES[disguise](phrase)))
    assert {term: total for term, (total, _) in seen.items()} == {phrase: 1}


# What a dress leaves whole of what is under it, letter for letter, and what lies under: encodings in ASCII.
DRESSES = [
    *("full-width", "zero-width spaces", "soft hyphens", "word joiners", "bidi controls", "variation selectors"),
    *("struck through", "stacked marks", "Cyrillic look-alikes", "spaced out", "dotted", "starred", "emoji between"),
    *("in a column", "base64", "base64, wrapped and quoted", "base32", "hex", "hex, spaced", "percent, all"),
    *("HTML, decimal references", "unicode escapes", "binary digits", "data URL"),
]
UNDER = [
    *("base64", "base64, wrapped", "base64 of UTF-16", "base32", "hex", "hex, spaced", "binary digits", "percent, all"),
    *("quoted-printable", "HTML, hexadecimal references", "unicode escapes", "octal escapes"),
    *("reversed", "leet", "without spaces", "Greek look-alikes"),
]


@pytest.mark.parametrize("dress", DRESSES)
def test_a_disguise_within_another_is_found_as_well(dress: str) -> None:
    missed = [
        under
        for under in UNDER
        if found(MAIL.format(DISGUISES[dress](DISGUISES[under](PHRASES[0])))).get(PHRASES[0], (0, []))[0] != 1
    ]
    assert missed == []


def test_the_mail_itself_has_nothing() -> None:
    assert found(MAIL.format("See you on Monday.")) == {}


@pytest.mark.parametrize(
    ("text", "view", "words"),
    [
        ("operation bluebell", "", ""),
        ("operation   Bluebell", "", ""),
        ("oper\u0430tion bluebell", "look-alike letters", "hidden by look-alike letters"),
        ("oper\u200bation bluebell", "invisible characters", "hidden by invisible characters"),
        ("0p3rat10n bluebell", "digits for letters", "hidden by digits for letters"),
        ("OperationBluebell", "other spacing", "hidden by other spacing"),
        (
            "0perationBlu\u0435bell",
            "look-alike letters, digits for letters, other spacing",
            "hidden by look-alike letters, digits for letters and other spacing",
        ),
        ("bcrengvba oyhroryy", "rot13", "hidden in rot13"),
        ("llebeulb noitarepo", "reversed", "hidden in reversed"),
        (b64("operation bluebell"), "base64", "hidden in base64"),
        (b64(b64("operation bluebell")), "base64, base64", "hidden in base64 within base64"),
        (
            b64("operationbluebell").encode().hex(),
            "hex, base64, other spacing",
            "hidden by other spacing in base64 within hex",
        ),
        ("operation%20bluebell", "percent escapes", "hidden in percent escapes"),
        ("op&#101;ration blu&#x65;bell", "HTML", "hidden in HTML"),
    ],
)
def test_a_find_says_what_has_to_be_undone(text: str, view: str, words: str) -> None:
    assert found(f"about {text} on Monday") == {"operation bluebell": (1, [view])}
    assert described(view) == words


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("therapist", "the rapist"),
        ("mother", "I am other than you"),
        ("drawer", "a reward"),
        ("nowhere", "abjurer"),
        ("falling", "failing"),
        ("guest", "quest"),
        ("schön", "schon lange"),
        ("\u0441\u043eк\u043eл", "cokol"),
        ("eagle", "34913 and 34g1e5"),
        ("table", "74813"),
        ("prj-4821377", "prj-4821371"),
        ("1015701510", "ioisyoiSio"),
        ("top secret", "reached the top. Secretly we laughed"),
        ("operation", "cooperation operations"),
        ("operation plan", "an operation planned"),
        ("(falcon)", "falcon"),
        ("contents", "see www.example/content/5/2611"),
        ("temple", "/tmp/temp/13/13"),
        ("limit", "tsx-11.mit.example"),
        ("informations", "more information. $69.95 a year"),
        ("subscribed", "subscribe@example"),
        ("paula", "write to paul@example"),
        ("pauli", "Thank you, Paul!"),
        ("manufacturers", "the manufacturer's, the manufacturer\u2019s"),
        ("beautifull", "It is beautiful, I know"),
        ("worlds", "the world's, the world\u2019s and the world\x92s"),
    ],
)
def test_other_words_are_no_disguise(term: str, text: str) -> None:
    assert Matcher.compile([term]).search([Passage("body", text)]) == ()


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("falcon", "all about fal-\ncon and more"),
        ("falcon", "> all about fal-\n> con and more"),
        ("falcon", "all about fal\u2010\n con and more"),
        ("falcon", "all about fal\u00ad\ncon and more"),
        ("top-secret", "that is top-\nsecret"),
        ("falcon", "fa\u04cfcon and fa\u0131con"),
        ("falcon", "FA\u0406CON"),
        ("falcon", "FA\u0399CON"),
        ("failing", "fai\u04cfing"),
        ("falling", "fai\u04cfing, fa\u04cf\u04cfing"),
        ("ball", "the ba\u04cfl, the BAI\u04c0"),
        ("pin", "the p\u04cfn"),
    ],
)
def test_a_short_word_is_found_over_a_line_s_end_and_with_a_stroke_for_an_l(term: str, text: str) -> None:
    assert [o.total for o in Matcher.compile([term]).search([Passage("body", text)])] == [1]


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("operation bluebell; operation bluebell", 2),
        ("operation bluebell; 0peration bluebell; o p e r a t i o n bluebell", 3),
        (f"operation bluebell; {b64('operation bluebell')}", 2),
        ("operation bluebell; operation%20bluebell", 2),
        ("operation bluebell at 12%20 and 100%25", 1),
        (f"{b64('operation bluebell')} {b64('operation bluebell')}", 2),
        ("operation bluebell &amp; operation&nbsp;bluebell =3D operation bluebell", 3),
    ],
)
def test_an_occurrence_is_counted_once_whatever_it_is_seen_in(text: str, total: int) -> None:
    assert found(text)["operation bluebell"][0] == total


def test_the_paper_s_weight_is_that_of_the_words_as_they_are() -> None:
    plain = "operation bluebell and ten more words that say nothing at all of it"
    (before,) = MATCHER.search([Passage("body", plain)])
    after = MATCHER.search([Passage("body", plain), Passage("note", b64("operation bluebell"))])
    shown = next(occurrence for occurrence in after if not occurrence.view)
    assert (shown.count, shown.total, before.total) == (1, 2, 1)
    assert 0 < before.weight <= shown.weight  # the note's letters are one word more


def test_alternatives_are_not_added_up_in_any_view() -> None:
    passages = [Passage("body", "operationbluebell", (1, 0)), Passage("body", "o p e r a t i o n bluebell", (1, 1))]
    assert {occurrence.total for occurrence in MATCHER.search(passages)} == {1}


@pytest.mark.parametrize(
    "disguise", ["base64, wrapped", "Cyrillic look-alikes", "HTML split tags", "zero-width spaces"]
)
@pytest.mark.parametrize("subtype", ["plain", "html"])
def test_a_whole_mail_is_seen_through(disguise: str, subtype: str) -> None:
    mail = EmailMessage()
    mail["Subject"] = "Minutes"
    text = MAIL.format(DISGUISES[disguise]("operation bluebell"))
    mail.set_content(text if subtype == "plain" else f"<html><body><p>{text}</p></body></html>", subtype=subtype)
    assert {o.total for o in MATCHER.search(read(mail.as_bytes()).passages)} == {1}


WORDS = [
    "the",
    "budget",
    "of",
    "our",
    "house",
    "was",
    "agreed",
    "on",
    "by",
    "all",
    "who",
    "came",
    "to",
    "see",
    "it",
    "and",
    "nobody",
    "said",
    "a",
    "word",
    "about",
    "the",
    "new",
    "plan",
]
NOISE = st.one_of(
    st.sampled_from(WORDS),
    st.text(string.ascii_letters + string.digits + "+/=%&#;\\-_.:@!|$ \n", max_size=30),
    st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode()),
    st.binary(max_size=40).map(bytes.hex),
    st.text(max_size=20),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(NOISE, max_size=40).map(" ".join))
def test_a_text_without_the_terms_yields_nothing(text: str) -> None:
    matcher = Matcher.compile([*PHRASES, "project falcon", "salary table", "prj-4821377", "Vorstandsbeschluss"])
    assert matcher.search([Passage("body", text)]) == ()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([*WORDS, "operation bluebell"]), max_size=40), st.sampled_from(sorted(DISGUISES)))
def test_as_many_are_found_as_were_hidden(words: list[str], disguise: str) -> None:
    hidden = " / ".join(DISGUISES[disguise](word) if " " in word else word for word in words)
    assert found(hidden).get("operation bluebell", (0, []))[0] == words.count("operation bluebell")


@given(st.text(), st.text())
def test_a_part_of_a_text_has_a_part_of_its_skeleton(one: str, other: str) -> None:
    one, other = fold(one), fold(other)
    assert skeleton(one + other) == skeleton(one) + skeleton(other)
    assert bare(one) + bare(other) == bare(one + other)


HOSTILE = {
    "base64 letters": "QUJD" * 60_000,
    "short lines of base64": "QUJDRUZHSEo\n" * 20_000,
    "groups of four": "QUJD " * 50_000,
    "hexadecimal": "6f" * 120_000,
    "hexadecimal, broken": "6f6f6f6f6f6!" * 20_000,
    "ones": "1" * 240_000,
    "decimal": "111 " * 60_000,
    "percent": "%25" * 80_000,
    "ampersands": "&amp;" * 48_000,
    "tags": "<b><!--" * 30_000,
    "soft breaks": "=\n" * 100_000,
    "backslashes": "\\u0041\\" * 30_000,
    "shifts": "+AAAA" * 40_000,
    "the term, over and over": "operationbluebell " * 10_000,
    "half the term": "operationoperation" * 10_000,
    "far apart": ("operation" + "." * 400 + "bluebell ") * 500,
    "invisible": "operation" + "\u200b" * 200_000 + "bluebell",
    "every character": "".join(map(chr, range(0x20, 0xD800))) * 3,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_text_takes_long(kind: str) -> None:
    begun = time.process_time()
    MATCHER.search([Passage("body", HOSTILE[kind])])
    assert time.process_time() - begun < 5


def test_random_garbage_is_no_encoding() -> None:
    chance = random.Random(7)
    text = " ".join(base64.b64encode(chance.randbytes(60)).decode() for _ in range(200))
    assert found(text) == {}
