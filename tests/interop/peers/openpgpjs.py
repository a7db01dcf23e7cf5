"""OpenPGP.js, the library inside Mailvelope and Proton Mail (npm: openpgp), run by node."""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.interop.peers.running import PeerMissing, run

_SCRIPT = Path(__file__).with_suffix(".mjs")
_PACKAGE = Path(__file__).parents[3] / "node_modules" / "openpgp"


@dataclass(frozen=True)
class Pair:
    """An armored key pair that OpenPGP.js made."""

    secret: str
    public: str
    fingerprint: str


class OpenPGPjs:
    """Keeps nothing: every request carries its keys, armored."""

    name = "OpenPGP.js"

    def __init__(self) -> None:
        if not _PACKAGE.is_dir():
            raise PeerMissing("The npm package openpgp")

    def close(self) -> None:
        """Nothing of it keeps running."""

    def version(self) -> str:
        return f"OpenPGP.js {json.loads((_PACKAGE / 'package.json').read_text())['version']}"

    def generate(self, address: str, version: Literal[4, 6] = 4) -> Pair:
        """A new key pair, of the version it makes by default or of RFC 9580's."""
        return Pair(**self._ask("generate", address=address, version=version))

    def sign(self, content: bytes, secret: str) -> bytes:
        """An armored detached signature."""
        answer = self._ask("sign", content=_base64(content), secret=secret)
        return str(answer["message"]).encode()

    def verify(self, content: bytes, signature: bytes, known: Sequence[str]) -> str:
        """The fingerprint of the key, one of `known`, whose signature is good."""
        answer = self._ask("verify", content=_base64(content), signature=signature.decode(), known=list(known))
        return str(answer["signer"])

    def encrypt(
        self, content: bytes, recipients: Sequence[str] = (), secret: str | None = None, password: str | None = None
    ) -> bytes:
        """An armored message for keys or a password, signed inside if there is a secret key."""
        given = {"recipients": list(recipients), "secret": secret, "password": password}
        return str(self._ask("encrypt", content=_base64(content), **given)["message"]).encode()

    def decrypt(
        self, message: bytes, secret: str | None = None, known: Sequence[str] = (), password: str | None = None
    ) -> tuple[bytes, str | None]:
        """The content, and the fingerprint of the key whose good signature is inside (None: not signed)."""
        given = {"secret": secret, "known": list(known), "password": password}
        answer = self._ask("decrypt", message=message.decode(), **given)
        return b64decode(answer["content"]), answer["signer"]

    def _ask(self, act: str, **given: Any) -> dict[str, Any]:
        ran = run("node", _SCRIPT, given=json.dumps({"act": act, **given}).encode())
        if ran.code:
            ran.refused()
        answer: dict[str, Any] = json.loads(ran.out)
        return answer


def _base64(content: bytes) -> str:
    return b64encode(content).decode()
