"""Says whether the certificates of a valid path are revoked, from what is at hand (RFC 5280 section 6.3).

At hand are an issuer's own list of serial numbers, or CRLs: complete, partitioned, indirect and delta. Nothing is
fetched; where nothing is at hand, the answer is that nothing is known.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtensionOID

from services.crypto.smime.chains import ACCEPTED_HASHES, RSA_BITS, Path, paths
from services.crypto.smime.names import normal
from services.crypto.smime.parsing import extension

_ALL_REASONS = frozenset(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
        ExtensionOID.DELTA_CRL_INDICATOR,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.CRL_NUMBER,
    }
)


@dataclass(frozen=True)
class Revocation:
    """When a certificate was revoked and why, in the words of RFC 5280 section 5.3.1 (`keyCompromise`, ...)."""

    when: datetime
    reason: str = "unspecified"


class Known(StrEnum):
    """What is known of a path's certificates taken together."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


Standing: TypeAlias = tuple[Known, Revocation | None]
_GOOD: Standing = (Known.GOOD, None)
_UNKNOWN: Standing = (Known.UNKNOWN, None)

RevokedSerials: TypeAlias = Mapping[x509.Certificate, Mapping[int, Revocation]]
"""For each CA certificate whose own list is at hand: the serial numbers it revoked."""


@dataclass(frozen=True)
class Revocations:
    """What is at hand. `others` are certificates that may have signed CRLs, judged like those of the path."""

    serials: RevokedSerials
    crls: Sequence[x509.CertificateRevocationList]
    others: Sequence[x509.Certificate]
    moment: datetime
    _asked: set[x509.Certificate] = field(default_factory=set)

    def of(self, path: Path) -> Standing:
        """The worst that is known of a valid path's certificates; the root's own standing is nobody's to say."""
        standings = [self._of(certificate, path[depth:]) for depth, certificate in enumerate(path[:-1], start=1)]
        order = (Known.REVOKED, Known.UNKNOWN, Known.GOOD)
        return min(standings, key=lambda standing: order.index(standing[0]), default=_GOOD)

    def _of(self, certificate: x509.Certificate, path: Path) -> Standing:
        """Of one certificate; `path` begins with its issuer's."""
        if path[0] in self.serials:
            return self._judged(self.serials[path[0]].get(certificate.serial_number)) or _GOOD
        if certificate in self.serials:
            # Whoever hands in this CA's own list is the one to know that the CA stands.
            return _GOOD
        missing = set(_ALL_REASONS)
        for point in _points(certificate):
            for crl in self.crls:
                try:
                    covered = self._covered(crl, point, certificate)
                    if missing.isdisjoint(covered) or not self._is_genuine(crl, path):
                        continue
                    revoked = self._judged(self._revocation(crl, certificate, path))
                except (ValueError, UnsupportedAlgorithm):
                    # A list that can't be read says nothing.
                    continue
                if revoked:
                    return revoked
                missing -= covered
        return _UNKNOWN if missing else _GOOD

    def _judged(self, revocation: Revocation | None) -> Standing | None:
        # What was revoked only after the time to judge at was good then.
        return (Known.REVOKED, revocation) if revocation and revocation.when <= self.moment else None

    def _covered(
        self, crl: x509.CertificateRevocationList, point: x509.DistributionPoint, certificate: x509.Certificate
    ) -> frozenset[x509.ReasonFlags]:
        """The reasons for which the CRL would name the certificate; none if it isn't meant for it."""
        scope = extension(crl, x509.IssuingDistributionPoint)
        if (
            not self._is_usable(crl)
            or extension(crl, x509.DeltaCRLIndicator) is not None
            or not _is_from_the_issuer(crl, scope, point, certificate)
            or not _is_in_scope(crl, scope, point, certificate)
        ):
            return frozenset()
        some = scope.only_some_reasons if scope else None
        return (some or _ALL_REASONS) & (point.reasons or _ALL_REASONS)

    def _is_usable(self, crl: x509.CertificateRevocationList) -> bool:
        ends = crl.next_update_utc
        return (
            ends is not None
            and crl.last_update_utc <= self.moment <= ends
            and all(not each.critical or each.oid in _UNDERSTOOD for each in crl.extensions)
        )

    def _is_genuine(self, crl: x509.CertificateRevocationList, path: Path) -> bool:
        """Whether its issuer signed the CRL, by a certificate of the path or one that is good under the same root."""
        return any(
            normal(signer.subject) == normal(crl.issuer)
            and _has_signed(signer, crl)
            and (signer in (path[0], path[-1]) or self._is_good(signer, path[-1]))
            for signer in (path[0], path[-1], *self.others)
        )

    def _is_good(self, signer: x509.Certificate, root: x509.Certificate) -> bool:
        if signer in self._asked:
            # Its standing hangs on a CRL it signed itself.
            return False
        self._asked.add(signer)
        try:
            return any(self.of(path)[0] is Known.GOOD for path in paths(signer, self.others, (root,), self.moment))
        finally:
            self._asked.remove(signer)

    def _revocation(
        self, crl: x509.CertificateRevocationList, certificate: x509.Certificate, path: Path
    ) -> Revocation | None:
        for delta in self.crls:
            if self._continues(delta, crl) and self._is_genuine(delta, path):
                entry = _entry(delta, certificate)
                if entry:
                    return None if _reason(entry) is x509.ReasonFlags.remove_from_crl else _read(entry)
        entry = _entry(crl, certificate)
        return _read(entry) if entry else None

    def _continues(self, delta: x509.CertificateRevocationList, crl: x509.CertificateRevocationList) -> bool:
        """RFC 5280 section 5.2.4: whether `delta` says what changed since `crl` or before."""
        try:
            base = extension(delta, x509.DeltaCRLIndicator)
            number, delta_number = extension(crl, x509.CRLNumber), extension(delta, x509.CRLNumber)
            return (
                base is not None
                and number is not None
                and delta_number is not None
                and base.crl_number <= number.crl_number <= delta_number.crl_number
                and normal(delta.issuer) == normal(crl.issuer)
                and extension(delta, x509.IssuingDistributionPoint) == extension(crl, x509.IssuingDistributionPoint)
                and self._is_usable(delta)
            )
        except (ValueError, UnsupportedAlgorithm):
            # Nor may one that anybody could have sent along keep the complete list from being read.
            return False


