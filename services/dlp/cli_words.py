"""dlp's commands: the black words, which may be a million, for reviewers and administrators."""

import time
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from secumail.cli.client import Client, logged_in
from secumail.cli.output import Json, say
from secumail.errors import Refused
from services.dlp.black_words import BlackWord, Words, words_from_csv, words_from_text, words_to_csv
from services.dlp.cli_lists import Output, VersionOption, again, done, given_text, malformed, written

words = typer.Typer(no_args_is_help=True, help="Black words: mails that have them are held.")

WAIT = 120.0
"""Seconds for which `import` waits until the words count."""
_LOOK_EVERY = 0.5

ScopeOption = Annotated[str, typer.Option(help="all, or outside: only for recipients outside the organisation.")]
Text = Annotated[bool, typer.Option("--text", help="Plain text, a word a line, instead of term,threshold,scope.")]


@words.command()
def add(
    term: str,
    threshold: Annotated[int, typer.Option(min=1, help="Occurrences from which a mail is held.")] = 1,
    scope: ScopeOption = "all",
    as_json: Json = False,
) -> None:
    """Hold mails with this word or phrase; where it is there already, it gets this threshold."""
    _change("add", {"term": term, "threshold": threshold, "scope": scope}, as_json)


@words.command()
def remove(term: str, scope: ScopeOption = "all", as_json: Json = False) -> None:
    """Hold mails with this word no longer."""
    _change("remove", {"term": term, "scope": scope}, as_json)


@words.command("import")
def import_words(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV: term,threshold,scope; - is standard input.")],
    replace: Annotated[bool, typer.Option("--replace", help="Instead of what is there, not in addition.")] = False,
    text: Text = False,
    as_json: Json = False,
) -> None:
    """Read words from a file, as `export` writes it, and wait until they count. Progress goes to standard error."""
    given = read(file, text)
    say(f"Read: {len(given):,} words. Sending them.", error=True)
    csv = words_to_csv(given)
    with logged_in() as client:
        document = again(lambda client: _sent(client, csv, None if replace else "add"), client)
        say(f"Kept: version {document['version']}. Waiting until it counts.", error=True)
        done({**document, "counts": document["counts"] or _counts(client, document["version"])}, as_json)


@words.command()
def export(output: Output = None, version: VersionOption = None, text: Text = False) -> None:
    """The words as a file: CSV, or plain text."""
    with logged_in() as client:
        content, _ = client.text("/lists/words", version=version, form="text" if text else "csv")
        written(content, output)


def read(file: str, text: bool) -> Words:
    """The words of a file. Refused, with the line that is wrong."""
    try:
        return (words_from_text if text else words_from_csv)(given_text(file))
    except ValueError as error:
        raise Refused("list-malformed", f"{file}, {error}.", "Mend that line.") from error


def _change(act: str, word: dict[str, Any], as_json: bool) -> None:
    try:
        csv = words_to_csv(Words.of([BlackWord.model_validate(word)]))
    except ValidationError as error:
        raise malformed(error) from error
    with logged_in() as client:
        done(again(lambda client: _sent(client, csv, act), client), as_json)


def _sent(client: Client, csv: str, act: str | None) -> Any:
    version = str(client.get("/lists", words=False)["version"])
    if act is None:
        return client.put_text("/lists/words", csv, "text/csv", version)
    return client.change_by_text("/lists/words", csv, "text/csv", version, act=act)


def _counts(client: Client, version: int) -> bool:
    """Wait until mail is filtered by this version or a newer one."""
    ends = time.monotonic() + WAIT
    while time.monotonic() < ends:
        if any(row["counts"] and row["version"] >= version for row in client.get("/lists/history")):
            return True
        time.sleep(_LOOK_EVERY)
    raise Refused(
        "not-counting-yet", f"Version {version} is kept, and does not count yet.", "See: secumail lists history"
    )
