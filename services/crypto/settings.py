"""crypto's settings."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cryptography import x509
from pydantic import AfterValidator, Field

from secumail.settings import Settings as KernelSettings
from services.crypto.authority import ENCRYPTION, ENCRYPTION_EC, SIGNING, Authority, KeyKind, Profile
from services.crypto.forms import Kind


def _is_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("give it as https://name or https://name:port")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_is_url)]
Life = Annotated[timedelta, Field(ge=timedelta(days=31), le=timedelta(days=1185))]
"""More than the 30 days before its end in which it is renewed, at most what the S/MIME baseline requirements allow."""


class Settings(KernelSettings):
    """Besides the kernel's: the mail authority's files, and what certificates look like."""

    authority: Path
    public_url: Url | None = None
    """Where people outside reach the gateway."""
    pki_url: Url | None = None
    """Base of the CRL's and OCSP's addresses in certificates where it is another (a plain-http front)."""
    signing_valid_for: Life = SIGNING.valid_for
    encryption_valid_for: Life = ENCRYPTION.valid_for
    encryption_key: KeyKind = ENCRYPTION.key
    issues_a_day: int = Field(default=20, ge=1)
    """Certificates of one account in 24 hours."""
    signatures_a_minute: int = Field(default=600, ge=1)
    """Mails signed for one account, by one process; what is beyond is put off."""
    export_signing_keys: bool = False
    trusted_roots: Path | None = None
    """PEM of other organisations' roots: their people's signatures count, and tell what these people can read."""
    form_inside: Literal["signed", "smime", "openpgp"] = "signed"
    """The form of mail to people inside, where its sender asks for none."""
    form_outside: Kind = "smime"
    """The form of mail to a peer who can read both, where its sender asks for none."""

    def other_roots(self) -> tuple[x509.Certificate, ...]:
        """The certificates in `trusted_roots`; ValueError where there are none in it."""
        return tuple(x509.load_pem_x509_certificates(self.trusted_roots.read_bytes())) if self.trusted_roots else ()

    def signing(self, issuing: Authority) -> Profile:
        """What signing certificates look like."""
        return self._published(replace(SIGNING, valid_for=self.signing_valid_for), issuing)

    def encryption(self, issuing: Authority) -> Profile:
        """What encryption certificates look like."""
        kind = ENCRYPTION if self.encryption_key is KeyKind.RSA3072 else ENCRYPTION_EC
        return self._published(replace(kind, valid_for=self.encryption_valid_for), issuing)

    def _published(self, profile: Profile, issuing: Authority) -> Profile:
        base = self.pki_url or self.public_url
        return profile.published_at(base, issuing) if base else profile
