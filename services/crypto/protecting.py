"""Protects a mail in one form: signed, then encrypted, its header fields inside. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import pyzipper
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from secumail.errors import Refused
from secumail.multipart_signed import is_canonical
from services.crypto import headers, layers
from services.crypto.forms import Form
from services.crypto.openpgp import messages
from services.crypto.openpgp.keys import usable
from services.crypto.smime.enveloped import Cipher, envelop
from services.crypto.smime.signing import SigningKey, signed_data

PASSWORD_AT_LEAST = 12
PASSWORD_AT_MOST = 128
FILE_NAME = "message.eml"

_CHUNK = 1 << 20

_CIPHERS = {
    Form.SMIME_CBC: (Cipher.CBC, layers.Smime.ENVELOPED),
    Form.SMIME_GCM: (Cipher.GCM, layers.Smime.AUTH_ENVELOPED),
}
_OPEN_PGP_FILE = (
    "The sender protected this mail with a password, which you get on another way.\n"
    "Save the attachment, open it with it (GnuPG: gpg -d message.eml.asc > message.eml), and open message.eml\n"
    "with your mail program.\n"
)
_OPEN_ZIP = (
    "The sender protected this mail with a password, which you get on another way.\n"
    "Open the attached zip file with it (7-Zip, WinZip, the Archive Utility of macOS), and open message.eml with\n"
    "your mail program.\n"
)


@dataclass(frozen=True)
class SmimeSigner:
    """Who signs with S/MIME: key, its certificate, what leads from that to a root, and the sender's own certificate
    to encrypt to where it is another."""

    key: SigningKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    encryption: x509.Certificate | None = None

    def own(self) -> x509.Certificate | None:
        """The certificate by which the sender reads the mail too; None without one."""
        own = self.encryption or self.certificate
        return own if encrypts(own) else None

    def __repr__(self) -> str:
        return "SmimeSigner(...)"


@dataclass(frozen=True)
class OpenPGPSigner:
    """Who signs with OpenPGP: the secret key that signs, the sender's own certificate, what unlocks the secret key."""

    secret: bytes
    certificate: bytes
    password: str | None = None

    def own(self, now: datetime) -> bytes | None:
        """The certificate by which the sender reads the mail too; None where it is for signing only."""
        return self.certificate if usable(self.certificate, now) else None

    def __repr__(self) -> str:
        return "OpenPGPSigner(...)"


Signer = SmimeSigner | OpenPGPSigner


@dataclass(frozen=True)
class Recipients:
    """What the mail is encrypted to: S/MIME certificates, OpenPGP certificates, or passwords, as its form wants."""

    certificates: tuple[x509.Certificate, ...] = ()
    openpgp: tuple[bytes, ...] = ()
    passwords: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Recipients({len(self.certificates)}, {len(self.openpgp)}, {len(self.passwords)})"


def protect(raw: bytes, form: Form, recipients: Recipients, signer: Signer | None, now: datetime) -> bytes:
    """The mail `raw` in `form`, complete, as it goes out; `now` is an aware time.

    Encrypted is also to the sender, if the signer has what for. Bcc is nowhere in the result. Lines of a mail that has
    LF alone end in CRLF afterwards; of any other mail the body is kept byte for byte.

    Raises Refused where form, keys and signer don't fit together, for certificates out of their time or not made for
    encryption, and for passwords that are too short.
    """
    raw = layers.canonical(raw)
    match form:
        case Form.SIGNED:
            return _signed(raw, _needed(signer), now)
        case Form.SMIME_CBC | Form.SMIME_GCM:
            return _smime(raw, form, recipients.certificates, signer, now)
        case Form.OPENPGP:
            return _openpgp(raw, recipients.openpgp, signer, now)
        case Form.SYMMETRIC:
            message = messages.encrypt(_file(raw, signer, now), (), None, _passwords(recipients))
            content, name, media_type, words = message.encode(), "asc", "application/octet-stream", _OPEN_PGP_FILE
        case Form.ZIP:
            content = _zipped(_file(raw, signer, now), _passwords(recipients)[0])
            name, media_type, words = "zip", "application/zip", _OPEN_ZIP
        case _:
            raise Refused("form-not-a-mail", "This form is no mail of its own.", "Choose another form.")
    return layers.carrier(headers.around(raw, "cipher"), words, f"{FILE_NAME}.{name}", media_type, content)


