"""Writes docs/problems.md: every code that a caller, a sender or an operator can meet, read from the source.

python -m scripts.problems          write it
python -m scripts.problems --check  exit 1 where the file is stale
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from secumail.reasons import REASONS
from services.dlp import sentences

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "problems.md"

_KINDS = {"Refused": "Refused", "Transient": "Retry", "Permanent": "Dead letter"}
_PREFIXES = {"CoverRefused": "cover-", "CarrierRefused": "carrier-"}
"""Error classes that put something before the code they are given."""
_HOLE = "…"
_CODE = re.compile(r"[a-z0-9<>_]+(-[a-z0-9<>_]+)*\Z")

_INTRO = """\
# Problem codes

A code is stable: programs may switch on it, and runbooks name it. The words beside it may change. What a code means
depends on where it is met:

- **Refused**: the answer to a request (problem details, RFC 9457; `type` is `/problems/<code>`) or the two lines in
  which the `secumail` command ends. The request can't be done as it is, and is not tried again.
- **Dead letter**: a step can't succeed with this event. The mail is kept, shown as stuck and waits for an operator:
  [runbook](runbooks/dead-letter.md).
- **Retry**: a cause outside the mail. The event waits for 5 s, 1 min or 15 min and is tried again; only when all
  attempts are spent (about six hours) is it a dead letter.
- **Bounce**: why a recipient was not served, in the sender's submission and in the bounce, with its enhanced status
  (RFC 3463).
- **Verdict**: dlp's word on a mail, with the sentence its sender reads.

