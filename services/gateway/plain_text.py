"""The words of an HTML text, for a page that shows no HTML. Pure, and linear in the text's length."""

import re
from html import unescape

# A tag ends at the next tag at the latest: whatever is given is gone through once.
_MARKUP = re.compile(r"<!--|<(/?)([a-zA-Z][a-zA-Z0-9]{0,30})(?![a-zA-Z0-9])[^<>]*>")
_UNSEEN = frozenset({"script", "style", "head", "title", "template"})
_LINES = frozenset({"br", "p", "div", "tr", "li", "ul", "ol", "table", "blockquote", "hr", "pre", "h1", "h2", "h3"})
_SPACES = re.compile(r"[ \t\r\f\xa0]+")


def words(html: str) -> str:
    """What a reader would see, line by line. Nothing of it is markup any more."""
    shown: list[str] = []
    unseen, place = "", 0
    while found := _MARKUP.search(html, place):
        if not unseen:
            shown.append(_SPACES.sub(" ", html[place : found.start()].replace("\n", " ")))
        place = found.end()
        if found.group() == "<!--":
            end = html.find("-->", place)
            place = end + 3 if end >= 0 else len(html)
            continue
        name = found.group(2).lower()
        if unseen:
            unseen = "" if found.group(1) and name == unseen else unseen
        elif name in _UNSEEN and not found.group(1):
            unseen = name
        elif name in _LINES:
            shown.append("\n")
        elif name in ("td", "th") and found.group(1):
            shown.append("\t")
    if not unseen:
        shown.append(html[place:])
    lines = [line.strip() for line in unescape("".join(shown)).replace("\xa0", " ").splitlines()]
    return "\n".join(line for line, above in zip(lines, ["", *lines], strict=False) if line or above).strip()
