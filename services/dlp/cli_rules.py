"""dlp's commands about what counts for whom and when: rules of groups and persons, the time zone, entries that end."""

from datetime import datetime
from typing import Annotated, Any

import typer

from secumail.cli.output import Json
from secumail.errors import Refused
from services.dlp.cli_lists import put
from services.dlp.lists import FIELDS, End, ListName, Lists

Entry = Annotated[str, typer.Argument(metavar="ENTRY", help="As `lists export` has it; a word as it is written.")]


def time_zone(
    name: Annotated[str, typer.Argument(metavar="ZONE", help="Such as Europe/Berlin.")], as_json: Json = False
) -> None:
    """By which clock the days and hours of rules count."""
    put(lambda _now: {"time_zone": name}, as_json)


def until(
    part: Annotated[str, typer.Argument(metavar="LIST", help=f"Of: {', '.join(FIELDS)}.")],
    entry: Entry,
    day: Annotated[
        datetime | None, typer.Argument(metavar="DAY", formats=["%Y-%m-%d"], help="The last one; none: for ever.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let an entry of a list count until a day, that day included; or for ever again."""
    name = next((name for name in FIELDS if name == part), None)
    if name is None:
        raise Refused("no-such-list", f"There is no list {part!r}.", f"Give one of: {', '.join(FIELDS)}.")
    given = entry.strip().lower()
    put(lambda now: {"ends": _ends(now, name, given, day)}, as_json)


def _ends(now: Lists, name: ListName, entry: str, day: datetime | None) -> list[Any]:
    # The words do not come along: they may be a million.
    if name != "words" and entry not in getattr(now, FIELDS[name]):
        raise Refused("not-listed", f"{entry} is not on the list.", f"See: secumail lists export {name}")
    others = [end for end in now.ends if (end.list, end.entry) != (name, entry)]
    return [*others, *([End(list=name, entry=entry, until=day.date())] if day is not None else [])]
