"""`secumail scan`: what would become of a mail, without a server, or asked of one before sending."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from secumail.cli.client import logged_in
from secumail.cli.output import Json, emit, pairs, say, tabulate
from secumail.errors import Refused
from services.dlp.extraction.child import Extractor
from services.dlp.extraction.tesseract import missing
from services.dlp.inspection import inspect
from services.dlp.lists import Lists
from services.dlp.policy import Rules, Verdict

PICTURE_LANGUAGES = "eng+deu"
_PATIENCE = 90.0
"""Seconds for all files of the mail, the words in its pictures included."""

Policy = Annotated[
    Path | None, typer.Option(help="Lists as `secumail lists show --json` prints them; else the default.")
]
Sender = Annotated[str, typer.Option("--from", help="Who sends it; else who stands in From.")]
To = Annotated[list[str] | None, typer.Option(help="A recipient; else those in To, Cc and Bcc. Repeat it.")]
Domains = Annotated[list[str] | None, typer.Option("--domain", help="A domain of one's own; else the sender's.")]
Online = Annotated[bool, typer.Option("--online", help="Ask the server one is logged in at: its lists count.")]


def scan(
    file: Annotated[Path, typer.Argument(metavar="FILE.eml", exists=True, dir_okay=False)],
    policy: Policy = None,
    sender: Sender = "",
    to: To = None,
    domains: Domains = None,
    online: Online = False,
    as_json: Json = False,
) -> None:
    """What would become of a mail if it were sent now, and why. Exit code 1 where it would not just pass.

    Without a server everything that was found is shown. --online tells what the sender may know.
    """
    raw = file.read_bytes()
    if online:
        if policy or sender or domains:
            raise Refused("two-places", "--online goes with none of --policy, --from, --domain.", "Leave one out.")
        with logged_in() as client:
            told: list[dict[str, Any]] = client.scan(raw, to or ())
    else:
        told = _offline(raw, policy, sender, to or (), domains or ())
    if as_json:
        emit(told)
    else:
        for verdict in told:
            _say(verdict)
    raise typer.Exit(0 if all(verdict["action"] == "pass" for verdict in told) else 1)


def _offline(
    raw: bytes, policy: Path | None, sender: str, to: Sequence[str], domains: Sequence[str]
) -> list[dict[str, Any]]:
    header = BytesHeaderParser().parsebytes(raw)
    sender = sender or next(iter(_addresses(header.get_all("From", []))), "")
    recipients = tuple(to) or _addresses([value for name in ("To", "Cc", "Bcc") for value in header.get_all(name, [])])
    if not recipients:
        raise Refused("no-recipient", "The mail names no recipient.", "Say for whom it is: --to ADDRESS")
    own = tuple(domains) or (sender.rpartition("@")[2],)
    absent = missing(PICTURE_LANGUAGES)
    extractor = Extractor(processes=1, wall=_PATIENCE, languages="" if absent else PICTURE_LANGUAGES)
    try:
        read, decision = inspect(
            raw, sender, recipients, Rules.compile(_lists(policy)), own, extractor, now=datetime.now(UTC)
        )
    finally:
        extractor.close()
    if read.waits:
        say(f"Its pictures were not read: tesseract is missing, or its data for {', '.join(absent)}.", error=True)
    return [_document(verdict, recipients) for verdict in decision.verdicts]


def _addresses(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(address for _, address in getaddresses([str(value) for value in values]) if address)


def _lists(policy: Path | None) -> Lists:
    if policy is None:
        return Lists()
    try:
        return Lists.model_validate_json(policy.read_bytes())
    except OSError as error:
        raise Refused("file", f"{policy}: {error.strerror}.", "Look at the file's name.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(place) for place in first["loc"]) or "the file"
        raise Refused("lists-malformed", f"{policy}: {where}: {first['msg']}.", "Mend that place.") from error


def _document(verdict: Verdict, recipients: Sequence[str]) -> dict[str, Any]:
    """As the server says it, with what only a reviewer is shown besides."""
    found = [{k: v for k, v in asdict(finding).items() if v is not None} for finding in verdict.findings]
    document = {
        "recipients": [recipients[i] for i in verdict.recipients],
        "action": verdict.action,
        "code": verdict.code,
        "rule": verdict.rule,
        "notice": verdict.notice,
        "reason": verdict.reason,
        "findings": found,
    }
    return dict(json.loads(json.dumps(document)))


def _say(verdict: dict[str, Any]) -> None:
    pairs(
        (
            ("For", ", ".join(verdict["recipients"])),
            ("Verdict", f"{verdict['action']}: {verdict['code']}"),
            *((("Reason", verdict["reason"]),) if "reason" in verdict else ()),
            ("To the sender", verdict["notice"]),
        )
    )
    findings_table(verdict.get("findings", ()))
    say("")


def findings_table(findings: Sequence[dict[str, Any]]) -> None:
    """Findings, those that decided first: what was found by which rule, where, how often against how many."""
    if findings:
        say("")
        tabulate(("found", "where", "at", "sample", ">count", "weight", "decided"), map(_finding_row, findings))


def _finding_row(found: dict[str, Any]) -> tuple[str, ...]:
    count, total, threshold = found.get("count"), found.get("total"), found.get("threshold")
    often = "" if count is None else str(count)
    if total is not None and total != count:
        often += f" of {total}"
    # A term's weight is measured against its own threshold, everything else by its occurrences.
    heavy = found["detector"] == "term-weight"
    weight = f"{found['weight']:.2f}" if found.get("weight") else ""
    sure = f"{found['score']:.0%} sure" if found.get("score", 1) < 1 else ""
    whose = f" of {found['of']}" if found.get("of") else ""
    limit = f" (from {threshold:g} on)" if threshold else ""
    return (
        f"{found['detector']}: {found['rule']}",
        found["where"],
        f"{found['span'][0]}-{found['span'][1]}" if found.get("span") else "",
        found.get("sample", ""),
        often + ("" if heavy else limit),
        weight + (limit if heavy else "") or sure,
        f"{found.get('decided_by', 'lists')}{whose} (version {found['list_version']})",
    )
