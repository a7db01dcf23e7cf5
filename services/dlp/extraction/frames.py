"""What goes between the service and the process that reads files, as frames of secumail.confined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from secumail.confined import Broken
from services.dlp.attachments import Attachment
from services.dlp.findings import Hit
from services.dlp.message import Chunks, File, Found, Passage

_KINDS: dict[str, type[Passage] | type[Attachment] | type[Hit] | type[Chunks]] = {
    kind.__name__: kind for kind in (Passage, Attachment, Hit, Chunks)
}


def of_files(files: Sequence[File]) -> tuple[list[Any], list[bytes]]:
    """The files of a job: what is told of them, and their bytes."""
    told = [[f.index, f.where, f.name, f.media_type, f.known, f.alternative] for f in files]
    return told, [file.data for file in files]


def files_of(told: list[Any], contents: Sequence[bytes]) -> list[File]:
    """The other way round."""
    return [
        File(index, where, name, media_type, data, known, _pair(alternative))
        for (index, where, name, media_type, known, alternative), data in zip(told, contents, strict=True)
    ]


def of_found(found: Found) -> dict[str, Any]:
    """One thing found."""
    return {"kind": type(found).__name__, **asdict(found)}


def found_of(told: Any) -> Found:
    """The other way round. Raises Broken."""
    try:
        kind = _KINDS[told.pop("kind")]
        for pair in ("alternative", "span"):
            if pair in told:
                told[pair] = _pair(told[pair])
        if "hashes" in told:
            told["hashes"] = tuple(map(int, told["hashes"]))
        return kind(**told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Broken from error


def _pair(value: Sequence[int] | None) -> tuple[int, int] | None:
    return (int(value[0]), int(value[1])) if value else None
