"""Scripts that come as plain text under a harmless name, and cells of a table that are commands."""

from __future__ import annotations

from collections.abc import Iterator

import re2

from services.dlp.files.kinds import Kind
from services.dlp.files.types import text_of
from services.dlp.findings import Hit

# What people do not write to each other but programs are made of; a mail about programs can quote it. RE2's syntax: it
# takes the same time a character, however long the text and whatever stands in it.
_SCRIPT = re2.compile(
    r"(?i)createobject\s{0,4}\(\s{0,4}\"(?:wscript|shell|scripting|msxml2|adodb)|new\s{1,4}activexobject\s{0,4}\("
    r"|powershell(?:\.exe)?\s{1,4}-(?:e|en|enc|encodedcommand|w|windowstyle|nop|noprofile|exec|executionpolicy|ep)\s"
    r"|invoke-expression|\biex\s{0,4}\(|new-object\s{1,4}(?:system\.)?net\.webclient|-encodedcommand\s"
    r"|\bcertutil(?:\.exe)?\s{1,4}-(?:decode|urlcache)|\bmshta(?:\.exe)?\s{1,4}(?:http|javascript|vbscript)"
    r"|\bregsvr32(?:\.exe)?\s{1,4}/s|\bbitsadmin(?:\.exe)?\s{1,4}/transfer|wscript\.shell"
)
# A cell that a spreadsheet hands to another program: =cmd|'/c calc'!A0
_COMMAND_CELL = re2.compile(r"(?:^|[,;\t\"\n])\s{0,4}[=+\-@][^|\n,;\"]*\|[^!\n]+!")
_TABLES = ("csv", "sylk")


def look(kind: Kind, data: bytes) -> Iterator[Hit]:
    """Hits in a text. Never sure: prose about programs looks the same."""
    text = text_of(data)
    if count := sum(1 for _ in _SCRIPT.finditer(text)):
        yield Hit("danger", "script-like-text", "text", count, score=0.6)
    if kind.name in _TABLES and (commands := sum(1 for _ in _COMMAND_CELL.finditer(text))):
        yield Hit("danger", "dde", "cells", commands)
    if kind.name == "sylk":
        yield Hit("danger", "sylk", "", score=0.7)
