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
from secumail.cli.output import Json, emit, pairs, say
from secumail.errors import Refused
from services.dlp.extraction.child import Extractor
from services.dlp.inspection import inspect
from services.dlp.lists import Lists
from services.dlp.policy import Rules, Verdict

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
    extractor = Extractor(processes=1)
    try:
        _, decision = inspect(
            raw, sender, recipients, Rules.compile(_lists(policy)), own, extractor, (), datetime.now(UTC).date()
        )
    finally:
        extractor.close()
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
            *(("Found", finding_words(found)) for found in verdict.get("findings", ())),
            ("To the sender", verdict["notice"]),
        )
    )
    say("")


def finding_words(found: dict[str, Any]) -> str:
    """One finding: detector, rule and the lists' version; where; how often against how many; weight; sample."""
    numbers = [
        f"{found['count']} times" if found.get("count", 1) > 1 else "",
        f"{found['total']} in all" if found.get("total", 0) > found.get("count", 0) else "",
        f"from {found['threshold']:g} on" if found.get("threshold") else "",
        f"weight {found['weight']:.2f}" if found.get("weight") else "",
        f"sure to {found['score']:.0%}" if found.get("score", 1) < 1 else "",
        f"at {found['span'][0]}-{found['span'][1]}" if found.get("span") else "",
        f"“{found['sample']}”" if found.get("sample") else "",
    ]
    by = f", rule {found['decided_by']}" if found.get("decided_by") else ""
    more = "".join(f", {number}" for number in numbers if number)
    return (
        f"{found['detector']}: {found['rule']} in {found['where']}{more} (lists, version {found['list_version']}{by})"
    )
