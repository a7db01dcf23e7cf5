"""A PKCS#11 token: keys don't leave it, a key file moves into it, and it may go away and come back."""

import asyncio
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, ObjectClass

from secumail.errors import Refused
from secumail.sealing import kms_pkcs11
from secumail.sealing.identities import verify
from secumail.sealing.keyring import KeyRing
from secumail.sealing.kms import Content, KeyFile, Scope, Token, create_key_files, version_of
from secumail.sealing.kms_pkcs11 import TokenScope

_ELSEWHERE = """
import asyncio, sys
from pathlib import Path
from secumail.sealing.kms import Token
from secumail.sealing.kms_pkcs11 import TokenScope
scope = TokenScope(Token(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])), sys.argv[4])
asyncio.run(scope.rotate())
sys.stdout.write(asyncio.run(scope.wrap(b"from elsewhere", "c")).hex())
"""


@pytest.fixture
def name() -> str:
    return f"crypto.authority.{uuid4().hex}"


@pytest.fixture
def scope(token: Token, name: str) -> TokenScope:
    kms_pkcs11.create(token, name)
    return TokenScope(token, name)


def private_objects(token: Token, name: str) -> list[pkcs11.Object]:
    """What a process with the PIN sees of a scope's secret keys."""
    session = pkcs11.lib(str(token.module)).get_token(token_label=token.label).open()
    kinds = (ObjectClass.SECRET_KEY, ObjectClass.PRIVATE_KEY)
    return [
        found for kind in kinds for found in session.get_objects({Attribute.CLASS: kind, Attribute.ID: name.encode()})
    ]


def end_session(token: Token) -> None:
    """As when a token is taken out, or its host restarts: this process is logged in no more."""
    kms_pkcs11._SESSIONS[token].close()


@pytest.mark.parametrize("origin", ["born in the token", "from a key file"])
def test_no_secret_can_be_read_from_the_token_even_with_its_pin(
    token: Token, name: str, tmp_path: Path, origin: str
) -> None:
    if origin == "from a key file":
        create_key_files(tmp_path, [name])
        kms_pkcs11.adopt(token, Content.read(tmp_path / f"{name}.key"))
    else:
        kms_pkcs11.create(token, name)
    keys = private_objects(token, name)
    assert len(keys) == 4
    for key in keys:
        assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE]) == (True, False)
        with pytest.raises(pkcs11.AttributeSensitive):
            key[Attribute.VALUE]


async def test_a_key_file_moves_into_the_token_and_everything_stays_as_it_was(
    token: Token, name: str, tmp_path: Path
) -> None:
    create_key_files(tmp_path, [name])
    file = KeyFile(tmp_path / f"{name}.key")
    first = await file.wrap(b"of version 1", "c")
    await file.rotate()
    second = await file.wrap(b"of version 2", "c")
    assert kms_pkcs11.adopt(token, file.content)
    assert not kms_pkcs11.adopt(token, file.content), "what the token has stays"
    moved = TokenScope(token, name)
    assert [await moved.unwrap(first, "c"), await moved.unwrap(second, "c")] == [b"of version 1", b"of version 2"]
    assert await moved.hmac(b"an address") == await file.hmac(b"an address")
    assert await moved.derive("custody/1") == await file.derive("custody/1")
    assert moved.public_key == file.public_key
    verify(Ed25519PublicKey.from_public_bytes(file.public_key), await moved.sign(b"data"), b"data")
    assert version_of(await moved.rewrap(first, "c")) == 2
    assert await moved.rotate() == 3


async def test_another_process_rotates_and_this_one_follows(token: Token, scope: TokenScope, name: str) -> None:
    given = [str(token.module), token.label, str(token.pin), name]
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _ELSEWHERE, *given], check=True, capture_output=True, text=True
    )
    wrapped = bytes.fromhex(done.stdout)
    assert version_of(wrapped) == 2
    assert await scope.unwrap(wrapped, "c") == b"from elsewhere"
    assert version_of(await scope.wrap(b"secret", "c")) == 2


async def test_a_session_the_token_has_ended_is_begun_anew(token: Token, scope: TokenScope, name: str) -> None:
    wrapped = await scope.wrap(b"secret", "c")
    other = TokenScope(token, name)
    end_session(token)
    assert await scope.unwrap(wrapped, "c") == b"secret"
    assert await other.unwrap(wrapped, "c") == b"secret"


async def test_many_at_once_are_served(scope: TokenScope) -> None:
    contexts = [f"c/{n}" for n in range(50)]
    wrapped = await asyncio.gather(*(scope.wrap(b"secret", context) for context in contexts))
    opened = await asyncio.gather(*(scope.unwrap(w, context) for w, context in zip(wrapped, contexts, strict=True)))
    assert set(opened) == {b"secret"}


def test_a_token_that_lacks_the_scope_is_told_with_what_to_do(token: Token) -> None:
    with pytest.raises(Refused, match="no keys of the scope") as refused:
        TokenScope(token, "never.made")
    assert refused.value.code == "no-scope"


def test_an_unknown_token_is_told(token: Token) -> None:
    with pytest.raises(Refused) as refused:
        TokenScope(Token(token.module, "nobody's", token.pin), "auth.profiles")
    assert refused.value.code == "no-token"


def test_a_wrong_pin_is_told_and_stays_out_of_the_words(token: Token, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("31415926")
    end_session(token)  # a process that is logged in is asked for no PIN
    with pytest.raises(Refused) as refused:
        TokenScope(Token(token.module, token.label, tmp_path / "pin"), "auth.profiles")
    assert refused.value.code == "wrong-pin"
    assert "31415926" not in f"{refused.value.words}{refused.value.fix}{refused.value.__cause__!r}"


def test_a_module_that_is_none_is_told(token: Token, tmp_path: Path) -> None:
    (tmp_path / "module.so").write_text("no library")
    with pytest.raises(Refused) as refused:
        TokenScope(Token(tmp_path / "module.so", token.label, token.pin), "auth.profiles")
    assert refused.value.code == "no-pkcs11"


async def test_each_scope_may_have_a_token_of_its_own(token: Token, name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.pin").write_text(token.pin.read_text())
    pattern = Token(token.module, token.label, tmp_path / "{scope}.pin")
    kms_pkcs11.create(pattern.of(name), name)
    opened: Scope = KeyRing(tmp_path, [name], pattern)[name]
    assert await opened.unwrap(await opened.wrap(b"secret", "c"), "c") == b"secret"


def test_who_keeps_keys_in_files_never_loads_pkcs11(tmp_path: Path) -> None:
    create_key_files(tmp_path, ["dlp.lists"])
    program = (
        "import sys; from pathlib import Path; from secumail.sealing.keyring import KeyRing; "
        "KeyRing(Path(sys.argv[1]), ['dlp.lists']); import secumail.service; sys.exit('pkcs11' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
