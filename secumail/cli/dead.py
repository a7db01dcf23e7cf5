"""`secumail dead`: messages that no service could work off, for the operator."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from secumail.bus.dead import DeadLetters, Letter
from secumail.cli.operator import HERE, Access, HomeOption, reached
from secumail.cli.output import Json, chosen, emit, local, pairs, say, short, tabulate
from secumail.errors import Refused
from secumail.store.client import Collection
from secumail.topology import OPERATOR, consumers

commands = typer.Typer(no_args_is_help=True)
_dead = typer.Typer(no_args_is_help=True, help="Dead letters: messages that no service could work off.")
commands.add_typer(_dead, name="dead")

ServiceOption = Annotated[str | None, typer.Option("--service", help=f"Only of: {', '.join(consumers())}.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Ids as `ls` shows them.")]
All = Annotated[bool, typer.Option("--all", help="Every letter.")]


@_dead.command("ls")
def list_letters(
    service: ServiceOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many of each service.")] = 200,
    directory: HomeOption = HERE,
    as_json: Json = False,
) -> None:
    """What lies there, oldest first, and why. Nothing is taken away."""
    letters = reached(_look(Access.open(directory), _services(service), limit))
    if as_json:
        emit([_document(letter) for letter in letters])
    elif letters:
        columns = ("id", "service", "event", "error", "died", "mail")
        tabulate(columns, ((short(e.id), e.service, e.type, e.error, _time(e), e.mail) for e in letters))
    else:
        say("No dead letters.")


@_dead.command()
def show(id: Annotated[str, typer.Argument(metavar="ID")], directory: HomeOption = HERE, as_json: Json = False) -> None:
    """One letter: which mail, which step, what went wrong, when. Never what opens the mail."""
    letters = reached(_look(Access.open(directory), consumers()))
    whole = chosen(id, (letter.id for letter in letters), "dead letters")
    letter = next((letter for letter in letters if letter.id == whole), None)
    if letter is None:
        raise _unknown(id)
    if as_json:
        emit(_document(letter))
        return
    event = ", ".join(f"{name} {value}" for name, value in letter.event.items() if name != "mail")
    pairs(
        (
            ("Letter", letter.id),
            ("Mail", letter.mail or "not named"),
            ("Event", f"{letter.type or 'not named'}{f' ({event})' if event else ''}"),
            ("Error", letter.error),
            ("Service", letter.service),
            ("Queue", letter.queue or "not named"),
            ("Died", _time(letter)),
            ("Size", f"{letter.size} bytes"),
        )
    )


@_dead.command()
def replay(
    ids: Ids = None, every: All = False, service: ServiceOption = None, directory: HomeOption = HERE,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Send letters back to their work queues, once the cause is mended. Their mails are no longer stuck."""
    letters = reached(_take(Access.open(directory), _services(service), ids or [], every, _replay))
    _told(letters, "replayed", as_json)


@_dead.command()
def discard(
    ids: Ids = None, every: All = False, service: ServiceOption = None, directory: HomeOption = HERE,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Take letters away that no mail waits for. (Accepted means kept: others are refused.)"""
    letters = reached(_take(Access.open(directory), _services(service), ids or [], every, _discard))
    _told(letters, "discarded", as_json)


async def _look(access: Access, services: Sequence[str], most: int = 10_000) -> list[Letter]:
    async with DeadLetters.open(access.amqp, access.ca) as dead:
        return await dead.look(services, most)


async def _take(access: Access, services: Sequence[str], given: Sequence[str], every: bool, act: Any) -> list[Letter]:
    if every is bool(given):
        raise Refused("which-letters", "Neither letters nor --all, or both.", "Name the letters, or say --all.")
    async with DeadLetters.open(access.amqp, access.ca) as dead:
        there = [letter.id for letter in await dead.look(services)]
        wanted = there if every else [chosen(id_, there, "dead letters") for id_ in given]
        if missing := set(wanted) - set(there):
            raise _unknown(missing.pop())
        taken: list[Letter] = await act(dead, services, set(wanted), access.database()["spool"])
        return taken


async def _replay(dead: DeadLetters, services: Sequence[str], wanted: set[str], spool: Collection) -> list[Letter]:
    async def unmark(letter: Letter) -> None:
        # Before the letter goes: should the step fail again, its new mark must not be taken for the old one.
        mail = _uuid(letter.mail)
        if mail is not None:
            step = {"at": datetime.now(UTC), "actor": OPERATOR, "step": "replayed", "span": ""}
            await spool.update_one(
                {"_id": mail, "open": True, "stuck": {"$exists": True}},
                {"$unset": {"stuck": ""}, "$set": {"unsealed": True}, "$push": {"steps": step}},
            )

    return await dead.replay(services, lambda letter: letter.id in wanted, unmark)


async def _discard(dead: DeadLetters, services: Sequence[str], wanted: set[str], spool: Collection) -> list[Letter]:
    async def refuse_if_waited_for(letter: Letter) -> None:
        mail = _uuid(letter.mail)
        if mail is not None and await spool.find_one({"_id": mail, "open": True}, {"_id": 1}) is not None:
            raise Refused(
                "mail-waits", f"The mail of letter {letter.id} is still on its way.",
                "Mend the cause, then: secumail dead replay",
            )  # fmt: skip

    return await dead.discard(services, lambda letter: letter.id in wanted, refuse_if_waited_for)


def _services(given: str | None) -> Sequence[str]:
    if given is None:
        return consumers()
    if given not in consumers():
        raise Refused("no-such-service", f"{given!r} has no dead letters.", f"Give one of: {', '.join(consumers())}.")
    return (given,)


def _told(letters: Sequence[Letter], done: str, as_json: bool) -> None:
    if as_json:
        emit([_document(letter) for letter in letters])
        return
    for letter in letters:
        say(f"{done}: {letter.id} -> {letter.queue}" if done == "replayed" else f"{done}: {letter.id}")
    say(f"{len(letters)} {done}.")


def _document(letter: Letter) -> Mapping[str, Any]:
    return {**asdict(letter), "died": letter.died.isoformat() if letter.died else None}


def _time(letter: Letter) -> str:
    return local(letter.died.isoformat()) if letter.died else "not known"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _unknown(id_: str) -> Refused:
    return Refused("no-such-letter", f"There is no dead letter {id_}.", "Look at them with: secumail dead ls")
