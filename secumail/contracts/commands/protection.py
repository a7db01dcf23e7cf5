"""What crypto answers about the form of a mail: which one each recipient will get, and what a received one says."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from secumail.contracts.commands.base import Command, Reply
from secumail.contracts.commands.crypto import SignatureVerdict


class FormRow(BaseModel):
    """One recipient's form, in the order asked: what will really be sent. `form` is absent where nothing can be.

    `because`: what decided. `reason`: a stable code where the recipient gets nothing; `words` say form or reason.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    form: str | None = None
    because: Literal["wish", "policy", "readable"]
    reason: str | None = None
    words: str


class Forms(Reply):
    """A row for each recipient."""

    rows: tuple[FormRow, ...]


class ChooseForms(Command):
    """Which form each recipient of `account`'s mail would get now. `guests`: a password comes with the mail."""

    name: ClassVar[str] = "crypto.choose-forms"
    reply: ClassVar[type[Reply]] = Forms
    account: UUID
    recipients: tuple[str, ...]
    form: str = "auto"
    guests: bool = False


class DecryptionKey(BaseModel):
    """A person's decryption key, opened in the session for one read: `secret` is base64."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    kind: Literal["smime", "openpgp"]
    secret: str

    def __repr__(self) -> str:
        return f"DecryptionKey({self.kind})"


class Layer(BaseModel):
    """One layer of protection that a mail had, outermost first: what it was, and whether it could be opened.

    `state`: opened, or why not (a stable code); `words` say it to the reader.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    state: str
    words: str


class OpenedMail(Reply):
    """A protected mail, opened as far as it could be: all of `mail` (base64) or nothing of what was tampered with.

    `remote_content`: whether what the mail refers to may be loaded (not so where nothing proves that it is what was
    encrypted). `forged_from`: another From stands inside than outside, and nobody proves it.
    """

    mail: str
    layers: tuple[Layer, ...]
    signature: SignatureVerdict
    remote_content: bool = True
    forged_from: bool = False

    def __repr__(self) -> str:
        return f"OpenedMail(layers={len(self.layers)})"


class OpenMail(Command):
    """Open and judge a mail that came protected (S/MIME, OpenPGP), with its reader's keys. `mail` is base64."""

    name: ClassVar[str] = "crypto.open-mail"
    reply: ClassVar[type[Reply]] = OpenedMail
    account: UUID
    mail: str
    keys: tuple[DecryptionKey, ...] = ()

    def __repr__(self) -> str:
        return f"OpenMail(keys={len(self.keys)})"


COMMANDS: tuple[type[Command], ...] = (ChooseForms, OpenMail)
PRIVILEGED: tuple[type[Command], ...] = ()
