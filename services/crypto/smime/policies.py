"""Certificate policies along a path (RFC 5280 section 6.1, with RFC 9618 in place of the policy tree).

Any policy is as good as any other here; what counts is that a CA which demands one (requireExplicitPolicy) gets one.
So of the graph only its deepest row matters: which policies may follow.
"""

from asn1crypto import x509 as parsed
from cryptography import x509
from cryptography.x509.oid import CertificatePoliciesOID, ExtensionOID

from services.crypto.smime.parsing import extension

_ANY = CertificatePoliciesOID.ANY_POLICY
_NEVER = 1 << 30


class Policies:
    """The state between two certificates of a path. Begin below the root; `enter` each, `leave` each that is a CA."""

    def __init__(self) -> None:
        self._expected = {_ANY}
        # For each valid policy of this certificate, what it is called further down.
        self._valid: dict[x509.ObjectIdentifier, set[x509.ObjectIdentifier]] = {}
        # How many more certificates until a policy must be there, until none may be mapped, until any won't do.
        self._explicit = self._mapping = self._any = _NEVER

    def enter(self, certificate: x509.Certificate, any_allowed: bool) -> bool:
        """Whether the certificate may follow; `any_allowed` where anyPolicy counts although it is inhibited."""
        asserted = _policies(certificate)
        valid = asserted - {_ANY} if _ANY in self._expected else asserted & self._expected - {_ANY}
        if _ANY in asserted and (self._any > 0 or any_allowed):
            valid |= self._expected
        self._valid = {policy: {policy} for policy in valid}
        return self._explicit > 0 or bool(self._valid)

    def leave(self, certificate: x509.Certificate, self_issued: bool) -> bool:
        """Whether anything may follow the CA certificate just entered."""
        for issuer_policy, subject_policies in _mappings(certificate).items():
            if issuer_policy == _ANY or _ANY in subject_policies:
                return False
            if self._mapping == 0:
                self._valid.pop(issuer_policy, None)
            elif issuer_policy in self._valid or _ANY in self._valid:
                self._valid[issuer_policy] = subject_policies
        self._expected = {policy for policies in self._valid.values() for policy in policies}
        if not self_issued:
            self._explicit, self._mapping, self._any = (
                max(count - 1, 0) for count in (self._explicit, self._mapping, self._any)
            )
        constraints = extension(certificate, x509.PolicyConstraints)
        if constraints is not None and constraints.require_explicit_policy is not None:
            self._explicit = min(self._explicit, constraints.require_explicit_policy)
        if constraints is not None and constraints.inhibit_policy_mapping is not None:
            self._mapping = min(self._mapping, constraints.inhibit_policy_mapping)
        inhibit = extension(certificate, x509.InhibitAnyPolicy)
        if inhibit is not None:
            self._any = min(self._any, inhibit.skip_certs)
        return True

    def end(self, certificate: x509.Certificate) -> bool:
        """Whether the path may end with the certificate just entered."""
        constraints = extension(certificate, x509.PolicyConstraints)
        demanded = constraints is not None and constraints.require_explicit_policy == 0
        return bool(self._valid) or (self._explicit > 1 and not demanded)


def _policies(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    return {each.policy_identifier for each in extension(certificate, x509.CertificatePolicies) or ()}


def _mappings(certificate: x509.Certificate) -> dict[x509.ObjectIdentifier, set[x509.ObjectIdentifier]]:
    """Policies of the issuer, and what the subject calls them."""
    try:
        written = certificate.extensions.get_extension_for_oid(ExtensionOID.POLICY_MAPPINGS).value
    except x509.ExtensionNotFound:
        return {}
    mappings: dict[x509.ObjectIdentifier, set[x509.ObjectIdentifier]] = {}
    for each in parsed.PolicyMappings.load(written.public_bytes(), strict=True):
        issuer_policy, subject_policy = (x509.ObjectIdentifier(each[field].dotted) for field in each)
        mappings.setdefault(issuer_policy, set()).add(subject_policy)
    return mappings
