"""dlp's commands: the lists of words, hashes and exempt senders, for reviewers and administrators.

A change is made to the current version and put with If-Match; where somebody else was quicker, it is made again.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from secumail.cli.client import logged_in
from secumail.cli.output import Json, emit, pairs, say, tabulate
from secumail.errors import Refused
from services.dlp.lists import BlackWord, Lists, hashes_from_text, hashes_to_text, words_from_csv, words_to_csv
from services.dlp.terms import fold

lists = typer.Typer(no_args_is_help=True, help="Black words, file hashes, exempt senders.")
white = typer.Typer(no_args_is_help=True, help="Files that may leave (see `lists mode`), by SHA-256.")
black = typer.Typer(no_args_is_help=True, help="Files that may not leave, by SHA-256 or SHA-1.")
exempt = typer.Typer(no_args_is_help=True, help="Senders whose mails are not filtered.")
for _name, _part in (("white", white), ("black", black), ("exempt", exempt)):
    lists.add_typer(_part, name=_name)

TRIES = 5
PARTS = ("words", "white", "black", "exempt")

Part = Annotated[str, typer.Argument(metavar="LIST", help=f"Of: {', '.join(PARTS)}.")]
ScopeOption = Annotated[str, typer.Option(help="all, or outside: only for recipients outside the organisation.")]
Hashes = Annotated[list[str] | None, typer.Argument(metavar="HASH...", help="In hexadecimal.")]
Files = Annotated[list[Path] | None, typer.Option("--file", help="A file: its SHA-256 is made here. Repeat it.")]
Senders = Annotated[list[str], typer.Argument(metavar="ADDRESS...")]


@lists.command()
def show(as_json: Json = False) -> None:
    """All of it, in short."""
    with logged_in() as client:
        document = client.get("/lists")
    if as_json:
        emit(document)
        return
    now = _read(document)
    pairs(
        (
            ("Version", now.version),
            ("Words", len(now.words)),
            ("White list", f"{now.white_mode}, {len(now.white_hashes)} files"),
            ("Black list", f"{len(now.black_hashes)} files"),
            ("Exempt senders", ", ".join(sorted(now.exempt_senders)) or "none"),
            ("Weight threshold", now.weight_threshold or "off"),
        )
    )
    if now.words:
        tabulate(("word", ">threshold", "scope"), ((w.term, w.threshold, w.scope) for w in now.words))


@lists.command()
def export(
    part: Part, output: Annotated[Path | None, typer.Option("-o", "--output", help="Write into this file.")] = None
) -> None:
    """One list as a file: words as CSV, the others one entry a line."""
    _known(part)
    with logged_in() as client:
        now = _read(client.get("/lists"))
    texts: dict[str, Callable[[], str]] = {
        "words": lambda: words_to_csv(now.words),
        "white": lambda: hashes_to_text(now.white_hashes),
        "black": lambda: hashes_to_text(now.black_hashes),
        "exempt": lambda: hashes_to_text(now.exempt_senders),
    }
    text = texts[part]()
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        say(f"Written: {output}", error=True)


@lists.command("import")
def import_list(
    part: Part,
    file: Annotated[str, typer.Argument(metavar="FILE", help="As `export` writes it; - is standard input.")],
    replace: Annotated[bool, typer.Option("--replace", help="Instead of what is there, not in addition.")] = False,
    as_json: Json = False,
) -> None:
    """Read one list from a file. Words: term,threshold,scope; hashes: as sha256sum prints them."""
    _known(part)
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    try:
        given = _parsed(part, text)
    except ValueError as error:
        raise Refused("list-malformed", f"{file}, {error}.", "Mend that line.") from error

    def change(now: Lists) -> dict[str, Any]:
        if part == "words":
            return {"words": given if replace else _with_words(now.words, given)}
        name = _field(part)
        return {name: frozenset(given) if replace else getattr(now, name) | frozenset(given)}

    _put(change, as_json)


@lists.command("add-word")
def add_word(
    term: str,
    threshold: Annotated[int, typer.Option(min=1, help="Occurrences from which a mail is held.")] = 1,
    scope: ScopeOption = "all",
    as_json: Json = False,
) -> None:
    """Hold mails with this word or phrase; where it is there already, it gets this threshold."""
    try:
        word = BlackWord.model_validate({"term": term, "threshold": threshold, "scope": scope})
    except ValidationError as error:
        raise _malformed(error) from error
    _put(lambda now: {"words": _with_words(now.words, (word,))}, as_json)


@lists.command("remove-word")
def remove_word(term: str, scope: ScopeOption = "all", as_json: Json = False) -> None:
    """Hold mails with this word no longer."""

    def change(now: Lists) -> dict[str, Any]:
        kept = tuple(word for word in now.words if (fold(word.term), word.scope) != (fold(term), scope))
        if len(kept) == len(now.words):
            raise Refused("no-such-word", f"{term!r} is no black word of scope {scope}.", "See: secumail lists show")
        return {"words": kept}

    _put(change, as_json)


@lists.command()
def mode(
    white_mode: Annotated[str, typer.Argument(metavar="MODE", help="strict, advisory or off.")], as_json: Json = False
) -> None:
    """What the white list does: strict lets only listed files leave, advisory remarks on others, off ignores it."""
    _put(lambda _now: {"white_mode": white_mode}, as_json)


@white.command("add")
def white_add(hashes: Hashes = None, file: Files = None, as_json: Json = False) -> None:
    """Let these files leave."""
    _add("white", _digests(hashes, file), as_json)


@white.command("remove")
def white_remove(hashes: Hashes = None, file: Files = None, as_json: Json = False) -> None:
    """Take these files off the list."""
    _remove("white", _digests(hashes, file), as_json)


@black.command("add")
def black_add(hashes: Hashes = None, file: Files = None, as_json: Json = False) -> None:
    """Hold mails with these files."""
    _add("black", _digests(hashes, file), as_json)


@black.command("remove")
def black_remove(hashes: Hashes = None, file: Files = None, as_json: Json = False) -> None:
    """Take these files off the list."""
    _remove("black", _digests(hashes, file), as_json)


@exempt.command("add")
def exempt_add(addresses: Senders, as_json: Json = False) -> None:
    """Filter these senders' mails no longer."""
    _add("exempt", [a.strip().lower() for a in addresses], as_json)


