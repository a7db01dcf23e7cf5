"""dlp's command `lists try`: what lists would do that do not count yet, for reviewers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from secumail.cli.client import logged_in
from secumail.cli.output import Json, emit, say, tabulate
from services.dlp.black_words import words_to_csv
from services.dlp.cli_lists import json_file
from services.dlp.cli_words import Text, read

Fields = Annotated[Path | None, typer.Argument(metavar="[FILE.json]", help="Fields, as `lists show --json` has them.")]
Act = Annotated[str, typer.Option(help="What is done with the words of the file: replace, add or remove.")]
Held = Annotated[int, typer.Option(min=0, max=100, help="How many held mails to look at.")]
Sent = Annotated[int, typer.Option(min=0, max=2000, help="How many lines of the sent log.")]


def try_lists(
    fields: Fields = None,
    words: Annotated[str, typer.Option(metavar="FILE", help="Words: CSV, as `words export` writes it.")] = "",
    act: Act = "add",
    text: Text = False,
    held: Held = 50,
    sent: Sent = 500,
    as_json: Json = False,
) -> None:
    """What these lists would do with held mails and with what was sent. Nothing is changed.

    Of mails sent it is known how often they had words that were on the list then: what another threshold or scope
    would have held is counted, new words are not.
    """
    trial: dict[str, Any] = {"lists": json_file(fields) if fields else {}, "act": act, "held": held, "sent": sent}
    if words:
        trial["words"] = words_to_csv(read(words, text))
    with logged_in() as client:
        tried = client.post("/lists/dry-run", trial)
    if as_json:
        emit(tried)
        return
    changed = [mail for mail in tried["held"] if mail["now"] != mail["then"]]
    if changed:
        rows = ((m["id"][:8], m["sender"], m["subject"], "; ".join(m["now"]), "; ".join(m["then"])) for m in changed)
        tabulate(("id", "from", "subject", "now", "then"), rows)
    say(f"Of {len(tried['held'])} held mails {len(changed)} would fare differently.")
    if tried["words"]:
        tabulate(("word", ">mails sent"), ((word["term"], word["mails"]) for word in tried["words"]))
    say(f"Of {tried['sent']} mails sent {tried['sent_held']} would have been held by words.")
