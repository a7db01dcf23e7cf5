"""OpenSSL's `cms` command (Debian: openssl)."""

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.interop.peers.identity import PASSWORD, Identity, addresses
from tests.interop.peers.running import run


class OpenSSL:
    """Works on files in `home`; CMS goes in and out as DER."""

    name = "openssl"

    def __init__(self, home: Path) -> None:
        self.home = home

    def close(self) -> None:
        """Nothing of it keeps running."""

    def version(self) -> str:
        return " ".join(run("openssl", "version").out.decode().split()[:2])

    def sign(
        self, content: bytes, signer: Identity, *, opaque: bool = False, pss: bool = False, streamed: bool = False
    ) -> bytes:
        """SignedData over `content`, with the content inside only if `opaque`; BER in pieces if `streamed`."""
        return self._cms(
            "-sign",
            *("-signer", self._file("signer.pem", signer.certificate_pem)),
            *("-inkey", self._file("signer.key", signer.key_pem)),
            *("-certfile", self._file("chain.pem", signer.chain_pem)),
            *(["-nodetach"] if opaque else []),
            *(["-keyopt", "rsa_padding_mode:pss"] if pss else []),
            # Programs that stream also tend to name who signs by the key.
            *(["-stream", "-keyid"] if streamed else []),
            *("-binary", "-md", "sha256", "-outform", "DER"),
            given=content,
        )

    def signed_mail(self, content: bytes, signer: Identity, to: str) -> bytes:
        """A whole mail as openssl makes it: multipart/signed."""
        return self._cms(
            "-sign",
            *("-signer", self._file("signer.pem", signer.certificate_pem)),
            *("-inkey", self._file("signer.key", signer.key_pem)),
            *("-certfile", self._file("chain.pem", signer.chain_pem)),
            *("-outform", "SMIME", "-from", signer.address, "-to", to, "-subject", "Quarterly numbers"),
            given=content,
        )

    def encrypted_mail(self, content: bytes, sender: str, recipient: Identity, cipher: str) -> bytes:
        """A whole mail as openssl makes it: application/pkcs7-mime."""
        return self._cms(
            *("-encrypt", f"-{cipher}", "-outform", "SMIME", "-from", sender, "-to", recipient.address),
            *("-subject", "Quarterly numbers", "-recip", self._file("recipient.pem", recipient.certificate_pem)),
            given=content,
        )

    def verify(self, signature: bytes, root: x509.Certificate, content: bytes | None = None) -> tuple[bytes, str]:
        """The content and the signer's address; the content is inside `signature` if not given."""
        return self._verified("DER", signature, root, content)

    def verify_mail(self, mail: bytes, root: x509.Certificate) -> tuple[bytes, str]:
        """The same for a whole mail, which openssl takes apart itself."""
        return self._verified("SMIME", mail, root, None)

    def encrypt(
        self,
        content: bytes,
        recipients: Sequence[Identity],
        cipher: str,
        *,
        oaep: bool = False,
        by_key_identifier: bool = False,
        streamed: bool = False,
    ) -> bytes:
        """EnvelopedData (`cipher` aes-256-cbc) or AuthEnvelopedData (aes-256-gcm); BER in pieces if `streamed`."""
        options: list[str | Path] = ["-keyid"] if by_key_identifier else []
        options += ["-stream"] if streamed else []
        for number, recipient in enumerate(recipients):
            options += ["-recip", self._file(f"recipient{number}.pem", recipient.certificate_pem)]
            options += ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"] if oaep else []
        return self._cms("-encrypt", f"-{cipher}", *options, "-binary", "-outform", "DER", given=content)

    def export(self, own: Identity) -> bytes:
        """A .p12 file as openssl makes it."""
        ran = run(
            *("openssl", "pkcs12", "-export", "-name", own.address, "-passout", f"pass:{PASSWORD}"),
            *("-inkey", self._file("own.key", own.key_pem), "-in", self._file("own.pem", own.certificate_pem)),
            *("-certfile", self._file("chain.pem", own.chain_pem)),
        )
        if ran.code:
            ran.refused("error:")
        return ran.out

    def import_(self, p12: bytes) -> bytes:
        """The key of a .p12 file as PEM."""
        ran = run("openssl", "pkcs12", "-in", self._file("own.p12", p12), "-nodes", "-passin", f"pass:{PASSWORD}")
        if ran.code:
            ran.refused("error:")
        return ran.out

    def decrypt(self, enveloped: bytes, recipient: Identity) -> bytes:
        """The content, for the holder of a key."""
        return self._decrypted("DER", enveloped, recipient)

    def decrypt_mail(self, mail: bytes, recipient: Identity) -> bytes:
        """The same for a whole mail."""
        return self._decrypted("SMIME", mail, recipient)

    def _decrypted(self, form: str, enveloped: bytes, recipient: Identity) -> bytes:
        return self._cms(
            *("-decrypt", "-inform", form, "-binary"),
            *("-recip", self._file("recipient.pem", recipient.certificate_pem)),
            *("-inkey", self._file("recipient.key", recipient.key_pem)),
            given=enveloped,
        )

    def _verified(self, form: str, signed: bytes, root: x509.Certificate, content: bytes | None) -> tuple[bytes, str]:
        signer = self.home / "verified.pem"
        # A mail's line ends are openssl's business: told it is binary, it would lose those before the boundaries.
        options: list[str | Path] = ["-binary"] if form == "DER" else []
        options += [] if content is None else ["-content", self._file("content", content)]
        read = self._cms(
            *("-verify", "-inform", form, "-purpose", "smimesign"),
            *("-CAfile", self._file("root.pem", root.public_bytes(Encoding.PEM))),
            *("-signer", str(signer)),
            *options,
            given=signed,
        )
        return read, addresses(x509.load_pem_x509_certificate(signer.read_bytes()))[0]

    def _cms(self, *options: str | Path, given: bytes) -> bytes:
        ran = run("openssl", "cms", *options, given=given)
        if ran.code:
            ran.refused("Verify error", "error:")
        return ran.out

    def _file(self, name: str, content: bytes) -> Path:
        file = self.home / name
        file.write_bytes(content)
        return file
