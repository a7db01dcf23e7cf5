"""A person's certificate with its key, in the files that peers import."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.crypto.pkcs12 import Format, export

PASSWORD = "interoperability"


@dataclass(frozen=True)
class Identity:
    """Whose certificate, with its key and what leads to the root (without the root)."""

    address: str
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def chain_pem(self) -> bytes:
        return b"".join(link.public_bytes(Encoding.PEM) for link in self.chain)

    @property
    def fingerprint(self) -> str:
        """SHA-1 of the certificate in upper-case hex, by which peers name it."""
        return fingerprint(self.certificate)

    def pkcs12(self, form: Format = Format.LEGACY) -> bytes:
        """Key, certificate and chain as a user downloads them, under PASSWORD."""
        return export(self.key, self.certificate, self.chain, self.address, PASSWORD, form)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-1 of the certificate in upper-case hex."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()


def addresses(certificate: x509.Certificate) -> list[str]:
    """The mail addresses a certificate names."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.RFC822Name)
