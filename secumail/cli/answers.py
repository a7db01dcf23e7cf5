"""What the API answers, as far as the commands read it (GET /api/v1/openapi.json describes all of it).

`--json` prints the answers themselves, with every field the API has.
"""

from typing import Any, NotRequired, TypedDict


class SessionBegun(TypedDict):
    """POST /sessions."""

    token: str
    account: str
    address: str
    display_name: str
    roles: list[str]
    idle_seconds: int


class Myself(TypedDict):
    """GET /sessions/current."""

    account: str
    address: str
    display_name: str
    roles: list[str]


class Account(TypedDict):
    """One of GET /accounts."""

    account: str
    address: str
    display_name: str
    roles: list[str]
    status: str


class Accepted(TypedDict):
    """POST /messages."""

    id: str
    state: str
    recipients: int
    pickups: dict[str, str]
    warnings: list[str]


class Pickup(TypedDict):
    """One of GET /pickups, or of a submission's."""

    id: str
    mail: str
    recipient: str
    link: str
    state: str
    created: str
    expires: str
    opened: list[str]
    attempts_left: int
    replies: int


class Recipient(TypedDict):
    """One recipient of a submission."""

    address: str
    state: str
    form: str | None
    reason: str | None
    words: str | None


class Submission(TypedDict):
    """GET /submissions/{id}."""

    id: str
    accepted: str
    settled: bool
    stuck: str | None
    recipients: list[Recipient]
    pickups: list[Pickup]


class TraceStep(TypedDict):
    """One step of a trace."""

    at: str
    after_ms: int
    actor: str
    step: str
    mail: str


class Trace(TypedDict):
    """GET /submissions/{id}/trace."""

    id: str
    trace: str
    steps: list[TraceStep]


class Row(TypedDict):
    """One mail in a list: `id` is the entry in this mailbox, `mail` the mail itself.

    The last ones are the quarantine's: what holds it, where it stands, how many people have to release it yet; and
    the sent log's: which rule let it pass, and the reason its sender gave.
    """

    id: str
    mail: str
    role: str
    folder: str
    flags: list[str]
    at: str
    size: int
    subject: str
    sender: str
    to: list[str]
    preview: str
    attachments: int
    code: NotRequired[str]
    state: NotRequired[str]
    missing: NotRequired[int]
    appealed: NotRequired[bool]
    rule: NotRequired[str | None]
    why: NotRequired[str]


class Attachment(TypedDict):
    """One attachment; `number` counts from 1."""

    number: int
    name: str
    type: str
    size: int


class Signature(TypedDict):
    """What a mail's signature is worth."""

    state: str
    words: str
    signer: str | None


class Layer(TypedDict):
    """One layer of protection a mail came in, outermost first."""

    kind: str
    state: str
    words: str


class Lock(TypedDict):
    """One of POST /forms."""

    address: str
    form: str | None
    because: str
    reason: str | None
    words: str


class Mail(TypedDict):
    """GET /messages/{id}."""

    id: str
    mail: str
    folder: str
    flags: list[str]
    at: str
    subject: str
    sender: str
    to: list[str]
    cc: list[str]
    date: str
    text: str
    html: str
    attachments: list[Attachment]
    signature: Signature
    layers: list[Layer]
    remote_content: bool
    forged_from: bool
    hidden: bool


class PickedUp(TypedDict):
    """POST /pickups/{token}/open."""

    subject: str
    sender: str
    to: list[str]
    cc: list[str]
    date: str
    text: str
    attachments: list[Attachment]
    signature: Signature
    raw: str
    expires: str


class FolderCount(TypedDict):
    """One of GET /folders."""

    folder: str
    mails: int
    unseen: int


class ReviewerDecision(TypedDict):
    """What a reviewer did about a held mail."""

    by: str
    at: str
    act: str
    note: str


class SendersAppeal(TypedDict):
    """What the sender of a held mail has to say."""

    at: str
    text: str


class HeldMail(TypedDict):
    """GET /quarantine/{id}."""

    id: str
    mail: str
    code: str
    reason: str
    findings: list[dict[str, Any]]
    sender: str
    recipients: list[str]
    state: str | None
    why: str
    reviewers: int
    votes: list[ReviewerDecision]
    decision: ReviewerDecision | None
    appeal: SendersAppeal | None
    message: Mail


class Decided(TypedDict):
    """What became of one held mail."""

    id: str
    done: bool
    missing: int
    code: str | None
    words: str | None


class Certificate(TypedDict):
    """One of GET /certificates. `revoked` and `reason` are None for one that is not."""

    serial: str
    kind: str
    account: str | None
    address: str
    begins: str
    ends: str
    status: str
    revoked: str | None
    reason: str | None


class CertificateShown(TypedDict):
    """GET /certificates/{serial}."""

    certificate: Certificate
    pem: str
