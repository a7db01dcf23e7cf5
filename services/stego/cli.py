"""stego's commands: hide files in pictures and reveal them, without a server."""

import base64
import binascii
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress as Bar

from secumail.cli.output import Json, emit, progress_console, say, size, tabulate
from secumail.errors import Refused
from secumail.installation.home import write_private
from secumail.reasons import hiding_warnings
from services.stego import parts
from services.stego.carrier import images, is_carrier
from services.stego.cli_covers import covers
from services.stego.keys import KEY_SIZE, PASSPHRASE_MINIMUM, from_passphrase
from services.stego.terms import RATES, Hidden, Judged, Progress, Rate
from services.stego.workers import Workers

commands = typer.Typer(no_args_is_help=True)
stego = typer.Typer(no_args_is_help=True, help="Hide a file in photographs, and reveal it. Needs no server.")
commands.add_typer(stego, name="stego")
commands.add_typer(covers, name="covers")

_SUFFIX = {"png": ".png", "jpeg": ".jpg"}
_OLD_KEY = ("This key was there before. Each file wants a key of its own: who sees two can compare them.",)

Covers = Annotated[
    list[Path], typer.Option(help="A photograph that nobody else has: JPEG, PNG, BMP, TIFF or WebP. Repeat it.")
]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="32 random bytes in base64: without them nothing opens.")
]
FromPipe = Annotated[bool, typer.Option("--passphrase-stdin", help="Read a passphrase from a pipe instead of a key.")]
RateOption = Annotated[Rate, typer.Option(help="careful is seen least; maximum carries eight times as much as normal.")]


@stego.command()
def capacity(
    pictures: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Photographs.")],
    given: Annotated[Path | None, typer.Option("--in", help="Say whether they carry this file.")] = None,
    as_json: Json = False,
) -> None:
    """How many bytes pictures carry, each and together, whatever the bytes are; text is compressed, so more of it fits.

    Exit code 1 where a picture won't do, or where they don't carry the file given by --in at the normal rate.
    """
    files = [path.read_bytes() for path in pictures]
    needed = _needed(given.read_bytes()) if given is not None else 0
    with closing(Workers()) as workers:
        worths = [_judged(workers, file) for file in files]
        fit = all(isinstance(worth, Judged) for worth in worths)
        together = workers.together(files) if fit and len(files) > 1 else None
    total = together or next((worth.room for worth in worths if isinstance(worth, Judged)), None)
    short = {rate: max(0, needed - total[rate]) for rate in RATES} if fit and total is not None else {}
    if as_json:
        shown = [_document(path, worth) for path, worth in zip(pictures, worths, strict=True)]
        emit({"covers": shown, "together": total if fit else None, "needed": needed, "short": short})
    else:
        rows = [(path.name, *_cells(worth)) for path, worth in zip(pictures, worths, strict=True)]
        if together is not None:
            rows.append(("together", "", "", *(f"{together[rate]:,}" for rate in RATES), ""))
        tabulate(("picture", "", "pixels", *(f">{rate}" for rate in RATES), ""), rows)
        for rate in RATES if given is not None and fit else ():
            say(f"At the rate {rate}: {_verdict(len(files), short[rate])}")
    raise typer.Exit(0 if fit and not short.get("normal", 0) else 1)


@stego.command()
def hide(
    cover: Covers,
    given: Annotated[Path, typer.Option("--in", help="The file to hide.")],
    out: Annotated[Path, typer.Option("--out", help="Write the pictures into this directory.")],
    key_file: KeyFile = None,
    passphrase_stdin: FromPipe = False,
    rate: RateOption = "normal",
    as_json: Json = False,
) -> None:
    """Hide a file in pictures. A key is made where the key file is not there; take one key for one file."""
    payload, files = given.read_bytes(), [path.read_bytes() for path in cover]
    made = key_file is not None and not key_file.exists()
    key = secrets.token_bytes(KEY_SIZE) if made else _key(key_file, passphrase_stdin, PASSPHRASE_MINIMUM)
    _check_place(cover, out)
    with closing(Workers()) as workers, _bar("hiding", len(files)) as progress:
        hidden = workers.hide(files, payload, key, rate, progress)
    paths = _paths(cover, hidden, out)
    if made and key_file is not None:
        write_private(key_file, base64.b64encode(key) + b"\n")  # before the pictures: they open with nothing else
    out.mkdir(parents=True, exist_ok=True)
    for path, one in zip(paths, hidden, strict=True):
        path.write_bytes(one.file)
    warnings = [*_OLD_KEY] if key_file is not None and not made else []
    warnings += hiding_warnings(rate, outside=True)
    if as_json:
        told = [str(path) for path in paths]
        emit({"files": told, "hidden": len(payload), "key_made": made, "warnings": warnings})
        return
    say(f"{size(len(payload))} hidden in {', '.join(map(str, paths))}.")
    if made:
        say(f"The key is in {key_file}.")
    for warning in warnings:
        say(warning, error=True)


