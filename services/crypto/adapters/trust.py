"""Whom readers' answers trust: the organisation's own CAs, with what these have revoked."""

from collections.abc import Mapping, Sequence

from cryptography import x509

from services.crypto.adapters.authority_files import Issuers
from services.crypto.adapters.certificates import Register
from services.crypto.smime.crls import Revocation
from services.crypto.smime.verification import Trust


class StoredTrust:
    """Our CAs, the former ones too (what they signed stays signed), and others' roots as an operator gives them."""

    def __init__(self, issuers: Issuers, register: Register, others: Sequence[x509.Certificate] = ()) -> None:
        self._issuers = issuers
        self._register = register
        self._roots = (*issuers.roots, *others)

    async def now(self) -> Trust:
        """As it is known now (what another replica revoked: a few seconds ago)."""
        revoked = await self._register.revoked()
        certificates = [authority.certificate for authority in self._issuers.authorities]
        # Our root revokes nothing but a CA, and a CA that it revoked is not among the files any more.
        nothing: Mapping[int, Revocation] = {}
        serials = {**dict.fromkeys(self._issuers.roots, nothing), **dict.fromkeys(certificates, revoked)}
        return Trust(self._roots, self._issuers.intermediates, serials)