In the texts, … stands for what is filled in. This page is written by `python -m scripts.problems`.
"""

FILLED: Mapping[str, tuple[str, ...]] = {
    "no-<name>": ("no-epmd", "no-erl"),
    "<what>-away": ("broker-away", "database-away"),
    "<part>-tampered": ("cover-tampered", "envelope-tampered", "mime-tampered", "signed-tampered"),
    "http-<status_code>": ("http-status",),
}
"""Codes that are put together at run time. `http-status`: any HTTP status without a code of its own (http-404)."""

_SHOWN = frozenset({"unreadable-<reason>"})
"""No errors but states of a layer, shown with the mail (services/crypto/errors.py)."""

MEANINGS: Mapping[str, str] = {
    "author-forged": "The mail is not what the door took in: its text, envelope or author was changed in the spool."
    " Treat it as an attack on the database.",
    "author-not-accepted": "The mail was taken in by a service that may not take in mail of its origin.",
    "blob-gone": "A sealed part of the mail is not in the store. Restore it from a backup, then replay.",
    "certificate-limit": "The account had as many certificates made as are allowed in a day (SECUMAIL_ISSUES_A_DAY)."
    " The mail is tried again.",
    "claim-for-another": "The claim was made out to another service than the one that read it.",
    "claim-forged": "The claim's signature does not check. An identity file that does not belong to the keys"
    " (after a restore) does this to every mail; on one mail it is an attack.",
    "claim-key-damaged": "The service's transport key pair in the database does not open under its scope key:"
    " scope keys and database are of different backups.",
    "claim-key-gone": "The transport key the claim was sealed to was destroyed. The claim opens nowhere any more.",
    "claim-malformed": "The claim has another shape than a claim.",
    "claim-not-accepted": "The claim was made by a service whose word does not count at this step.",
    "claim-wrong-key": "The claim was sealed to another key, or for another mail or step.",
    "database-away": "At start the database did not answer for a minute. The process ends and is started again.",
    "form-unknown": "The envelope wishes a form that crypto does not know: gateway and crypto differ in version.",
    "generation-unknown": "The event is ahead of the record: the database was put back to an older state.",
    "library-contested": "Other mails took the organisation's pictures just then, or somebody used one as his own. The"
    " mail is tried again.",
    "kms-away": "The PKCS#11 token does not answer, or has logged the service out and takes no new log-in.",
    "no-claim": "An event that must carry a claim has none.",
    "no-claim-for-bounce": "A recipient has to be bounced, but the event carries no claim for the envelope.",
    "no-reviewers": "The reviewers' group is missing, so nothing could be held; so nothing passes either.",
    "no-such-mail": "The event names a mail that the spool does not have: the database was put back to an older"
    " state, or the record ended more than 30 days ago.",
    "no-transport-key": "The next service has never started, so it has no key to seal to.",
    "nothing-to-file": "A recipient is due the mail, but no sealed body is there.",
    "origin-not-accepted": "The mail's origin does not fit the service that vouches for it.",
    "pickup-forged": "A pickup's record does not bear the door's signature: it was changed in the database. The mail is"
    " not taken in with another's key; send it under a fresh Idempotency-Key.",
    "pickup-gone": "A pickup's record vanished between two reads of it.",
    "publish-not-confirmed": "The broker did not take the message in ten seconds.",
    "recipients-left-out": "dlp's decision does not have every recipient in one verdict: a fault of ours. Nothing of"
    " the mail went out; keep it, and report the fault.",
    "record-gone": "The record vanished between two reads of it.",
    "sender-not-the-author": "The envelope's sender is not an address of the account that handed the mail in.",
    "signing-key-unknown": "The signing key in custody is not of a kind that this version uses.",
    "signing-rate": "The account had as many mails signed as are allowed in a minute (SECUMAIL_SIGNATURES_A_MINUTE)."
    " The mail is tried again.",
    "stage-contested": "Two workers moved the mail at once, and neither write is there. A replay decides it.",
    "tampered": "A sealed part does not open under its own key: it was changed or moved at rest.",
    "verdict-not-accepted": "The mail was let pass neither by dlp nor by one who is a reviewer now. A reviewer whose"
    " role was taken away after the release does this too: reinstate the role and replay.",
    "words-gone": "The version of the lists that has the black words is not in the database. Restore it from a backup.",
}
"""What the codes mean that reach operators alone; the others say it themselves."""


@dataclass
class Problem:
    """Everything to be said of one code: its meanings, and the modules that use it."""

    lines: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)


def problems() -> dict[str, Problem]:
    """Every code, in order."""
    found: dict[str, Problem] = {}

    def add(code: str, line: str, place: str = "") -> None:
        problem = found.setdefault(code, Problem())
        problem.lines += [] if line in problem.lines else [line]
        problem.places |= {place} if place else set()

    for path in _sources():
        for pattern, kind, words in _raised(ast.parse(path.read_text())):
            for code in FILLED.get(pattern, (pattern,)):
                said = words if kind == "Refused" else f": {MEANINGS[_family(code, pattern)]}"
                add(code, f"**{kind}**{said}", path.relative_to(ROOT).as_posix())
    for code, reason in REASONS.items():
        add(code, f"**Bounce** {reason.status}: {reason.words}")
    for verdict, notice in sentences.NOTICE.items():
        add(verdict, f"**Verdict**: {notice}")
    return dict(sorted(found.items()))


def page() -> str:
    """docs/problems.md."""
    parts = [_INTRO]
    for code, problem in problems().items():
        lines = [f"- {line}" for line in problem.lines]
        if problem.places:
            lines.append(f"- In {', '.join(f'`{place}`' for place in sorted(problem.places))}.")
        parts.append("\n".join((f"## {code}", "", *lines, "")))
    return "\n".join(parts)


def _sources() -> Iterator[Path]:
    for package in ("secumail", "services"):
        yield from sorted((ROOT / package).rglob("*.py"))


def _family(code: str, pattern: str) -> str:
    return code if code == pattern else pattern.rpartition(">-")[2]


def _raised(module: ast.Module) -> Iterator[tuple[str, str, str]]:
    """(code, kind, words) of each error the module makes. Codes handed on from elsewhere are left out."""
    texts = {
        target.id: node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        named = ast.unparse(node.func)
        if named in _PREFIXES:
            code = _PREFIXES[named] + _code(node.args[0])
        elif named in _KINDS or named == "super().__init__":
            code = _code(node.args[0])
        else:
            continue
        if code in _SHOWN:
            continue
        if _CODE.match(code) and code not in {f"{prefix}<fault>" for prefix in _PREFIXES.values()}:
            yield code, _KINDS.get(named, "Refused"), _words(node, texts)


def _code(node: ast.expr) -> str:
    """A code as written; what is filled in stands in angle brackets. Empty for one that comes from elsewhere."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value)
            if isinstance(part, ast.Constant)
            else f"<{ast.unparse(getattr(part, 'value', part)).rpartition('.')[2]}>"
            for part in node.values
        )
    return ""


def _words(call: ast.Call, texts: Mapping[str, ast.expr]) -> str:
    """Status, words and fix, as far as the call says them."""
    given = [*call.args[1:], *(keyword.value for keyword in call.keywords if keyword.arg == "status")]
    status = next((str(a.value) for a in given if isinstance(a, ast.Constant) and isinstance(a.value, int)), "422")
    said = [text for node in given[:2] if (text := _text(node, texts)) not in ("", _HOLE)]
    return f" ({status}): {' '.join(said)}" if said else f" ({status})."


def _text(node: ast.expr, texts: Mapping[str, ast.expr]) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else _HOLE for part in node.values)
    if isinstance(node, ast.Name) and node.id in texts:
        return _text(texts[node.id], {})
    return _HOLE


def main() -> int:
    """The command."""
    if "--check" in sys.argv[1:]:
        return 0 if FILE.exists() and FILE.read_text() == page() else 1
    FILE.write_text(page())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
