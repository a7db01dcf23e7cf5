"""KMS scopes in a PKCS#11 token: an HSM, or SoftHSM. The keys never leave it; it wraps, derives and signs itself.

A scope is a handful of objects under one CKA_ID, the scope's name. Their labels say what they are for:

    <scope>/wrap/<version>/<began>   AES-256; wraps are AES-GCM with the same layout as a key file's
    <scope>/derive, <scope>/hmac     generic secrets for HMAC-SHA256
    <scope>/sign                     Ed25519 (CKM_EDDSA), a private and a public object

`adopt` brings a key file's keys into the token. They give the same results there: nothing has to be wrapped anew.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar, cast

import pkcs11
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.mechanisms import GCMParams
from pkcs11.types import DecryptMixin, EncryptMixin, Key, Session, SignMixin

from secumail.errors import Refused, Transient
from secumail.sealing.kms import NONCE_BYTES, Content, Token, WrongKey, bound, pack, unpack

T = TypeVar("T")

_ED25519 = bytes.fromhex("06032b6570")  # the OID 1.3.101.112 in DER (RFC 8410)
_KEPT = {Attribute.TOKEN: True, Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
_AES = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT

_THREAD = ThreadPoolExecutor(1, "pkcs11")
"""All calls of a process go one after another: few tokens do two things at a time, and not every library can."""

_LOST = (
    pkcs11.DeviceError,
    pkcs11.DeviceRemoved,
    pkcs11.KeyHandleInvalid,
    pkcs11.ObjectHandleInvalid,
    pkcs11.SessionClosed,
    pkcs11.SessionHandleInvalid,
    pkcs11.TokenNotPresent,
    pkcs11.UserNotLoggedIn,
)
"""What a call ends with when the token was restarted or taken out meanwhile: our handles mean nothing any more."""

# A tag that does not fit ends differently in every maker's library (SoftHSM: CKR_GENERAL_ERROR).
_DOES_NOT_OPEN = (
    pkcs11.ArgumentsBad,
    pkcs11.DataInvalid,
    pkcs11.DataLenRange,
    pkcs11.EncryptedDataInvalid,
    pkcs11.EncryptedDataLenRange,
    pkcs11.FunctionFailed,
    pkcs11.GeneralError,
)


class TokenScope:
    """One scope in a token. Calls run off the loop: a token may take milliseconds for each."""

    def __init__(self, token: Token, scope: str) -> None:
        self._token = token
        self._scope = scope
        self._objects = _steady(token, lambda session: _Objects(session, scope))
        if not self._objects.wrapping:
            raise Refused(
                "no-scope", f"The token {token.label} has no keys of the scope {scope}.",
                "Start the installation with this token, or bring the key files into it: secumail keys import",
            )  # fmt: skip
        self.public_key = self._objects.public_key()

    async def wrap(self, secret: bytes, context: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)

        def work(objects: "_Objects") -> bytes:
            objects.look()
            version = max(objects.wrapping)
            return pack(version, nonce, objects.encrypt(version, nonce, secret, bound(self._scope, context)))

        return await self._in_token(work)

    async def unwrap(self, wrapped: bytes, context: str) -> bytes:
        version, nonce, sealed = unpack(wrapped)

        def work(objects: "_Objects") -> bytes:
            if version not in objects.wrapping:
                objects.look()
            if version not in objects.wrapping:
                raise WrongKey(self._scope)
            return objects.decrypt(version, nonce, sealed, bound(self._scope, context))

        return await self._in_token(work)

    async def rewrap(self, wrapped: bytes, context: str) -> bytes:
        return await self.wrap(await self.unwrap(wrapped, context), context)

    async def derive(self, context: str) -> bytes:
        # One block of HKDF-Expand (RFC 5869, 2.3), its PRK being the token's key.
        return await self._in_token(lambda objects: objects.mac("derive", context.encode() + b"\x01"))

    async def hmac(self, data: bytes) -> bytes:
        return await self._in_token(lambda objects: objects.mac("hmac", data))

    async def sign(self, data: bytes) -> bytes:
        return await self._in_token(lambda objects: objects.sign(data))

    async def versions(self) -> Mapping[int, datetime]:
        def work(objects: "_Objects") -> Mapping[int, datetime]:
            objects.look()
            return {version: began for version, (_, began) in objects.wrapping.items()}

        return await self._in_token(work)

    async def rotate(self) -> int:
        def work(objects: "_Objects") -> int:
            objects.look()
            new = max(objects.wrapping) + 1
            objects.make_wrapping(new)
            return new

        return await self._in_token(work)

    async def retire(self) -> tuple[int, ...]:
        def work(objects: "_Objects") -> tuple[int, ...]:
            objects.look()
            old = sorted(set(objects.wrapping) - {max(objects.wrapping)})
            for version in old:
                objects.wrapping.pop(version)[0].destroy()
            return tuple(old)

        return await self._in_token(work)

    async def _in_token(self, work: Callable[["_Objects"], T]) -> T:
        def on(session: Session) -> T:
            if self._objects.session is not session:
                self._objects = _Objects(session, self._scope)
            return work(self._objects)

        try:
            return await asyncio.get_running_loop().run_in_executor(_THREAD, _steady, self._token, on)
        except (pkcs11.PKCS11Error, Refused) as error:
            raise Transient("kms-away") from error


def create(token: Token, scope: str) -> None:
    """Make a scope's keys in the token, where they are missing."""

    def work(session: Session) -> None:
        if not _Objects(session, scope).wrapping:
            _generate(session, scope)

    _steady(token, work)


