"""Web Key Directory and Autocrypt: others find our keys, and we read theirs."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crypto.openpgp import keys
from services.crypto.openpgp.discovery import (
    advanced_url,
    autocrypt,
    direct_url,
    hashed_local_part,
    read_autocrypt,
    z_base_32,
)

NOW = datetime.now(UTC)
BOB = "bob@elsewhere.example"
KEY = keys.generate(BOB, NOW).certificate
KEYDATA = base64.b64encode(KEY).decode()


def test_a_name_has_the_place_that_the_specification_gives_it() -> None:
    # The example of draft-koch-openpgp-webkey-service, section 3.1.
    assert hashed_local_part("Joe.Doe") == "iy9q119eutrkn8s1mk4r39qejnbu3n5q"
    assert direct_url("Joe.Doe@Example.ORG") == (
        "https://example.org/.well-known/openpgpkey/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe"
    )
    assert advanced_url("Joe.Doe@Example.ORG") == (
        "https://openpgpkey.example.org/.well-known/openpgpkey/example.org"
        "/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe"
    )


@given(st.text(st.characters(codec="ascii"), max_size=64))
def test_upper_and_lower_case_have_one_place(local_part: str) -> None:
    assert hashed_local_part(local_part.upper()) == hashed_local_part(local_part.lower())
    assert len(hashed_local_part(local_part)) == 32


def test_z_base_32_is_that_of_rfc_6189() -> None:
    assert z_base_32(b"") == ""
    assert z_base_32(b"\x00") == "yy"
    assert z_base_32(b"\xf0\xbf\xc7") == "6n9hq"
    assert z_base_32(b"\xd4\x7a\x04") == "4t7ye"


@pytest.mark.parametrize("mutual", [False, True])
def test_the_autocrypt_header_we_write_is_one_we_read(mutual: bool) -> None:
    field = autocrypt(BOB, KEY, mutual=mutual).decode()
    name, _, value = field.partition(":")
    assert name == "Autocrypt"
    assert field.endswith("\r\n")
    assert all(len(line) <= 78 for line in field.split("\r\n"))
    read = read_autocrypt(value, "Bob@Elsewhere.example")
    assert read is not None
    assert (read.address, read.certificate, read.mutual) == (BOB, KEY, mutual)


@pytest.mark.parametrize(
    "value",
    [
        "",
        f"addr=eve@elsewhere.example; keydata={KEYDATA}",
        f"keydata={KEYDATA}",
        f"addr={BOB}",
        f"addr={BOB}; keydata=????",
        f"addr={BOB}; keydata={base64.b64encode(b'no key').decode()}",
        f"addr={BOB}; type=1; keydata={KEYDATA}",
        f"addr={BOB}; broken; keydata={KEYDATA}",
        f"addr={BOB}; keydata={KEYDATA}{'A' * 20_000}",
    ],
)
def test_a_header_that_is_not_to_be_used_is_left_alone(value: str) -> None:
    assert read_autocrypt(value, BOB) is None


def test_an_attribute_marked_as_harmless_is_passed_over() -> None:
    assert read_autocrypt(f"addr={BOB}; _note=x; keydata={KEYDATA}", BOB) is not None
