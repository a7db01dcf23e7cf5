"""dlp's commands: confidential documents, for reviewers and administrators. Their text is read here and stays here."""

import mimetypes
from pathlib import Path
from typing import Annotated, Any

import typer

from secumail.cli.client import logged_in
from secumail.cli.output import Json, emit, say
from secumail.errors import Refused
from services.dlp.cli_lists import put, read
from services.dlp.detectors.binaries import with_chunks
from services.dlp.detectors.fingerprints import Fingerprints, Index
from services.dlp.extraction.child import Extractor
from services.dlp.extraction.tesseract import LANGUAGES, missing
from services.dlp.findings import Hit
from services.dlp.lists import read_fingerprints, write_fingerprints
from services.dlp.message import Chunks, File, Passage

documents = typer.Typer(no_args_is_help=True, help="Confidential documents, found by any excerpt.")

Documents = Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False)]
Names = Annotated[list[str], typer.Argument(metavar="NAME...")]


@documents.command("add")
def documents_add(files: Documents, as_json: Json = False) -> None:
    """Hold mails with an excerpt of these documents: 63 letters and digits of a text, about 16 KB of any other file.

    The documents do not leave here. The words in pictures are read where tesseract is installed.
    """
    extractor = Extractor(processes=1, wall=300, languages="" if missing(LANGUAGES) else LANGUAGES)
    try:
        registered = [_fingerprints(path, extractor) for path in files]
    finally:
        extractor.close()
    put(lambda now: _indexed(read_fingerprints(now.fingerprints).add(*registered)), as_json)


@documents.command("remove")
def documents_remove(names: Names, as_json: Json = False) -> None:
    """Look for these documents no longer, by the names `documents ls` shows."""
    put(lambda now: _indexed(read_fingerprints(now.fingerprints).remove(*names)), as_json)


@documents.command("ls")
def documents_ls(as_json: Json = False) -> None:
    """The confidential documents, by name."""
    with logged_in() as client:
        index = read_fingerprints(read(client.get("/lists", words=False)).fingerprints)
    if as_json:
        emit(list(index.documents))
        return
    for name in index.documents:
        say(name)


def _fingerprints(path: Path, extractor: Extractor) -> Fingerprints:
    data = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    found = list(extractor([File(1, path.name, path.name, kind, data)]))
    texts = [one.text for one in found if isinstance(one, Passage)]
    if any(isinstance(one, Hit) and one.detector == "unscannable" and one.score == 1 for one in found):
        raise Refused("document-unread", f"{path} can't be read completely.", "Save it as text, PDF or docx.")
    chunks = [one.hashes for one in found if isinstance(one, Chunks)]
    try:
        return with_chunks(path.name, texts, chunks)
    except ValueError as error:
        raise Refused("document-too-short", f"{path}: {error}.", "Add words instead.") from error


def _indexed(index: Index) -> dict[str, Any]:
    return {"fingerprints": write_fingerprints(index)}
