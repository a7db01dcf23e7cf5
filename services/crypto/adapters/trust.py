"""Whom readers' answers trust: the organisation's own CAs, with what these have revoked."""

from services.crypto.adapters.authority_files import Issuers
from services.crypto.adapters.certificates import Register
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
        return Trust(self._issuers.roots, self._issuers.intermediates, dict.fromkeys(certificates, revoked))
