"""NIST's Public Key Interoperability Test Suite of 2011: 224 signed mails, good or bad in one way each.

The suite's people have no mail addresses, so "not the sender" is the best a verdict on them can be. Behind it hides
whether the certificate has expired, which is therefore asked of the path.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography import x509

from secumail.multipart_signed import split
from services.crypto.smime.chains import paths
from services.crypto.smime.crls import Known
from services.crypto.smime.signed import UnreadableSignatureError, read
from services.crypto.smime.verification import State, Trust, digest_of, verify

SUITE = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
ROOT = x509.load_der_x509_certificate((SUITE / "certs" / "TrustAnchorRootCertificate.crt").read_bytes())
NOW = datetime(2026, 11, 22, tzinfo=UTC)

# Most names say what is right. These don't; with any policy acceptable at the start it is (sections 4.4.1 and 4.8).
BAD = re.compile(r"Invalid|MissingCRLTest1|DifferentPoliciesTest(4|5|7|8|9|12)$")

REFUSED_THOUGH_VALID = {
    "ValidDSASignaturesTest4": "DSA is not accepted: RFC 8551 calls it historic",
    "ValidDSAParameterInheritanceTest5": "DSA, and its parameters are missing, which the library doesn't read",
    "ValidcRLIssuerTest30": "that the CRL's own signer isn't revoked is said by this CRL alone",
}


def mails():
    return sorted((SUITE / "smime").glob("Signed*.eml"))


def is_accepted(mail):
    payload, signature = split(mail.read_bytes())
    verdict = verify(signature, digest_of(payload), "sender@testcertificates.gov", Trust((ROOT,)), NOW)
    try:
        signed = read(signature)
    except UnreadableSignatureError:
        assert verdict.state is State.UNREADABLE
        return False
    in_time = any(paths(signed.signers[0].certificate, signed.certificates, (ROOT,), NOW))
    return verdict.state is State.NOT_THE_SENDER and verdict.revocation is Known.GOOD and in_time


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # two tests are about negative serial numbers
def test_all_but_three_verdicts_on_224_mails_are_right_and_none_is_too_kind():
    names = {mail: mail.stem.removeprefix("Signed") for mail in mails()}
    accepted = {names[mail] for mail in mails() if is_accepted(mail)}
    bad = {name for name in names.values() if BAD.search(name)}

    assert len(names) == 224
    assert len(bad) == 121
    assert not accepted & bad
    assert {*names.values()} - bad - accepted == REFUSED_THOUGH_VALID.keys()


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_revoked_signer_and_a_revoked_authority_are_named_so():
    for name in ("InvalidRevokedEETest3", "InvalidRevokedCATest2"):
        payload, signature = split((SUITE / "smime" / f"Signed{name}.eml").read_bytes())
        verdict = verify(signature, digest_of(payload), "sender@testcertificates.gov", Trust((ROOT,)), NOW)

        assert verdict.state is State.REVOKED
        assert "others may have its key" in verdict.words
