"""`secumail audit`: the sealed trail of every step and act, for the operator."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import typer

from secumail import audit
from secumail.cli.operator import HERE, Access, HomeOption, reached
from secumail.cli.output import Json, emit, local, say, tabulate
from secumail.sealing.identities import Identities

commands = typer.Typer(no_args_is_help=True)
_audit = typer.Typer(no_args_is_help=True, help="The sealed trail of every step and act.")
commands.add_typer(_audit, name="audit")


@_audit.command()
def verify(directory: HomeOption = HERE, as_json: Json = False) -> None:
    """Walk the whole chain, and compare it with what the spool still holds. Exit code 1 where anything was changed."""
    access = Access.open(directory)

    async def walk() -> audit.Finding:
        return await audit.verify(access.database(), Identities.read(access.identities))

    found = reached(walk())
    if as_json:
        emit({"ok": not found.faults, **asdict(found)})
    elif found.faults:
        say("\n".join(("The audit trail was changed:", *(f"  {fault}" for fault in found.faults))))
    else:
        say(f"The audit trail holds: {found.steps} steps in {found.batches} batches.")
        say(f"Head: {found.head}  (keep it elsewhere: who has it sees a later cut)")
    raise typer.Exit(1 if found.faults else 0)


@_audit.command("ls")
def list_steps(
    mail: Annotated[
        UUID | None, typer.Option("--mail", help="Only of this mail, and of those it was split into.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    directory: HomeOption = HERE,
    as_json: Json = False,
) -> None:
    """Sealed steps, oldest first: when, who, what, on which mail."""
    rows = reached(_rows(Access.open(directory), mail, limit))
    if as_json:
        emit(rows)
    elif rows:
        columns = (">batch", "at", "actor", "step", "subject")
        tabulate(columns, ((r["batch"], local(r["at"]), r["actor"] or "-", r["step"], r["subject"]) for r in rows))
    else:
        say("Nothing is sealed yet." if mail is None else "Nothing of this mail is sealed (yet).")


async def _rows(access: Access, mail: UUID | None, limit: int) -> Sequence[dict[str, Any]]:
    database = access.database()
    subjects: list[str] = []
    query: dict[str, Any] = {}
    if mail is not None:
        parts = await database["spool"].find({"parent": mail}, {"_id": 1}).to_list(None)
        subjects = [str(mail), *(str(part["_id"]) for part in parts)]
        query = {"rows": {"$elemMatch": {"0": {"$in": subjects}}}}
    found: list[dict[str, Any]] = []
    async for batch in database["audit"].find(query).sort("_id", -1):
        rows = [
            {"batch": batch["_id"], "subject": subject, "number": number, "at": at, "actor": actor, "step": step}
            for subject, number, at, actor, step in batch["rows"]
            if not subjects or subject in subjects
        ]
        found = rows + found
        if len(found) >= limit:
            break
    return found[-limit:]
