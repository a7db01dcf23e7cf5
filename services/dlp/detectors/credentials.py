"""Finds credentials: keys, tokens and passwords that open something to whoever reads them.

The rules are written from the formats' public descriptions. A format that carries its own check (CRC-32 in GitHub's
and npm's tokens, JSON in a JWT, DER in a PEM) is believed by it; one with a prefix of its own needs random letters
behind it. A password that only stands behind the word "password" scores below 1 and holds no mail by itself.
"""

import base64
import binascii
import json
import math
from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from urllib.parse import unquote
from zlib import crc32

from services.dlp.detectors.database import Candidate, Check, Database, Expression
from services.dlp.findings import Hit
from services.dlp.message import Passage

VERSION = "credentials 1"
DETECTOR = "credential"

# How much of a private key's body is looked at; a 4096-bit RSA key in PEM has 3,200 characters.
_BODY = 4096
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLACEHOLDERS = (
    "password",
    "passwort",
    "secret",
    "example",
    "changeme",
    "xxxx",
    "****",
    "....",
    "your",
    "dummy",
    "placeholder",
)
_HOST_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789.-")
_BASE64_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def entropy(value: str) -> float:
    """Shannon's entropy of the characters of `value`, in bits per character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())


def _is_placeholder(value: str) -> bool:
    lowered = value.lower()
    return any(word in lowered for word in _PLACEHOLDERS) or value[:1] in ("<", "{", "$", "%", "[")


def _random(least: float, score: float = 1.0) -> Check:
    """A check for random letters: at least `least` bits per character."""

    def check(found: Candidate) -> float:
        return score if entropy(found.value) >= least and "EXAMPLE" not in found.value.upper() else 0.0

    return check


def checksum62(body: str) -> str:
    """The six letters at the end of a GitHub or npm token: the CRC-32 of what stands between prefix and checksum, in
    base 62. Source: "Behind GitHub's new authentication token formats", 2021."""
    number, letters = crc32(body.encode()), ""
    for _ in range(6):
        number, place = divmod(number, 62)
        letters = _BASE62[place] + letters
    return letters


def _checksummed(found: Candidate) -> float:
    body = found.value.rpartition("_")[2]
    return float(checksum62(body[:-6]) == body[-6:])


def _from_base64(text: str) -> bytes:
    """The bytes of base64, standard or URL-safe, with padding or without; empty where it is none."""
    try:
        return base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _json(text: str) -> dict[str, object]:
    try:
        value = json.loads(_from_base64(text))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _jwt(found: Candidate) -> float:
    header, payload, _ = found.value.split(".")
    if "alg" not in _json(header) or not _json(payload):
        return 0.0
    # A token in a link is what newsletters unsubscribe with.
    link = found.data[max(found.start - 200, 0) : found.start].split()
    return 0.6 if link and b"://" in link[-1] and not found.data[found.start - 1 : found.start].isspace() else 1.0


def _private_key(found: Candidate) -> float:
    """A PEM private key with a body: base64 of a DER sequence, of OpenSSH's format, or encrypted; or of OpenPGP."""
    end = found.data.find(b"-----", found.end, found.end + _BODY)
    body = found.data[found.end : end if end >= 0 else found.end + _BODY]
    # In JSON and in source code the line ends are written as escapes.
    lines = body.replace(b"\\r", b"").replace(b"\\n", b"\n").split(b"\n")
    lines = [line.strip(b" \t\r>|\"'+,\\") for line in lines]
    encoded = b"".join(line for line in lines if line and _BASE64_LETTERS.issuperset(line))
    letters = encoded.partition(b"=")[0].decode()  # behind the padding, OpenPGP has a checksum
    data = _from_base64(letters[: len(letters) - (len(letters) % 4 == 1)])
    if len(data) < 32:
        return 0.0
    known = data[0] == 0x30 or data.startswith(b"openssh-key-v1\0") or (data[0] & 0x80 and "PGP" in found.value)
    return 1.0 if known or b"Proc-Type: 4,ENCRYPTED" in body else 0.0


def _putty_key(found: Candidate) -> float:
    return float(found.data.find(b"Private-Lines: ", found.end, found.end + _BODY) >= 0)


def _decodes_to(length: int, found: Candidate) -> float:
    return float(len(_from_base64(found.value)) == length and entropy(found.value) > 4)


