"""The scopes of one service, from the back end that was asked for: key files, or a PKCS#11 token.

The token's module is loaded by name: who keeps keys in files needs no PKCS#11 package.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from secumail.sealing.kms import Content, KeyFile, Scope, Token, create_key_files


class KeyRing:
    """The scopes of one service: from a directory of key files or, where one is named, from a token."""

    def __init__(self, directory: Path, scopes: Iterable[str], token: Token | None = None) -> None:
        self._scopes: dict[str, Scope]
        if token is None:
            self._scopes = {name: KeyFile(directory / f"{name}.key") for name in scopes}
        else:
            pkcs11 = import_module("secumail.sealing.kms_pkcs11")
            self._scopes = {name: pkcs11.TokenScope(token.of(name), name) for name in scopes}

    def __getitem__(self, scope: str) -> Scope:
        return self._scopes[scope]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scopes)


def create_scopes(directory: Path, scopes: Iterable[str], token: Token | None) -> None:
    """Make the scopes that are missing, in files or in the token."""
    if token is None:
        create_key_files(directory, scopes)
        return
    pkcs11 = import_module("secumail.sealing.kms_pkcs11")
    for scope in scopes:
        pkcs11.create(token.of(scope), scope)


def import_key_file(path: Path, token: Token) -> bool:
    """Bring a key file's keys into the token; False where the token has the scope already. The file stays."""
    content = Content.read(path)
    brought: bool = import_module("secumail.sealing.kms_pkcs11").adopt(token.of(content.scope), content)
    return brought