def _generate(session: Session, scope: str) -> None:
    for use in ("derive", "hmac"):
        session.generate_key(
            KeyType.GENERIC_SECRET, 256, capabilities=MechanismFlag.SIGN, template={**_KEPT, **_named(scope, use)}
        )
    named = _named(scope, "sign")
    parameters = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519}, local=True)
    parameters.generate_keypair(
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        public_template={Attribute.TOKEN: True, Attribute.PRIVATE: False, **named},
        private_template={**_KEPT, **named},
    )
    # Last, because its presence says that the scope is complete.
    _Objects(session, scope).make_wrapping(1)


def adopt(token: Token, content: Content) -> bool:
    """Bring a key file's keys into the token; False where the token has the scope already."""

    def work(session: Session) -> bool:
        if _Objects(session, content.scope).wrapping:
            return False
        _bring(session, content)
        return True

    return _steady(token, work)


def _bring(session: Session, content: Content) -> None:
    scope, stable = content.scope, content.stable
    # The file derives by the whole of HKDF: what the token needs of it is the extracted key.
    macs = {"derive": HKDF.extract(hashes.SHA256(), None, stable.derive), "hmac": stable.hmac}
    for use, secret in macs.items():
        _put(session, ObjectClass.SECRET_KEY, KeyType.GENERIC_SECRET, secret, _named(scope, use), Attribute.SIGN)
    public = Ed25519PrivateKey.from_private_bytes(stable.sign).public_key().public_bytes_raw()
    curve = {Attribute.EC_PARAMS: _ED25519, **_named(scope, "sign")}
    _put(session, ObjectClass.PRIVATE_KEY, KeyType.EC_EDWARDS, stable.sign, curve, Attribute.SIGN)
    session.create_object(
        {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
            Attribute.TOKEN: True,
            Attribute.PRIVATE: False,
            Attribute.VERIFY: True,
            Attribute.EC_POINT: _OCTETS + public,
            **curve,
        }
    )
    for version, began in content.began.items():
        key, named = content.wrapping_key(version), _named(scope, _wrap_label(version, began))
        _put(session, ObjectClass.SECRET_KEY, KeyType.AES, key, named, Attribute.ENCRYPT, Attribute.DECRYPT)


_OCTETS = b"\x04\x20"  # a DER octet string of 32 bytes: how CKA_EC_POINT holds the public key


