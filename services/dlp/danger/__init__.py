"""Finds what has no place in office mail, by the bytes alone: programs, scripts, shortcuts, disk images, macros,
active documents. No scanner is asked and nothing is run.

`where` of a hit is the place within the file ("" for the file as a whole); the caller puts its own chain before.
Score 1 means: this acts when it is opened, or hides what it is. Below 1: odd, and often honest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from services.dlp.danger import masquerade, office, pages, pdf, scripts
from services.dlp.files import types
from services.dlp.files.kinds import BY_EXTENSION, BY_MEDIA_TYPE, DANGEROUS, KINDS, Family, Kind
from services.dlp.findings import Hit

MAX_HITS = 1000
MAX_DEPTH = 3
MAX_FILES = 1000
MAX_ALL = 1 << 27

# The test file of the European Institute for Computer Antivirus Research, by the digest of its 68 bytes, so that
# no scanner takes this source for it.
_EICAR = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"
_RULE = {
    Family.PROGRAM: "program",
    Family.SCRIPT: "script",
    Family.SHORTCUT: "shortcut",
    Family.DISK_IMAGE: "disk-image",
}


def examine(name: str, media_type: str, data: bytes) -> tuple[Hit, ...]:
    """What is dangerous in a file of this name and declared type: one hit for each rule, in the place of its first.

    Takes time linear in `data` (about a second for 20 MB at worst) and memory of a few times its size. Nothing
    raises. An archive's members are the caller's to examine, each by itself; only the names of encrypted ones,
    which nobody can open, are judged here.
    """
    found: dict[tuple[str, str, float], Hit] = {}
    for seen, hit in enumerate(_hits(name, media_type, data, 0)):
        first = found.setdefault((hit.detector, hit.rule, hit.score), hit)
        if first is not hit:
            found[hit.detector, hit.rule, hit.score] = replace(first, count=first.count + hit.count)
        if seen >= MAX_HITS:
            # Whoever floods hides something behind the flood.
            found["unscannable", "too-many", 1.0] = Hit("unscannable", "too-many", "")
            break
    return tuple(found.values())


def _hits(name: str, media_type: str, data: bytes, depth: int) -> Iterator[Hit]:
    kind = types.kind_of(name, media_type, data)
    if hashlib.sha256(data[:68]).hexdigest() == _EICAR:
        yield Hit("danger", "known-bad", "")
    yield from masquerade.lies(name, media_type, data, kind)
    yield from _by_family(name, media_type, kind)
    look = _LOOKS.get(kind.name) or _LOOKS.get(kind.container)
    if look:
        yield from look(kind, data)
    claimed = BY_EXTENSION.get(types.extension(name)) or BY_MEDIA_TYPE.get(media_type.lower())
    if claimed and kind.name not in ("html", "svg") and claimed.name in ("html", "svg"):
        yield from pages.look(claimed, data)
    if kind.name in _HOLDERS:
        yield from _within(_HOLDERS[kind.name](data), depth + 1)


def _within(files: Iterator[office.Held | Hit], depth: int) -> Iterator[Hit]:
    """Hits for files in a file: at most 1,000 of them, 128 MB in all, and three deep."""
    room = MAX_ALL
    for number, held in enumerate(files):
        if isinstance(held, Hit):
            yield held
            continue
        where, name, inner = held
        room -= len(inner)
        bounds = {"too-deep": depth > MAX_DEPTH, "too-many": number >= MAX_FILES, "too-big": room < 0}
        if rule := next((rule for rule, beyond in bounds.items() if beyond), ""):
            yield Hit("unscannable", rule, where)
            return
        for hit in _hits(name, "", inner, depth):
            yield replace(hit, where=f"{where} ! {hit.where}" if hit.where else where)


def _by_family(name: str, media_type: str, kind: Kind) -> Iterator[Hit]:
    if kind.family in DANGEROUS:
        yield Hit("danger", _RULE[kind.family], "", sample=kind.name[:4])
        return
    is_mail = media_type.lower().startswith("message/")  # its name is a subject, and a subject may end in ".sh"
    ending = types.extension(name)
    claimed = BY_EXTENSION.get(ending)
    if claimed is None and _is_class_id(ending):
        yield Hit("danger", "shortcut", "name")
    elif claimed and claimed.family in DANGEROUS and not is_mail:
        # A DOS program has no mark of its own, but what is surely something else is none; names end in ".com" a lot.
        sure = ending != "com" or kind.family in (Family.UNKNOWN, Family.DATA)
        yield Hit("danger", _RULE[claimed.family], "name", sample=ending[:4], score=1.0 if sure else 0.6)
    elif not ending and (declared := BY_MEDIA_TYPE.get(media_type.lower())) and declared.family in DANGEROUS:
        yield Hit("danger", _RULE[declared.family], "declared type", sample=declared.name[:4])


def _is_class_id(ending: str) -> bool:
    """An extension `{00021401-0000-0000-C000-000000000046}`, which a desktop does not show but obeys."""
    return len(ending) == 38 and ending[0] == "{" and ending[-1] == "}" and ending.count("-") == 4


def _look_at_zip(kind: Kind, data: bytes) -> Iterator[Hit]:
    if kind.name not in ("docx", "xlsx", "pptx", "vsdx"):
        for member, encrypted in types.zip_members(data):
            claimed = BY_EXTENSION.get(types.extension(member))
            if encrypted and claimed and claimed.family in DANGEROUS:
                yield Hit("danger", _RULE[claimed.family], "encrypted member", sample=claimed.name[:4])
        return
    yield from office.look_at_package(data)


_LOOKS: dict[str, Callable[[Kind, bytes], Iterator[Hit]]] = {
    "pdf": lambda _, data: pdf.look(data),
    "rtf": lambda _, data: office.look_at_rtf(data),
    "onenote": lambda _, data: office.look_at_onenote(data),
    "ole": lambda _, data: office.look_at_compound(data),
    "zip": _look_at_zip,
    "text": scripts.look,
    **dict.fromkeys(("html", "svg", "xml", "mhtml"), pages.look),
}
_HOLDERS: dict[str, Callable[[bytes], Iterator[office.Held | Hit]]] = {
    "onenote": office.files_in_onenote,
    "rtf": office.files_in_rtf,
    **dict.fromkeys(
        (kind.name for kind in KINDS.values() if kind.container == "ole" or kind.name == "ole"),
        office.files_in_compound,
    ),
    **dict.fromkeys(("docx", "xlsx", "pptx", "vsdx"), office.files_in_package),
}
