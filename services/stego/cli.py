"""stego's commands: hide files in pictures and reveal them, without a server."""

import base64
import binascii
import secrets
from pathlib import Path
from typing import Annotated

import typer

from secumail.cli.output import Json, emit, say, size
from secumail.errors import Refused
from secumail.installation.home import write_private
from services.stego.carrier import images
from services.stego.embedding import LsbMatching
from services.stego.payload import KEY_SIZE, NothingHidden

commands = typer.Typer(no_args_is_help=True)
stego = typer.Typer(no_args_is_help=True, help="Hide a file in a photograph, and reveal it. Needs no server.")
commands.add_typer(stego, name="stego")

_PNG = b"\x89PNG\r\n\x1a\n"

KeyFile = Annotated[Path, typer.Option("--key-file", help="32 random bytes in base64: without them nothing opens.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="Write into this file.")]


@stego.command()
def capacity(picture: Annotated[Path, typer.Argument(help="A PNG photograph.")], as_json: Json = False) -> None:
    """How many bytes fit into a picture whatever they are; text is compressed, so more of it does."""
    room = LsbMatching().capacity(picture.read_bytes())
    if as_json:
        emit({"file": str(picture), "bytes": room})
    else:
        say(f"{room:,} bytes fit into {picture}.")


@stego.command()
def hide(
    cover: Annotated[Path, typer.Option(help="A PNG photograph that nobody else has.")],
    given: Annotated[Path, typer.Option("--in", help="The file to hide.")],
    key_file: KeyFile,
    output: Output,
    as_json: Json = False,
) -> None:
    """Hide a file in a picture. The key is made where the key file is not there; take one key for one picture."""
    payload, photograph = given.read_bytes(), cover.read_bytes()
    known = key_file.exists()
    key = _read_key(key_file) if known else secrets.token_bytes(KEY_SIZE)
    hidden = LsbMatching().hide(photograph, payload, key)
    if not known:
        write_private(key_file, base64.b64encode(key) + b"\n")  # before the picture: it opens with nothing else
    output.write_bytes(hidden)
    if as_json:
        emit({"file": str(output), "bytes": len(hidden), "hidden": len(payload), "key_made": not known})
        return
    say(f"{size(len(payload))} hidden in {output}; the key is in {key_file}.")
    if known:
        say(
            "This key was there before. Each picture wants a key of its own: who sees two can compare them.", error=True
        )


@stego.command()
def reveal(
    file: Annotated[Path, typer.Argument(help="A PNG, or a raw mail with one attached.")],
    key_file: KeyFile,
    output: Output,
    as_json: Json = False,
) -> None:
    """Take out what a picture, or a picture of a mail, hides."""
    payload = _revealed(file.read_bytes(), _read_key(key_file))
    write_private(output, payload)
    if as_json:
        emit({"file": str(output), "bytes": len(payload)})
    else:
        say(f"{size(len(payload))} revealed into {output}.")


def _revealed(data: bytes, key: bytes) -> bytes:
    embedder = LsbMatching()
    if data.startswith(_PNG):
        return embedder.reveal(data, key)
    for _, picture in images(data):
        try:
            return embedder.reveal(picture, key)
        except NothingHidden:
            continue
    raise NothingHidden


def _read_key(path: Path) -> bytes:
    try:
        key = base64.b64decode(path.read_text().strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_SIZE:
        raise Refused(
            "not-a-key", f"{path} holds no stego key.", "Give the file that `secumail stego hide` made (44 characters)."
        )
    return key
