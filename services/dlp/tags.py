"""Walks the tags of HTML or XML with their attributes, each character a bounded number of times.

`markup` takes a page apart into text; this is for those who ask what its tags do: links, scripts, relationships.
"""

from __future__ import annotations

import html
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

from services.dlp.tag_ends import tag_ends

_ATTRIBUTE = re.compile(r"([^\s=/>\"']++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"'][^\s>]*+)))?+")
RAW_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in ("script", "style")}
"""Where the text of an element ends in which no tag is one."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag: `name` in lower case without a namespace's prefix, `start` and `end` its place in the source."""

    name: str
    closes: bool
    start: int
    end: int
    inside: str

    def attributes(self) -> dict[str, str]:
        """Its attributes by lower-case name, character references resolved; of two with one name the first counts."""
        found: dict[str, str] = {}
        for match in _ATTRIBUTE.finditer(self.inside):
            value = match[2] or match[3] or match[4] or ""
            found.setdefault(match[1].lower(), html.unescape(value[:65536]) if "&" in value else value)
        return found


def tags(source: str, names: Container[str] | None = None) -> Iterator[Tag]:
    """The tags in order, or those with these names; comments and what stands in scripts and styles are passed over."""
    position = 0
    while (start := source.find("<", position)) >= 0:
        position = start + 1
        if ends := tag_ends(source, start):
            name_end, end = ends
            if end < 0:
                return
            position = end
            closes = source[start + 1] == "/"
            full_name = source[start + 1 + closes : name_end].lower()
            name = full_name.rpartition(":")[2]
            if names is None or name in names:
                yield Tag(name, closes, start, end, source[name_end : end - 1])
            if full_name in RAW_END and not closes and source[end - 2] != "/":
                close = RAW_END[full_name].search(source, end)
                position = close.start() if close else len(source)
        elif source.startswith("<!--", start):
            end = source.find("-->", start + 4)
            position = len(source) if end < 0 else end + 3
