"""Two organisations, their people, and the peers with the keys that such people have."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from services.crypto import authority, revocation
from services.crypto.authority import Authority, KeyKind, Profile
from services.crypto.opening import Keyring, Opened, open_mail
from services.crypto.openpgp import keys
from services.crypto.openpgp.keys import Key
from services.crypto.revocation import Revoked
from services.crypto.smime.opening import DecryptionKey
from services.crypto.smime.verification import State, Trust
from tests.interop import mime
from tests.interop.peers.gnupg import Gpg, Gpgsm
from tests.interop.peers.identity import Identity
from tests.interop.peers.nss import NSS
from tests.interop.peers.openpgpjs import OpenPGPjs, Pair
from tests.interop.peers.openssl import OpenSSL
from tests.interop.peers.sevenzip import SevenZip

TEXT = "Grüße aus dem Nordwind: the numbers are in."
PASSWORD = "seven lanterns above the harbour"

# What certificates elsewhere often are: one for both uses.
_BOTH_RSA = Profile(key=KeyKind.RSA3072, key_usage=("digital_signature", "key_encipherment"))
_BOTH_EC = Profile(key_usage=("digital_signature", "key_agreement"))


@dataclass(frozen=True)
class World:
    """Ada is ours (Northwind); Bob with an RSA key and Eve with an EC key use the peers' programs (Southwind)."""

    home: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def northwind(self) -> tuple[Authority, Authority]:
        return authority.create_authority("Northwind", self.long_ago)

    @cached_property
    def southwind(self) -> tuple[Authority, Authority]:
        return authority.create_authority("Southwind", self.long_ago)

    @property
    def yesterday(self) -> datetime:
        return self.now - timedelta(days=1)

    @property
    def long_ago(self) -> datetime:
        return self.now - timedelta(days=400)

    @cached_property
    def ada(self) -> Identity:
        """Her signing certificate (EC), as every user here has one."""
        return self._identity(self.northwind, "ada@northwind.example", authority.SIGNING)

    @cached_property
    def ada_signing_rsa(self) -> Identity:
        """A signing certificate for an RSA key, as an organisation's own CA may make them."""
        return self._identity(self.northwind, "ada@northwind.example", _BOTH_RSA)

    @cached_property
    def ada_rsa(self) -> Identity:
        """Her encryption certificate (RSA), as every user here has one."""
        return self._identity(self.northwind, "ada@northwind.example", authority.ENCRYPTION)

    @cached_property
    def ada_ec(self) -> Identity:
        """An encryption certificate of the EC profile."""
        return self._identity(self.northwind, "ada@northwind.example", authority.ENCRYPTION_EC)

    @cached_property
    def ada_expired(self) -> Identity:
        """A signing certificate that ended a month ago."""
        return self._expired(self.ada, self.northwind)

    @cached_property
    def ada_revoked(self) -> Identity:
        """A signing certificate that is on `crl`."""
        return self._identity(self.northwind, "ada@northwind.example", authority.SIGNING)

    @cached_property
    def crl(self) -> bytes:
        """What Northwind's issuing CA has revoked."""
        entry = Revoked(self.ada_revoked.certificate.serial_number, self.now, "keyCompromise")
        return revocation.crl(self.northwind[1], [entry], 1, self.now)

    @cached_property
    def bob(self) -> Identity:
        return self._identity(self.southwind, "bob@southwind.example", _BOTH_RSA)

    @cached_property
    def stranger(self) -> Identity:
        """Somebody of an organisation that nobody here trusts."""
        house = authority.create_authority("Westwind", self.long_ago)
        return self._identity(house, "mallory@westwind.example", authority.SIGNING)

    @cached_property
    def bob_expired(self) -> Identity:
        return self._expired(self.bob, self.southwind)

    @cached_property
    def eve(self) -> Identity:
        return self._identity(self.southwind, "eve@southwind.example", _BOTH_EC)

    @cached_property
    def ada_openpgp(self) -> Key:
        """Her OpenPGP key, as every user here has one."""
        return keys.generate(self.ada.address, self.yesterday)

    @cached_property
    def ada_openpgp6(self) -> Key:
        """A key of version 6."""
        return keys.generate(self.ada.address, self.yesterday, 6)

    @cached_property
    def bob_gpg(self) -> str:
        """The fingerprint of Bob's key in gpg."""
        return self.gpg.generate(self.bob.address)

    @cached_property
    def bob_gpg_rsa(self) -> str:
        return self.gpg.generate(self.bob.address, "rsa3072")

    @cached_property
    def bob_js(self) -> Pair:
        """Bob's key in OpenPGP.js."""
        return self.openpgpjs.generate(self.bob.address)

    @cached_property
    def bob_js6(self) -> Pair:
        return self.openpgpjs.generate(self.bob.address, 6)

    @cached_property
    def openssl(self) -> OpenSSL:
        return OpenSSL(self._room("openssl"))

    @cached_property
    def nss(self) -> NSS:
        """With Bob's and Eve's keys, trusting both roots, knowing Ada's certificate for encryption."""
        nss = NSS(self._room("nss"))
        for root, issuing in (self.northwind, self.southwind):
            nss.trust(root.certificate)
            nss.know(issuing.certificate)
        nss.know(self.ada_rsa.certificate)
        nss.import_(self.bob.pkcs12())
        nss.import_(self.eve.pkcs12())
        return nss

    @cached_property
    def gpgsm(self) -> Gpgsm:
        """With Bob's key (it takes no EC key), trusting both roots, knowing Ada's and Eve's certificates."""
        gpgsm = Gpgsm(self._room("gpgsm"))
        gpgsm.trust(*(root.certificate for root, _ in (self.northwind, self.southwind)))
        for _, issuing in (self.northwind, self.southwind):
            gpgsm.know(issuing.certificate)
        for known in (self.ada_rsa, self.ada_ec, self.eve):
            gpgsm.know(known.certificate)
        gpgsm.import_(self.bob.pkcs12)
        return gpgsm

    @cached_property
    def gpg(self) -> Gpg:
        return Gpg(self._room("gpg"))

    @cached_property
    def openpgpjs(self) -> OpenPGPjs:
        return OpenPGPjs()

    @cached_property
    def sevenzip(self) -> SevenZip:
        return SevenZip(self._room("7zip"))

    def open(self, mail: bytes, known: Sequence[bytes] = (), password: str | None = None) -> Opened:
        """The mail as Ada gets to see it, who trusts both roots and, for OpenPGP, the keys she knows."""
        keyring = Keyring(
            smime=tuple(DecryptionKey(own.key, own.certificate) for own in (self.ada_rsa, self.ada_ec)),
            openpgp=(self.ada_openpgp.decryption, self.ada_openpgp6.decryption),
            certificates=tuple(keys.read_certificate(key) for key in known),
            passwords=() if password is None else (password,),
        )
        trust = Trust(tuple(root.certificate for root, _ in (self.northwind, self.southwind)))
        return open_mail(mail, keyring, trust, datetime.now(UTC))

    def reads(
        self, mail: bytes, signer: str | None, *, known: Sequence[bytes] = (), password: str | None = None
    ) -> None:
        """Ada reads the text, and sees that `signer` (address or OpenPGP fingerprint; None: nobody) signed it."""
        opened = self.open(mail, known, password)
        assert opened.mail is not None, opened.layers
        assert mime.text_of(opened.mail) == TEXT
        if signer is None:
            assert opened.signature.state is State.UNSIGNED
        else:
            assert opened.signature.state is State.GOOD, opened.signature.words
            assert signer in {opened.signature.signer, *(layer.fingerprint for layer in opened.layers)}

    def close(self) -> None:
        """End what peers left running."""
        for name in ("gpg", "gpgsm"):
            if name in self.__dict__:
                self.__dict__[name].close()

    def _room(self, name: str) -> Path:
        room = self.home / name
        room.mkdir(mode=0o700)
        return room

    def _identity(self, house: tuple[Authority, Authority], address: str, profile: Profile) -> Identity:
        _, issuing = house
        key = rsa.generate_private_key(65537, 3072) if profile.key is KeyKind.RSA3072 else _new_ec()
        return Identity(
            address, key, self._certificate(issuing, address, key, profile, self.now), (issuing.certificate,)
        )

    def _expired(self, known: Identity, house: tuple[Authority, Authority]) -> Identity:
        _, issuing = house
        profile = _BOTH_RSA if isinstance(known.key, rsa.RSAPrivateKey) else authority.SIGNING
        return replace(known, certificate=self._certificate(issuing, known.address, known.key, profile, self.long_ago))

    @staticmethod
    def _certificate(
        issuing: Authority,
        address: str,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        profile: Profile,
        at: datetime,
    ) -> x509.Certificate:
        return authority.issue(issuing, address, key.public_key(), at, x509.random_serial_number(), profile)


@contextmanager
def opened() -> Iterator[World]:
    """A world in a temporary directory whose path is short enough for the sockets of GnuPG's agents."""
    with TemporaryDirectory(prefix="interop-", ignore_cleanup_errors=True) as directory:
        world = World(Path(directory))
        try:
            yield world
        finally:
            world.close()


def _new_ec() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
