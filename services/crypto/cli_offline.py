"""`secumail protect` and `secumail open`: protected mail without a server, home or network."""

import base64
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from secumail.cli.output import Json, emit, pairs, say, size
from secumail.errors import Refused
from secumail.installation.home import write_private
from secumail.mailbox import mime
from services.crypto import key_files
from services.crypto.forms import WORDS, Form
from services.crypto.key_files import Keys
from services.crypto.opening import SIZE_LIMIT, Keyring, Opened, open_mail
from services.crypto.protecting import Recipients
from services.crypto.protecting import protect as protected
from services.crypto.smime.verification import State

commands = typer.Typer(no_args_is_help=True)

_STDIO = Path("-")
_TEXT = 2 << 20
_NO_FAULT = (State.GOOD, State.UNSIGNED)
_NAMES = {"from": "From", "to": "To", "cc": "Cc", "date": "Date", "subject": "Subject"}


class Wanted(StrEnum):
    """Forms that can be asked for here."""

    AUTO = "auto"
    SIGNED = "signed"
    SMIME_CBC = "smime-cbc"
    SMIME_GCM = "smime-gcm"
    OPENPGP = "openpgp"
    SYMMETRIC = "password"
    ZIP = "zip"


Mail = Annotated[Path, typer.Argument(help="A raw mail (.eml); - is the standard input.")]
PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read passwords from the standard input, one a line."),
]


