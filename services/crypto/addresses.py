"""Mail addresses as certificates write and compare them (RFC 5280 sections 4.2.1.6 and 7.5, RFC 9598)."""

import re
import unicodedata

from asn1crypto import core
from cryptography import x509

from secumail.errors import Refused

SMTP_UTF8_MAILBOX = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")

# Octets, from RFC 5321 section 4.5.3.1 (its path limit of 256 counts the angle brackets).
LOCAL_PART_LIMIT = 64
ADDRESS_LIMIT = 254
LABEL_LIMIT = 63

_ATOM = r"[^\s.\x00-\x20\x7f-\x9f\"(),:;<>@\[\\\]]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
# What Python makes of bytes in a header that are no text; no address has it.
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_LABEL = re.compile(r"(?!-)[a-z0-9-]+(?<!-)")


def general_name(address: str) -> x509.GeneralName:
    """The alternative name for `address`: rfc822Name, or SmtpUTF8Mailbox if its local part is beyond ASCII.

    The domain is written as A-labels in both (RFC 9598 section 3). Raises Refused for what is no dot-atom
    mailbox.
    """
    local, _, domain = address.rpartition("@")
    domain = a_labels(domain)
    written = f"{local}@{domain}"
    if (
        _SURROGATE.search(address)
        or not _LOCAL_PART.fullmatch(local)
        or not all(_LABEL.fullmatch(label) and len(label) <= LABEL_LIMIT for label in domain.split("."))
        or len(local.encode()) > LOCAL_PART_LIMIT
        or len(written.encode()) > ADDRESS_LIMIT
    ):
        raise Refused(
            "address-not-certifiable",
            "A certificate can't name this mail address.",
            "Use an address of the form name@domain, without quotes, comments, spaces or a domain literal.",
        )
    if local.isascii():
        return x509.RFC822Name(written)
    return x509.OtherName(SMTP_UTF8_MAILBOX, core.UTF8String(written).dump())


def mailboxes(certificate: x509.Certificate) -> tuple[str, ...]:
    """Every mail address among the certificate's alternative names; ValueError if these are malformed."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    beyond_ascii = (
        str(core.UTF8String.load(name.value, strict=True).native)
        for name in names.get_values_for_type(x509.OtherName)
        if name.type_id == SMTP_UTF8_MAILBOX
    )
    return (*names.get_values_for_type(x509.RFC822Name), *beyond_ascii)


def same_mailbox(one: str, other: str) -> bool:
    """RFC 5280 section 7.5: the local part to the letter, the domain whatever its case or label form."""
    one_local, _, one_domain = one.rpartition("@")
    other_local, _, other_domain = other.rpartition("@")
    return (
        bool(one_local)
        and unicodedata.normalize("NFC", one_local) == unicodedata.normalize("NFC", other_local)
        and a_labels(one_domain) == a_labels(other_domain)
    )


def a_labels(domain: str) -> str:
    """`domain` in lower case, each label beyond ASCII as its A-label (RFC 5891 section 4.4).

    Punycode is one to one, so two domains are the same exactly if their results are; no character is mapped
    to another as IDNA 2003 would do (ß to ss), which would make two owners look like one.
    """
    return ".".join(_a_label(label) for label in domain.split("."))


def _a_label(label: str) -> str:
    label = unicodedata.normalize("NFC", label.lower())
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