def encrypts(certificate: x509.Certificate) -> bool:
    """Whether a certificate's key may encrypt (RFC 5280 section 4.2.1.3); one that says nothing may."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return isinstance(certificate.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    match certificate.public_key():
        case rsa.RSAPublicKey():
            return usage.key_encipherment
        case ec.EllipticCurvePublicKey():
            return usage.key_agreement
    return False


def _signed(raw: bytes, signer: Signer, now: datetime) -> bytes:
    payload, outer = headers.protect(raw, "clear")
    return _with_signature(outer, payload, signer, now)


def _with_signature(outer: bytes, payload: bytes, signer: Signer, now: datetime) -> bytes:
    if isinstance(signer, OpenPGPSigner):
        signature = messages.sign_detached(payload, signer.secret, signer_password=signer.password)
        return layers.pgp_signed(outer, payload, signature, messages.digest_name(signature))
    # Programs that bring line ends into form before they check would find a signature beside such a mail broken.
    around = not is_canonical(payload)
    made = signed_data(
        payload, signer.key, signer.certificate, signer.chain, around=around, encryption=signer.encryption, now=now
    )
    if not around:
        return layers.smime_signed(outer, payload, made)
    return layers.pkcs7(outer, made, layers.Smime.SIGNED)


def _smime(
    raw: bytes, form: Form, certificates: Sequence[x509.Certificate], signer: Signer | None, now: datetime
) -> bytes:
    if isinstance(signer, OpenPGPSigner):
        raise _misfit("an S/MIME mail", "an S/MIME key (.p12 or .pem)")
    for certificate in certificates:
        _check(certificate, now)
    if not certificates:
        raise _nobody("a certificate (PEM or DER)")
    own = signer.own() if signer else None
    everybody = tuple(dict.fromkeys((*certificates, own) if own else certificates))
    cipher, kind = _CIPHERS[form]
    content, outer = headers.protect(raw, "cipher")
    # Under one name, so that a large mail is in memory as few times as can be.
    if signer:
        content = _with_signature(b"", content, signer, now)
    content = envelop(content, everybody, cipher)
    return layers.pkcs7(outer, content, kind)


def _openpgp(raw: bytes, certificates: Sequence[bytes], signer: Signer | None, now: datetime) -> bytes:
    if isinstance(signer, SmimeSigner):
        raise _misfit("an OpenPGP mail", "an OpenPGP secret key (.asc)")
    if not certificates:
        raise _nobody("an OpenPGP public key (.asc)")
    own = signer.own(now) if signer else None
    everybody = tuple(dict.fromkeys((*certificates, own) if own else certificates))
    content, outer = headers.protect(raw, "cipher")
    secret, password = (signer.secret, signer.password) if signer else (None, None)
    content = messages.encrypt(content, everybody, secret, signer_password=password).encode("ascii")
    return layers.pgp_encrypted(outer, content)


def _file(raw: bytes, signer: Signer | None, now: datetime) -> bytes:
    return _signed(raw, signer, now) if signer else headers.without_bcc(raw)


def _zipped(content: bytes, password: str) -> bytes:
    out = BytesIO()
    # Mail is mostly base64, of which the fastest level takes off as much as the best.
    with pyzipper.AESZipFile(out, "w", pyzipper.ZIP_DEFLATED, compresslevel=1, encryption=pyzipper.WZ_AES) as file:
        file.setpassword(password.encode())
        with file.open(FILE_NAME, "w") as mail:
            for at in range(0, len(content), _CHUNK):
                mail.write(content[at : at + _CHUNK])
    return out.getvalue()


def _passwords(recipients: Recipients) -> tuple[str, ...]:
    if not recipients.passwords:
        raise Refused("password-missing", "This form needs a password.", "Give one that the recipient gets elsewhere.")
    if not all(PASSWORD_AT_LEAST <= len(password) <= PASSWORD_AT_MOST for password in recipients.passwords):
        # An attachment can be tried for ever.
        raise Refused(
            "password-length",
            "The mail's password is too short or too long.",
            f"Give one of {PASSWORD_AT_LEAST} to {PASSWORD_AT_MOST} characters.",
        )
    return recipients.passwords


def _check(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Refused(
            "certificate-expired",
            "A recipient's certificate has expired or is not valid yet.",
            "Ask the recipient for the current one.",
        )
    if not encrypts(certificate):
        raise Refused(
            "certificate-not-for-encryption",
            "A recipient's certificate is for signing only.",
            "Ask the recipient for a certificate for encryption.",
        )


def _needed(signer: Signer | None) -> Signer:
    if signer is None:
        raise Refused("signer-missing", "A signed mail needs a key that signs it.", "Give the sender's key.")
    return signer


def _misfit(what: str, key: str) -> Refused:
    return Refused("signer-does-not-fit", f"This key can't sign {what}.", f"Sign with {key}.")


def _nobody(key: str) -> Refused:
    return Refused("recipient-missing", "The mail is encrypted to nobody.", f"Give {key} of each recipient.")
