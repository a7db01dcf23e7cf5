"""Mozilla's NSS, the library inside Thunderbird, by its `cmsutil` (Debian: libnss3-tools)."""

import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.interop.peers.identity import PASSWORD, Identity, fingerprint
from tests.interop.peers.running import PeerRefused, Ran, run

_SIGNER = re.compile(r'signer\d+\.(id|status)="?([^";\n]*)')


class NSS:
    """A certificate database of its own in `home`."""

    name = "NSS"

    def __init__(self, home: Path) -> None:
        self.home = home
        self._database = f"sql:{home}"
        self._must(run("certutil", "-N", "-d", self._database, "--empty-password"))

    def close(self) -> None:
        """Nothing of it keeps running."""

    def version(self) -> str:
        return run("dpkg-query", "--show", "--showformat", "NSS ${Version}", "libnss3-tools").out.decode()

    def trust(self, root: x509.Certificate) -> None:
        """Take a root as an authority for mail."""
        self._certificate(root, ",C,")

    def know(self, certificate: x509.Certificate) -> None:
        """Take somebody else's certificate."""
        self._certificate(certificate, ",,")

    def import_(self, p12: bytes) -> None:
        """Take a key with its certificate."""
        file = self._file("own.p12", p12)
        self._must(run("pk12util", "-i", file, "-d", self._database, "-W", PASSWORD, "-K", ""))

    def revoke(self, crl: bytes) -> None:
        """Take a CRL."""
        self._must(run("crlutil", "-I", "-d", self._database, "-i", self._file("crl.der", crl)))

    def export(self, own: Identity) -> bytes:
        """A .p12 file as NSS makes it of an imported key."""
        file = self.home / "exported.p12"
        self._must(
            run("pk12util", "-o", file, "-n", own.address, "-d", self._database, "-W", PASSWORD, "-K", ""),
        )
        return file.read_bytes()

    def sign(self, content: bytes, signer: Identity, *, opaque: bool = False) -> bytes:
        """SignedData with signing time and capabilities; the key was imported."""
        return self._cms("-S", "-N", signer.address, "-G", "-P", *([] if opaque else ["-T"]), given=content)

    def verify(self, signature: bytes, content: bytes | None = None) -> tuple[bytes, str]:
        """The content and the common name of the signer."""
        detached: list[str | Path] = [] if content is None else ["-c", self._file("content", content)]
        # What it says about signers stands in front of the content.
        about, _, read = self._cms("-D", "-h", "1", *detached, given=signature).partition(b"type=data; \n")
        said = dict(_SIGNER.findall(about.decode("utf-8", "replace")))
        if said.get("status") != "GoodSignature":
            raise PeerRefused(said.get("status", "no signer"))
        return read, said["id"]

    def encrypt(self, content: bytes, recipient: Identity) -> bytes:
        """EnvelopedData for a certificate that was taken."""
        return self._cms("-E", "-r", recipient.address, given=content)

    def decrypt(self, enveloped: bytes) -> bytes:
        """The content, with whatever key was imported."""
        return self._cms("-D", given=enveloped)

    def _cms(self, *options: str | Path, given: bytes) -> bytes:
        out = self.home / "out"
        out.unlink(missing_ok=True)
        ran = run("cmsutil", "-d", self._database, *options, "-i", self._file("in", given), "-o", out)
        self._must(ran)
        return out.read_bytes()

    def _certificate(self, certificate: x509.Certificate, trust: str) -> None:
        file = self._file("certificate.der", certificate.public_bytes(Encoding.DER))
        self._must(run("certutil", "-A", "-d", self._database, "-n", fingerprint(certificate), "-t", trust, "-i", file))

    @staticmethod
    def _must(ran: Ran) -> None:
        if ran.code:
            ran.refused("problem", "failed", "error")

    def _file(self, name: str, content: bytes) -> Path:
        file = self.home / name
        file.write_bytes(content)
        return file
