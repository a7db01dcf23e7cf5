"""Nothing readable at rest: words that were only ever in mails, addresses and passwords are looked for on every disk.

Mails with such words pass, are held, released, rejected, bounced, hidden in an image and become dead letters. Then
every file of the installation, every document of the database, every log and every exported span is searched for the
words, in all forms in which software writes words.
"""

import asyncio
import base64
import json
import quopri
import random
import shutil
import string
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any
from uuid import uuid4

import aio_pika
import psutil
import pytest
from aio_pika.abc import AbstractChannel

from secumail import telemetry, topology
from secumail.bus.connection import tls_context
from secumail.installation import credentials, database, services, toolchain
from secumail.installation.home import DATABASE, Home, Ports
from secumail.installation.supervisor import Stack
from secumail.store.client import Database
from tests.e2e.desk import held, until
from tests.integration.thief import Collector, Search
from tests.people import Office, Person
from tests.pictures import photograph

CONTROL = "controlwordinclear"


class Words(dict[str, str]):
    """Secret words by what they are; a new one whenever a new name is asked for."""

    def __missing__(self, what: str) -> str:
        self[what] = "".join(random.SystemRandom().choices(string.ascii_lowercase, k=14))
        return self[what]


@dataclass
class Robbed:
    """What the thief has: the installation's directory, the database's documents, the spans; and what he looks for.

    `written`: bytes that gateway and database wrote to disk while a form of 3 MB was taken.
    """

    home: Home
    words: Words
    documents: dict[str, list[Any]]
    collector: Collector
    written: dict[str, int]


@pytest.fixture(scope="module")
async def robbed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Robbed]:
    """An installation in which much has happened, its writers stopped."""
    directory = Path(tmp_path_factory.mktemp("robbed"))
    home, words = Home(directory / "home", Ports.free()), Words()
    with Collector() as collector, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(_plain_mongod(directory / "bin")), prepend=":")
        exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        programs = [
            replace(program, environment={**program.environment, **exporting}) for program in services.programs(home)
        ]
        async with Stack(home, programs) as stack:
            office = Office(home)
            story = Story(stack, office, words)
            await story.tell()
            await office.close()
            for name in topology.SERVICES:
                await stack.child(name).stop()
            client = database.member(home).connect()
            await client[DATABASE]["scratch"].insert_one({"left open": CONTROL})
            await client.admin.command("fsync")
            documents = await _dump(client[DATABASE])
            client.close()
            (home.logs / "scratch.log").write_text(f"somebody logged {CONTROL}\n")
            yield Robbed(home, words, documents, collector, story.written)


def _plain_mongod(directory: Path) -> Path:
    """A directory with a mongod that does not compress, so that what it writes can be searched."""
    directory.mkdir(parents=True)
    plain = "--wiredTigerCollectionBlockCompressor none --wiredTigerJournalCompressor none"
    (directory / "mongod").write_text(f'#!/bin/sh\nexec "{toolchain.mongod()}" "$@" {plain}\n')
    (directory / "mongod").chmod(0o755)
    assert shutil.which("mongod", path=str(directory))
    return directory


async def _dump(found: Database) -> dict[str, list[Any]]:
    names = await found.list_collection_names()
    return {name: await found[name].find().to_list(None) for name in names}


