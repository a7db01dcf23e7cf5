"""Opens what is encrypted to our certificates: CMS EnvelopedData (RFC 5652) and AuthEnvelopedData (RFC 5083).

The bytes are a stranger's. All that can be wrong with them is one of the outcomes in `services.crypto.errors`, and
none of these tells a sender how far a forged mail got: a content key that doesn't unwrap is replaced by a
random one, so that bad keys, bad padding and changed content end in the same `Damaged` (RFC 3218, RFC 5246
section 7.4.7.1). Content in CBC carries no proof that it is unchanged: what is opened counts for nothing
until a signature inside vouches for it (EFAIL).
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from asn1crypto import cms, core
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher as Keyed
from cryptography.hazmat.primitives.ciphers import modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from services.crypto.errors import Damaged, NotForKeys, NotOpened, Reason, Unreadable
from services.crypto.smime import algorithms
from services.crypto.smime.parsing import TooManyError, content_info

# Bounds on the work one mail may cause; each is several times what real mail has.
SIZE_LIMIT = 64 << 20
RECIPIENT_LIMIT = 1000

_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

# Octets of the key for each accepted cipher (RFC 3565, RFC 5084).
_CBC = {"aes128_cbc": 16, "aes192_cbc": 24, "aes256_cbc": 32}
_GCM = {"aes128_gcm": 16, "aes192_gcm": 24, "aes256_gcm": 32}
_WRAPS = {"aes128_wrap": 16, "aes192_wrap": 24, "aes256_wrap": 32}
_BLOCK = 16
# RFC 5084 section 3.2; the shortest is also the one whose length is left out.
_SHORTEST_TAG, _LONGEST_TAG = 12, 16

# In OAEP, in MGF1 and in a key derivation SHA-1 is as good as ever; that is what most programs write.
_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
# RFC 5753 section 7.1.4; with cofactor or without is the same on NIST curves, their cofactor is 1.
_DERIVATIONS: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "1.3.133.16.840.63.0.2": hashes.SHA1,
    "1.3.132.1.11.1": hashes.SHA256,
    "1.3.132.1.11.2": hashes.SHA384,
    "1.3.132.1.11.3": hashes.SHA512,
    "1.3.133.16.840.63.0.3": hashes.SHA1,
    "1.3.132.1.14.1": hashes.SHA256,
    "1.3.132.1.14.2": hashes.SHA384,
    "1.3.132.1.14.3": hashes.SHA512,
}


@dataclass(frozen=True)
class DecryptionKey:
    """A private key and the certificate others encrypt to."""

    private: _PrivateKey
    certificate: x509.Certificate


def open_enveloped(der: bytes, keys: Sequence[DecryptionKey]) -> bytes:
    """The content of a ContentInfo (DER or BER) that is encrypted to one of `keys`.

    Read are EnvelopedData with AES-CBC and AuthEnvelopedData with AES-GCM; content keys under RSA (PKCS #1 v1.5,
    OAEP) and ephemeral-static ECDH; recipients named by issuer and serial number or by key identifier.

    Raises NotForKeys, Damaged or Unreadable, and nothing else. Changes of AES-CBC content that keep its padding whole
    can't be seen here: see the module.
    """
    try:
        return _opened(der, keys)
    except NotOpened:
        raise
    except TooManyError as fault:
        raise Unreadable(Reason.TOO_MANY_RECIPIENTS) from fault
    except Exception as fault:
        # The bytes are a stranger's. What malformed ASN.1 raises when it is looked at is an open set.
        raise Unreadable(Reason.MALFORMED) from fault


def _opened(encoded: bytes, keys: Sequence[DecryptionKey]) -> bytes:
    enveloped = _read(encoded)
    found = _addressed(enveloped.recipient_infos, keys)
    if not found:
        raise NotForKeys
    for recipient, key in found:
        content_key = _content_key(recipient, key, enveloped.key_length)
        try:
            return _from_cbc(enveloped, content_key) if enveloped.tag is None else _from_gcm(enveloped, content_key)
        except Damaged:
            continue
    raise Damaged


@dataclass(frozen=True)
class _Enveloped:
    """What matters of the structure; `tag` is None in EnvelopedData."""

    recipient_infos: cms.RecipientInfos
    key_length: int
    parameters: core.Asn1Value
    content: bytes
    tag: bytes | None
    attributes: core.Asn1Value


def _read(encoded: bytes) -> _Enveloped:
    if len(encoded) > SIZE_LIMIT:
        raise Unreadable(Reason.TOO_LARGE)
    info = content_info(encoded)
    kind, enveloped = info["content_type"].native, info["content"]
    if kind not in {"enveloped_data", "authenticated_enveloped_data"}:
        raise Unreadable(Reason.NOT_ENCRYPTED)
    # Every level of what was parsed has a copy of the content of its own: none is kept longer than it is needed.
    del info
    is_authenticated = kind == "authenticated_enveloped_data"
    encrypted = enveloped["auth_encrypted_content_info" if is_authenticated else "encrypted_content_info"]
    recipient_infos = enveloped["recipient_infos"]
    tag = enveloped["mac"].native if is_authenticated else None
    attributes = enveloped["auth_attrs"] if is_authenticated else core.VOID
    del enveloped
    if encrypted["content_type"].native != "data" or isinstance(encrypted["encrypted_content"], core.Void):
        raise Unreadable(Reason.NO_CONTENT)
    algorithm = encrypted["content_encryption_algorithm"]
    length = (_GCM if is_authenticated else _CBC).get(algorithm["algorithm"].native)
    if length is None:
        raise Unreadable(Reason.ALGORITHM)
    content = encrypted["encrypted_content"].native
    return _Enveloped(recipient_infos, length, algorithm["parameters"], content, tag, attributes)


# --- the content key ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Recipient:
    """One sealed content key: `info` says how, `encrypted_key` is it."""

    info: cms.KeyTransRecipientInfo | cms.KeyAgreeRecipientInfo
    encrypted_key: bytes


def _addressed(infos: cms.RecipientInfos, keys: Sequence[DecryptionKey]) -> list[tuple[_Recipient, DecryptionKey]]:
    """For each of the keys the first recipient it is: one mail must not cause more than one try a key."""
    found: dict[int, tuple[_Recipient, DecryptionKey]] = {}
    for count, (recipient, rid) in enumerate(_recipients(infos)):
        if count == RECIPIENT_LIMIT:
            raise Unreadable(Reason.TOO_MANY_RECIPIENTS)
        for index, key in enumerate(keys):
            if algorithms.is_named(key.certificate, rid):
                found.setdefault(index, (recipient, key))
    return list(found.values())


def _recipients(infos: cms.RecipientInfos) -> Iterator[tuple[_Recipient, core.Choice]]:
    for choice in infos:
        info = choice.chosen
        match choice.name:
            case "ktri":
                yield _Recipient(info, info["encrypted_key"].native), info["rid"]
            case "kari":
                for each in info["recipient_encrypted_keys"]:
                    yield _Recipient(info, each["encrypted_key"].native), each["rid"]


def _content_key(recipient: _Recipient, key: DecryptionKey, length: int) -> bytes:
    """The content key; a random one where it doesn't unwrap, so that nobody learns why (RFC 3218 section 2.3.2)."""
    substitute = secrets.token_bytes(length)
    try:
        match recipient.info, key.private:
            case cms.KeyTransRecipientInfo(), rsa.RSAPrivateKey() as private:
                found = private.decrypt(recipient.encrypted_key, _rsa_padding(recipient.info))
            case cms.KeyAgreeRecipientInfo(), ec.EllipticCurvePrivateKey() as private:
                found = aes_key_unwrap(_wrapping_key(recipient.info, private), recipient.encrypted_key)
            case _:
                raise Unreadable(Reason.ALGORITHM)
    except (ValueError, InvalidUnwrap):
        return substitute
    return found if len(found) == length else substitute


