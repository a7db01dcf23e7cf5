"""A hundred real mails: sent with the command, decrypted byte for byte, their signatures good for openssl."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.corpus import files, readdressed
from tests.e2e.desk import lists
from tests.people import PASSWORD, Office

MAILS = 100


async def secumail(
    office: Office, directory: Path, *arguments: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """The command as a person runs it, in a process of its own."""
    environment = {
        **os.environ,
        "SECUMAIL_HOME": str(office.home.path),
        "SECUMAIL_SESSION": str(directory / "session.json"),
    }
    argv = [sys.executable, "-m", "secumail.cli.main", *arguments]
    return await asyncio.to_thread(
        subprocess.run, argv, input=given, capture_output=True, text=True, check=False, timeout=120, env=environment
    )


async def test_a_hundred_real_mails_arrive_byte_for_byte_and_verify_with_openssl(
    office: Office, tmp_path: Path
) -> None:
    ada, bob = await office.newcomer(), await office.newcomer()
    chosen = files()[:: max(1, len(files()) // MAILS)][:MAILS]
    sent = {file.name: readdressed(file.read_bytes(), ada.address, bob.address) for file in chosen}
    # What the door would add (a missing Date or Message-ID) is given here, so that what goes in is what must come out.
    for name, raw in sent.items():
        if b"\nmessage-id:" not in raw.lower():
            sent[name] = b"Message-ID: <%s@%s>\r\n" % (name.encode(), office.domain.encode()) + raw
        if b"\ndate:" not in raw.lower():
            sent[name] = b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n" + sent[name]
        (tmp_path / name).write_bytes(sent[name])

    login = await secumail(office, tmp_path, "login", ada.address, "--password-stdin", given=f"{PASSWORD}\n")
    assert login.returncode == 0, login.stderr
    async with lists(await office.administrator(), rules=[]):  # spam among them would be held
        done = await secumail(office, tmp_path, "send", "--wait", *(str(tmp_path / name) for name in sent))
    assert done.returncode == 0, done.stdout + done.stderr

    rows = await bob.mails()
    assert len(rows) == MAILS
    (tmp_path / "ca.pem").write_bytes((await bob.get("/authority.pem")).content)
    originals = []
    for row in rows:
        raw = (await bob.get(f"/messages/{row['id']}/raw")).content
        original = (await bob.get(f"/messages/{row['id']}/original")).content
        (tmp_path / "signed.eml").write_bytes(raw)
        checked = await asyncio.to_thread(
            subprocess.run,
            ["openssl", "cms", "-verify", "-in", "signed.eml", "-CAfile", "ca.pem", "-purpose", "any",
             "-out", "out.eml"],
            cwd=tmp_path, check=False, capture_output=True,
        )  # fmt: skip
        assert checked.returncode == 0, checked.stderr
        assert (tmp_path / "out.eml").read_bytes() == original
        originals.append(original)
    assert sorted(originals) == sorted(sent.values())