class Story:
    """What happens in the installation before the thief comes."""

    def __init__(self, stack: Stack, office: Office, words: Words) -> None:
        self._stack = stack
        self._office = office
        self._words = words
        self.written: dict[str, int] = {}

    async def tell(self) -> None:
        """From the first account to the last dead letter."""
        reviewer = await self._office.administrator()
        ada, bob = await self._person("sender"), await self._person("recipient")
        await self._make_lists(reviewer)
        passed = await self._passes(ada, bob)
        await self._large(ada, bob)
        await self._hidden(ada, bob)
        await self._bounced(ada)
        await self._picked_up(ada)
        await self._held_and_decided(reviewer, ada, bob)
        await self._refused(ada, bob)
        await self._dead_letters(ada, bob)
        await self._read(bob, passed)
        for person in (reviewer, ada, bob):
            self._words[f"session of {person.account}"] = person.headers["Authorization"].split()[1]
        await bob.door.delete("/sessions/current", headers=bob.headers)

    async def _person(self, who: str) -> Person:
        w = self._words
        address, password = f"{w[f'{who} address']}@{self._office.domain}", f"{w[f'{who} password']} on a hill"
        given = {"address": address, "display_name": f"Ms {w[f'{who} display name']}", "password": password}
        answer = await (await self._office.administrator()).post("/accounts", json=given)
        assert answer.status_code == 201, answer.text
        return await Person(address, self._office.door).log_in(password)

    def _mail(self, which: str, sender: Person, to: str, text: str = "") -> bytes:
        """A mail in which every place has its word."""
        w = self._words
        return (
            f'From: "{w[f"{which} From name"]}" <{sender.address}>\r\n'
            f'To: "{w[f"{which} To name"]}" <{to}>\r\n'
            f"Subject: {w[f'{which} subject']}\r\n"
            f"Message-ID: <{w[f'{which} message id']}@{self._office.domain}>\r\n"
            f"X-Note: {w[f'{which} header field']}\r\n"
            'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
            f"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            f"=C3=A4{w[f'{which} body']} {text}\r\n"
            f"--b\r\nContent-Type: text/csv\r\n"
            f'Content-Disposition: attachment; filename="{w[f"{which} file name"]}.csv"\r\n\r\n'
            f"{w[f'{which} attachment']}\r\n--b--\r\n"
        ).encode()

    async def _make_lists(self, reviewer: Person) -> None:
        lists = (await reviewer.get("/lists")).json()
        lists["words"] = [{"term": self._words["black word"]}]
        lists["exempt_senders"] = [f"{self._words['exempt sender']}@{self._office.domain}"]
        headers = {**reviewer.headers, "If-Match": f'"{lists["version"]}"'}
        answer = await reviewer.door.put("/lists", json=lists, headers=headers)
        assert answer.status_code == 200, answer.text

    async def _passes(self, ada: Person, bob: Person) -> str:
        raw = self._mail("passing", ada, bob.address)
        answer = await ada.send(raw, key=self._words["idempotency key"], to=[bob.address])
        assert await _states(ada, answer) == ["delivered"]
        return str(answer.json()["id"])

    async def _large(self, ada: Person, bob: Person) -> None:
        raw = self._mail("large", ada, bob.address, f"{self._words['large text']} " * 40_000)
        assert await _states(ada, await ada.send(raw)) == ["delivered"]

    async def _hidden(self, ada: Person, bob: Person) -> None:
        w, cover = self._words, photograph(800, 600)

        async def hide(raw: bytes) -> Any:
            files = {
                "message": ("mail.eml", raw, "message/rfc822"),
                "cover": (f"{w['cover file name']}.png", cover, "image/png"),
            }
            text = {"cover_text": f"{w['cover subject']}\n{w['cover text']}"}
            return await ada.post("/messages", files=files, data=text, headers={"Idempotency-Key": uuid4().hex})

        before = self._bytes_written()
        text = "".join(f"{_babble(1000)} {w['large form']}\r\n" for _ in range(3000))
        too_large = await hide(self._mail("unhidden", ada, bob.address, text))
        self.written = {name: count - before[name] for name, count in self._bytes_written().items()}
        assert await _states(ada, too_large) == ["bounced"]

        answer = await hide(self._mail("hidden", ada, bob.address))
        assert await _states(ada, answer) == ["delivered"]
        row = await bob.received(answer.json()["id"])
        revealed = (await bob.post(f"/messages/{row['id']}/reveal")).json()
        assert w["hidden body"] in revealed["text"]

    def _bytes_written(self) -> dict[str, int]:
        pids = {name: self._stack.child(name).pid for name in ("gateway", "database")}
        return {name: psutil.Process(pid).io_counters().write_bytes for name, pid in pids.items()}

    async def _bounced(self, ada: Person) -> None:
        nobody = f"{self._words['unknown address']}@{self._office.domain}"
        stranger = f"{self._words['outside address']}@{self._words['outside domain']}.example"
        answer = await ada.send(self._mail("bouncing", ada, nobody), to=[nobody, stranger])
        assert await _states(ada, answer) == ["bounced", "bounced"]
        await until(ada.mails)

    async def _picked_up(self, ada: Person) -> None:
        """A mail with a password: opened by page and by program, replied to; two more wait, one is taken back."""
        w = self._words
        guest = f"{w['guest address']}@{w['guest domain']}.example"
        fields = {"password": f"{w['pickup password']} on a hill", "hint": f"the {w['pickup hint']} of old"}
        links = []
        for which in ("picked up", "waiting pickup", "revoked pickup"):
            answer = await ada.post(
                "/messages", data=fields, headers={"Idempotency-Key": uuid4().hex},
                files={"message": ("mail.eml", self._mail(which, ada, guest), "message/rfc822")},
            )  # fmt: skip
            assert await _states(ada, answer) == ["delivered"]
            links.append(answer.json()["pickups"][guest])
            w[f"link of {which}"] = links[-1].rpartition("/")[2]
        door = ada.door
        page = f"/pickup/{w['link of picked up']}"
        base = str(door.base_url).removesuffix("/api/v1/")
        wrong = await door.post(f"{base}{page}", data={"password": w["wrong password"]})
        assert wrong.status_code == 403
        await door.post(f"{base}{page}", data={"password": fields["password"]})
        shown = await door.get(f"{base}{page}")
        assert w["picked up body"] in shown.text and w["picked up file name"] in shown.text
        w["cookie of a visit"] = next(iter(door.cookies.values()))
        form = shown.text.partition('name="form" value="')[2][:32]
        text = f"{w['reply text']} from me"
        replied = await door.post(f"{base}{page}/reply", data={"form": form, "text": text}, follow_redirects=True)
        assert "Your reply has been sent." in replied.text
        opened = await door.post(f"/pickups/{links[1].rpartition('/')[2]}/open", json={"password": fields["password"]})
        assert w["waiting pickup attachment"] in base64.b64decode(opened.json()["raw"]).decode()
        for row in (await ada.get("/pickups")).json():
            if row["link"] == links[2]:
                revoked = await door.delete(f"/pickups/{row['id']}", headers=ada.headers)
                assert revoked.status_code == 204
        await until(lambda: self._has_reply(ada))

    async def _has_reply(self, ada: Person) -> bool:
        return any(row["subject"].startswith("Re: ") for row in await ada.mails())

    async def _held_and_decided(self, reviewer: Person, ada: Person, bob: Person) -> None:
        for which, verdict, state in (
            ("released", "release", "delivered"),
            ("rejected", "reject", "rejected"),
            ("waiting", "", "held"),
        ):
            raw, why = self._mail(which, ada, bob.address, self._words["black word"]), self._words[f"{which} reason"]
            headers = {"Idempotency-Key": uuid4().hex}
            answer = await ada.post("/messages", headers=headers, files={"message": raw}, data={"reason": why})
            assert await _states(ada, answer) == ["held"]
            (row,) = await held(reviewer, self._words[f"{which} subject"])
            shown = (await reviewer.get(f"/quarantine/{row['id']}")).json()
            assert self._words["black word"] in shown["reason"]
            said = {"text": f"{self._words[f'{which} appeal']}, says the sender"}
            appealed = await ada.post(f"/submissions/{answer.json()['id']}/appeal", json=said)
            assert appealed.status_code == 204, appealed.text
            if verdict:
                note = f"{self._words[f'{which} note']}, says the reviewer"
                decision = {"ids": [row["id"]], "note": note}
                (decided,) = (await reviewer.post(f"/quarantine/{verdict}", json=decision)).json()
                assert decided["done"], decided
            assert await _states(ada, answer) == [state]

    async def _refused(self, ada: Person, bob: Person) -> None:
        """What is not taken must not be noted either."""
        w, door = self._words, self._office.door
        stranger = Person(f"{w['refused login']}@{self._office.domain}", door)
        foreign = self._mail("refused", stranger, bob.address)
        answers = [
            await door.post("/sessions", json={"address": stranger.address, "password": w["refused password"]}),
            await door.post("/sessions", json={"address": [w["malformed login"]], w["unknown field"]: 1}),
            await door.get(f"/messages/{w['odd path']}", headers=ada.headers),
            await door.get(
                "/messages", params={"folder": w["odd folder"], "cursor": w["odd cursor"]}, headers=ada.headers
            ),
            await door.get("/messages", headers={"Authorization": f"Bearer {w['odd token']}"}),
            await ada.send(foreign),
            await ada.send(w["no mail"].encode()),
            await ada.send(self._mail("misaddressed", ada, bob.address), to=[f"{w['malformed recipient']} <>"]),
            await ada.post("/quarantine/release", json={"ids": [str(uuid4())], "note": w["refused note"]}),
        ]
        assert [a.status_code for a in answers if a.status_code < 400 or a.status_code >= 500] == []

    async def _dead_letters(self, ada: Person, bob: Person) -> None:
        """A malformed event, and a mail whose claim was tampered with: both by the operator's hand."""
        home = self._stack.home
        url = home.amqp_url(topology.OPERATOR, credentials.read(home, topology.OPERATOR, credentials.AMQP))
        await self._stack.child("dlp").stop()
        answer = await ada.send(self._mail("dead", ada, bob.address))
        assert answer.status_code == 202, answer.text
        async with await aio_pika.connect(url, ssl_context=tls_context(home.ca)) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue("dlp.mail.submitted")
            message = await until(lambda: queue.get(fail=False))
            event = json.loads(message.body)
            event["claim"]["wrap"] = event["claim"]["wrap"][::-1]
            for body in (json.dumps(event).encode(), b'{"type": "mail.submitted"}'):
                again = aio_pika.Message(body, type="mail.submitted", correlation_id=event["mail"])
                await channel.default_exchange.publish(again, queue.name)
            await message.ack()
            # To show that the search finds what lies open on the broker's disk.
            open_letter = aio_pika.Message(CONTROL.encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(open_letter, topology.dead_queue("stego"))
            self._stack.child("dlp").start()
            await self._stack.child("dlp").ready()
            await until(lambda: _has(channel, topology.dead_queue("dlp"), 2))
        stuck = (await ada.get(f"/submissions/{answer.json()['id']}")).json()
        assert stuck["stuck"], stuck

    async def _read(self, bob: Person, passed: str) -> None:
        row = await bob.received(passed)
        opened = (await bob.get(f"/messages/{row['id']}")).json()
        assert self._words["passing body"] in opened["text"]
        attached = await bob.get(f"/messages/{row['id']}/attachments/1")
        assert self._words["passing attachment"] in attached.text


def _babble(letters: int) -> str:
    """Words nobody knows, which hardly compress."""
    return " ".join("".join(random.choices(ascii_lowercase, k=6)) for _ in range(letters // 7))


async def _states(sender: Person, answer: Any) -> list[str]:
    assert answer.status_code == 202, answer.text
    return [r["state"] for r in (await sender.settled(answer.json()["id"]))["recipients"]]


async def _has(channel: AbstractChannel, queue: str, count: int) -> bool:
    declared = await channel.declare_queue(queue, passive=True)
    return (declared.declaration_result.message_count or 0) >= count


async def test_the_search_finds_what_lies_open(robbed: Robbed) -> None:
    search = Search({"control": CONTROL})
    found = await asyncio.to_thread(search.in_files, robbed.home.path)
    assert any(file.startswith("mongodb/data/collection") for file in found), found
    assert any(file.startswith("mongodb/data/journal/") for file in found), found
    assert any(file.startswith("rabbitmq/data/") for file in found), found
    assert "logs/scratch.log" in found
    assert search.in_document(robbed.documents["scratch"]) == {"control (as it is)"}
    assert Search({"known": "secumail"}).in_bytes(b"".join(robbed.collector.bodies))


@pytest.mark.parametrize(
    "written",
    [
        b"a" + CONTROL.encode() + b"b",
        b"A" + CONTROL.upper().encode() + b"B",
        f"Ms {CONTROL.title()}".encode(),
        quopri.encodestring(f"für {CONTROL} möglich".encode()),
        json.dumps({"ä": f"ö{CONTROL}ü"}).encode(),
        f"ab{CONTROL}cd".encode().hex().encode(),
        f"ab{CONTROL}cd".encode().hex().upper().encode(),
        f"ä{CONTROL}ü".encode("utf-16-le"),
        f"ä{CONTROL}ü".encode("utf-16-be"),
        base64.b64encode(f"{CONTROL}ab".encode()),
        base64.b64encode(f"<{CONTROL}@x>".encode()),
        base64.b64encode(f"an{CONTROL}e".encode()),
        base64.urlsafe_b64encode(f"???{CONTROL}".encode()),
    ],
)
def test_the_search_knows_a_word_however_it_is_written(written: bytes) -> None:
    assert Search({"control": CONTROL}).in_bytes(written)
    assert not Search({"another": CONTROL[::-1]}).in_bytes(written)


async def test_no_file_of_the_installation_has_a_secret_word(robbed: Robbed) -> None:
    found = await asyncio.to_thread(Search(robbed.words).in_files, robbed.home.path)
    assert found == {}


async def test_no_document_has_a_secret_word(robbed: Robbed) -> None:
    search = Search(robbed.words)
    assert {"spool", "entries", "accounts", "directory", "audit", "lists", "pickups"} <= robbed.documents.keys()
    found = {name: search.in_document(documents) for name, documents in robbed.documents.items()}
    assert {name: hits for name, hits in found.items() if hits} == {}


async def test_no_span_has_a_secret_word_or_an_attribute_that_is_not_registered(robbed: Robbed) -> None:
    assert Search(robbed.words).in_bytes(b"".join(robbed.collector.bodies)) == set()
    spans = list(robbed.collector.spans())
    assert {"process dlp.mail.submitted", "process delivery.mail.concealed"} <= {span.name for span in spans}
    keys = {attribute.key for span in spans for attribute in span.attributes}
    keys |= {attribute.key for span in spans for event in span.events for attribute in event.attributes}
    assert keys <= telemetry.ATTRIBUTES
    assert {"secumail.done", "secumail.of"} <= keys, "how far the hiding was is told, and nothing else of it"


async def test_every_line_that_a_service_logged_is_one_json_object(robbed: Robbed) -> None:
    for name in topology.SERVICES:
        for line in robbed.home.log(name).read_text().splitlines():
            assert json.loads(line)["service"] == name


async def test_a_large_form_is_not_put_down_on_disk_on_its_way_to_the_database(robbed: Robbed) -> None:
    assert robbed.written["database"] > 3 * 2**20, "or this file system does not count"
    assert robbed.written["gateway"] < 2**16