def _pypi(found: Candidate) -> float:
    """A macaroon of version 2 that says first where it is good: a host's name (libmacaroons, serialization format)."""
    data = _from_base64(found.value.removeprefix("pypi-"))
    length = data[2] if data.startswith(b"\x02\x01") and len(data) > 2 else 0
    host = data[3 : 3 + length]
    return float(len(host) == length >= 4 and b"." in host and _HOST_LETTERS.issuperset(host) and len(data) > 64)


def _url_password(score: float, found: Candidate) -> float:
    password = unquote(found.value)
    return 0.0 if _is_placeholder(password) or len(set(password)) < 3 else score


def _assigned(found: Candidate) -> float:
    value = found.value.rstrip(".,;:!?)")
    kinds = any(map(str.isdigit, value)) + any(map(str.isupper, value)) + any(map(str.islower, value))
    if len(value) < 8 or kinds < 2 or _is_placeholder(value) or entropy(value) < 2.4 or "://" in value:
        return 0.0
    return 0.6 if len(value) >= 16 and entropy(value) >= 3.5 else 0.5


def _basic(found: Candidate) -> float:
    user, colon, password = _from_base64(found.value).partition(b":")
    return float(bool(user and colon and len(password) >= 4))


def _rule(rule: str, pattern: str, check: Check) -> Expression:
    return Expression(DETECTOR, rule, pattern, check)


