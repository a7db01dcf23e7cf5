"""`secumail demo`: a handful of mails through all services, and what became of each."""

import json
import secrets
import struct
import zlib
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from math import sin
from typing import Annotated

import typer

from secumail.cli.answers import Submission
from secumail.cli.client import Client, Hiding
from secumail.cli.operator import HERE, HomeOption
from secumail.cli.output import Json, emit, say, short, tabulate
from secumail.errors import Refused
from secumail.installation.home import Home

commands = typer.Typer(no_args_is_help=True)

BLACK_WORD = "operation bluebell"
_WIDTH, _HEIGHT = 800, 600
_CELL = 10  # pixels side by side under one light


@dataclass(frozen=True)
class Login:
    """One of the people the installation was seeded with."""

    who: str
    address: str
    password: str


@dataclass(frozen=True)
class Scene:
    """One mail of the demo."""

    title: str
    mail: EmailMessage
    hiding: Hiding | None = None


@commands.command()
def demo(
    directory: HomeOption = HERE,
    lists: Annotated[bool, typer.Option(help=f"May add the black word '{BLACK_WORD}' to the lists.")] = True,
    as_json: Json = False,
) -> None:
    """Send a handful of mails as the people the installation was seeded with, and show what became of them."""
    home = Home.open(directory)
    reviewer, sender, receiver = _people(home)
    if lists:
        with _client(home, reviewer) as client:
            _know_black_word(client)
    with _client(home, sender) as client:
        scenes = _scenes(sender.address, receiver.address, home.domains[0])
        sent = [(scene, client.send(scene.mail.as_bytes(), hiding=scene.hiding)["id"]) for scene in scenes]
        told: list[tuple[Scene, Submission]] = [
            (scene, client.get(f"/submissions/{mail}", wait=30)) for scene, mail in sent
        ]  # fmt: skip
        client.delete("/sessions/current")
    if as_json:
        emit([{"title": scene.title, "submission": submission} for scene, submission in told])
        return
    tabulate(
        ("mail", "id", "to", "state", ""),
        (
            (scene.title, short(submission["id"]), r["address"], r["state"], r["words"])
            for scene, submission in told
            for r in submission["recipients"]
        ),
    )
    say(
        f"\nRead them:   secumail login {receiver.address}; secumail inbox"
        f"\nReview:      secumail login {reviewer.address}; secumail quarantine ls"
        f"\nFollow one:  secumail login {sender.address}; secumail trace {short(told[0][1]['id'])}"
        f"\nPasswords:   {home.logins}"
    )


def _people(home: Home) -> tuple[Login, Login, Login]:
    """Reviewer, sender and receiver: three people where there are so many, else fewer in several parts."""
    try:
        logins = [Login(one["who"], one["address"], one["password"]) for one in json.loads(home.logins.read_text())]
    except FileNotFoundError:
        raise Refused("not-seeded", "The installation has no people yet.", "Run: secumail up") from None
    reviewer = next((one for one in logins if one.who == "reviewer"), logins[0])
    members = [one for one in logins if one.who == "member"] or [reviewer]
    return reviewer, members[0], members[-1]


def _client(home: Home, login: Login) -> Client:
    with Client(home.url, str(home.ca)) as door:
        token = door.post("/sessions", {"address": login.address, "password": login.password})["token"]
    return Client(home.url, str(home.ca), token, login.address)


def _know_black_word(client: Client) -> None:
    lists = client.get("/lists")
    if all(word["term"] != BLACK_WORD for word in lists["words"]):
        word = {"term": BLACK_WORD, "threshold": 1, "scope": "all"}
        client.put("/lists", {**lists, "words": [*lists["words"], word]}, str(lists["version"]))


def _scenes(sender: str, receiver: str, domain: str) -> list[Scene]:
    attached = _mail(sender, receiver, "Minutes of Tuesday", "The minutes are attached.")
    attached.add_attachment("Agreed: we meet again in two weeks.\n", filename="minutes.txt")
    hiding = Hiding((("morning.png", photograph()), ("noon.png", photograph())), "The view this morning, and at noon.")
    return [
        Scene("a clean mail", _mail(sender, receiver, "Lunch on Thursday", "At noon, by the river?")),
        Scene("with an attachment", attached),
        Scene("with a black word", _mail(sender, receiver, "Plans", f"How far is {BLACK_WORD}?")),
        Scene("hidden in two pictures", _mail(sender, receiver, "The offer", "We offer four hundred."), hiding),
        Scene("to an unknown address", _mail(sender, f"nobody@{domain}", "Hello", "Are you there?")),
    ]


def _mail(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    mail = EmailMessage(policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail.set_content(f"{text}\n")
    return mail


def photograph(width: int = _WIDTH, height: int = _HEIGHT) -> bytes:
    """A PNG with the light and the grain of a photograph: clouds, different every time. (W3C PNG, section 11.)"""
    draw = secrets.SystemRandom()
    waves = [(draw.uniform(0, 9), draw.uniform(0, 9), draw.uniform(0, 7), draw.uniform(6, 14)) for _ in range(6)]
    grains = [bytes(light + (n & 31) for n in range(256)) for light in range(224)]
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(0, width, _CELL):
            light = 110 + sum(size * sin(a * x / width + b * y / height + c) for a, b, c, size in waves)
            rows += secrets.token_bytes(3 * min(_CELL, width - x)).translate(grains[int(light)])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
