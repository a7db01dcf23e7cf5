"""Names in certificates: when two are the same (RFC 5280 section 7.1), and what name constraints allow (4.2.1.10)."""

import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from services.crypto.addresses import SMTP_UTF8_MAILBOX, a_labels, mailboxes
from services.crypto.smime.parsing import extension

Normal: TypeAlias = tuple[frozenset[tuple[str, str | bytes]], ...]


@lru_cache(maxsize=512)
def normal(name: x509.Name) -> Normal:
    """What two spellings of one name have in common: neither case, spaces nor the type of string count."""
    return tuple(frozenset((part.oid.dotted_string, _prepared(part.value)) for part in rdn) for rdn in name.rdns)


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether subject and issuer are the same: a root, or a CA's certificate for a new key of its own."""
    return normal(certificate.subject) == normal(certificate.issuer)


class Constraints:
    """What the CAs of a path allow to the names below them."""

    def __init__(self) -> None:
        self._permitted: list[list[x509.GeneralName]] = []
        self._excluded: list[x509.GeneralName] = []

    def add(self, constraints: x509.NameConstraints) -> None:
        """Narrow what is allowed by the constraints of the next CA."""
        if constraints.permitted_subtrees:
            self._permitted.append(list(constraints.permitted_subtrees))
        self._excluded.extend(constraints.excluded_subtrees or ())

    def allow(self, certificate: x509.Certificate) -> bool:
        """Whether all names of the certificate are allowed; never, if they can't be compared."""
        return all(self._allows(name) for name in _names(certificate))

    def _allows(self, name: x509.GeneralName) -> bool:
        if any(type(base) is type(name) and _is_within(name, base) is not False for base in self._excluded):
            return False
        return all(
            any(_is_within(name, base) for base in of_same_type)
            for bases in self._permitted
            if (of_same_type := [base for base in bases if type(base) is type(name)])
        )


def _prepared(value: str | bytes) -> str | bytes:
    # The steps of RFC 4518 that change anything in names as they are written.
    return value if isinstance(value, bytes) else " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _names(certificate: x509.Certificate) -> Iterator[x509.GeneralName]:
    if certificate.subject.rdns:
        yield x509.DirectoryName(certificate.subject)
    alternatives = extension(certificate, x509.SubjectAlternativeName)
    if alternatives is None:
        for part in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
            yield _mailbox(str(part.value))
        return
    for name in alternatives:
        # RFC 9598 section 6: constraints on rfc822Name are constraints on addresses beyond ASCII, too.
        if not isinstance(name, x509.OtherName) or name.type_id != SMTP_UTF8_MAILBOX:
            yield name
    for address in mailboxes(certificate):
        if not address.isascii():
            yield _mailbox(address)


def _mailbox(address: str) -> x509.RFC822Name:
    # Only the domain can be constrained of an address that is no rfc822Name; the local part stays comparable.
    local, _, domain = address.rpartition("@")
    written = local if local.isascii() else "xn--" + local.encode("punycode").decode("ascii")
    return x509.RFC822Name(f"{written}@{a_labels(domain)}")


def _is_within(name: x509.GeneralName, base: x509.GeneralName) -> bool | None:
    """Whether `name` lies in the subtree of `base`, which is of the same type; None where that can't be said."""
    compare = _COMPARISONS.get(type(name))
    return compare(name.value, base.value) if compare else None


def _directory_name(name: x509.Name, base: x509.Name) -> bool:
    return normal(name)[: len(base.rdns)] == normal(base)


def _address(name: str, base: str) -> bool:
    local, _, host = name.rpartition("@")
    base_local, _, base_host = base.rpartition("@")
    if base_local:
        return local == base_local and host.lower() == base_host.lower()
    return _host(host, base_host)


def _host(name: str, base: str) -> bool:
    # A base that begins with a period is every host below it, any other that one host.
    name, base = name.lower(), base.lower()
    return name.endswith(base) and name != base if base.startswith(".") else name == base


def _dns_name(name: str, base: str) -> bool:
    name, base = name.lower(), base.lower().removeprefix(".")
    return not base or name == base or name.endswith("." + base)


def _uri(name: str, base: str) -> bool | None:
    host = urlsplit(name).hostname
    return _host(host, base) if host else None


def _address_range(name: IPv4Address | IPv6Address, base: IPv4Network | IPv6Network) -> bool:
    return name in base


_COMPARISONS: dict[type[x509.GeneralName], Callable[..., bool | None]] = {
    x509.DirectoryName: _directory_name,
    x509.RFC822Name: _address,
    x509.DNSName: _dns_name,
    x509.UniformResourceIdentifier: _uri,
    x509.IPAddress: _address_range,
}
