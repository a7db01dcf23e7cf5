"""Whom readers' answers trust: the organisation's own CAs, with what these have revoked."""

from collections.abc import Mapping

from services.crypto.adapters.authority_files import Issuers
from services.crypto.adapters.certificates import Register
from services.crypto.smime.crls import Revocation
from services.crypto.smime.verification import Trust


class StoredTrust:
    """Our CAs, the former ones too: what they signed stays signed."""

    def __init__(self, issuers: Issuers, register: Register) -> None:
        self._issuers = issuers
        self._register = register

    async def now(self) -> Trust:
        """As it is known now (what another replica revoked: a few seconds ago)."""
        revoked = await self._register.revoked()
        certificates = [authority.certificate for authority in self._issuers.authorities]
        # Our root revokes nothing but a CA, and a CA that it revoked is not among the files any more.
        nothing: Mapping[int, Revocation] = {}
        serials = {**dict.fromkeys(self._issuers.roots, nothing), **dict.fromkeys(certificates, revoked)}
        return Trust(self._issuers.roots, self._issuers.intermediates, serials)
