"""Everything that can go wrong, as one tree.

    SecuMailError
    ├── Refused     the caller's fault; answered as problem details (RFC 9457), never retried
    ├── Transient   may succeed later; the bus moves the message to a retry step
    └── Permanent   never succeeds as it is; the bus moves the message to the dead letters

No text here may hold an address, a subject, a body or a secret: these texts reach logs and clients.
"""


class SecuMailError(Exception):
    """Root of the tree. `code` is stable and machine-readable; the words may change."""

    code = "error"


class Refused(SecuMailError):
    """The request can't be done as it is.

    `code` names the fault (and its place in docs/problems.md), `words` say it, `fix` says what to do, `status`
    is the HTTP status a public door answers with.
    """

    def __init__(self, code: str, words: str, fix: str, status: int = 422) -> None:
        super().__init__(words)
        self.code = code
        self.words = words
        self.fix = fix
        self.status = status


class Transient(SecuMailError):
    """A step failed for a cause outside the mail (database away, lock lost): worth another try."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Permanent(SecuMailError):
    """A step can't succeed with this event (malformed, forged, its blob gone): a person must look."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