class _Objects:
    """One scope's objects, as a session sees them."""

    def __init__(self, session: Session, scope: str) -> None:
        self.session = session
        self._scope = scope
        self._stable: dict[str, SignMixin] = {}
        self.wrapping: dict[int, tuple[Key, datetime]] = {}
        self.look()

    def look(self) -> None:
        """Look for versions that came or went."""
        found: dict[int, tuple[Key, datetime]] = {}
        for key in self._find(ObjectClass.SECRET_KEY, KeyType.AES):
            _, _, version, began = key.label.split("/")
            found[int(version)] = (key, datetime.fromisoformat(began))
        self.wrapping = found

    def make_wrapping(self, version: int) -> None:
        """A new wrapping key, born in the token."""
        named = _named(self._scope, _wrap_label(version, datetime.now(UTC)))
        self.session.generate_key(KeyType.AES, 256, capabilities=_AES, template={**_KEPT, **named})
        self.look()

    def encrypt(self, version: int, nonce: bytes, secret: bytes, aad: bytes) -> bytes:
        """AES-256-GCM: ciphertext and tag."""
        key = cast(EncryptMixin, self.wrapping[version][0])
        return cast(bytes, key.encrypt(secret, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, aad)))

    def decrypt(self, version: int, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        """What `encrypt` was given; WrongKey otherwise."""
        key = cast(DecryptMixin, self.wrapping[version][0])
        try:
            return cast(bytes, key.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, aad)))
        except _DOES_NOT_OPEN as error:
            raise WrongKey(self._scope) from error

    def mac(self, use: str, data: bytes) -> bytes:
        """HMAC-SHA256 by the key of a use."""
        return self._key(use, ObjectClass.SECRET_KEY).sign(data, mechanism=Mechanism.SHA256_HMAC)

    def sign(self, data: bytes) -> bytes:
        """Ed25519: 64 bytes."""
        return self._key("sign", ObjectClass.PRIVATE_KEY).sign(data, mechanism=Mechanism.EDDSA)

    def public_key(self) -> bytes:
        """32 bytes. Some libraries hand out the bare point, others the octet string around it: its end is the key."""
        (key,) = self._find(ObjectClass.PUBLIC_KEY, KeyType.EC_EDWARDS)
        return bytes(key[Attribute.EC_POINT])[-32:]

    def _key(self, use: str, kind: ObjectClass) -> SignMixin:
        if use not in self._stable:
            key = self.session.get_key(object_class=kind, label=f"{self._scope}/{use}", id=self._scope.encode())
            self._stable[use] = cast(SignMixin, key)
        return self._stable[use]

    def _find(self, kind: ObjectClass, type_: KeyType) -> Iterable[Key]:
        wanted = {Attribute.CLASS: kind, Attribute.KEY_TYPE: type_, Attribute.ID: self._scope.encode()}
        return [cast(Key, found) for found in self.session.get_objects(wanted)]


_SESSIONS: dict[Token, Session] = {}


def _steady(token: Token, work: Callable[[Session], T]) -> T:
    """`work` on the process's one session with a token; once more on a new one, where the token has ended that."""
    if token not in _SESSIONS:
        _SESSIONS[token] = _open(token)
    try:
        return work(_SESSIONS[token])
    except _LOST:
        _SESSIONS[token] = _open(token)
        return work(_SESSIONS[token])


def _open(token: Token) -> Session:
    try:
        found = pkcs11.lib(str(token.module)).get_token(token_label=token.label)
        try:
            return found.open(rw=True, user_pin=token.pin.read_text().strip())
        except pkcs11.UserAlreadyLoggedIn:
            return found.open(rw=True)  # a log-in is the process's, not the session's
    except (pkcs11.NoSuchToken, pkcs11.TokenNotPresent) as error:
        raise Refused(
            "no-token", f"The PKCS#11 module has no token labelled {token.label}.",
            "Make one (softhsm2-util --init-token), or correct SECUMAIL_PKCS11_TOKEN.",
        ) from error  # fmt: skip
    except (pkcs11.PinIncorrect, pkcs11.PinLocked, pkcs11.PinLenRange, pkcs11.PinInvalid, pkcs11.ArgumentsBad) as error:
        raise Refused(
            "wrong-pin", f"The token {token.label} does not take the PIN.",
            "Correct the file that SECUMAIL_PKCS11_PIN names. Tokens lock after a few wrong PINs.",
        ) from error  # fmt: skip
    except (pkcs11.PKCS11Error, RuntimeError) as error:
        raise Refused(
            "no-pkcs11", f"The PKCS#11 module can't be used ({type(error).__name__}).",
            "Look at SECUMAIL_PKCS11_MODULE: the path of the library that came with the token.",
        ) from error  # fmt: skip


def _named(scope: str, use: str) -> dict[Attribute, object]:
    return {Attribute.ID: scope.encode(), Attribute.LABEL: f"{scope}/{use}"}


def _wrap_label(version: int, began: datetime) -> str:
    return f"wrap/{version}/{began:%Y-%m-%dT%H:%M:%S%z}"


def _put(
    session: Session,
    kind: ObjectClass,
    type_: KeyType,
    value: bytes,
    named: Mapping[Attribute, object],
    *may: Attribute,
) -> None:
    session.create_object(
        {
            Attribute.CLASS: kind,
            Attribute.KEY_TYPE: type_,
            Attribute.VALUE: value,
            **_KEPT,
            **named,
            **dict.fromkeys(may, True),
        }
    )