@exempt.command("remove")
def exempt_remove(addresses: Senders, as_json: Json = False) -> None:
    """Filter these senders' mails again."""
    _remove("exempt", [a.strip().lower() for a in addresses], as_json)


# --- changes ----------------------------------------------------------------------------------------------


def _add(part: str, entries: Iterable[str], as_json: bool) -> None:
    name = _field(part)
    _put(lambda now: {name: getattr(now, name) | frozenset(entries)}, as_json)


def _remove(part: str, entries: Iterable[str], as_json: bool) -> None:
    name, gone = _field(part), frozenset(entries)

    def change(now: Lists) -> dict[str, Any]:
        if missing := gone - getattr(now, name):
            words = f"{len(missing)} of {len(gone)} are not on the list, {min(missing)} for one."
            raise Refused("not-listed", words, f"See: secumail lists export {part}")
        return {name: getattr(now, name) - gone}

    _put(change, as_json)


def _put(change: Callable[[Lists], dict[str, Any]], as_json: bool) -> None:
    """Make a change to the current lists; again, where somebody else changed them meanwhile."""
    with logged_in() as client:
        for left in reversed(range(TRIES)):
            now = _read(client.get("/lists"))
            try:
                changed = Lists.model_validate({**dict(now), **change(now)})
                document = client.put("/lists", changed.model_dump(mode="json"), str(now.version))
                break
            except ValidationError as error:
                raise _malformed(error) from error
            except Refused as refused:
                if refused.code != "changed-meanwhile" or left == 0:
                    raise
    if as_json:
        emit(document)
    else:
        say(f"Done: the lists are now at version {document['version']}.")


def _read(document: Any) -> Lists:
    try:
        return Lists.model_validate(document)
    except ValidationError as error:
        raise Refused("lists-unknown", "The server's lists have another shape.", "Update this command.") from error


def _with_words(words: Iterable[BlackWord], given: Iterable[BlackWord]) -> tuple[BlackWord, ...]:
    """Each word once for each scope; what is given counts."""
    return tuple({(fold(word.term), word.scope): word for word in (*words, *given)}.values())


def _parsed(part: str, text: str) -> tuple[Any, ...]:
    if part == "words":
        return words_from_csv(text)
    if part == "exempt":
        return tuple(line.strip().lower() for line in text.splitlines() if line.strip())
    return tuple(hashes_from_text(text, "white" if part == "white" else "black"))


def _digests(hashes: Iterable[str] | None, files: Iterable[Path] | None) -> list[str]:
    found = [entry.strip().lower() for entry in hashes or ()]
    for path in files or ():
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    if not found:
        raise Refused("nothing-given", "Neither a hash nor a file.", "Give hashes, or files with --file.")
    return found


def _field(part: str) -> str:
    return {"white": "white_hashes", "black": "black_hashes", "exempt": "exempt_senders"}[part]


def _known(part: str) -> None:
    if part not in PARTS:
        raise Refused("no-such-list", f"There is no list {part!r}.", f"Give one of: {', '.join(PARTS)}.")


def _malformed(error: ValidationError) -> Refused:
    first = error.errors()[0]
    where = ".".join(str(place) for place in first["loc"])
    return Refused(
        "lists-malformed", f"{where}: {first['msg']}.", "Mend that; `secumail lists --help` shows the shapes."
    )
