"""GnuPG: `gpg` for OpenPGP and `gpgsm` for S/MIME (Debian: gpg, gpgsm, gpg-agent)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.interop.peers.identity import PASSWORD, Identity, fingerprint
from tests.interop.peers.running import PeerRefused, Ran, run

_STATUS = "[GNUPG:] "


class _Gnu:
    """A program of the suite with a home and an agent of its own."""

    program: str
    name: str

    def __init__(self, home: Path) -> None:
        self.home = home
        home.chmod(0o700)
        (home / "gpg-agent.conf").write_text("allow-loopback-pinentry\ns2k-count 1048576\n")

    def close(self) -> None:
        """End the agent that serves this home."""
        run("gpgconf", "--homedir", self.home, "--kill", "all")

    def version(self) -> str:
        first = run(self.program, "--version").out.decode().splitlines()[0]
        return f"{self.program} {first.split()[-1]}"

    def _run(self, *options: str | Path, given: bytes = b"") -> Ran:
        return run(self.program, "--homedir", self.home, "--batch", "--no-tty", "--yes", *options, given=given)

    def _with_status(self, *options: str | Path, given: bytes = b"") -> tuple[Ran, dict[str, list[str]]]:
        """What it did, and its status lines by keyword."""
        ran = self._run("--status-fd", "2", *options, given=given)
        lines = ran.err.splitlines()
        said = "\n".join(line for line in lines if not line.startswith(_STATUS))
        words = [line.removeprefix(_STATUS).split() for line in lines if line.startswith(_STATUS)]
        return Ran(ran.code, ran.out, said), {keyword: rest for keyword, *rest in words}

    def _file(self, name: str, content: bytes) -> Path:
        file = self.home / name
        file.write_bytes(content)
        return file


class Gpg(_Gnu):
    """OpenPGP. Keys and signers are named by fingerprint."""

    program = name = "gpg"

    def generate(
        self, address: str, algorithm: str = "future-default", expires: str = "2y", at: datetime | None = None
    ) -> str:
        """A new key pair; returns its fingerprint. `at` makes it, and lets it expire, in the past."""
        time = [] if at is None else ["--faked-system-time", f"{at:%Y%m%dT%H%M%S}"]
        ran, status = self._with_status(
            *time, "--passphrase", "", "--quick-generate-key", address, algorithm, "default", expires
        )
        if ran.code:
            ran.refused()
        made = status["KEY_CREATED"][1]
        if algorithm != "future-default":
            # A chosen algorithm gets no subkey to encrypt to by itself.
            self._must(self._run("--passphrase", "", "--quick-add-key", made, algorithm, "encrypt", expires))
        return made

    def import_(self, key: bytes) -> str:
        """Take a key, public or secret; returns its fingerprint."""
        ran, status = self._with_status("--import", given=key)
        if ran.code:
            ran.refused("error", "failed", "no valid")
        return status["IMPORT_OK"][1]

    def public(self, fingerprint: str) -> bytes:
        """The armored public key."""
        return self._must(self._run("--armor", "--export", fingerprint))

    def secret(self, fingerprint: str) -> bytes:
        """The armored secret key."""
        return self._must(self._run("--armor", "--export-secret-keys", fingerprint))

    def sign(self, content: bytes, signer: str, at: datetime | None = None) -> bytes:
        """An armored detached signature over the binary content."""
        time = [] if at is None else ["--faked-system-time", f"{at:%Y%m%dT%H%M%S}"]
        return self._must(
            self._run(
                *time, "--armor", "--local-user", signer, "--digest-algo", "SHA256", "--detach-sign", given=content
            )
        )

    def verify(self, content: bytes, signature: bytes) -> str:
        """The fingerprint of the key whose signature is good."""
        ran, status = self._with_status("--verify", self._file("signature", signature), self._file("content", content))
        if ran.code or "GOODSIG" not in status:
            ran.refused("BAD signature", "expired", "signature")
        return status["VALIDSIG"][-1]

    def encrypt(self, content: bytes, recipients: Sequence[str], signer: str | None = None) -> bytes:
        """An armored message for the keys, signed inside if there is a signer."""
        to = [word for recipient in recipients for word in ("--recipient", recipient)]
        sign = [] if signer is None else ["--sign", "--local-user", signer]
        return self._must(self._run("--armor", "--trust-model", "always", *sign, "--encrypt", *to, given=content))

    def decrypt(self, message: bytes) -> tuple[bytes, str | None]:
        """The content, and the fingerprint of the key whose good signature is inside (None: not signed)."""
        ran, status = self._with_status("--decrypt", given=message)
        if ran.code or "DECRYPTION_OKAY" not in status:
            ran.refused("decryption failed", "BAD signature", "WARNING", "failed")
        return ran.out, status["VALIDSIG"][-1] if "GOODSIG" in status else None

    def encrypt_for_password(self, content: bytes, password: str) -> bytes:
        """An armored message for whoever knows the password."""
        return self._must(
            self._run(*_loopback(password), "--armor", "--cipher-algo", "AES256", "--symmetric", given=content)
        )

    def decrypt_with_password(self, message: bytes, password: str) -> bytes:
        """The content of such a message."""
        # The agent would remember the password of a message it has seen.
        return self._must(self._run(*_loopback(password), "--no-symkey-cache", "--decrypt", given=message))

    @staticmethod
    def _must(ran: Ran) -> bytes:
        if ran.code:
            ran.refused("decryption failed", "BAD signature", "failed", "error")
        return ran.out


class Gpgsm(_Gnu):
    """S/MIME. Keys and signers are named by their certificate's fingerprint."""

    program = name = "gpgsm"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        # Revocation lists are published by a running installation; none is there to ask.
        (home / "gpgsm.conf").write_text("disable-crl-checks\ndisable-dirmngr\n")

    def trust(self, *roots: x509.Certificate) -> None:
        """Take roots, and believe them."""
        found = [fingerprint(root) for root in roots]
        lines = (":".join(one[i : i + 2] for i in range(0, 40, 2)) + " S relax\n" for one in found)
        (self.home / "trustlist.txt").write_text("".join(lines))
        for root in roots:
            self.know(root)

    def know(self, certificate: x509.Certificate) -> None:
        """Take somebody else's certificate."""
        ran, status = self._with_status("--import", given=certificate.public_bytes(Encoding.DER))
        if ran.code or "IMPORT_OK" not in status:
            ran.refused("error", "failed")

    def import_(self, make: Callable[[], bytes]) -> None:
        """Take a key with its certificate, from a .p12 file.

        gpgsm 2.2 can't read one file in sixty, whoever made it (of openssl's and of ours 7 in 400 each): as its user
        would, this tries with another file of the same key.
        """
        for _ in range(3):
            ran, status = self._with_status(*_ASKED, "--import", self._file("own.p12", make()), given=_PASSWORD)
            # The last words of the result count secret keys: read, taken, known before.
            _, taken, known = status.get("IMPORT_RES", ["0"] * 12)[9:12]
            if not ran.code and (taken, known) != ("0", "0"):
                return
        # What else it says differs from one file to the next of the same kind.
        raise PeerRefused("no secret key imported")

    def export(self, own: Identity) -> bytes:
        """A .p12 file as gpgsm makes it of an imported key."""
        ran = self._run(*_ASKED, "--export-secret-key-p12", own.fingerprint, given=_PASSWORD)
        if ran.code or not ran.out:
            ran.refused("error", "failed")
        return ran.out

    def sign(self, content: bytes, signer: Identity, *, opaque: bool = False) -> bytes:
        """SignedData as DER."""
        form = [] if opaque else ["--detach-sign"]
        return self._work("--local-user", signer.fingerprint, "--sign", *form, given=content)

    def verify(self, signature: bytes, content: bytes | None = None) -> str:
        """The fingerprint of the certificate that signed."""
        files = [self._file("signature", signature)]
        if content is not None:
            files.append(self._file("content", content))
        ran, status = self._with_status("--output", self.home / "out", "--verify", *files)
        if ran.code or "GOODSIG" not in status or "TRUST_FULLY" not in status:
            ran.refused("BAD signature", "expired", "not trusted", "gpgsm:")
        return status["VALIDSIG"][0]

    def encrypt(self, content: bytes, recipient: Identity) -> bytes:
        """EnvelopedData for a certificate that was taken."""
        return self._work("--cipher-algo", "AES256", "--recipient", recipient.fingerprint, "--encrypt", given=content)

    def decrypt(self, enveloped: bytes) -> bytes:
        """The content, with whatever key was imported."""
        ran, status = self._with_status(*_ASKED, "--decrypt", self._file("in", enveloped), given=_PASSWORD)
        # Its exit code also counts recipients whose key it hasn't.
        if "DECRYPTION_OKAY" not in status:
            ran.refused("error", "failed")
        return ran.out

    def _work(self, *options: str, given: bytes) -> bytes:
        # The password has the standard input, so the content comes in a file.
        ran = self._run(*_ASKED, *options, self._file("in", given), given=_PASSWORD)
        if ran.code:
            ran.refused("error", "failed")
        return ran.out


# gpgsm reads its password from a file descriptor only.
_ASKED = ("--pinentry-mode", "loopback", "--passphrase-fd", "0")
_PASSWORD = PASSWORD.encode()


def _loopback(password: str) -> list[str]:
    """The password of the tests, without a dialogue."""
    return ["--pinentry-mode", "loopback", "--passphrase", password]
