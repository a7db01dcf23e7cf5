"""What is tried with every peer: a form, and who reads whose."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.interop.peers import PeerRefused
from tests.interop.world import World


class Way(StrEnum):
    """Who reads what the other has written."""

    THEY_READ = "they read ours"
    WE_READ = "we read theirs"


@dataclass(frozen=True)
class Case:
    """One cell of docs/interoperability.md.

    `check` passes where the peer and we agree on content and signer. `refusal` is what the peer says where it can't.
    """

    form: str
    peer: str
    way: Way
    check: Callable[[World], None]
    refusal: str = ""

    @property
    def expected(self) -> str:
        """What the table says."""
        return f"no ({self.refusal})" if self.refusal else "yes"

    def seen(self, world: World) -> str:
        """What happens: yes, or no with the peer's words (all of them, if they are others than expected)."""
        try:
            self.check(world)
        except PeerRefused as refused:
            expected = self.refusal and self.refusal in refused.reason
            return f"no ({self.refusal if expected else refused.reason})"
        return "yes"

    def __str__(self) -> str:
        return f"{self.form}, {self.peer}: {self.way}"
