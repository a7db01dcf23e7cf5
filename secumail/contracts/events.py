"""Events: past tense, ids and sizes only. Never an address, a subject or a body; under 4 KiB on the wire."""

from typing import Annotated, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from secumail.contracts.claims import SealedClaim

NAMESPACE = UUID("6f3c1d52-6f0e-5a43-9d0c-52d1d9f7b6a1")
MAX_BYTES = 4096
MOST_TAKEN_OUT = 12
"""Attachments that can be taken out of one mail: an event has to name them."""

Route = Literal["direct", "conceal"]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Reason = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
"""A stable code. Its alphabet has no room for an address or a sentence."""


class Event(BaseModel):
    """What every event about a mail carries. The same step always yields the same `event_id`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    version: int
    mail: UUID
    generation: int = 0
    recipient: int | None = None
    attempt: int = 0
    claim: SealedClaim | None = None

    @property
    def event_id(self) -> UUID:
        """uuid5 of (mail, type, generation, recipient, attempt): a repeated publish is recognisable as such."""
        recipient = "" if self.recipient is None else self.recipient
        return uuid5(NAMESPACE, f"{self.mail}/{self.type}/{self.generation}/{recipient}/{self.attempt}")

    @property
    def routing_key(self) -> str:
        """The topic it is published under."""
        return self.type

    def encode(self) -> bytes:
        """The wire form: JSON, at most 4 KiB."""
        body = self.model_dump_json(exclude_none=True).encode()
        if len(body) > MAX_BYTES:
            raise ValueError(f"{self.type} is {len(body)} bytes; the limit is {MAX_BYTES}: put the rest in a blob")
        return body


class MailSubmitted(Event):
    """The gateway (or another origin) has taken a mail into the spool. `size` is the raw mail in bytes."""

    type: Literal["mail.submitted"] = "mail.submitted"
    version: Literal[1] = 1
    size: int
    recipients: int
    claim: SealedClaim


class MailSetAside(Event):
    """dlp has found pictures whose words must be read before it can let the mail pass. The claim is its own."""

    type: Literal["mail.set-aside"] = "mail.set-aside"
    version: Literal[1] = 1
    size: int
    claim: SealedClaim


class MailFiltered(Event):
    """dlp lets the mail pass, or a reviewer has released it. The claim is made out to crypto.

    `without`: SHA-256 of attachments that are taken out before the mail is signed; the claim's word is bound to them.
    """

    type: Literal["mail.filtered"] = "mail.filtered"
    version: Literal[1] = 1
    size: int
    verdict: Literal["pass", "released"]
    without: Annotated[tuple[Sha256, ...], Field(max_length=MOST_TAKEN_OUT)] = ()
    claim: SealedClaim


class MailBlocked(Event):
    """dlp holds the mail for the reviewers. `reason` is a stable code; the words are sealed to them."""

    type: Literal["mail.blocked"] = "mail.blocked"
    version: Literal[1] = 1
    reason: Reason


class MailRejected(Event):
    """A reviewer has refused a held mail: it ends here."""

    type: Literal["mail.rejected"] = "mail.rejected"
    version: Literal[1] = 1
    reason: Reason


class MailEncrypted(Event):
    """crypto has signed the mail and sealed it to its recipients.

    `claim` is made out to stego (route conceal: the signed mail) or to delivery (the envelope, where a bounce is due).
    """

    type: Literal["mail.encrypted"] = "mail.encrypted"
    version: Literal[1] = 1
    size: int
    route: Route
    claim: SealedClaim | None = None

    @property
    def routing_key(self) -> str:
        return f"{self.type}.{self.route}"


class MailConcealed(Event):
    """stego has hidden the mail in an image and sealed the carrier mail to the recipients."""

    type: Literal["mail.concealed"] = "mail.concealed"
    version: Literal[1] = 1
    size: int


class MailDelivered(Event):
    """delivery has filed the mail for `delivered` recipients."""

    type: Literal["mail.delivered"] = "mail.delivered"
    version: Literal[1] = 1
    delivered: int


class MailDeferred(Event):
    """A recipient could not be served yet; it will be tried again."""

    type: Literal["mail.deferred"] = "mail.deferred"
    version: Literal[1] = 1
    reason: Reason


class MailBounced(Event):
    """`bounced` recipients can't be served; the sender gets a bounce that says why."""

    type: Literal["mail.bounced"] = "mail.bounced"
    version: Literal[1] = 1
    bounced: int
    reason: Reason


class AccountChanged(BaseModel):
    """An account was registered, changed its roles or keys, or was suspended: caches and sessions must look again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["account.changed"] = "account.changed"
    version: Literal[1] = 1
    account: UUID
    change: Literal["registered", "roles", "keys", "suspended", "reinstated"]
    revision: int

    @property
    def event_id(self) -> UUID:
        """uuid5 of (account, change, revision of its directory entry)."""
        return uuid5(NAMESPACE, f"{self.account}/{self.type}/{self.change}/{self.revision}")

    @property
    def routing_key(self) -> str:
        return self.type

    def encode(self) -> bytes:
        """The wire form: JSON."""
        return self.model_dump_json().encode()


MAIL_EVENTS: dict[str, type[Event]] = {
    "mail.submitted": MailSubmitted,
    "mail.set-aside": MailSetAside,
    "mail.filtered": MailFiltered,
    "mail.blocked": MailBlocked,
    "mail.rejected": MailRejected,
    "mail.encrypted": MailEncrypted,
    "mail.concealed": MailConcealed,
    "mail.delivered": MailDelivered,
    "mail.deferred": MailDeferred,
    "mail.bounced": MailBounced,
}


def decode(type_: str, body: bytes) -> Event:
    """The event in `body`; raises pydantic.ValidationError or KeyError for what is no event of ours."""
    return MAIL_EVENTS[type_].model_validate_json(body)
