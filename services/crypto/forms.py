"""Which form a mail takes for each recipient: the sender's wish, then policy, then what the peer can read. Pure.

The same answer is given before sending (the lock a client shows) and acted on in sending. There is no fallback to
plain: where nothing fits there is no form, and a reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeVar

Kind = Literal["smime", "openpgp"]
Wish = Literal["auto", "signed", "smime", "openpgp"]
"""What a sender may ask for; auto leaves it to policy."""
_WISHES: Mapping[str, Wish] = {"auto": "auto", "signed": "signed", "smime": "smime", "openpgp": "openpgp"}


class Form(StrEnum):
    """All forms a protected mail can have."""

    SIGNED = "signed"
    SMIME_CBC = "smime-cbc"
    SMIME_GCM = "smime-gcm"
    OPENPGP = "openpgp"
    PICKUP = "pickup"
    SYMMETRIC = "password"
    ZIP = "zip"


WORDS: Mapping[Form, str] = {
    Form.SIGNED: "Signed, and sealed to the recipient's mailbox.",
    Form.SMIME_CBC: "Signed and encrypted with S/MIME (AES-256-CBC, which every mail program reads).",
    Form.SMIME_GCM: "Signed and encrypted with S/MIME (AES-256-GCM).",
    Form.OPENPGP: "Signed and encrypted with OpenPGP.",
    Form.PICKUP: "Signed, and kept here: the recipient opens it with a link and your password.",
    Form.SYMMETRIC: "Encrypted with a password (OpenPGP).",
    Form.ZIP: "Encrypted with a password (AES-256 zip).",
}

Because = Literal["wish", "policy", "readable"]


@dataclass(frozen=True)
class Policy:
    """What an organisation wants where the sender asks for nothing: inside, and for a peer who can read both."""

    inside: Literal["signed", "smime", "openpgp"] = "signed"
    outside: Kind = "smime"


@dataclass(frozen=True)
class Reader:
    """What is known of a recipient. `inside`: a mailbox here, whose keys are made when they are needed; `guest`: a
    pickup with the sender's password; `keys`: the kinds of keys known; `gcm`: reads AuthEnvelopedData."""

    inside: bool
    guest: bool = False
    keys: frozenset[Kind] = frozenset()
    gcm: bool = False


@dataclass(frozen=True)
class Choice:
    """A form and what decided on it; no form has a reason code (secumail.reasons)."""

    form: Form | None
    because: Because
    reason: str | None = None


def wished(given: str) -> Wish | None:
    """A wish as it was given; None for what nobody can wish."""
    return _WISHES.get(given)


def choose(wish: Wish, policy: Policy, reader: Reader, *, encrypted: bool = False) -> Choice:
    """The form for one recipient. `encrypted`: it leaves encrypted only, whatever the sender wished; who is outside and
    has no key gets nothing. Inside it is sealed to the mailbox in any case."""
    if encrypted and not reader.inside:
        choice = choose("auto" if wish == "signed" else wish, policy, reader)
        return choice if choice.form is not None else Choice(None, "policy", "encryption-required")
    if reader.inside:
        kind: str = policy.inside if wish == "auto" else wish
        return Choice(_form(kind, gcm=True), "policy" if wish == "auto" else "wish")
    if wish in reader.keys:
        return Choice(_form(wish, reader.gcm), "wish")
    if reader.guest:
        return Choice(Form.PICKUP, "wish")
    if wish != "auto" or not reader.keys:
        return Choice(None, "readable" if wish == "auto" else "wish", "no-key")
    first = sorted(reader.keys, key=lambda kind: kind != policy.outside)[0]
    return Choice(_form(first, reader.gcm), "policy" if len(reader.keys) > 1 else "readable")


def _form(kind: str, gcm: bool) -> Form:
    if kind == "smime":
        return Form.SMIME_GCM if gcm else Form.SMIME_CBC
    return Form(kind)


T = TypeVar("T")


def groups(recipients: Sequence[tuple[T, Form | None, bool]]) -> list[tuple[Form, list[T]]]:
    """Recipients (each with its form and whether it is a Bcc) by the mail that is made for them.

    A pickup gets the same mail as a mailbox here. An encrypted mail names its recipients' keys: each Bcc recipient
    has one of its own. Who gets nothing is in the first group, where it ends as its reason says.
    """
    made: dict[tuple[Form, int], list[T]] = {}
    nobody: list[T] = []
    for place, (recipient, form, bcc) in enumerate(recipients, 1):
        if form is None:
            nobody.append(recipient)
        elif form in (Form.SIGNED, Form.PICKUP):
            made.setdefault((Form.SIGNED, 0), []).append(recipient)
        else:
            made.setdefault((form, place if bcc else 0), []).append(recipient)
    if nobody:
        first = next(iter(made), (Form.SIGNED, 0))
        made.setdefault(first, []).extend(nobody)
    return [(form, members) for (form, _), members in made.items()]
