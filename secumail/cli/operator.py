"""The operator's way in: broker and database of an installation, with the secrets that lie under its home."""

import asyncio
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import typer
from aio_pika.exceptions import AMQPException

from secumail.errors import Refused
from secumail.installation import credentials
from secumail.installation.home import DATABASE, Home
from secumail.store.client import Database, PyMongoError, connect
from secumail.topology import OPERATOR

T = TypeVar("T")

HomeOption = Annotated[Path, typer.Option("--home", envvar="SECUMAIL_HOME", help="The installation's directory.")]
HERE = Path(".run")


@dataclass(frozen=True)
class Access:
    """Where broker and database are, with the operator's passwords in the URLs."""

    amqp: str
    mongodb: str
    ca: Path | None
    identities: Path
    database_name: str

    def __repr__(self) -> str:
        return "Access(...)"

    @classmethod
    def open(cls, directory: Path) -> Self:
        """From AMQP_URL and MONGODB_URL (and SECUMAIL_TLS_CA, SECUMAIL_IDENTITIES) where set, else from the home."""
        given = os.environ
        amqp, mongodb, identities = given.get("AMQP_URL"), given.get("MONGODB_URL"), given.get("SECUMAIL_IDENTITIES")
        ca = given.get("SECUMAIL_TLS_CA")
        if amqp is None or mongodb is None or identities is None:
            home = Home.open(directory)
            amqp = amqp or home.amqp_url(OPERATOR, _password(home, credentials.AMQP))
            mongodb = mongodb or home.mongodb_url(OPERATOR, _password(home, credentials.MONGODB))
            identities = identities or str(home.identities)
            ca = ca or str(home.ca)
        name = given.get("SECUMAIL_DATABASE", DATABASE)
        return cls(amqp, mongodb, Path(ca) if ca else None, Path(identities), name)

    def database(self) -> Database:
        """The installation's database."""
        client = connect(self.mongodb, str(self.ca) if self.ca else None, "secumail operator")
        return client[self.database_name]


def reached(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; a broker or database that does not answer is a Refused."""
    try:
        return asyncio.run(work)
    except PyMongoError as error:
        raise _away("database", "MONGODB_URL", error) from error
    except (AMQPException, OSError) as error:
        raise _away("broker", "AMQP_URL", error) from error


def _password(home: Home, kind: str) -> str:
    try:
        return credentials.read(home, OPERATOR, kind)
    except OSError:
        raise Refused(
            "not-the-operator", f"The operator's secrets under {home.path} can't be read.",
            "Run this as the user who started the installation, or set AMQP_URL and MONGODB_URL.",
        ) from None  # fmt: skip


def _away(what: str, variable: str, error: Exception) -> Refused:
    # The type alone: the driver's text may quote the URL with its password.
    return Refused(
        f"{what}-away", f"The {what} does not answer ({type(error).__name__}).",
        f"Look at `secumail status` and `secumail doctor`; where {variable} is set, at its address and password.",
    )  # fmt: skip
