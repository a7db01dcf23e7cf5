"""`secumail` against a running installation: what people and operators type, and what they see."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aio_pika import Message
from typer.testing import CliRunner, Result

from secumail.bus.connection import connect
from secumail.cli.main import app
from secumail.cli.operator import Access
from secumail.installation.home import write_private
from secumail.store.client import Database
from tests.e2e.desk import lists, until
from tests.people import PASSWORD, Office, Person, mail
from tests.pictures import photograph


@dataclass(frozen=True)
class Terminal:
    """One person's terminal: `secumail` with a session file of its own."""

    office: Office
    directory: Path

    async def __call__(self, *arguments: str, given: str | bytes | None = None) -> Result:
        """Run a command, and what came of it."""
        environment = {
            "SECUMAIL_HOME": str(self.office.home.path),
            "SECUMAIL_SESSION": str(self.directory / "session.json"),
        }
        # In a thread: an operator's command runs an event loop of its own.
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, given, environment)

    async def json(self, *arguments: str) -> Any:
        """A command's answer as JSON."""
        result = await self(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    async def log_in(self, person: Person, password: str = PASSWORD) -> "Terminal":
        """Log in by the pipe."""
        result = await self("login", person.address, "--password-stdin", given=f"{password}\n")
        assert result.exit_code == 0, result.output
        return self

    def file(self, name: str, content: bytes) -> str:
        """A file's path."""
        (self.directory / name).write_bytes(content)
        return str(self.directory / name)


Open = Callable[[Person | None], Awaitable[Terminal]]


@pytest.fixture
async def terminal(office: Office, tmp_path: Path) -> Open:
    """`await terminal(person)`: a terminal where that person is logged in (or nobody: the operator's)."""

    async def opened(person: Person | None) -> Terminal:
        directory = tmp_path / uuid4().hex
        directory.mkdir()
        new = Terminal(office, directory)
        if person is None:
            return new
        first_admin = json.loads((office.home.secrets("auth") / "first_admin.json").read_text())
        is_admin = person.address == first_admin["address"]
        return await new.log_in(person, first_admin["password"] if is_admin else PASSWORD)

    return opened


@pytest.fixture
def database(office: Office) -> Database:
    """The database as the operator sees it."""
    return Access.open(office.home.path).database()


# --- people -----------------------------------------------------------------------------------------------


async def test_a_mail_is_sent_read_and_followed_from_the_terminal(office: Office, terminal: Open) -> None:
    ada, bob = await terminal(await office.member("ada")), await office.newcomer()
    raw = mail(
        f"ada@{office.domain}",
        bob.address,
        "Plans",
        "Good morning.\r\n",
        "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <2@x>\r\n",
    )

    sent = await ada("send", ada.file("plans.eml", raw), "--wait")
    assert sent.exit_code == 0, sent.output
    assert sent.stdout.endswith(": delivered\n")
    id_ = sent.stdout.split(":")[0]
    assert "delivered" in (await ada("sent", id_[:8])).stdout
    steps = (await ada("trace", id_[:8])).stdout
    assert [step for step in ("accepted", "passed:clean", "sealed", "delivered") if step in steps] == [
        "accepted", "passed:clean", "sealed", "delivered",
    ]  # fmt: skip

    reader = await terminal(bob)
    listed = (await reader("inbox")).stdout
    assert "Plans" in listed
    assert f"ada@{office.domain}" in listed
    (row,) = await reader.json("inbox")
    shown = (await reader("read", row["id"][:8])).stdout
    assert "The mail is signed by its sender and unchanged since." in shown
    assert shown.endswith("\nGood morning.\n")
    assert (await reader("read", row["id"], "--original")).stdout_bytes == raw

    assert (await reader("flag", row["id"][:8], "--set", "flagged")).exit_code == 0
    assert set((await reader.json("inbox"))[0]["flags"]) == {"seen", "flagged"}
    assert (await reader("delete", row["id"])).exit_code == 0
    assert {f["folder"]: f["mails"] for f in await reader.json("folders")} == {
        "inbox": 0,
        "sent": 0,
        "archive": 0,
        "trash": 1,
    }
    assert (await reader("delete", row["id"], "--for-ever")).exit_code == 0
    assert (await reader("inbox", "--folder", "trash")).stdout == "Nothing in trash.\n"


async def test_an_attachment_is_taken_out_as_it_was(office: Office, terminal: Open) -> None:
    bob = await terminal(await office.newcomer())
    me = (await bob.json("whoami"))["address"]
    extra = (
        "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
        'Content-Disposition: attachment; filename="x.png"\r\n'
    )
    data = photograph(40, 30)
    text = base64.encodebytes(data).decode().replace("\n", "\r\n")
    assert (await bob("send", "-", "--wait", given=mail(me, me, "A file", text, extra))).exit_code == 0
    (row,) = await bob.json("inbox")
    assert "x.png" in (await bob("read", row["id"])).stdout
    taken = await bob("read", row["id"], "--attachment", "1", "-o", str(bob.directory / "x.png"))
    assert taken.exit_code == 0, taken.output
    assert (bob.directory / "x.png").read_bytes() == data


async def test_of_several_files_each_one_is_told_and_one_failure_is_enough_to_fail(
    office: Office, terminal: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = await terminal(await office.member("ada")), await office.newcomer()
    me = f"ada@{office.domain}"
    monkeypatch.chdir(ada.directory)
    ada.file("good.eml", mail(me, bob.address))
    ada.file("nobody.eml", mail(me, f"nobody@{office.domain}"))
    ada.file("junk.eml", b"no header")
    result = await ada("send", "good.eml", "nobody.eml", "junk.eml", "missing.eml", "--wait")
    assert result.exit_code == 1
    assert "There is no such address in this organisation." in " ".join(result.stdout.split())
    assert "The text has no header fields." in " ".join(result.stdout.split())
    assert "No such file or directory" in " ".join(result.stdout.split())
    assert result.stdout.endswith("4 mails: 1 sent, 3 failed.\n")
    assert "\x1b" not in result.output


async def test_mails_after_a_large_one_on_the_same_line_have_traces_of_their_own(
    office: Office, terminal: Open
) -> None:
    ada = await terminal(await office.member("ada"))
    me = f"ada@{office.domain}"
    files = [ada.file("large.eml", mail(me, me, "Large", "x" * 70 * 12_000 + "\r\n"))]
    files += [ada.file(f"{n}.eml", mail(me, me, f"Small {n}")) for n in range(2)]
    sent = await ada.json("send", *files)
    traces = [(await ada.json("trace", one["id"]))["trace"] for one in sent]
    assert len(set(traces)) == 3


async def test_a_held_mail_is_shown_released_and_arrives(office: Office, terminal: Open) -> None:
    ada, bob = await terminal(await office.member("ada")), await office.newcomer()
    reviewer = await terminal(await office.administrator())
    async with lists(await office.administrator()):
        assert (await reviewer("lists", "words", "add", "operation bluebell")).exit_code == 0
        raw = mail(f"ada@{office.domain}", bob.address, "Bluebell", "On with Operation Bluebell.\r\n")
        sent = await ada("send", "-", "--wait", given=raw)
        assert sent.exit_code == 0
        assert "held for review: Your mail waits for a reviewer" in sent.stdout

        id_ = sent.stdout.split(":")[0]
        held = next(row for row in await reviewer.json("quarantine", "ls") if row["mail"] == id_)
        assert "Bluebell" in (await reviewer("quarantine", "ls")).stdout
        shown = (await reviewer("quarantine", "show", held["id"][:8])).stdout
        assert "The phrase “operation bluebell” occurs once in the body" in shown
        assert "On with Operation Bluebell." in shown

        released = await reviewer("quarantine", "release", held["id"][:8], "--note", "fine")
        assert (released.exit_code, released.stdout) == (0, f"{held['id'][:8]}: released\n")
        again = await reviewer("quarantine", "reject", held["id"])
        assert again.exit_code == 1
        assert "This mail is decided already." in again.stdout
    assert (await (await office.member("ada")).settled(id_))["recipients"][0]["state"] == "delivered"
    assert "released" in (await ada("trace", id_)).stdout


async def test_what_a_search_finds_is_decided_after_asking_and_a_sender_appeals(office: Office, terminal: Open) -> None:
    person, bob = await office.newcomer(), await office.newcomer()
    ada, reviewer = await terminal(person), await terminal(await office.administrator())
    async with lists(await office.administrator(), words=[{"term": "fritillary"}]):
        for subject in ("First", "Second"):
            raw = mail(person.address, bob.address, subject, "A fritillary!\r\n")
            assert (await ada("send", "-", "--wait", given=raw)).exit_code == 0
    id_ = (await ada.json("inbox", "--folder", "sent"))[0]["mail"]
    said = await ada("appeal", id_, "It is a flower, too.")
    assert (said.exit_code, said.stdout) == (0, "The reviewers will read it with the mail.\n")
    assert "before" in (await ada("appeal", id_, "Please.")).stderr

    search = ("--sender", person.address)
    asked = await reviewer("quarantine", "release", *search, given="n\n")
    assert "Release these 2 mails? [y/N]" in asked.stderr
    assert asked.stdout.endswith("Nothing was decided.\n")
    listed = await reviewer.json("quarantine", "ls", *search)
    shown = (await reviewer("quarantine", "show", next(r["id"] for r in listed if r["appealed"]))).stdout
    assert "It is a flower, too." in shown
    assert "black-word: fritillary   body" in shown

    assert (await reviewer("quarantine", "release", "--all", *search)).stderr.startswith("Say either which mails")
    released = await reviewer("quarantine", "release", *search, "--encrypted", "--note", "flowers", given="y\n")
    assert released.stdout.count(": released\n") == 2
    assert (await reviewer("quarantine", "ls", *search)).stdout == "Nothing like that is held.\n"
    over = (await reviewer("quarantine", "ls", *search, "--state", "released")).stdout
    assert over.count("black-word") == 2
    counted = await reviewer("sent-log", "--summary", "--since", "2026-01-01")
    assert "mails have passed." in counted.stdout
    assert office.domain in counted.stdout
    assert (await reviewer.json("sent-log", "--summary"))["codes"]["released"] >= 2
    again = (await reviewer("quarantine", "show", listed[0]["id"])).stdout
    assert f"released-encrypted by {(await office.administrator()).address}" in again
    assert ": flowers" in again


async def test_an_administrator_opens_and_suspends_accounts(office: Office, terminal: Open) -> None:
    administrator = await terminal(await office.administrator())
    address = f"eve-{uuid4().hex[:6]}@{office.domain}"
    assert (
        await administrator("accounts", "add", address, "--name", "Eve", "--password-stdin", given=f"{PASSWORD}\n")
    ).exit_code == 0
    eve = await terminal(None)
    await eve("login", address, "--password-stdin", given=f"{PASSWORD}\n")
    assert (await eve("whoami")).stdout == f"Eve <{address}>, member\n"
    assert (await eve("accounts", "ls")).exit_code == 1
    assert (await administrator("accounts", "suspend", address)).exit_code == 0
    rows = {row["address"]: row["status"] for row in await administrator.json("accounts", "ls")}
    assert rows[address] == "suspended"


async def test_a_server_whose_certificate_nobody_vouches_for_gets_no_password(office: Office, terminal: Open) -> None:
    someone = await terminal(None)
    result = await someone(
        "login", "ada@northwind.example", "--url", office.home.url, "--password-stdin", given="kettles\n"
    )
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{office.home.url} shows a certificate that is not trusted here.\n")


def test_the_installed_command_pipes_without_colour_and_fails_with_its_exit_code(
    office: Office, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "secumail.cli.main", "dead", "ls", "--service", "postman"]
    done = subprocess.run(
        command, capture_output=True, check=False, env={"SECUMAIL_HOME": str(office.home.path), "FORCE_COLOR": "1"}
    )
    assert done.returncode == 1
    assert done.stderr.decode().startswith("'postman' has no dead letters.\n")
    assert b"\x1b" not in done.stdout + done.stderr


async def test_a_mail_goes_hidden_in_two_pictures_and_is_revealed_by_commands(office: Office, terminal: Open) -> None:
    ada, bob = await terminal(await office.member("ada")), await terminal(await office.newcomer())
    to = (await bob.json("whoami"))["address"]
    raw = ada.file("mail.eml", mail(f"ada@{office.domain}", to, "The plan", "At nine, by the river.\r\n"))
    covers = [ada.file("hill.jpg", photograph(1200, 900, "JPEG")), ada.file("sea.png", photograph(500, 400))]
    worth = await ada.json("covers", "judge", *covers)
    assert worth["together"]["normal"] > worth["together"]["careful"]
    pictures = [part for cover in covers for part in ("--cover", cover)]
    done = await ada("send", raw, *pictures, "--cover-text", "Our two days out", "--wait")
    assert done.exit_code == 0, done.output
    (row,) = await bob.json("inbox")
    shown = (await bob("read", row["id"])).stdout
    assert "Our two days out" in shown
    assert "hill.jpg" in shown
    assert "A picture hides a mail for you" in shown
    assert "At nine, by the river." in (await bob("read", row["id"], "--reveal")).stdout
    again = await ada("send", raw, *pictures, "--wait")
    assert again.exit_code == 1
    assert "has carried a mail before" in again.stdout
    assert "one by one" in (await ada("send", raw, raw, *pictures)).stderr


async def test_an_administrator_keeps_the_library_that_mails_are_hidden_in(office: Office, terminal: Open) -> None:
    keeper, ada = await terminal(await office.administrator()), await terminal(await office.member("ada"))
    me = f"ada@{office.domain}"
    raw = ada.file("mail.eml", mail(me, me, "The plan", "At nine.\r\n"))
    pictures = [keeper.file(f"IMG_{number}.png", photograph(500, 400)) for number in range(2)]
    added = await keeper.json("covers", "add", *pictures)
    assert "IMG_0.png" in (await keeper("covers", "list")).stdout
    assert (await keeper("covers", "remove", added[0]["id"][:8])).stdout == "1 removed.\n"
    assert (await ada("send", raw, "--conceal", "--wait")).exit_code == 0
    refused = await ada("covers", "list")
    assert (refused.exit_code, "administrator" in refused.stderr) == (1, True)

    async def used_up() -> bool:
        return await keeper.json("covers", "list") == []

    await until(used_up)


async def test_the_demo_shows_what_becomes_of_five_mails(office: Office, terminal: Open) -> None:
    operator, ada, bob = await terminal(None), await office.member("ada"), await office.member("bob")
    administrator = json.loads((office.home.secrets("auth") / "first_admin.json").read_text())
    logins = [{"who": "administrator", "address": administrator["address"], "password": administrator["password"]}]
    logins += [{"who": "member", "address": person.address, "password": PASSWORD} for person in (ada, bob)]
    write_private(office.home.logins, json.dumps(logins))
    async with lists(await office.administrator()):
        shown = await operator.json("demo")
    states = [[r["state"] for r in scene["submission"]["recipients"]] for scene in shown]
    assert states == [["delivered"], ["delivered"], ["held"], ["delivered"], ["bounced"]]

    hidden = next(scene["submission"]["id"] for scene in shown if scene["title"] == "hidden in two pictures")
    reader = await terminal(bob)
    row = next(row for row in await reader.json("inbox", "--all") if row["mail"] == hidden)
    assert "A picture hides a mail for you" in (await reader("read", row["id"])).stdout
    assert "We offer four hundred." in (await reader("read", row["id"], "--reveal")).stdout


# --- operators --------------------------------------------------------------------------------------------


@asynccontextmanager
async def broken(database: Database, id_: UUID, field: str, value: object) -> AsyncIterator[None]:
    """A field of a mail's record altered behind SecuMail's back, and put right again."""
    spool = database["spool"]
    before = await spool.find_one({"_id": id_})
    assert before is not None
    kept: Any = before
    for part in field.split("."):
        kept = kept[int(part)] if isinstance(kept, list) else kept[part]
    await spool.update_one({"_id": id_}, {"$set": {field: value}})
    try:
        yield
    finally:
        await spool.update_one({"_id": id_}, {"$set": {field: kept}})


async def dead_letter(operator: Terminal, service: str, **fields: str) -> dict[str, Any]:
    """The dead letter with these fields, once it is there."""

    async def look() -> dict[str, Any] | None:
        letters = await operator.json("dead", "ls", "--service", service)
        return next((one for one in letters if all(one[name] == value for name, value in fields.items())), None)

    found = await until(look)
    assert found is not None
    return found


async def test_a_malformed_event_is_found_among_the_dead_letters_and_discarded(office: Office, terminal: Open) -> None:
    operator, access = await terminal(None), Access.open(office.home.path)
    id_ = str(uuid4())
    async with await connect(access.amqp, access.ca, "a stranger", patience=0) as connection:
        channel = await connection.channel(publisher_confirms=True)
        malformed = Message(b'{"claim": "of whoever"}', message_id=id_, type="mail.filtered")
        await channel.default_exchange.publish(malformed, "crypto.mail.filtered", mandatory=True)
    letter = await dead_letter(operator, "crypto", id=id_)
    assert (letter["error"], letter["queue"]) == ("malformed", "crypto.mail.filtered")

    shown = await operator("dead", "show", id_[:8])
    assert shown.exit_code == 0, shown.output
    assert "malformed" in shown.stdout
    assert "whoever" not in shown.stdout

    # It is no better the second time: it comes back, and is taken away for good.
    assert (await operator("dead", "replay", id_)).exit_code == 0
    await dead_letter(operator, "crypto", id=id_)
    assert (await operator("dead", "discard", id_[:8])).exit_code == 0
    assert id_ not in (await operator("dead", "ls", "--json")).stdout


async def test_looking_at_dead_letters_loses_none(office: Office, terminal: Open) -> None:
    operator, access = await terminal(None), Access.open(office.home.path)
    ids = {str(uuid4()) for _ in range(3)}
    async with await connect(access.amqp, access.ca, "a stranger", patience=0) as connection:
        channel = await connection.channel(publisher_confirms=True)
        for id_ in ids:
            await channel.default_exchange.publish(Message(b"?", message_id=id_), "stego.dead", mandatory=True)
    for _ in range(5):
        assert {letter["id"] for letter in await operator.json("dead", "ls", "--service", "stego")} == ids
    refused = await operator("dead", "replay", "--all", "--service", "stego")
    assert refused.exit_code == 1
    assert "names no work queue to go back to" in refused.stderr
    gone = await operator.json("dead", "discard", "--all", "--service", "stego")
    assert {letter["id"] for letter in gone} == ids
    assert (await operator("dead", "ls", "--service", "stego")).stdout == "No dead letters.\n"


async def test_a_mail_stuck_on_a_lost_text_goes_on_once_it_is_restored_and_replayed(
    office: Office, terminal: Open, database: Database
) -> None:
    ada, bob, operator = await terminal(await office.member("ada")), await office.newcomer(), await terminal(None)
    reviewer = await terminal(await office.administrator())
    # A held mail waits in the spool: its text is lost there, and comes back from a backup after its release.
    async with lists(await office.administrator(), words=[{"term": "kingfisher"}]):
        raw = mail(f"ada@{office.domain}", bob.address, "Birds", "A kingfisher!\r\n")
        id_ = (await ada("send", "-", "--wait", given=raw)).stdout.split(":")[0]
    held = next(row for row in await reviewer.json("quarantine", "ls") if row["mail"] == id_)
    async with broken(database, UUID(id_), "mime", None):
        assert (await reviewer("quarantine", "release", held["id"])).exit_code == 0
        letter = await dead_letter(operator, "crypto", mail=id_)
        assert letter["error"] == "blob-gone"
        told = (await ada("sent", id_)).stdout
        assert "It stands still (blob-gone); nothing is lost." in told
        refused = await operator("dead", "discard", letter["id"])
        assert refused.exit_code == 1
        assert "is still on its way" in refused.stderr

    replayed = await operator("dead", "replay", letter["id"][:8])
    assert replayed.exit_code == 0, replayed.output
    assert f"{letter['id']} -> crypto.mail.filtered" in replayed.stdout
    submission = await (await office.member("ada")).settled(id_)
    assert submission["stuck"] is None
    assert [r["state"] for r in submission["recipients"]] == ["delivered"]
    steps = [step["step"] for step in (await ada.json("trace", id_))["steps"]]
    assert steps[-4:] == ["stuck:blob-gone", "replayed", "sealed", "delivered"]
    assert len(await bob.mails()) == 1


async def test_the_audit_trail_holds_while_mail_flows_and_tells_a_changed_step(
    office: Office, terminal: Open, database: Database
) -> None:
    ada, operator = await office.member("ada"), await terminal(None)
    sending = asyncio.gather(*(ada.sent(mail(ada.address, ada.address, f"Note {n}")) for n in range(20)))
    while not sending.done():
        found = await operator.json("audit", "verify")
        assert found["ok"], found
    id_ = (await sending)[-1]["id"]

    async def sealed() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await operator.json("audit", "ls", "--mail", id_)
        return rows

    rows = await until(sealed)
    assert [row["step"] for row in rows] == ["accepted", "passed:clean", "sealed", "delivered"]
    assert "The audit trail holds:" in (await operator("audit", "verify")).stdout

    async with broken(database, UUID(id_), "steps.1.step", "passed:whatever"):
        changed = await operator("audit", "verify")
        assert changed.exit_code == 1
        assert f"step 1 of mail {id_} differs from what was sealed" in changed.stdout
    assert (await operator("audit", "verify")).exit_code == 0


async def test_without_an_installation_an_operator_is_told_so(tmp_path: Path, terminal: Open) -> None:
    operator = await terminal(None)
    result = await operator("audit", "verify", "--home", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr == f"There is no installation in {tmp_path}.\nRun: secumail up\n"