@commands.command()
def protect(
    file: Mail,
    output: Annotated[Path, typer.Option("-o", "--output", help="Write the protected mail here; - is the output.")],
    to: Annotated[
        list[Path] | None, typer.Option(help="A recipient's certificate (PEM, DER) or OpenPGP key. Give all of them.")
    ] = None,
    sign_with: Annotated[
        Path | None, typer.Option(help="The sender's key: .p12, .pem with key and certificate, or OpenPGP (.asc).")
    ] = None,
    form: Annotated[Wanted, typer.Option(help="auto: by the recipients' keys, and by what they say they read.")] = (
        Wanted.AUTO
    ),
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Sign and encrypt a mail, its header inside, in a form that other mail programs read.

    The sender is always among those who can read it, if the sender's key is for encryption too. With --form password
    or zip the first password of --password-stdin is the mail's, the others unlock the sender's key.
    """
    if to and form in (Wanted.SIGNED, Wanted.SYMMETRIC, Wanted.ZIP):
        raise typer.BadParameter(f"A mail of --form {form} is encrypted to no key: leave out --to.")
    passwords = _passwords(file, password_stdin)
    secret = form in (Wanted.SYMMETRIC, Wanted.ZIP)
    unlocking = passwords[1:] if secret else passwords
    signing = key_files.read([_read(sign_with)], unlocking) if sign_with else None
    recipients = _recipients(to or (), passwords[:1] if secret else ())
    chosen = _chosen(recipients, signing) if form is Wanted.AUTO else Form(form)
    mail = protected(_read(file), chosen, recipients, signing.signer(unlocking) if signing else None, datetime.now(UTC))
    _write(output, mail)
    if as_json and output != _STDIO:
        emit({"file": str(output), "bytes": len(mail), "form": chosen, "signed": signing is not None})
        return
    say(_words(chosen, signed=signing is not None), error=True)


@commands.command("open")
def open_(
    file: Mail,
    key: Annotated[
        list[Path] | None, typer.Option(help="Your key: .p12, .pem with key and certificate, or OpenPGP (.asc).")
    ] = None,
    trust: Annotated[
        list[Path] | None, typer.Option(help="Whom to trust: a CA's certificate (PEM), or the sender's OpenPGP key.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the opened mail here.")] = None,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Open a protected mail in whatever form it is, and say what its protection is worth.

    Exit code 0: opened, and not signed or signed well. 1: it can't be opened, or its signature is not good. Without
    --trust nobody can vouch for a signer, and only a signature that doesn't fit the mail makes it 1.
    """
    if as_json and output == _STDIO:
        raise typer.BadParameter("Only one of --json and -o - can go to the output.")
    passwords = _passwords(file, password_stdin)
    keys = key_files.read([_read(path) for path in key or ()], passwords)
    trusted = key_files.read([_read(path) for path in trust or ()])
    keyring = Keyring(
        tuple(keys.pairs()), tuple(keys.secrets), tuple(dict.fromkeys((*trusted.openpgp, *keys.openpgp))), passwords
    )
    opened = open_mail(_read(file), keyring, trusted.trust(), datetime.now(UTC))
    if output is not None and opened.mail is not None:
        _write(output, opened.mail)
    if as_json:
        emit(_as_data(opened))
    elif output == _STDIO:
        for words in (*(layer.words for layer in opened.layers), *_warnings(opened)):
            say(words, error=True)
    else:
        _show(opened, with_text=output is None)
    bad = opened.signature.state not in _NO_FAULT if trust else opened.signature.state is State.TAMPERED
    if opened.mail is None or bad:
        raise typer.Exit(1)


def _words(form: Form, *, signed: bool) -> str:
    if form is Form.SIGNED:
        return "Signed."
    return WORDS[form] if signed else f"{WORDS[form].replace('Signed and encrypted', 'Encrypted')} It is not signed."


def _recipients(files: Sequence[Path], passwords: tuple[str, ...]) -> Recipients:
    # Each file for itself: a recipient who is passed over would not be missed.
    found = [key_files.read([_read(path)]) for path in files]
    for path, keys in zip(files, found, strict=True):
        if not keys.certificates and not keys.openpgp:
            raise Refused(
                "recipient-without-certificate",
                f"{path} holds a private key, but no certificate.",
                "Give the recipient's certificate (PEM, DER) or OpenPGP public key.",
            )
    certificates = tuple(certificate for keys in found for certificate in keys.people())
    openpgp = tuple(key for keys in found for key in keys.openpgp)
    if certificates and openpgp:
        raise Refused(
            "mixed-recipients",
            "Some recipients have certificates and some have OpenPGP keys: one mail has one form.",
            "Protect it once for each kind.",
        )
    return Recipients(certificates, openpgp, passwords)


def _chosen(recipients: Recipients, signing: Keys | None) -> Form:
    certificates = recipients.certificates
    if certificates:
        return Form.SMIME_GCM if all(map(key_files.reads_gcm, certificates)) else Form.SMIME_CBC
    if recipients.openpgp:
        return Form.OPENPGP
    if signing is not None:
        return Form.SIGNED
    raise Refused(
        "nothing-to-do",
        "It is not said how to protect the mail.",
        "Give recipients' keys (--to), the sender's key (--sign-with), or --form password with --password-stdin.",
    )


def _passwords(file: Path, password_stdin: bool) -> tuple[str, ...]:
    if not password_stdin:
        return ()
    if file == _STDIO:
        raise typer.BadParameter("--password-stdin needs the mail in a file: only one can come from the input.")
    return tuple(line for line in sys.stdin.read().splitlines() if line)


def _read(path: Path) -> bytes:
    if path == _STDIO:
        content = sys.stdin.buffer.read(SIZE_LIMIT + 1)
    else:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise Refused("file-too-large", "A file is larger than any mail.", "Look whether it is the right one.")
    return content


def _write(path: Path, content: bytes) -> None:
    if path == _STDIO:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_private(path.absolute(), content)


def _as_data(opened: Opened) -> dict[str, Any]:
    return {
        "mail": None if opened.mail is None else base64.b64encode(opened.mail).decode(),
        **_shown(opened.mail or b""),
        "layers": [
            {"kind": layer.kind, "state": layer.state, "words": layer.words, "fingerprint": layer.fingerprint}
            for layer in opened.layers
        ],
        "signature": opened.signature.model_dump(mode="json"),
        "encrypted": opened.encrypted,
        "remote_content": opened.remote_content,
        "forged_from": opened.forged_from,
    }


def _shown(mail: bytes) -> dict[str, Any]:
    """Header fields, text and attachments as a reader sees them."""
    message = mime.parse(mail)
    if message is None:
        return {**dict.fromkeys(_NAMES, ""), "text": "", "attachments": []}
    leaves = list(mime.leaves(message))
    texts = [part for part in leaves if not mime.is_attachment(part)]
    plain = [part for part in texts if part.get_content_type() == "text/plain"] or texts
    return {
        **{key: mime.field(message, name) for key, name in _NAMES.items()},
        "text": "\n".join(mime.text(part, _TEXT) for part in plain),
        "attachments": [
            {"name": mime.file_name(part) or "", "type": part.get_content_type(), "size": len(mime.data(part))}
            for part in leaves
            if mime.is_attachment(part)
        ],
    }


def _warnings(opened: Opened) -> list[str]:
    warnings = []
    if opened.forged_from:
        warnings.append("Inside, the mail names another sender, whom nobody proves; shown is the outer one.")
    if opened.mail is not None and not opened.remote_content:
        warnings.append("Nothing proves that this is what was encrypted: load nothing it refers to.")
    return warnings


def _show(opened: Opened, *, with_text: bool) -> None:
    shown = _shown(opened.mail or b"")
    pairs(
        (
            *((name, shown[key]) for key, name in _NAMES.items() if shown[key]),
            *(("Protection", layer.words) for layer in opened.layers if layer.words != opened.signature.words),
            ("Signature", opened.signature.words),
            *(("Warning", words) for words in _warnings(opened)),
            *(("Attachment", f"{a['name']} ({a['type']}, {size(a['size'])})") for a in shown["attachments"]),
        )
    )
    if with_text and opened.mail is not None:
        say(f"\n{shown['text'].rstrip()}")
