"""One mail through six services and back out of the public door."""

import subprocess
from pathlib import Path

from tests.people import Office, mail


async def test_a_mail_arrives_signed_and_byte_for_byte_and_openssl_agrees(office: Office, tmp_path: Path) -> None:
    ada, bob = await office.member("ada"), await office.newcomer()
    raw = mail(
        ada.address,
        bob.address,
        "Plans",
        "Good morning.\r\n",
        "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n",
    )

    submission = await ada.sent(raw)
    assert [r["state"] for r in submission["recipients"]] == ["delivered"]

    row = await bob.received(submission["id"])
    assert row["subject"] == "Plans"
    opened = (await bob.get(f"/messages/{row['id']}")).json()
    assert opened["text"] == "Good morning.\r\n"
    assert opened["signature"]["state"] == "good"
    assert opened["signature"]["signer"] == ada.address
    assert (await bob.get(f"/messages/{row['id']}/original")).content == raw

    (tmp_path / "mail.eml").write_bytes((await bob.get(f"/messages/{row['id']}/raw")).content)
    (tmp_path / "ca.pem").write_bytes((await bob.get("/authority.pem")).content)
    checked = subprocess.run(
        ["openssl", "cms", "-verify", "-in", "mail.eml", "-CAfile", "ca.pem", "-purpose", "any", "-out", "out.eml"],
        cwd=tmp_path, check=False, capture_output=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    assert (tmp_path / "out.eml").read_bytes() == raw


async def test_an_unknown_recipient_bounces_with_its_reason_and_the_others_get_the_mail(office: Office) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    submission = await ada.sent(mail(ada.address, f"{bob.address}, nobody@{office.domain}"))
    states = [(r["state"], r["reason"]) for r in submission["recipients"]]
    assert states == [("delivered", None), ("bounced", "unknown-recipient")]
    assert len(await bob.mails()) == 1

    bounce = None
    for _ in range(100):
        if rows := await ada.mails():
            bounce = rows[0]
            break
        await ada.get(f"/submissions/{submission['id']}", wait=0)
    assert bounce is not None
    shown = (await ada.get(f"/messages/{bounce['id']}")).json()
    assert "There is no such address" in shown["text"]
    assert shown["signature"]["state"] == "good"
