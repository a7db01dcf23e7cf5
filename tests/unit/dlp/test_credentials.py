"""Credentials are found by their formats and checks; examples, placeholders and hashes are not taken for them."""

import base64
import json
import random
import string

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from services.dlp.detectors import credentials
from services.dlp.detectors.credentials import checksum62, entropy
from services.dlp.findings import Hit
from services.dlp.message import Passage

ALNUM = string.ascii_letters + string.digits
URL_SAFE = ALNUM + "-_"
HEX = "0123456789abcdef"
PEM = serialization.Encoding.PEM
OPENSSH = serialization.PrivateFormat.OpenSSH
PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
PLAIN = serialization.NoEncryption()


def hits(text: str) -> tuple[Hit, ...]:
    return credentials.find([Passage("body", text)])


def rules(text: str, least: float = 0.0) -> set[str]:
    return {hit.rule for hit in hits(text) if hit.score >= least}


def letters(n: int, alphabet: str = ALNUM, seed: int = 1) -> str:
    return "".join(random.Random(seed * 1000 + n).choices(alphabet, k=n))


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def bytes_of(n: int) -> bytes:
    return random.Random(n).randbytes(n)


def checksummed(prefix: str, seed: int = 1) -> str:
    body = letters(30, seed=seed)
    return f"{prefix}_{body}{checksum62(body)}"


def jwt(payload: object, header: object = None) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part(header or {'alg': 'HS256', 'typ': 'JWT'})}.{part(payload)}.{letters(43, URL_SAFE)}"