def _points(certificate: x509.Certificate) -> Iterator[x509.DistributionPoint]:
    yield from extension(certificate, x509.CRLDistributionPoints) or ()
    # RFC 5280 section 6.3.3: and whatever the issuer publishes under its name.
    yield x509.DistributionPoint([x509.DirectoryName(certificate.issuer)], None, None, None)


def _is_from_the_issuer(
    crl: x509.CertificateRevocationList,
    scope: x509.IssuingDistributionPoint | None,
    point: x509.DistributionPoint,
    certificate: x509.Certificate,
) -> bool:
    if not point.crl_issuer:
        return normal(crl.issuer) == normal(certificate.issuer)
    return scope is not None and scope.indirect_crl and _directory(crl.issuer) in _comparable(point.crl_issuer)


def _is_in_scope(
    crl: x509.CertificateRevocationList,
    scope: x509.IssuingDistributionPoint | None,
    point: x509.DistributionPoint,
    certificate: x509.Certificate,
) -> bool:
    if scope is None:
        return True
    constraints = extension(certificate, x509.BasicConstraints)
    is_ca = constraints is not None and constraints.ca
    if (
        scope.only_contains_attribute_certs
        or (scope.only_contains_user_certs and is_ca)
        or (scope.only_contains_ca_certs and not is_ca)
    ):
        return False
    issuers = [name.value for name in point.crl_issuer or () if isinstance(name, x509.DirectoryName)]
    published = _published(scope.full_name, scope.relative_name, [crl.issuer])
    wanted = _published(point.full_name, point.relative_name, issuers or [certificate.issuer])
    return not published or not published.isdisjoint(wanted or _comparable(point.crl_issuer or ()))


def _published(
    full_name: Sequence[x509.GeneralName] | None,
    relative_name: x509.RelativeDistinguishedName | None,
    issuers: Sequence[x509.Name],
) -> frozenset[object]:
    if relative_name is not None:
        return frozenset(_directory(x509.Name([*issuer.rdns, relative_name])) for issuer in issuers)
    return _comparable(full_name or ())


def _comparable(names: Sequence[x509.GeneralName]) -> frozenset[object]:
    return frozenset(_directory(name.value) if isinstance(name, x509.DirectoryName) else name for name in names)


def _directory(name: x509.Name) -> object:
    return x509.DirectoryName, normal(name)


def _has_signed(signer: x509.Certificate, crl: x509.CertificateRevocationList) -> bool:
    try:
        usage = extension(signer, x509.KeyUsage)
        key = signer.public_key()
        if (usage and not usage.crl_sign) or (isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_BITS):
            return False
        match key:
            case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey():
                return isinstance(crl.signature_hash_algorithm, ACCEPTED_HASHES) and crl.is_signature_valid(key)
            case ed25519.Ed25519PublicKey():
                return crl.is_signature_valid(key)
            case _:
                return False
    except (ValueError, UnsupportedAlgorithm):
        return False


def _entry(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> x509.RevokedCertificate | None:
    scope = extension(crl, x509.IssuingDistributionPoint)
    if scope is None or not scope.indirect_crl:
        return crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    # RFC 5280 section 5.3.3: an entry without an issuer has that of the entry before.
    issuer = normal(crl.issuer)
    for entry in crl:
        named = extension(entry, x509.CertificateIssuer)
        if named is not None:
            issuer = next((normal(name) for name in named.get_values_for_type(x509.DirectoryName)), issuer)
        if entry.serial_number == certificate.serial_number and issuer == normal(certificate.issuer):
            return entry
    return None


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags:
    said = extension(entry, x509.CRLReason)
    return said.reason if said else x509.ReasonFlags.unspecified


def _read(entry: x509.RevokedCertificate) -> Revocation:
    return Revocation(entry.revocation_date_utc, str(_reason(entry).value))