EXPRESSIONS: tuple[Expression, ...] = (
    _rule("private-key", r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----", _private_key),
    _rule("putty-key", r"\bPuTTY-User-Key-File-[23]: [a-z0-9\-]{4,40}", _putty_key),
    _rule("age-key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b", _random(3.5)),
    # Clouds
    _rule("aws-access-key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b", _random(3)),
    _rule(
        "aws-secret-key",
        r"(?i)\b(?:aws|secret)[a-z_\-. ]{0,24}(?:key|access)[a-z_\-. ]{0,12}[\"']?[ \t]{0,4}[=:,][ \t]{0,4}[\"']?"
        r"([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)",
        _random(4.2),
    ),
    _rule("google-api-key", r"\bAIza[0-9A-Za-z_\-]{35}(?:[^0-9A-Za-z_\-]|$)", _random(4)),
    _rule("google-oauth-secret", r"\bGOCSPX-[0-9A-Za-z_\-]{28}(?:[^0-9A-Za-z_\-]|$)", _random(3.5)),
    _rule("google-access-token", r"\bya29\.[0-9A-Za-z_\-]{40,400}", _random(4)),
    _rule("azure-storage-key", r"(?i)\bAccountKey=([A-Za-z0-9+/]{86}==)", partial(_decodes_to, 64)),
    _rule("azure-access-key", r"(?i)\bSharedAccessKey=([A-Za-z0-9+/]{43}=)", partial(_decodes_to, 32)),
    _rule(
        "azure-sas",
        r"(?i)[?&]sv=20\d\d-\d\d-\d\d&[^\s\"'<>]{0,300}\bsig=([A-Za-z0-9%+/]{43,64}(?:%3D|=))",
        _random(3.5),
    ),
    _rule(
        "azure-client-secret", r"(?:^|[^0-9A-Za-z_~.\-])([A-Za-z0-9_~.\-]{3}[78]Q~[A-Za-z0-9_~.\-]{31,34})", _random(4)
    ),
    _rule("azure-devops-token", r"\b[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b", _random(4)),
    _rule("digitalocean-token", r"\bdo[opr]_v1_[a-f0-9]{64}\b", _random(3)),
    _rule("databricks-token", r"\bdapi[a-f0-9]{32}\b", _random(3)),
    _rule("vault-token", r"\bhv[sbr]\.[A-Za-z0-9_\-]{24,200}", _random(3.5)),
    _rule("terraform-token", r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_\-]{60,70}", _random(4)),
    # Code and packages
    _rule("github-token", r"\bgh[opsur]_[A-Za-z0-9]{36}\b", _checksummed),
    _rule("github-token", r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b", _random(4)),
    _rule("gitlab-token", r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|oas)-[A-Za-z0-9_\-]{20,60}", _random(3.5)),
    _rule("npm-token", r"\bnpm_[A-Za-z0-9]{36}\b", _checksummed),
    _rule("pypi-token", r"\bpypi-AgE[A-Za-z0-9_\-]{50,300}", _pypi),
    _rule("docker-token", r"\bdckr_[op]at_[A-Za-z0-9_\-]{27,32}", _random(3.5)),
    # Services
    _rule("slack-token", r"\bxox[abeoprs]-(?:\d{1,2}-)?(?:[A-Za-z0-9]{8,16}-){1,4}[A-Za-z0-9]{20,64}\b", _random(3)),
    _rule("slack-token", r"\bxapp-\d-[A-Z0-9]{8,14}-\d{10,16}-[a-f0-9]{64}\b", _random(3)),
    _rule(
        "slack-webhook", r"\bhooks\.slack\.com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/([A-Za-z0-9]{24})\b", _random(3)
    ),
    _rule("discord-webhook", r"\bdiscord(?:app)?\.com/api/webhooks/\d{17,20}/([A-Za-z0-9_\-]{60,72})", _random(4)),
    _rule("stripe-key", r"\b[rs]k_live_[A-Za-z0-9]{24,120}\b", _random(3.5)),
    _rule("stripe-test-key", r"\b[rs]k_test_[A-Za-z0-9]{24,120}\b", _random(3.5, 0.5)),
    _rule("stripe-webhook-secret", r"\bwhsec_[A-Za-z0-9+/]{32,64}", _random(3.5)),
    _rule(
        "openai-key", r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_\-]{20,100}T3BlbkFJ[A-Za-z0-9_\-]{20,100}", _random(4)
    ),
    _rule("anthropic-key", r"\bsk-ant-(?:api|admin)\d\d-[A-Za-z0-9_\-]{93}AA", _random(4)),
    _rule("huggingface-token", r"\bhf_[A-Za-z]{34}\b", _random(3.5)),
    _rule("sendgrid-key", r"\bSG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}", _random(4)),
    _rule("telegram-token", r"\b\d{8,10}:AA[A-Za-z0-9_\-]{33}", _random(3.5)),
    _rule("shopify-token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b", _random(3)),
    _rule("atlassian-token", r"\bATATT3[A-Za-z0-9_\-=]{180,220}", _random(4)),
    _rule("linear-key", r"\blin_api_[A-Za-z0-9]{40}\b", _random(3.5)),
    _rule("postman-key", r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}\b", _random(3)),
    # What anyone may use
    _rule("jwt", r"\bey[A-Za-z0-9_\-]{10,}\.ey[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{16,}", _jwt),
    _rule("basic-authorization", r"(?i)\bauthorization[\"']?: ?[\"']?basic ([A-Za-z0-9+/]{8,400}={0,2})", _basic),
    _rule(
        "bearer-authorization",
        r"(?i)\bauthorization[\"']?: ?[\"']?bearer ([A-Za-z0-9._~+/\-]{20,1000})",
        _random(3.5, 0.9),
    ),
    _rule(
        "database-url",
        r"(?i)\b(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|sqlserver|oracle|clickhouse|ldaps?|smtps?|imaps?)"
        r"(?:\+[a-z0-9]{2,12})?://[^\s:@/\"'<>]{0,100}:([^\s:@/\"'<>]{3,200})@[a-z0-9\[]",
        partial(_url_password, 1.0),
    ),
    _rule(
        "url-password",
        r"(?i)\b(?:https?|s?ftps?|ssh)://[^\s:@/?\"'<>]{1,100}:([^\s:@/?\"'<>]{3,200})@[a-z0-9\[]",
        partial(_url_password, 0.7),
    ),
    _rule(
        "assigned-secret",
        r"(?i)(?:passw(?:or)?d|passwort|passphrase|pwd|secret|token"
        r"|(?:api|access|auth|private|client|account|encryption)[_\-. ]?key)"
        r"[\"']?[ \t]{0,8}(?::=|=>|[:=])[ \t]{0,8}[\"']?([^\s\"'<>&;,]{8,120})",
        _assigned,
    ),
)


@cache
def _database() -> Database:
    return Database(EXPRESSIONS)


def find(passages: Sequence[Passage]) -> tuple[Hit, ...]:
    """Credentials in `passages`, one hit for each rule and passage."""
    return _database().find(passages)
