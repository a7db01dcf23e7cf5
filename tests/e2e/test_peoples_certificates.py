"""Certificates through the public door, with openssl as the judge: issue, list, export, revoke, CRL, OCSP."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.people import PASSWORD, Office, Person, mail

FILE_PASSWORD = "seven green kettles"

Openssl = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def openssl(tmp_path: Path) -> Openssl:
    """Run openssl where keyword arguments are files, by name."""

    def run(*arguments: str, **files: bytes) -> subprocess.CompletedProcess[bytes]:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        return subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, check=False)

    return run


async def certificates(person: Person, kind: str = "") -> list[dict[str, Any]]:
    """One's own, oldest first."""
    answer = await person.get("/certificates")
    assert answer.status_code == 200, answer.text
    return [row for row in answer.json()["data"] if kind in ("", row["kind"])]


async def signed(person: Person) -> dict[str, Any]:
    """Send a mail to oneself: the certificate it was signed with, as the register has it."""
    sent = await person.sent(mail(person.address, person.address))
    shown = (await person.get(f"/messages/{(await person.received(sent['id']))['id']}")).json()
    assert shown["signature"]["state"] == "good", shown["signature"]
    serial = shown["signature"]["serial"].lower()
    return next(row for row in await certificates(person) if row["serial"] == serial)


async def pem(person: Person, serial: str) -> bytes:
    answer = await person.get(f"/certificates/{serial}")
    return str(answer.json()["pem"]).encode()


async def encryption(person: Person) -> tuple[str, bytes]:
    """The serial number of one's encryption certificate (made now), and the whole chain as PEM."""
    answer = await person.get("/certificate.pem", address=person.address)
    assert answer.status_code == 200, answer.text
    first = x509.load_pem_x509_certificate(answer.content)
    return f"{first.serial_number:x}", answer.content


async def public(office: Office, url: str) -> bytes:
    """What anybody gets at an address that stands in a certificate."""
    answer = await office.door.get(url)
    assert answer.status_code == 200, answer.text
    return answer.content


async def chain(office: Office) -> bytes:
    return await public(office, "/authority.pem")


