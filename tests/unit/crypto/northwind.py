"""Northwind Traders: the organisation the tests of the crypto service are about."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.crypto.authority import Authority
from services.crypto.smime.verification import Trust


@dataclass(frozen=True)
class House:
    """An organisation's two authorities."""

    root: Authority
    issuing: Authority

    @property
    def trust(self) -> Trust:
        return Trust((self.root.certificate,))


@dataclass(frozen=True)
class Person:
    """Who signs: an address, its key and certificate, and what leads from it to the root."""

    address: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