def _rsa_padding(info: cms.KeyTransRecipientInfo) -> padding.AsymmetricPadding:
    algorithm = info["key_encryption_algorithm"]
    match algorithm["algorithm"].native:
        case "rsaes_pkcs1v15":
            return padding.PKCS1v15()
        case "rsaes_oaep":
            parameters = algorithm["parameters"]
            digest = _HASHES.get(parameters["hash_algorithm"]["algorithm"].native)
            mask = _HASHES.get(parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native)
            label = parameters["p_source_algorithm"]["parameters"].native
            if digest and mask:
                return padding.OAEP(padding.MGF1(mask()), digest(), label or None)
    raise Unreadable(Reason.ALGORITHM)


def _wrapping_key(info: cms.KeyAgreeRecipientInfo, private: ec.EllipticCurvePrivateKey) -> bytes:
    algorithm = info["key_encryption_algorithm"]
    digest = _DERIVATIONS.get(algorithm["algorithm"].dotted)
    wrap = algorithm["parameters"].parse(cms.KeyEncryptionAlgorithm)
    length = _WRAPS.get(wrap["algorithm"].native)
    originator = info["originator"].chosen
    if digest is None or length is None or info["originator"].name != "originator_key":
        raise Unreadable(Reason.ALGORITHM)
    ephemeral = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, bytes(originator["public_key"]))
    shared_info = algorithms.shared_info(wrap.dump(), info["ukm"].native, length)
    return X963KDF(digest(), length, shared_info).derive(private.exchange(ec.ECDH(), ephemeral))


# --- the content ----------------------------------------------------------------------------------------


def _from_cbc(enveloped: _Enveloped, key: bytes) -> bytes:
    length = len(enveloped.content)
    if not length or length % _BLOCK:
        raise Damaged
    decryptor = Keyed(AES(key), modes.CBC(enveloped.parameters.native)).decryptor()
    # Decrypted in place and cut, so that a large content is not copied to lose its padding (RFC 5652 section 6.3).
    opened = BytesIO(bytes(length + _BLOCK - 1))
    with opened.getbuffer() as room:
        decryptor.update_into(enveloped.content, room)
        missing = room[length - 1]
        if not 1 <= missing <= _BLOCK or room[length - missing : length] != bytes([missing]) * missing:
            raise Damaged
    opened.truncate(length - missing)
    return opened.getvalue()


def _from_gcm(enveloped: _Enveloped, key: bytes) -> bytes:
    nonce, *lengths = (value.native for value in enveloped.parameters.parse(core.SequenceOf, {"spec": core.Any}))
    tag = enveloped.tag or b""
    if [len(tag)] != (lengths or [_SHORTEST_TAG]) or not _SHORTEST_TAG <= len(tag) <= _LONGEST_TAG:
        raise Damaged
    decryptor = Keyed(AES(key), modes.GCM(nonce, tag, _SHORTEST_TAG)).decryptor()
    if not isinstance(enveloped.attributes, core.Void):
        # RFC 5083 section 2.2: authenticated is the SET OF itself, not the [1] it is sent as.
        decryptor.authenticate_additional_data(enveloped.attributes.untag().dump(force=True))
    opened = decryptor.update(enveloped.content)
    try:
        decryptor.finalize()
    except InvalidTag as fault:
        raise Damaged from fault
    return opened
