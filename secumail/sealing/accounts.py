"""A person's keys: what a session holds, and nothing at rest holds in the open."""

import contextlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from secumail.sealing.hpke import PRIVATE_BYTES, NotForUs, PrivateKey

_SIGNER_BYTES = 32
_NOW_BYTES = PRIVATE_BYTES + _SIGNER_BYTES


@dataclass(frozen=True)
class AccountKey(PrivateKey):
    """The account key: opens mail. Where it was renewed, the keys of former epochs open what is sealed to them yet."""

    former: tuple[PrivateKey, ...] = ()

    def __repr__(self) -> str:
        return "AccountKey(...)"

    def open(self, wrap: bytes, context: bytes) -> bytes:
        """The secret in `wrap`; NotForUs where none of the keys, or the context, or the bytes fit."""
        for key in (PrivateKey(self.raw), *self.former):
            with contextlib.suppress(NotForUs):
                return key.open(wrap, context)
        raise NotForUs

    def renew(self, wrap: bytes, context: bytes) -> bytes | None:
        """The secret of `wrap` sealed to the current key; None where it is already. NotForUs like `open`."""
        with contextlib.suppress(NotForUs):
            PrivateKey(self.raw).open(wrap, context)
            return None
        return self.public.seal(self.open(wrap, context), context)


@dataclass(frozen=True)
class AccountKeys:
    """The account key (opens mail) and the signing key (signs acts), 96 + 32 bytes when encoded.

    The signing key is for acts inside SecuMail (a release, an administrator's order), not for S/MIME. After them stand
    the account keys of former epochs, 96 bytes each, newest first, while something may be sealed to them.
    """

    raw: bytes

    def __repr__(self) -> str:
        return "AccountKeys(...)"

    @classmethod
    def generate(cls) -> "AccountKeys":
        """New ones, for a new account."""
        return cls(PrivateKey.generate().raw + Ed25519PrivateKey.generate().private_bytes_raw())

    def renewed(self) -> "AccountKeys":
        """The next epoch's: a new account key before all others. The signing key stays: what it signed a moment ago,
        and is on its way, must check a moment later; and it alone opens nothing."""
        signer = self.raw[PRIVATE_BYTES:_NOW_BYTES]
        return AccountKeys(PrivateKey.generate().raw + signer + self.raw[:PRIVATE_BYTES] + self.raw[_NOW_BYTES:])

    def current(self) -> "AccountKeys":
        """Without those of former epochs: what is sealed to them is lost."""
        return AccountKeys(self.raw[:_NOW_BYTES])

    @cached_property
    def private(self) -> AccountKey:
        """Opens what is sealed to the account."""
        former = range(_NOW_BYTES, len(self.raw), PRIVATE_BYTES)
        return AccountKey(
            self.raw[:PRIVATE_BYTES], tuple(PrivateKey(self.raw[at : at + PRIVATE_BYTES]) for at in former)
        )

    @cached_property
    def signer(self) -> Ed25519PrivateKey:
        """Signs the person's acts."""
        return Ed25519PrivateKey.from_private_bytes(self.raw[PRIVATE_BYTES:_NOW_BYTES])
