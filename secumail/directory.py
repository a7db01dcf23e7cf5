"""The directory: address -> account, public keys, roles. Signed by auth, so a writer to the database can't swap keys.

Addresses are looked up by a keyed digest (KMS scope `address`); services without that scope find accounts by id.
"""

import time
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from secumail.sealing.hpke import PUBLIC_BYTES, PublicKey
from secumail.sealing.identities import DIRECTORY, Forged, Identities
from secumail.sealing.kms import Scope
from secumail.store.client import Collection, Document

REVIEWERS = "reviewers"
"""The group whose mailbox is the quarantine and the sent log."""

_SIGNER_BYTES = 32
_FRESH = 30.0
_KEPT = 20_000


def normal(address: str) -> str:
    """The form addresses are compared in: NFKC, lower case, no surrounding space."""
    return unicodedata.normalize("NFKC", address).strip().lower()


def domain_of(address: str) -> str:
    """What stands behind the last @, lower case; empty where there is none."""
    return normal(address).rpartition("@")[2] if "@" in address else ""


@dataclass(frozen=True)
class Entry:
    """One account (or group). `revision` rises with every change; `epoch` with the account key."""

    lookup: bytes
    account: UUID
    key: PublicKey
    signer: bytes
    epoch: int
    revision: int
    roles: tuple[str, ...]
    status: str
    group: bool = False

    def signed(self) -> bytes:
        """What auth's signature covers."""
        roles = ",".join(self.roles)
        head = f"directory/1/{self.account}/{self.epoch}/{self.revision}/{roles}/{self.status}/{self.group}/"
        return head.encode() + self.lookup + self.key.raw + self.signer

    def document(self, signature: bytes) -> Document:
        """As stored."""
        return {
            "_id": self.lookup,
            "account": self.account,
            "key": self.key.raw,
            "signer": self.signer,
            "epoch": self.epoch,
            "revision": self.revision,
            "roles": list(self.roles),
            "status": self.status,
            "group": self.group,
            "signature": signature,
        }

    @property
    def active(self) -> bool:
        """Whether the account may send and receive."""
        return self.status == "active"

    def signing_key(self) -> Ed25519PublicKey:
        """Checks the person's acts."""
        return Ed25519PublicKey.from_public_bytes(self.signer)


def read(d: Document, identities: Identities) -> Entry:
    """A stored entry, its signature checked (Forged otherwise)."""
    entry = Entry(
        d["_id"],
        d["account"],
        PublicKey(d["key"]),
        d["signer"],
        d["epoch"],
        d["revision"],
        tuple(d["roles"]),
        d["status"],
        d["group"],
    )
    # The signature covers look-up key, key and signer side by side: only their lengths tell where each begins.
    if len(entry.key.raw) != PUBLIC_BYTES or len(entry.signer) != (0 if entry.group else _SIGNER_BYTES):
        raise Forged(DIRECTORY)
    identities.check(DIRECTORY, d["signature"], entry.signed())
    return entry


class Directory:
    """Read access, with a cache of half a minute that `forget` empties sooner."""

    def __init__(self, collection: Collection, identities: Identities, address_scope: Scope | None = None) -> None:
        self._entries = collection
        self._identities = identities
        self._scope = address_scope
        self._cache: OrderedDict[bytes | UUID, tuple[float, Entry | None]] = OrderedDict()

    async def address(self, address: str) -> Entry | None:
        """The account behind an address, None for an unknown one."""
        return await self._find("_id", await lookup(self._require(), address))

    async def group(self, name: str) -> Entry | None:
        """A group's account. Groups are found without the address scope: their names are no secret."""
        return await self._find("_id", f"group:{name}".encode())

    async def account(self, account: UUID) -> Entry | None:
        """An account by its id."""
        return await self._find("account", account)

    def forget(self, account: UUID | None = None) -> None:
        """Look again at the next question (about one account, or all)."""
        if account is None:
            self._cache.clear()
            return
        for key in [k for k, (_, e) in self._cache.items() if k == account or (e and e.account == account)]:
            del self._cache[key]

    async def _find(self, field: str, key: bytes | UUID) -> Entry | None:
        cached = self._cache.get(key)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        found = await self._entries.find_one({field: key})
        entry = read(found, self._identities) if found else None
        self._cache[key] = (time.monotonic() + (_FRESH if entry else 1.0), entry)
        self._cache.move_to_end(key)
        while len(self._cache) > _KEPT:
            self._cache.popitem(last=False)
        return entry

    def _require(self) -> Scope:
        if self._scope is None:
            raise KeyError("this service does not hold the address scope")
        return self._scope


async def lookup(scope: Scope, address: str) -> bytes:
    """The keyed digest an address is found by."""
    return await scope.hmac(b"address/" + normal(address).encode())


def group_context(group: str, member: UUID) -> bytes:
    """What a member's copy of a group's key is bound to."""
    return f"group/{group}/{member}".encode()
