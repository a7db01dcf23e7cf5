"""dlp's commands: the lists of hashes, exempt senders, partners and rules. The words are in cli_words.

A change is made to the current version and sent with If-Match; where somebody else was quicker, it is made again.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from secumail.cli.client import Client, logged_in
from secumail.cli.output import Json, emit, local, pairs, say, tabulate
from secumail.errors import Refused
from services.dlp.black_words import words_from_csv
from services.dlp.lists import FIELDS, Lists, differences, hashes_from_text, hashes_to_text

lists = typer.Typer(no_args_is_help=True, help="Black words, file hashes, exempt senders.")
white = typer.Typer(no_args_is_help=True, help="Files that may leave (see `lists mode`), by SHA-256.")
black = typer.Typer(no_args_is_help=True, help="Files that may not leave, by SHA-256 or SHA-1.")
known_bad = typer.Typer(no_args_is_help=True, help="Files known to do harm, by SHA-256 or SHA-1: danger, for rules.")
exempt = typer.Typer(no_args_is_help=True, help="Senders whose mails are not filtered.")
partner = typer.Typer(no_args_is_help=True, help="Partners' domains: rules may tell them from others outside.")
for _name, _part in (
    ("white", white), ("black", black), ("known-bad", known_bad), ("exempt", exempt), ("partner", partner),
):  # fmt: skip
    lists.add_typer(_part, name=_name)

TRIES = 5
SHOWN = 100
"""Words that `show` has in its table."""
PARTS = ("white", "black", "known-bad", "exempt", "partner")

Part = Annotated[str, typer.Argument(metavar="LIST", help=f"Of: {', '.join(PARTS)}.")]
Hashes = Annotated[list[str] | None, typer.Argument(metavar="HASH...", help="In hexadecimal.")]
Files = Annotated[list[Path] | None, typer.Option("--file", help="A file: its SHA-256 is made here. Repeat it.")]
VersionOption = Annotated[int | None, typer.Option("--version", help="An older version: see `lists history`.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Write into this file.")]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Addresses, or domains of partners.")]


@lists.command()
def show(as_json: Json = False) -> None:
    """All of it, in short."""
    with logged_in() as client:
        now = whole(client)
    if as_json:
        emit(now.model_dump(mode="json"))
        return
    pairs(
        (
            ("Version", now.version),
            ("Words", f"{len(now.words):,}"),
            ("White list", f"{now.white_mode}, {len(now.white_hashes)} files"),
            ("Black list", f"{len(now.black_hashes)} files"),
            ("Known bad", f"{len(now.known_bad)} files"),
            ("Exempt senders", ", ".join(sorted(now.exempt_senders)) or "none"),
            ("Weight threshold", now.weight_threshold or "off"),
            ("Partners", ", ".join(sorted(now.partner_domains)) or "none"),
            ("Rules", ", ".join(f"{rule.name} ({rule.then})" for rule in now.rules) or "none"),
            (
                "Rules of",
                ", ".join(f"{one.name} ({one.of}, {len(one.rules)})" for one in now.rule_sets) or "nobody else",
            ),
            ("Time zone", now.time_zone),
            ("Ending", ", ".join(f"{end.entry} ({end.list}, {end.until})" for end in now.ends) or "nothing"),
            ("Expressions", ", ".join(one.name for one in now.expressions) or "none"),
        )
    )
    if now.words:
        tabulate(("word", ">threshold", "scope"), now.words[:SHOWN].rows())
    if len(now.words) > SHOWN:
        say(f"And {len(now.words) - SHOWN:,} more: secumail lists words export")


@lists.command()
def export(
    part: Part,
    output: Output = None,
    version: VersionOption = None,
) -> None:
    """One list as a file, an entry a line. Words: `lists words export`."""
    _known(part)
    with logged_in() as client:
        written(hashes_to_text(getattr(read(client.get("/lists", words=False, version=version)), _field(part))), output)


@lists.command()
def history(as_json: Json = False) -> None:
    """Every version of the lists: when it was made, and by whose account."""
    with logged_in() as client:
        versions = client.get("/lists/history")
    if as_json:
        emit(versions)
        return
    tabulate((">version", "at", "account"), ((v["version"], local(v["at"]), v["actor"] or "") for v in versions))


@lists.command()
def diff(
    before: Annotated[int, typer.Argument(metavar="VERSION", help="The older one.")],
    after: Annotated[int | None, typer.Argument(metavar="VERSION", help="The newer one; else the current.")] = None,
    as_json: Json = False,
) -> None:
    """What changed from one version of the lists to another, line by line: + is new, - is gone."""
    with logged_in() as client:
        old, new = (whole(client, number) for number in (before, after))
    changes = differences(old, new)
    if as_json:
        emit([{"list": name, "change": sign, "entry": entry} for name, sign, entry in changes])
        return
    for name, sign, entry in changes:
        say(f"{sign} {name}: {entry}")
    if not changes:
        say("No difference.")


@lists.command("import")
def import_list(
    part: Part,
    file: Annotated[str, typer.Argument(metavar="FILE", help="As `export` writes it; - is standard input.")],
    replace: Annotated[bool, typer.Option("--replace", help="Instead of what is there, not in addition.")] = False,
    as_json: Json = False,
) -> None:
    """Read one list from a file; hashes: as sha256sum prints them. Words: `lists words import`."""
    _known(part)
    try:
        given = _parsed(part, given_text(file))
    except ValueError as error:
        raise Refused("list-malformed", f"{file}, {error}.", "Mend that line.") from error
    name = _field(part)
    put(lambda now: {name: frozenset(given) if replace else getattr(now, name) | frozenset(given)}, as_json)


@lists.command()
def mode(
    white_mode: Annotated[str, typer.Argument(metavar="MODE", help="strict, advisory or off.")], as_json: Json = False
) -> None:
    """What the white list does: strict lets only listed files leave, advisory remarks on others, off ignores it."""
    put(lambda _now: {"white_mode": white_mode}, as_json)


def _of_files(part: str, commands: typer.Typer, adds: str) -> None:
    @commands.command("add", help=adds)
    def add(hashes: Hashes = None, file: Files = None, as_json: Json = False) -> None:
        _add(part, _digests(hashes, file), as_json)

    @commands.command("remove", help="Take these files off the list.")
    def remove(hashes: Hashes = None, file: Files = None, as_json: Json = False) -> None:
        _remove(part, _digests(hashes, file), as_json)


def _of_names(part: str, commands: typer.Typer, adds: str, removes: str) -> None:
    @commands.command("add", help=adds)
    def add(names: Names, as_json: Json = False) -> None:
        _add(part, [name.strip().lower() for name in names], as_json)

    @commands.command("remove", help=removes)
    def remove(names: Names, as_json: Json = False) -> None:
        _remove(part, [name.strip().lower() for name in names], as_json)


_of_files("white", white, "Let these files leave.")
_of_files("black", black, "Hold mails with these files.")
_of_files("known-bad", known_bad, "Treat these files as dangerous, whatever they are.")
_of_names("exempt", exempt, "Filter these senders' mails no longer.", "Filter these senders' mails again.")
_of_names("partner", partner, "Treat these domains as partners'.", "Treat these domains as outside again.")


# --- changes ----------------------------------------------------------------------------------------------


def _add(part: str, entries: Iterable[str], as_json: bool) -> None:
    name = _field(part)
    put(lambda now: {name: getattr(now, name) | frozenset(entries)}, as_json)


def _remove(part: str, entries: Iterable[str], as_json: bool) -> None:
    name, gone = _field(part), frozenset(entries)

    def change(now: Lists) -> dict[str, Any]:
        if missing := gone - getattr(now, name):
            words = f"{len(missing)} of {len(gone)} are not on the list, {min(missing)} for one."
            raise Refused("not-listed", words, f"See: secumail lists export {part}")
        return {name: getattr(now, name) - gone}

    put(change, as_json)


def put(change: Callable[[Lists], dict[str, Any]], as_json: bool) -> None:
    """Make a change to the current lists, the words left out."""

    def once(client: Client) -> Any:
        now = read(client.get("/lists", words=False))
        try:
            fields = change(now)
            changed = Lists.model_validate({**dict(now), **fields}).model_dump(mode="json", include=set(fields))
        except ValidationError as error:
            raise malformed(error) from error
        return client.change("/lists", changed, str(now.version))

    with logged_in() as client:
        done(again(once, client), as_json)


def again(once: Callable[[Client], Any], client: Client) -> Any:
    """Once, and again where somebody else changed the lists meanwhile; the last answer."""
    for left in reversed(range(TRIES)):
        try:
            return once(client)
        except Refused as refused:
            if refused.code != "changed-meanwhile" or left == 0:
                raise
    raise AssertionError("the last try returns or raises")


def done(document: Any, as_json: bool) -> None:
    if as_json:
        emit(document)
    else:
        say(f"Done: the lists are now at version {document['version']}.")


def given_text(file: str) -> str:
    """A file's text, or that of standard input."""
    return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")


