"""Accounts: their keys, and the credentials that open them. Pure: no database, no broker."""

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secumail.directory import Entry, normal
from secumail.errors import Refused
from secumail.sealing import stream
from secumail.sealing.accounts import AccountKeys
from secumail.sealing.hpke import PrivateKey, PublicKey
from services.auth.passwords import Cost, Halves

# A dot-atom (RFC 5322 3.4.1): what a certificate can name as well.
_ATOM = r"[^\s@<>\"(),:;\[\]\\.]+"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@[a-z0-9.-]{{1,253}}\Z")

SHREDDED = "shredded"
"""The status of an account whose keys were destroyed. It is final."""


@dataclass(frozen=True)
class Credential:
    """A password: how to split it, how to recognise its auth half, and the key pair that its unlock half opens.

    `bundle` is the account's keys sealed to `public`, so they can be sealed anew without the password.
    """

    salt: bytes
    cost: Cost
    verifier: bytes
    public: bytes
    private: bytes
    bundle: bytes


@dataclass(frozen=True)
class Profile:
    """What only auth can read: sealed under its scope."""

    address: str
    display_name: str

    def __repr__(self) -> str:
        return "Profile(...)"

    def encode(self) -> bytes:
        """JSON."""
        return json.dumps({"address": self.address, "display_name": self.display_name}).encode()

    @classmethod
    def decode(cls, raw: bytes) -> "Profile":
        """From `encode`."""
        return cls(**json.loads(raw))


@dataclass(frozen=True)
class Account:
    """An account as stored; `profile` is sealed."""

    id: UUID
    lookup: bytes
    profile: bytes
    roles: tuple[str, ...]
    status: str
    created: datetime
    epoch: int
    revision: int
    public: bytes
    signer: bytes
    credential: Credential
    listed: bool = False
    renew: bool = False
    """Whether the next log-in makes a new account key."""
    renewed: datetime | None = None
    """Since when the account key is the current one, while the bundle has former ones besides."""
    former_unused: bool = False
    """Whether the next log-in destroys those."""

    def entry(self) -> Entry:
        """Its entry in the directory."""
        return Entry(
            self.lookup,
            self.id,
            PublicKey(self.public),
            self.signer,
            self.epoch,
            self.revision,
            self.roles,
            self.status,
        )

    def changed(self, roles: tuple[str, ...] | None = None, status: str | None = None) -> "Account":
        """The next revision, not yet listed in the directory."""
        return replace(
            self,
            roles=self.roles if roles is None else roles,
            status=status or self.status,
            revision=self.revision + 1,
            listed=False,
        )

    def shredded(self) -> "Account":
        """Without anything that opens its keys. Its address stays taken: nobody else shall get its mail."""
        nothing = replace(self.credential, salt=b"", verifier=b"", public=b"", private=b"", bundle=b"")
        return replace(self.changed(status=SHREDDED), credential=nothing)


def check_address(address: str, domains: tuple[str, ...]) -> str:
    """The address in its normal form; Refused for one that is none, or not of this organisation."""
    address = normal(address)
    if not _ADDRESS.match(address) or not address.isprintable():
        raise Refused("address-malformed", "This is no mail address.", "Write it as name@domain.")
    if address.rpartition("@")[2] not in domains:
        raise Refused(
            "address-foreign", "The address is not in a domain of this organisation.",
            "Take one of the organisation's domains, or add the domain to SECUMAIL_DOMAINS.",
        )  # fmt: skip
    return address


def open_account(
    lookup: bytes, profile: bytes, roles: tuple[str, ...], created: datetime, id_: UUID,
    salt: bytes, cost: Cost, halves: Halves, verifier: bytes, custody: bytes,
) -> tuple[Account, AccountKeys]:  # fmt: skip
    """A new account with fresh keys behind one password. `custody`: KMS.derive of the account."""
    keys = AccountKeys.generate()
    pair = PrivateKey.generate()
    credential = Credential(
        salt=salt,
        cost=cost,
        verifier=verifier,
        public=pair.public.raw,
        private=stream.seal(pair.raw, _unlock_key(halves.unlock, custody), f"credential/{id_}"),
        bundle=pair.public.seal(keys.raw, _bundle_context(id_, 1)),
    )
    account = Account(
        id_, lookup, profile, roles, "active", created, 1, 1,
        keys.private.public.raw, keys.signer.public_key().public_bytes_raw(), credential,
    )  # fmt: skip
    return account, keys


def unlock(account: Account, halves: Halves, custody: bytes) -> AccountKeys:
    """The account's keys, opened by the unlock half. stream.Tampered or hpke.NotForUs if it doesn't fit."""
    credential = account.credential
    raw = stream.open_sealed(credential.private, _unlock_key(halves.unlock, custody), f"credential/{account.id}")
    return AccountKeys(PrivateKey(raw).open(credential.bundle, _bundle_context(account.id, account.epoch)))


def renew(account: Account, keys: AccountKeys, now: datetime) -> tuple[Account, AccountKeys]:
    """The next epoch: a new account key, the former ones behind the same credential with it."""
    new = keys.renewed()
    changed = replace(
        account.changed(), epoch=account.epoch + 1, public=new.private.public.raw, renew=False, renewed=now,
        former_unused=False,
    )  # fmt: skip
    return _sealed_anew(changed, new), new


def forget_former(account: Account, keys: AccountKeys) -> tuple[Account, AccountKeys]:
    """Without the keys of former epochs."""
    new = keys.current()
    return _sealed_anew(replace(account.changed(), renewed=None, former_unused=False), new), new


def _sealed_anew(account: Account, keys: AccountKeys) -> Account:
    credential = account.credential
    bundle = PublicKey(credential.public).seal(keys.raw, _bundle_context(account.id, account.epoch))
    return replace(account, credential=replace(credential, bundle=bundle))


def new_id() -> UUID:
    """An opaque account id."""
    return uuid4()


def _unlock_key(unlock_half: bytes, custody: bytes) -> bytes:
    # Both are needed: the password alone (a guessed one) opens nothing without the KMS, nor the KMS without it.
    return HKDF(hashes.SHA256(), 32, salt=custody, info=b"secumail/unlock").derive(unlock_half)


def _bundle_context(account: UUID, epoch: int) -> bytes:
    return f"account/{account}/{epoch}".encode()
