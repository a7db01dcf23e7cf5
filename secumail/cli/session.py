"""Who is logged in on this machine: a file that only its owner reads."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from secumail.errors import Refused
from secumail.installation.home import write_private


@dataclass(frozen=True)
class Session:
    """Where, as whom, and the token that proves it. `ca`: the certificate to trust, or the system's."""

    url: str
    ca: str | None
    address: str
    token: str

    def __repr__(self) -> str:
        return f"Session(url={self.url!r})"


def path() -> Path:
    """SECUMAIL_SESSION, or session.json in the user's configuration."""
    named = os.environ.get("SECUMAIL_SESSION")
    if named:
        return Path(named)
    configuration = os.environ.get("XDG_CONFIG_HOME")
    return (Path(configuration) if configuration else Path.home() / ".config") / "secumail" / "session.json"


def read() -> Session:
    """The session; Refused where nobody is logged in."""
    try:
        return Session(**json.loads(path().read_text()))
    except FileNotFoundError:
        raise Refused("not-logged-in", "Nobody is logged in here.", "Run: secumail login ADDRESS", 401) from None
    except (ValueError, TypeError):
        raise Refused(
            "session-damaged", f"{path()} is no session of ours.", "Run: secumail login ADDRESS", 401
        ) from None


def keep(session: Session) -> None:
    """Keep a session for the commands that follow."""
    write_private(path(), json.dumps(asdict(session)))


def forget() -> None:
    """Nobody is logged in any more."""
    path().unlink(missing_ok=True)