@stego.command()
def reveal(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="All pictures, or raw mails with them.")],
    out: Annotated[Path, typer.Option("--out", help="Write what they hide into this file.")],
    key_file: KeyFile = None,
    passphrase_stdin: FromPipe = False,
    as_json: Json = False,
) -> None:
    """Take out what pictures hide: all of them at once, in any order, as they came."""
    pictures = [picture for path in files for picture in _pictures(path.read_bytes())]
    key = _key(key_file, passphrase_stdin)
    with closing(Workers()) as workers:
        payload = workers.reveal(pictures, key)
    write_private(out, payload)
    if as_json:
        emit({"file": str(out), "bytes": len(payload)})
    else:
        say(f"{size(len(payload))} revealed into {out}.")


def _key(path: Path | None, passphrase: bool, shortest: int = 1) -> bytes:
    if (path is None) is not passphrase:
        raise Refused("no-key", "A key file or a passphrase is needed, not both.", "--key-file or --passphrase-stdin.")
    if path is None:
        try:
            given = sys.stdin.buffer.readline().decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise Refused("passphrase-not-utf-8", "The passphrase is not UTF-8.", "Give it as UTF-8 text.") from error
        if len(given) < shortest:
            raise Refused(
                "passphrase-short",
                f"The passphrase has {len(given)} characters; at least {shortest} are needed.",
                "Give several words by a pipe, on one line.",
            )
        return from_passphrase(given)
    try:
        key = base64.b64decode(path.read_text().strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_SIZE:
        raise Refused(
            "not-a-key", f"{path} holds no stego key.", "Give the file that `secumail stego hide` made (44 characters)."
        )
    return key


def _pictures(data: bytes) -> Sequence[bytes]:
    return [data] if is_carrier(data) else images(data) or [data]


def _check_place(given: Sequence[Path], out: Path) -> None:
    """Before the work: each picture gets a name of its own, away from its original."""
    if any(path.parent.resolve() == out.resolve() for path in given):
        raise Refused(
            "beside-original", "Pictures would lie beside their originals.", "Name another directory with --out."
        )
    if len({path.stem for path in given}) < len(given):
        raise Refused("same-name", "Two covers have the same name.", "Rename one.")
    stems = {path.stem for path in given}
    if out.is_dir() and any(file.stem in stems for file in out.iterdir()):
        raise Refused(
            "exists", "There are pictures of these names already, which may carry something.", "Name another directory."
        )


def _paths(given: Sequence[Path], hidden: Sequence[Hidden], out: Path) -> list[Path]:
    paths = []
    for path, one in zip(given, hidden, strict=True):
        own = path.suffix.lower() in (".jpg", ".jpeg") if one.kind == "jpeg" else path.suffix.lower() == ".png"
        paths.append(out / (path.name if own else path.stem + _SUFFIX[one.kind]))
    return paths


def _needed(payload: bytes) -> int:
    """Bytes of room that a file takes: it is compressed and padded."""
    return len(parts.frame(payload, parts.PAYLOAD_LIMIT)) - parts.FRAME_OVERHEAD


def _judged(workers: Workers, file: bytes) -> Judged | Refused:
    try:
        return workers.judge(file)
    except Refused as refused:
        return refused


def _document(path: Path, worth: Judged | Refused) -> dict[str, object]:
    if isinstance(worth, Refused):
        return {"file": str(path), "code": worth.code, "error": worth.words, "fix": worth.fix}
    return {
        "file": str(path), "kind": worth.kind, "width": worth.width, "height": worth.height, "room": worth.room,
        "notes": list(worth.notes),
    }  # fmt: skip


def _cells(worth: Judged | Refused) -> tuple[str, ...]:
    if isinstance(worth, Refused):
        return ("", "", *("" for _ in RATES), f"{worth.words} {worth.fix}")
    pixels = f"{worth.width} x {worth.height}"
    return (worth.kind, pixels, *(f"{worth.room[rate]:,}" for rate in RATES), " ".join(worth.notes))


def _verdict(count: int, short: int) -> str:
    which = "this picture carries it" if count == 1 else f"these {count} pictures carry it"
    lacking = "this picture is" if count == 1 else f"these {count} pictures are"
    return f"{which}." if not short else f"{lacking} {size(short)} short."


@contextmanager
def _bar(what: str, of: int) -> Iterator[Progress]:
    """A progress bar on a terminal."""
    with Bar(console=progress_console(), transient=True, disable=not progress_console().is_terminal) as bar:
        task = bar.add_task(what, total=of)
        yield lambda done, of: bar.update(task, completed=done, total=of)