def written(text: str, output: Path | None) -> None:
    """Into a file, or to standard output."""
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        say(f"Written: {output}", error=True)


def whole(client: Client, version: int | None = None) -> Lists:
    """The lists with their words, which may be a million."""
    lists = read(client.get("/lists", words=False, version=version))
    words, _ = client.text("/lists/words", version=lists.version)
    return lists.model_copy(update={"words": words_from_csv(words)})


def read(document: Any) -> Lists:
    try:
        return Lists.model_validate(document)
    except ValidationError as error:
        raise Refused("lists-unknown", "The server's lists have another shape.", "Update this command.") from error


def _parsed(part: str, text: str) -> tuple[Any, ...]:
    if part in ("exempt", "partner"):
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
    return next(field for name, field in FIELDS.items() if name == part)


def _known(part: str) -> None:
    if part not in PARTS:
        raise Refused("no-such-list", f"There is no list {part!r}.", f"Give one of: {', '.join(PARTS)}.")


def malformed(error: ValidationError) -> Refused:
    first = error.errors()[0]
    where = ".".join(str(place) for place in first["loc"])
    return Refused(
        "lists-malformed", f"{where}: {first['msg']}.", "Mend that; `secumail lists --help` shows the shapes."
    )


def json_file(file: Path) -> Any:
    """What a file says in JSON."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused("file", f"{file}: {error}.", "Give a JSON file.") from error


def _replaced_by_file(name: str, about: str) -> None:
    @lists.command(name.replace("_", "-"), help=about)
    def replace(file: Annotated[Path, typer.Argument(metavar="FILE.json")], as_json: Json = False) -> None:
        document = json_file(file)
        put(lambda _now: {name: document}, as_json)


_replaced_by_file("rules", "Replace the ordered rules by those of a file, as `show --json` has them.")
_replaced_by_file("rule_sets", "Replace the rules of groups and persons: name, of, members, rules of each.")
_replaced_by_file(
    "expressions", "Replace the organisation's own expressions: name, pattern (RE2), case_sensitive, score."
)
