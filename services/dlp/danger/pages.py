"""What acts in a page that comes as a file: HTML, SVG, XML with a script in its style sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from services.dlp.files.kinds import Kind
from services.dlp.files.types import text_of
from services.dlp.findings import Hit
from services.dlp.links import lying
from services.dlp.tags import Tag, tags

MAX_PAGE = 1 << 23
# A page that builds a file out of its own text and hands it to the reader, past every filter on the way.
_MAKES_A_FILE = ("createobjecturl", "mssaveblob", "mssaveoropenblob", "new blob(", "new file(")
_UNWRAPS = ("atob(", "fromcharcode", "unescape(", "decodeuricomponent(", "eval(", "uint8array", "charcodeat")
_ACTIVE = ("javascript:", "vbscript:", "data:text/html", "data:image/svg", "data:application/x")
_TARGETS = ("href", "xlink:href", "src", "action", "formaction", "data", "from", "to", "values")
_BY_NAME = {
    "script": "html-script",
    "object": "html-object",
    "embed": "html-object",
    "applet": "html-object",
    "iframe": "html-frame",
    "frame": "html-frame",
    "form": "html-form",
}
_SCORES = {
    "html-smuggling": 1.0,
    "html-script": 0.8,
    "html-object": 0.8,
    "html-password-form": 0.9,
    "html-refresh": 0.7,
    "html-frame": 0.6,
    "html-form": 0.5,
}


def look(kind: Kind, data: bytes) -> Iterator[Hit]:
    """Hits for the active parts of a page of `kind`, of which at most the first 8 MB are read."""
    if len(data) > MAX_PAGE:
        yield Hit("unscannable", "too-big", "page")
    text = text_of(data[:MAX_PAGE])
    if kind.name == "svg":
        if found := sum(1 for tag in tags(text) if _acts_in_svg(tag)):
            yield Hit("danger", "svg-script", "page", found)
        return
    if kind.name == "xml":
        if "script" in text and any(tag.name == "script" for tag in tags(text)):
            yield Hit("danger", "xml-script", "page")
        return
    found_in_page = Counter(rule for tag in tags(text) if (rule := _rule(tag)))
    lowered = text.lower()
    if found_in_page["html-script"] and _smuggles(lowered):
        found_in_page["html-smuggling"] = 1
    yield from lying(text)
    for rule, count in found_in_page.items():
        yield Hit("danger", rule, "page", count, score=_SCORES[rule])


def _smuggles(lowered: str) -> bool:
    makes = any(mark in lowered for mark in _MAKES_A_FILE)
    return makes and (" download" in lowered or ".download" in lowered or any(mark in lowered for mark in _UNWRAPS))


def _rule(tag: Tag) -> str:
    """The rule that an HTML tag breaks, or ""."""
    if tag.closes:
        return ""
    attributes = tag.attributes() if tag.inside else {}
    rule = _BY_NAME.get(tag.name, "")
    if any(name.startswith("on") and len(name) > 4 for name in attributes) or _active(attributes):
        rule = "html-script"
    elif tag.name == "meta" and attributes.get("http-equiv", "").strip().lower() == "refresh":
        rule = "html-refresh" if "url" in attributes.get("content", "").lower() else ""
    elif tag.name == "input" and attributes.get("type", "").strip().lower() == "password":
        rule = "html-password-form"
    return rule


def _acts_in_svg(tag: Tag) -> bool:
    if tag.closes:
        return False
    if tag.name in ("script", "foreignobject", "iframe", "embed", "object"):
        return True
    attributes = tag.attributes() if tag.inside else {}
    return any(name.startswith("on") and len(name) > 4 for name in attributes) or _active(attributes)


def _active(attributes: dict[str, str]) -> bool:
    for name in _TARGETS:
        target = attributes.get(name, "")
        if ":" in target and "".join(c for c in target[:256] if c > " ").lower().startswith(_ACTIVE):
            return True
    return False
