"""Reads the macros of Office files: VBA source as MS-OVBA stores it, and Excel 4.0 macro sheets.

Written here because the libraries that do it cannot be used: the one in common use brings in a GPL package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.dlp.files import vba
from services.dlp.files.compound import Compound
from services.dlp.findings import Hit

MAX_SOURCES = 1 << 21
MAX_RECORDS = 1_000_000

_PROOF = frozenset({"VBA", "_VBA_PROJECT", "_VBA_PROJECT_CUR"})
# What runs without anybody asking for it: on opening, on closing, on the first paint of a control.
_AUTO = re.compile(
    r"\b(?:auto_?(?:open|exec|close|exit|new|activate|deactivate)|document_?(?:open|close|new|beforeclose|change)"
    r"|(?:workbook|worksheet|presentation|slideshow)_?(?:open|activate|close|beforeclose|beforesave|addininstall|change"
    r"|calculate|deactivate|windowactivate)|app_(?:documentopen|workbookopen)|[a-z0-9]{1,40}_(?:layout|painted|paint"
    r"|gotfocus|mousemove|mousehover|resize|initialize|navigatecomplete2|documentcomplete))\b",
    re.IGNORECASE,
)
_REACHES_OUT = re.compile(
    r"\b(?:shell(?:execute)?|createobject|getobject|wscript|powershell|urldownloadtofile[aw]?|macscript|callbyname"
    r"|virtualalloc|rtlmovememory|createthread|winhttp|xmlhttp|adodb\.stream|declare\s{1,8}(?:ptrsafe\s{1,8})?(?:sub|function))\b",
    re.IGNORECASE,
)


def look(compound: Compound) -> Iterator[Hit]:
    """Hits for the VBA project in a compound file, if there is one."""
    if not _PROOF & compound.names:
        return
    text = "\n".join(_sources(compound))
    if len(text) >= MAX_SOURCES:
        yield Hit("unscannable", "too-big", "macros")
    if not text or compound.exhausted or _AUTO.search(text):
        # Without a source only the compiled code is left, which runs as well: it counts as the worst it can be.
        yield Hit("danger", "macro-runs-by-itself" if text else "macro-without-source", "macros")
    else:
        yield Hit("danger", "macro", "macros", score=0.9 if _REACHES_OUT.search(text) else 0.7)


def _sources(compound: Compound) -> Iterator[str]:
    """The source of each module, at most 2 MB of all."""
    left = MAX_SOURCES
    for entry in compound.streams():
        source = vba.source(compound.read(entry, entry.size), left)
        left -= len(source)
        if source:
            yield source.decode("latin-1")


def look_at_workbook(compound: Compound) -> Iterator[Hit]:
    """Hits for Excel 4.0 macro sheets in an xls (MS-XLS section 2.4.28, BoundSheet8 with dt 1)."""
    for entry in compound.streams():
        if entry.name not in ("Workbook", "Book"):
            continue
        data = compound.read(entry, entry.size)
        at = records = 0
        while at + 4 <= len(data):
            if (records := records + 1) > MAX_RECORDS:
                yield Hit("unscannable", "too-many", "records")
                return
            record = int.from_bytes(data[at : at + 2], "little")
            if record == 0x85 and data[at + 9 : at + 10] in (b"\x01", b"\x06"):
                rule = "xlm-macro" if data[at + 9] == 1 else "macro"
                yield Hit("danger", rule, "sheets", score=1.0 if rule == "xlm-macro" else 0.7)
                return
            at += 4 + int.from_bytes(data[at + 2 : at + 4], "little")
