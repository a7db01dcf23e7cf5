"""What a detector found in a mail: the one shape in which the detectors, the rules and the reviewers speak of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hit:
    """One finding of one detector.

    `sample` is masked before it gets here: a hit is written to the holding register and shown to
    reviewers, and a secret that was found must not be spread by the finding of it.
    """

    detector: str
    """A stable word: "word", "personal-data", "credential", "copy", "near-duplicate", "danger", "unscannable"."""
    rule: str
    """Which rule of the detector: an iban, a rule's id, a document's id, "macro", "encrypted"."""
    where: str
    """The chain a reviewer reads: `attachment 1 (a.zip) ! b.docx ! header, base64`."""
    count: int = 1
    """How often it was found."""
    sample: str = ""
    """What was found, masked: at most 4 letters of it stand open."""
    score: float = 1.0
    """How sure the detector is, from 0 to 1; below 1 it never holds a mail by itself."""
    span: tuple[int, int] | None = None
    """Where it begins and ends in the passage's text, where the detector can say."""
