"""crypto's answers to readers: what a signature is worth, what a protected mail says, whom to trust for it."""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from secumail.contracts.commands.crypto import AuthorityReply, GetAuthority, SignatureVerdict, VerifySignature
from secumail.contracts.commands.protection import DecryptionKey, Layer, OpenedMail, OpenMail
from secumail.directory import domain_of
from secumail.errors import Refused
from secumail.mailbox import mime
from services.crypto import opening
from services.crypto.opening import Keyring, open_mail
from services.crypto.peers import smime_key
from services.crypto.ports import EncryptionKeys, OpenPGPCustody, Peers
from services.crypto.smime import capabilities
from services.crypto.smime import opening as smime
from services.crypto.smime.verification import Trust, Verdict, verify

Trusted: TypeAlias = Callable[[], Awaitable[Trust]]
"""Whom a signature is trusted by now: revocations come in between."""


class Reading:
    """The answers, over what is trusted and whose keys are known."""

    def __init__(
        self,
        trusted: Trusted,
        keys: EncryptionKeys,
        openpgp: OpenPGPCustody,
        peers: Peers,
        domains: Collection[str],
    ) -> None:
        self._trusted = trusted
        self._domains = domains
        self._keys = keys
        self._openpgp = openpgp
        self._peers = peers

    async def verify_signature(self, command: VerifySignature, _actor: UUID | None) -> SignatureVerdict:
        """What a signature is worth today."""
        try:
            signature = base64.b64decode(command.signature, validate=True) if command.signature else None
            digests = {name: bytes.fromhex(getattr(command, name)) for name in ("sha256", "sha384", "sha512")}
            trust, now = await self._trusted(), datetime.now(UTC)
            verdict = verify(signature, lambda name: digests.get(name) or None, command.sender, trust, now)
        except (binascii.Error, ValueError) as error:
            raise _malformed("Signature or digest is not encoded as it should be.") from error
        if signature and command.account is not None and domain_of(command.sender) not in self._domains:
            await self._learn(command.account, signature, verdict, trust, now)
        return _shown(verdict)

    async def _learn(self, account: UUID, signature: bytes, verdict: Verdict, trust: Trust, now: datetime) -> None:
        """What somebody outside can read, from a good signature of theirs."""
        peer = capabilities.learn(signature, verdict, trust, now)
        if peer is None or peer.certificate is None:
            return
        # What can't be pinned (too many are) must not keep a mail from being read.
        with suppress(Refused):
            await self._peers.learn(account, peer.address, smime_key(peer.certificate), "mail", peer.reads_gcm)

    async def open_mail(self, command: OpenMail, _actor: UUID | None) -> OpenedMail:
        """A protected mail, opened with its reader's keys. They are here for this one answer."""
        try:
            raw = base64.b64decode(command.mail, validate=True)
            certificates = await self._keys.certificates(command.account)
            keyring = Keyring(
                smime=tuple(
                    smime.DecryptionKey(_private(key), certificates[key.id])
                    for key in command.keys
                    if key.kind == "smime" and key.id in certificates
                ),
                openpgp=tuple(base64.b64decode(key.secret) for key in command.keys if key.kind == "openpgp"),
                certificates=await self._signatories_of(command.account, raw),
            )
        except (binascii.Error, ValueError) as error:
            raise _malformed("Mail or key is not encoded as it should be.") from error
        opened = await asyncio.to_thread(open_mail, raw, keyring, await self._trusted(), datetime.now(UTC))
        return OpenedMail(
            mail=base64.b64encode(opened.mail or b"").decode(),
            layers=_layers(opened.layers),
            signature=_shown(opened.signature),
            remote_content=opened.remote_content,
            forged_from=opened.forged_from,
        )

    async def get_authority(self, _command: GetAuthority, _actor: UUID | None) -> AuthorityReply:
        """The certificates to check our signatures with."""
        trust = await self._trusted()
        certificates = (*trust.roots, *trust.intermediates)
        pem = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)
        return AuthorityReply(pem=pem.decode())

    async def _signatories_of(self, account: UUID, raw: bytes) -> tuple[bytes, ...]:
        """The OpenPGP certificates by which a signature of the mail's From counts."""
        senders = mime.addresses(mime.header(raw), "From")
        if len(senders) != 1:
            return ()
        ours = await self._openpgp.certificates(senders[0])
        pinned = (await self._peers.keys(account, senders[0])).openpgp
        return ours or ((pinned,) if pinned is not None else ())


def _private(key: DecryptionKey) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    private = serialization.load_der_private_key(base64.b64decode(key.secret), None)
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("no key that opens S/MIME")
    return private


def _layers(judged: Sequence[opening.Judged]) -> tuple[Layer, ...]:
    return tuple(Layer(kind=layer.kind, state=layer.state, words=layer.words) for layer in judged)


def _shown(verdict: Verdict) -> SignatureVerdict:
    return SignatureVerdict(**verdict.model_dump(mode="json"))


def _malformed(words: str) -> Refused:
    return Refused("malformed-command", words, "Mend it.")