KEYS = [
    rsa.generate_private_key(65537, 2048).private_bytes(PEM, PKCS8, PLAIN),
    rsa.generate_private_key(65537, 2048).private_bytes(PEM, TRADITIONAL, PLAIN),
    ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, TRADITIONAL, PLAIN),
    ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, OPENSSH, PLAIN),
    ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"x")),
    ec.generate_private_key(ec.SECP256R1()).private_bytes(
        PEM, TRADITIONAL, serialization.BestAvailableEncryption(b"x")
    ),
]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_a_private_key_is_found_however_it_is_pasted(key: bytes) -> None:
    text = key.decode()
    assert "private-key" in rules(text, 1)
    assert "private-key" in rules(text.replace("\n", "\r\n"), 1)
    assert "private-key" in rules("".join(f"> {line}\n" for line in text.splitlines()), 1)
    assert "private-key" in rules(json.dumps({"type": "service_account", "private_key": text}), 1)
    assert "private-key" in rules(text[: len(text) * 2 // 3], 1)  # cut off, and still most of a key


def test_an_openpgp_key_is_found() -> None:
    body = encoded(b"\x95" + bytes_of(299))
    lines = "\n".join(body[n : n + 64] for n in range(0, len(body), 64))
    key = f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{lines}\n=AbCd\n-----END PGP PRIVATE KEY BLOCK-----"
    assert "private-key" in rules(key, 1)


SECRETS = [
    ("putty-key", f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\n{letters(48)}"),
    ("age-key", "AGE-SECRET-KEY-1" + letters(58, string.ascii_uppercase + string.digits)),
    ("aws-access-key", "AKIA" + letters(16, string.ascii_uppercase + "234567")),
    ("aws-secret-key", f'aws_secret_access_key = "{letters(40, ALNUM + "+/")}"'),
    ("aws-secret-key", f"AWS_SECRET_ACCESS_KEY={letters(40, seed=2)}\n"),
    ("google-api-key", "AIza" + letters(35, URL_SAFE)),
    ("google-oauth-secret", "GOCSPX-" + letters(28, URL_SAFE)),
    ("azure-storage-key", f"AccountName=a;AccountKey={encoded(bytes_of(64))};EndpointSuffix=core"),
    ("azure-access-key", f"Endpoint=sb://x/;SharedAccessKey={encoded(bytes_of(32))}"),
    ("azure-sas", f"https://a.example/c?sv=2022-11-02&ss=b&sig={letters(43)}%3D"),
    ("azure-client-secret", f"secret {letters(3)}8Q~{letters(34)}"),
    ("azure-devops-token", f"{letters(76)}AZDO{letters(4)}"),
    ("digitalocean-token", "dop_v1_" + letters(64, HEX)),
    ("databricks-token", "dapi" + letters(32, HEX)),
    ("vault-token", "hvs." + letters(90, URL_SAFE)),
    ("terraform-token", f"{letters(14)}.atlasv1.{letters(67, URL_SAFE)}"),
    ("github-token", checksummed("ghp")),
    ("github-token", checksummed("gho", 2)),
    ("github-token", f"github_pat_{letters(22)}_{letters(59)}"),
    ("gitlab-token", "glpat-" + letters(20, ALNUM)),
    ("npm-token", f"//registry/:_authToken={checksummed('npm')}"),
    (
        "pypi-token",
        "pypi-" + base64.urlsafe_b64encode(b"\x02\x01\x0dindex.example" + bytes_of(90)).decode().rstrip("="),
    ),
    ("docker-token", "dckr_pat_" + letters(27, ALNUM)),
    ("slack-token", f"xoxb-{letters(12, string.digits)}-{letters(12, string.digits)}-{letters(24)}"),
    (
        "slack-webhook",
        f"https://hooks.slack.com/services/T{letters(9, HEX.upper())}/B{letters(9, HEX.upper())}/{letters(24)}",
    ),
    ("discord-webhook", f"https://discord.com/api/webhooks/{letters(18, string.digits)}/{letters(68)}"),
    ("stripe-key", "sk_live_" + letters(24)),
    ("stripe-webhook-secret", "whsec_" + letters(32)),
    ("openai-key", f"sk-{letters(20)}T3BlbkFJ{letters(20, seed=2)}"),
    ("anthropic-key", f"sk-ant-api03-{letters(93, URL_SAFE)}AA"),
    ("huggingface-token", "hf_" + letters(34, string.ascii_letters)),
    ("sendgrid-key", f"SG.{letters(22, URL_SAFE)}.{letters(43, URL_SAFE)}"),
    ("telegram-token", f"{letters(9, string.digits)}:AA{letters(33, ALNUM)}"),
    ("shopify-token", "shpat_" + letters(32, HEX)),
    ("linear-key", "lin_api_" + letters(40)),
    ("postman-key", f"PMAK-{letters(24, HEX)}-{letters(34, HEX)}"),
    ("jwt", f"token {jwt({'sub': '1', 'aud': 'api'})}"),
    ("basic-authorization", f"Authorization: Basic {encoded(b'admin:hunter22')}"),
    ("database-url", "postgresql://app:k7Tq9z@db.internal:5432/prod"),
    ("database-url", "mongodb+srv://root:p%40ss-w0rd-9@cluster0.example.net"),
    ("database-url", "redis://:Zx81kk23@cache:6379/0"),
]


@pytest.mark.parametrize(("rule", "secret"), SECRETS, ids=[f"{rule}-{n}" for n, (rule, _) in enumerate(SECRETS)])
def test_a_secret_is_found(rule: str, secret: str) -> None:
    for text in (secret, f"Hi,\n\nhere it is: {secret}\n\nBest", f'{{"x": "{secret}"}}', f"<b>{secret}</b>"):
        assert rule in rules(text, 1), text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("assigned-secret", "The password: kT9-xw22q"),
        ("assigned-secret", f'API_KEY = "{letters(32)}"'),
        ("assigned-secret", f"client_secret: {letters(24)}"),
        ("url-password", "ftp://alice:s3cr3tly@drop.example.org/"),
        ("stripe-test-key", "sk_test_" + letters(24)),
        ("jwt", f"https://news.example/unsubscribe?t={jwt({'sub': '1'})}"),
        ("bearer-authorization", f"Authorization: Bearer {letters(40)}"),
    ],
)
def test_what_may_be_harmless_only_scores(rule: str, text: str) -> None:
    assert [(hit.rule, 0 < hit.score < 1) for hit in hits(text)] == [(rule, True)]


@pytest.mark.parametrize(
    "text",
    [
        checksummed("ghp")[:-1] + "#",
        checksummed("ghp")[:-2] + ("00" if not checksummed("ghp").endswith("00") else "11"),
        "npm_" + letters(36),
        "AKIAIOSFODNN7EXAMPLE",
        "AKIA" + "A" * 16,
        "sk_live_" + "x" * 24,
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nyour key comes here, all of it, in many lines\n-----END PRIVATE KEY-----",
        f"-----BEGIN CERTIFICATE-----\n{encoded(b'0' + bytes_of(300))}\n-----END CERTIFICATE-----",
        f"-----BEGIN PUBLIC KEY-----\n{encoded(b'0' + bytes_of(90))}\n-----END PUBLIC KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJub3QganNvbiBhdCBhbGw.abcdefghijklmnopqrstuv",
        "postgresql://user:password@localhost/db",
        "postgresql://user:${DB_PASSWORD}@localhost/db",
        "redis://:<your-secret>@host",
        "https://host.example:8443/path@2x.png",
        "Authorization: Basic realm-of-the-server",
        "Password: ********",
        "password = changeme-please",
        "pypi-AgEIcHlwaS5vcmc",
        "AccountKey=" + "A" * 86 + "==",
        "Your password is sent apart. The token economy: secrets of success",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8, sha256 " + letters(64, HEX),
        "id 2f7c9a51-0c3e-4f6b-9d1e-6a3f5b8c7d20",
    ],
)
def test_what_is_none_is_not_found(text: str) -> None:
    assert hits(text) == ()


def test_the_checksum_is_what_github_publishes() -> None:
    # zlib's CRC-32 of "" is 0; that of "123456789" is the check value 0xCBF43926 of every CRC catalogue.
    assert checksum62("") == "000000"
    value = 0
    for letter in checksum62("123456789"):
        value = value * 62 + (string.digits + string.ascii_uppercase + string.ascii_lowercase).index(letter)
    assert value == 0xCBF43926


def test_entropy_is_shannons() -> None:
    assert entropy("aaaa") == 0
    assert entropy("abcd") == 2


def test_a_secret_is_not_spread_by_its_finding() -> None:
    token = checksummed("ghp")
    (hit,) = hits(f"use {token}")
    assert hit.sample == f"{token[:2]}…{token[-2:]}"
    assert hit.span == (4, 4 + len(token))
