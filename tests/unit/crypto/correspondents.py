"""Alice of Northwind writes to Bob elsewhere: their keys for S/MIME and OpenPGP, and who vouches for them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from services.crypto.authority import create_authority, issue, key_usage
from services.crypto.forms import Form
from services.crypto.opening import Keyring, Opened, open_mail
from services.crypto.openpgp import keys as openpgp
from services.crypto.protecting import OpenPGPSigner, Recipients, Signer, SmimeSigner, protect
from services.crypto.smime.opening import DecryptionKey
from services.crypto.smime.verification import Trust

ALICE = "alice@northwind.example"
BOB = "bob@southwind.example"
PASSWORD = "seven lanterns above the harbour"
FORMS = tuple(form for form in Form if form is not Form.PICKUP)
SMIME = (Form.SMIME_CBC, Form.SMIME_GCM)
ENCRYPTED = tuple(form for form in FORMS if form is not Form.SIGNED)

LETTER = (
    f"From: Alice <{ALICE}>\r\nTo: Bob <{BOB}>\r\nBcc: carol@northwind.example\r\n"
    "Subject: Harvest numbers\r\nKeywords: harvest\r\nMessage-ID: <1@northwind.example>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße, the numbers are in.\r\n"
).encode()


@dataclass(frozen=True)
class People:
    """Alice signs, Bob reads."""

    now: datetime
    trust: Trust
    alice: SmimeSigner
    alice_reads: DecryptionKey
    alice_openpgp: OpenPGPSigner
    alice_decrypts: bytes
    bob: DecryptionKey
    bob_openpgp: openpgp.Key

    @property
    def recipients(self) -> Recipients:
        return Recipients((self.bob.certificate,), (self.bob_openpgp.certificate,), (PASSWORD,))

    @property
    def keyring(self) -> Keyring:
        return Keyring((self.bob,), (self.bob_openpgp.decryption,), (self.alice_openpgp.certificate,), (PASSWORD,))

    def signer(self, form: Form) -> Signer:
        """Alice, by the kind of key the form wants."""
        return self.alice_openpgp if form is Form.OPENPGP else self.alice

    def send(self, raw: bytes, form: Form, *, signed: bool = True) -> bytes:
        return protect(raw, form, self.recipients, self.signer(form) if signed else None, self.now)

    def read(self, mail: bytes) -> Opened:
        """As Bob sees it."""
        return open_mail(mail, self.keyring, self.trust, self.now)


@cache
def people() -> People:
    now = datetime.now(UTC)
    root, issuing = create_authority("Northwind", now)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue(issuing, ALICE, key.public_key(), now, x509.random_serial_number())
    alice_reads = _reader(ALICE, now)
    alice = openpgp.generate(ALICE, now)
    return People(
        now=now,
        trust=Trust((root.certificate,)),
        alice=SmimeSigner(key, certificate, (issuing.certificate,), alice_reads.certificate),
        alice_reads=alice_reads,
        alice_openpgp=OpenPGPSigner(alice.signing, alice.certificate),
        alice_decrypts=alice.decryption,
        bob=_reader(BOB, now),
        bob_openpgp=openpgp.generate(BOB, now),
    )


def _reader(address: str, now: datetime) -> DecryptionKey:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "someone")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), critical=False)
        .add_extension(key_usage("key_encipherment"), critical=True)
        .sign(key, hashes.SHA256())
    )
    return DecryptionKey(key, certificate)