def addresses(certificate: x509.Certificate) -> dict[str, str]:
    """Where the certificate says that its status is published."""
    (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    told = {d.access_method: str(d.access_location.value) for d in access}
    assert point.full_name is not None
    return {
        "crl": str(point.full_name[0].value),
        "ocsp": told[AuthorityInformationAccessOID.OCSP],
        "issuer": told[AuthorityInformationAccessOID.CA_ISSUERS],
    }


async def test_the_first_mail_brings_a_certificate_that_openssl_trusts(office: Office, openssl: Openssl) -> None:
    ada = await office.newcomer()
    assert await certificates(ada) == []

    row = await signed(ada)

    assert (row["kind"], row["address"], row["status"]) == ("signing", ada.address, "good")
    made = await pem(ada, row["serial"])
    where = addresses(x509.load_pem_x509_certificate(made))
    issuer = x509.load_der_x509_certificate(await public(office, where["issuer"]))
    list_ = x509.load_der_x509_crl(await public(office, where["crl"]))
    verified = openssl(
        *("verify", "-x509_strict", "-crl_check", "-purpose", "smimesign", "-CAfile", "roots"),
        *("-untrusted", "issuer", "-CRLfile", "crl", "person"),
        roots=await chain(office),
        issuer=issuer.public_bytes(Encoding.PEM),
        crl=list_.public_bytes(Encoding.PEM),
        person=made,
    )
    assert verified.stdout == b"person: OK\n", verified.stderr
    assert await public(office, f"{office.door.base_url.copy_with(path='/pki/crl.der')}")
    assert await public(office, f"{office.door.base_url.copy_with(path='/pki/issuing.cer')}") == issuer.public_bytes(
        Encoding.DER
    )


async def test_a_revoked_certificate_is_known_to_everybody_and_signs_no_more(office: Office, openssl: Openssl) -> None:
    ada = await office.newcomer()
    old = await signed(ada)
    made = await pem(ada, old["serial"])
    where = addresses(x509.load_pem_x509_certificate(made))
    files = {
        "person": made,
        "roots": await chain(office),
        "issuer": x509.load_der_x509_certificate(await public(office, where["issuer"])).public_bytes(Encoding.PEM),
    }

    def asked(*more: str) -> str:
        """What openssl learns from the OCSP address in the certificate, over its own HTTPS."""
        question = ("ocsp", *more, "-issuer", "issuer", "-cert", "person", "-url", where["ocsp"], "-CAfile", "roots")
        done = openssl(*question, **files)
        assert b"Response verify OK" in done.stderr, done.stderr
        assert b"WARNING: no nonce" not in done.stderr
        return done.stdout.decode()

    assert "person: good\n" in asked()
    answer = await ada.post(f"/certificates/{old['serial']}/revoke", json={"reason": "keyCompromise"})

    assert (answer.status_code, answer.json()["certificate"]["status"]) == (200, "revoked")
    assert "person: revoked\n" in asked() and "Reason: keyCompromise" in asked("-no_nonce", "-sha256")
    list_ = x509.load_der_x509_crl(await public(office, where["crl"]))
    entry = list_.get_revoked_certificate_by_serial_number(int(old["serial"], 16))
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    refused = openssl(
        *("verify", "-crl_check", "-CAfile", "roots", "-untrusted", "issuer", "-CRLfile", "crl", "person"),
        **files, crl=list_.public_bytes(Encoding.PEM),
    )  # fmt: skip
    assert b"certificate revoked" in refused.stderr
    new = await signed(ada)
    assert new["serial"] != old["serial"] and new["status"] == "good"
    again = await ada.post(f"/certificates/{old['serial']}/revoke", json={"reason": "superseded"})
    assert again.json()["certificate"]["reason"] == "keyCompromise"


@pytest.mark.parametrize("form", ["modern", "legacy"])
async def test_the_encryption_key_comes_as_a_file_that_reads_what_is_encrypted_to_its_certificate(
    office: Office, openssl: Openssl, form: str
) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    serial, _ = await encryption(ada)
    colleague = await bob.get("/certificate.pem", address=ada.address)

    answer = await ada.post(
        f"/certificates/{serial}/p12",
        json={"password": FILE_PASSWORD, "login_password": PASSWORD, "format": form},
    )

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-pkcs12"
    assert answer.headers["cache-control"] == "no-store"
    opened = openssl(
        *("pkcs12", "-legacy", "-in", "p12", "-noenc", "-passin", f"pass:{FILE_PASSWORD}", "-out", "key"),
        p12=answer.content,
    )
    assert opened.returncode == 0, opened.stderr
    encrypt = ("cms", "-encrypt", "-aes256", "-in", "text", "-out", "mail", "person")
    assert openssl(*encrypt, text=b"Good morning.\n", person=colleague.content).returncode == 0
    read = openssl("cms", "-decrypt", "-in", "mail", "-inkey", "key", "-recip", "key")
    assert read.stdout.replace(b"\r", b"") == b"Good morning.\n", read.stderr


async def test_a_key_leaves_only_with_its_owners_password_and_never_to_another(office: Office) -> None:
    ada, eve, administrator = await office.newcomer(), await office.newcomer(), await office.administrator()
    signing, (serial, _) = await signed(ada), await encryption(ada)

    async def refused(person: Person, of: str, **more: str) -> tuple[int, str]:
        given = {"password": FILE_PASSWORD, "login_password": PASSWORD, **more}
        answer = await person.post(f"/certificates/{of}/p12", json=given)
        assert answer.json()["fix"]
        return answer.status_code, answer.json()["code"]

    wrong = await refused(ada, serial, login_password="seven blue kettles on a hill")
    assert wrong == (await refused(eve, serial, login_password="wrong kettles on some hill")) and wrong[0] == 401
    assert await refused(eve, serial) == (404, "no-such-certificate")
    first = json.loads((office.home.secrets("auth") / "first_admin.json").read_text())
    assert await refused(administrator, serial, login_password=first["password"]) == (403, "not-your-key")
    assert await refused(ada, serial, password="short") == (422, "p12-password-length")
    assert await refused(ada, serial, format="rot13") == (422, "malformed-request")
    assert await refused(ada, signing["serial"]) == (403, "signing-keys-stay")


async def test_others_certificates_are_an_administrators_matter(office: Office) -> None:
    ada, eve, administrator = await office.newcomer(), await office.newcomer(), await office.administrator()
    row = await signed(ada)

    assert (await eve.get(f"/certificates/{row['serial']}")).json()["code"] == "no-such-certificate"
    answer = await eve.post(f"/certificates/{row['serial']}/revoke", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-certificate")
    assert (await eve.get("/certificates", all=True)).json()["code"] == "role-missing"
    every: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await administrator.get("/certificates", all=True, cursor=cursor)).json()
        every += page["data"]
        cursor = page["next_cursor"]
    assert row in every and [r["serial"] for r in every] == sorted(r["serial"] for r in every)
    revoked = await administrator.post(f"/certificates/{row['serial']}/revoke", json={"reason": "affiliationChanged"})
    assert revoked.json()["certificate"]["reason"] == "affiliationChanged"
    assert (await certificates(ada, "signing"))[0]["status"] == "revoked"


@pytest.mark.parametrize(
    ("serial", "body", "expected"),
    [
        ("xyz", {}, (422, "malformed-request")),
        ("0ff", {}, (422, "malformed-request")),
        ("f" * 41, {}, (422, "malformed-request")),
        ("abcdef", {}, (404, "no-such-certificate")),
        ("abcdef", {"reason": "certificateHold"}, (422, "malformed-request")),
        ("abcdef", {"reason": "superseded", "more": 1}, (422, "malformed-request")),
    ],
)
async def test_faults_of_a_revocation(office: Office, serial: str, body: dict[str, Any], expected: Any) -> None:
    answer = await (await office.member("ada")).post(f"/certificates/{serial}/revoke", json=body)
    assert (answer.status_code, answer.json()["code"]) == expected


async def test_an_unknown_colleague_has_no_certificate(office: Office) -> None:
    ada = await office.member("ada")
    for address in (f"nobody@{office.domain}", "somebody@elsewhere.example", "no address"):
        answer = await ada.get("/certificate.pem", address=address)
        assert (answer.status_code, answer.json()["code"]) == (404, "no-such-person")
    assert (await office.door.get("/certificate.pem", params={"address": ada.address})).status_code == 401


async def test_what_is_no_ocsp_request_gets_an_ocsp_answer_that_says_so(office: Office) -> None:
    place = str(office.door.base_url.copy_with(path="/pki/ocsp"))
    malformed = bytes.fromhex("30030a0101")
    for answer in (
        await office.door.post(place, content=b"no request"),
        await office.door.post(place, content=b""),
        await office.door.get(f"{place}/no*base64"),
        await office.door.get(f"{place}/AAAA"),
    ):
        assert (answer.status_code, answer.content) == (200, malformed)
        assert answer.headers["content-type"] == "application/ocsp-response"
    large = await office.door.post(place, content=bytes(2**14 + 1))
    assert (large.status_code, large.json()["code"]) == (413, "http-413")


async def test_a_question_by_get_is_answered_and_may_be_cached_for_a_minute(office: Office) -> None:
    ada = await office.newcomer()
    made = x509.load_pem_x509_certificate(await pem(ada, (await signed(ada))["serial"]))
    where = addresses(made)
    issuer = x509.load_der_x509_certificate(await public(office, where["issuer"]))
    for algorithm in (hashes.SHA1(), hashes.SHA256()):
        request = ocsp.OCSPRequestBuilder().add_certificate(made, issuer, algorithm).build()
        written = base64.b64encode(request.public_bytes(Encoding.DER)).decode()
        for path in (quote(written, safe=""), quote(written, safe="/"), quote(written.rstrip("="), safe="/+")):
            answer = await office.door.get(f"{where['ocsp']}/{path}")
            read = ocsp.load_der_ocsp_response(answer.content)
            assert read.certificate_status is ocsp.OCSPCertStatus.GOOD
            assert read.serial_number == made.serial_number
            assert answer.headers["cache-control"] == "public, max-age=60, no-transform"


async def test_there_is_no_list_of_an_unknown_ca(office: Office) -> None:
    for path, status in (("/pki/0123456789abcdef/crl.der", 404), ("/pki/nothing/crl.der", 422)):
        answer = await office.door.get(str(office.door.base_url.copy_with(path=path)))
        assert answer.status_code == status and answer.json()["fix"]


async def test_the_command_line_lists_shows_revokes_and_exports(
    office: Office, openssl: Openssl, tmp_path: Path
) -> None:
    ada = await office.newcomer()
    (serial, _), row = await encryption(ada), await signed(ada)
    environment = {**os.environ, "SECUMAIL_SESSION": str(tmp_path / "session.json")}

    def secumail(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "secumail.cli.main", *arguments]
        return subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)

    home = ("--home", str(office.home.path))
    assert secumail("login", ada.address, "--password-stdin", *home, given=f"{PASSWORD}\n").returncode == 0
    listed = secumail("certificates", "ls").stdout
    assert serial[:8] in listed and row["serial"][:8] in listed and "encryption" in listed
    assert "BEGIN CERTIFICATE" in secumail("certificates", "show", serial[:8], "--pem").stdout
    file = tmp_path / "ada.p12"
    done = secumail(
        *("certificates", "export", serial, "-o", str(file), "--password-stdin"), given=f"{PASSWORD}\n{FILE_PASSWORD}\n"
    )
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    assert openssl("pkcs12", "-in", str(file), "-noenc", "-passin", f"pass:{FILE_PASSWORD}").returncode == 0
    shown = secumail("certificates", "revoke", row["serial"][:10], "--reason", "superseded")
    assert "revoked" in shown.stdout and "superseded" in shown.stdout
    unknown = secumail("certificates", "show", "ffff", "--json")
    assert json.loads(unknown.stdout)["code"] == "id-unknown" and unknown.returncode == 1
