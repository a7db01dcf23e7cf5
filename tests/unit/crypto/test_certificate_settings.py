"""crypto's settings: what certificates will look like, and values that are refused at start."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.crypto.authority import KeyKind
from services.crypto.settings import Settings

GIVEN = {
    "AMQP_URL": "amqps://crypto@localhost/secumail",
    "MONGODB_URL": "mongodb://crypto@localhost/",
    "SECUMAIL_SECRETS": "/secrets",
    "SECUMAIL_KEYS": "/keys",
    "SECUMAIL_IDENTITIES": "/identities.json",
    "SECUMAIL_DOMAINS": "northwind.example",
    "SECUMAIL_HEALTH_PORT": "8453",
    "SECUMAIL_AUTHORITY": "/authority",
}


@pytest.fixture
def read(monkeypatch):
    """The settings of an environment."""

    def read(**more):
        for name, value in {**GIVEN, **more}.items():
            monkeypatch.setenv(name, value)
        return Settings()

    return read


def test_without_an_address_certificates_name_none(read, house):
    settings = read()

    assert settings.authority == Path("/authority")
    assert settings.signing(house.issuing).crl_url is None
    assert settings.encryption(house.issuing).key is KeyKind.RSA3072


def test_the_public_address_is_named_unless_there_is_one_for_this_alone(read, house):
    public = read(SECUMAIL_PUBLIC_URL="https://mail.northwind.example:8443/")
    assert public.signing(house.issuing).ocsp_url == "https://mail.northwind.example:8443/pki/ocsp"

    own = read(SECUMAIL_PKI_URL="http://pki.northwind.example")
    assert own.encryption(house.issuing).crl_url == f"http://pki.northwind.example/pki/{house.issuing.id}/crl.der"


def test_life_and_kind_are_settable(read, house):
    settings = read(SECUMAIL_SIGNING_VALID_FOR="P90D", SECUMAIL_ENCRYPTION_KEY="p-256")

    assert settings.signing(house.issuing).valid_for == timedelta(days=90)
    assert settings.encryption(house.issuing).valid_for == timedelta(days=365)
    assert settings.encryption(house.issuing).key_usage == ("key_agreement",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECUMAIL_PUBLIC_URL", "mail.northwind.example"),
        ("SECUMAIL_PUBLIC_URL", "ftp://mail.northwind.example"),
        ("SECUMAIL_PKI_URL", "https://"),
        ("SECUMAIL_PKI_URL", "https://pki.northwind.example/?ca=1"),
        ("SECUMAIL_SIGNING_VALID_FOR", "P30D"),
        ("SECUMAIL_ENCRYPTION_VALID_FOR", "P1186D"),
        ("SECUMAIL_ENCRYPTION_KEY", "rsa-1024"),
        ("SECUMAIL_ISSUES_A_DAY", "0"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_at_start(read, name, value):
    with pytest.raises(ValidationError, match=name.removeprefix("SECUMAIL_").lower()):
        read(**{name: value})
