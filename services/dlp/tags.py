"""Walks the tags of HTML or XML with their attributes, each character a bounded number of times.

`markup` takes a page apart into text; this is for those who ask what its tags do: links, scripts, relationships.
"""

from __future__ import annotations

import html
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

# As HTML 13.2.5 reads a tag: a quote quotes only right after "=". Possessive, so a failure costs one pass.
_TAG = re.compile(
    r"<(/?)([A-Za-z][^\s/>]*+)"
    r"((?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+)?)*+)>"
)
_ATTRIBUTE = re.compile(r"([^\s=/>\"']++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"'][^\s>]*+)))?+")
_OPENS = re.compile(r"</?[A-Za-z]")
_RAW_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in ("script", "style")}


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
        if match := _TAG.match(source, start):
            position = match.end()
            full_name = match[2].lower()
            name = full_name.rpartition(":")[2]
            if names is None or name in names:
                yield Tag(name, match[1] == "/", start, position, match[3])
            if full_name in _RAW_END and not match[1] and not match[3].endswith("/"):
                close = _RAW_END[full_name].search(source, position)
                position = close.start() if close else len(source)
        elif _OPENS.match(source, start):
            return
        elif source.startswith("<!--", start):
            end = source.find("-->", start + 4)
            position = len(source) if end < 0 else end + 3
