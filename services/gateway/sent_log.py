"""The reviewers' sent log in numbers: what passed, by which rule, from where to where, on which day. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from secumail.directory import domain_of
from secumail.mailbox.entry import Meta

RELEASED = "released"
"""Instead of a code, for mail that a reviewer released."""


@dataclass
class Sums:
    """Mails, and how many of them each code, rule, sender's and recipient's domain and day (UTC) has.

    A mail counts once for each domain that it went to, and for no rule where none was asked.
    """

    mails: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    senders: Counter[str] = field(default_factory=Counter)
    recipients: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)

    def add(self, lines: Iterable[tuple[datetime, bool, Meta]]) -> None:
        """Count these lines: when, whether a reviewer released it, and what is written of it."""
        for at, released, meta in lines:
            extra = meta.extra
            self.mails += 1
            self.codes[RELEASED if released else extra["code"]] += 1
            if extra.get("rule"):
                self.rules[extra["rule"]] += 1
            self.senders[domain_of(extra["envelope"]["sender"])] += 1
            self.recipients.update({domain_of(address) for address in extra["envelope"]["recipients"]})
            self.days[at.date().isoformat()] += 1
