"""Everything stored under a KMS scope, as data: what a rotation has to bring under the scope's new version.

Who stores a new kind of wrap adds its row to WRAPS, and is done: the service that holds the scope re-wraps by this
table (secumail.store.rewrapping), and `secumail keys` counts by it before an old version may be destroyed. The
service needs `find` and `update` on the collection (secumail.store.rights).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from secumail.sealing.kms import SCOPES


@dataclass(frozen=True)
class Wraps:
    """One kind: `field` (a dot leads into a sub-document) of each document of `collection` with the values `only`
    names.

    `context` is what `Scope.wrap` was given, with `{name}` for a field of the document: `profile/{_id}`.
    """

    scope: str
    collection: str
    field: str
    context: str = "{_id}"
    only: tuple[tuple[str, str], ...] = ()

    @property
    def query(self) -> dict[str, Any]:
        """The documents that have one."""
        return {**dict(self.only), self.field: {"$exists": True}}

    @property
    def needed(self) -> dict[str, int]:
        """The projection that is enough to re-wrap."""
        names = {name.split(".")[0] for _, name, _, _ in Formatter().parse(self.context) if name}
        return dict.fromkeys((*sorted(names - {"_id"}), self.field), 1)

    def wrapped(self, document: Mapping[str, Any]) -> bytes:
        """The wrap in a document."""
        found: Any = document
        for name in self.field.split("."):
            found = found[name]
        return bytes(found)

    def bound_to(self, document: Mapping[str, Any]) -> str:
        """What the wrap in a document is bound to."""
        return self.context.format(**document)


WRAPS: tuple[Wraps, ...] = (
    *(Wraps(f"{name}.transport", "transport_keys", "private", only=(("service", name),)) for name in SCOPES),
    Wraps("auth.profiles", "accounts", "profile", "profile/{_id}"),
    Wraps("crypto.signing", "signing_keys", "sealed"),
    Wraps("crypto.signing", "certificates", "sealed", "certificate/{_id}"),
    Wraps("crypto.signing", "decryption_keys", "public"),
    Wraps("crypto.signing", "openpgp_keys", "sealed"),
    Wraps("crypto.signing", "peers", "sealed"),
    Wraps("dlp.lists", "lists", "key", "lists/{_id}"),
    Wraps("stego.covers", "covers", "key", "cover/{_id}"),
)

AUTHORITY = "crypto.authority"
AUTHORITY_CONTEXT = "issuing.key"
"""The issuing CAs' keys are wraps too, in files beside ca.pem: `*.key`, all bound to this one name."""


def rotated_scopes() -> tuple[str, ...]:
    """The scopes under which anything is wrapped. The others only derive, look up and sign: that never changes."""
    return (*dict.fromkeys(row.scope for row in WRAPS), AUTHORITY)


def holder(scope: str) -> str:
    """The service that re-wraps what is under a scope."""
    return next(service for service, scopes in SCOPES.items() if scope in scopes)
