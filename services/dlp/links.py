"""Links whose text names another place than they lead to, and addresses written so as not to be read.

A link that lies is no proof: newsletters count clicks by leading every link through another host. So no score
here reaches 1, but for links so many that the last were not looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from urllib.parse import unquote

from services.dlp.findings import Hit
from services.dlp.tags import tags

MAX_LINKS = 10_000
MAX_ADDRESS = 8192
MAX_TEXT = 2048

_SCORES = {
    "other-host": 0.6,
    "userinfo": 0.9,
    "numeric-host": 0.6,
    "punycode": 0.3,
    "mixed-script": 0.9,
    "lookalike-host": 0.7,
    "script-address": 0.9,
    "data-address": 0.9,
}
_ENDS = ("a", "body", "html")
_TARGETS = {"a": "href", "area": "href", "form": "action", "button": "formaction", "input": "formaction"}
_HOST = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,20}")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,30}):")
_TAG = re.compile(r"<[^<>]*+>")
# The ends of names that a bare word must have to be taken for a host: "Node.js" and "plan.pdf" are none.
_ENDING = re.compile(
    "com|net|org|edu|gov|mil|int|info|biz|io|co|eu|de|uk|fr|nl|it|es|ch|at|be|se|no|dk|fi|pt|gr|cz|ru|ua|cn|jp|kr|in"
    "|au|nz|ca|us|mx|br|ar|za|il|tr|ie|hu|ro|bank|shop|online|site|app|dev|cloud|example|test"
)
_DROPPED = dict.fromkeys(b"\t\r\n")
_BLANKS = "".join(map(chr, range(33)))
# Under these, a name of three labels is what one organisation holds: example.co.uk.
_SECOND = frozenset(["co", "com", "org", "net", "ac", "gov", "edu", "or", "ne", "go", "gob", "nom", "asn", "id"])
# Letters of other scripts that look like Latin ones, for hosts written in them alone.
_CYRILLIC_LIKE_LATIN = frozenset("асԁеһіјӏорԛѕԝхуѵьгктмнв")
_GREEK_LIKE_LATIN = frozenset("ονυικραγηχετω")


def lying(html: str) -> tuple[Hit, ...]:
    """Hits for the links of a page, one for each rule with its count; `where` is "link". Of more than 10,000 links the
    rest is "unscannable". Linear."""
    counts: Counter[str] = Counter()
    samples: dict[str, str] = {}
    for number, (text, address) in enumerate(_links(html)):
        if number == MAX_LINKS:
            return (*_hits(counts, samples), Hit("unscannable", "too-many", "link"))
        for rule, host in _faults(text, address):
            counts[rule] += 1
            samples.setdefault(rule, host[:4] + "…" if host else "")
    return _hits(counts, samples)


def _hits(counts: Counter[str], samples: dict[str, str]) -> tuple[Hit, ...]:
    return tuple(Hit("link", rule, "link", count, samples[rule], _SCORES[rule]) for rule, count in counts.items())


def _links(html: str) -> Iterator[tuple[str, str]]:
    """(text, address) of each link and form; the text of what is no `<a>` is empty."""
    open_address, open_at = "", 0
    for tag in tags(html, {*_TARGETS, *_ENDS}):
        if open_address and tag.name in _ENDS:
            yield html[open_at : min(tag.start, open_at + MAX_TEXT)], open_address
            open_address = ""
        if tag.closes or tag.name not in _TARGETS:
            continue
        attributes = tag.attributes()
        address = (attributes.get(_TARGETS[tag.name]) or attributes.get("xlink:href") or "")[:MAX_ADDRESS]
        if tag.name == "a":
            open_address, open_at = address, tag.end
        elif address:
            yield "", address
    if open_address:
        yield html[open_at : open_at + MAX_TEXT], open_address


def _faults(text: str, address: str) -> Iterator[tuple[str, str]]:
    """(rule, host) for each rule that a link breaks."""
    # Browsers drop tabs and line ends wherever they stand, and blanks at either end (URL standard section 4.4).
    plain = address.translate(_DROPPED).strip(_BLANKS)
    found = _SCHEME.match(plain.lower())
    scheme = found[1] if found else ""
    if scheme in ("javascript", "vbscript"):
        yield "script-address", ""
    elif scheme == "data":
        if not plain[5:16].lower().startswith(("image/png", "image/jpeg", "image/gif")):
            yield "data-address", ""
    elif scheme in ("http", "https", "ftp") or plain.replace("\\", "/").startswith("//"):
        userinfo, host = _authority(plain[len(scheme) + 1 :] if scheme else plain)
        if "." in userinfo or "%2e" in userinfo.lower():
            yield "userinfo", host
        yield from ((rule, host) for rule in _host_faults(host))
        shown = _shown_host(text)
        if shown and host and not _same_organisation(shown, host):
            yield "other-host", host


def _authority(rest: str) -> tuple[str, str]:
    """(userinfo, host) of an address after its scheme, as browsers read it: backslashes are slashes, dots many."""
    rest = rest.replace("\\", "/").lstrip("/")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, _, place = authority.rpartition("@")
    host = place if place.startswith("[") else place.partition(":")[0]
    return userinfo, unicodedata.normalize("NFKC", unquote(host)).replace("。", ".").strip(".").lower()


def _host_faults(host: str) -> Iterator[str]:
    labels = host.split(".")
    if host.startswith("[") or all(_is_number(label) for label in labels if label):
        if host:
            yield "numeric-host"
        return
    if any(label.startswith("xn--") for label in labels):
        yield "punycode"
    labels = [shown for label in labels if not (shown := _unfold(label)).isascii()]  # letters of ASCII are Latin ones
    if any(_is_mixed(label) for label in labels):
        yield "mixed-script"
    elif any(_looks_latin(label) for label in labels):
        yield "lookalike-host"


def _is_number(label: str) -> bool:
    if label.startswith("0x"):
        return all(c in "0123456789abcdef" for c in label[2:])
    return label.isascii() and label.isdigit()


def _unfold(label: str) -> str:
    """A label as a reader is shown it. Bounded: a label has at most 63 characters, or it is none."""
    if not label.startswith("xn--") or len(label) > 63:
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label


def _is_mixed(label: str) -> bool:
    """Whether letters of two of Latin, Greek and Cyrillic stand in one label."""
    scripts = {unicodedata.name(c, "").split(" ")[0] for c in label[:255] if c.isalpha()}
    return len(scripts & {"LATIN", "GREEK", "CYRILLIC"}) > 1


def _looks_latin(label: str) -> bool:
    letters = {c for c in label[:255] if c.isalpha()}
    return len(letters) > 1 and (letters <= _CYRILLIC_LIKE_LATIN or letters <= _GREEK_LIKE_LATIN)


def _shown_host(text: str) -> str:
    """The host that a link's text names, if the text is an address; "" for words."""
    shown = _TAG.sub("", text)
    if not shown.isascii():
        shown = "".join(c for c in shown if unicodedata.category(c) != "Cf")
    words = shown.split()
    if not words or len(words) > 8:
        return ""
    word = unicodedata.normalize("NFKC", words[0]).lower()
    is_address = word.startswith(("http://", "https://", "www."))
    if not is_address and (len(words) > 1 or "@" in word):
        return ""
    _, host = _authority(word.partition("://")[2] if "://" in word else word)
    match = _HOST.fullmatch(host)
    return host if match and (is_address or _ENDING.fullmatch(host.rpartition(".")[2])) else ""


def _same_organisation(one: str, other: str) -> bool:
    return _registered(one) == _registered(other)


def _registered(host: str) -> str:
    """The part of a host that one holder registers, as far as that can be told without a list of registries."""
    labels = host.split(".")
    keep = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND else 2
    return ".".join(labels[-keep:])
