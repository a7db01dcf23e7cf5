"""What stego needs from outside, and what a hiding method is."""

from typing import Protocol


class Embedder(Protocol):
    """One way of hiding bytes in an image. Deterministic for the same cover, payload and key."""

    def capacity(self, cover: bytes) -> int:
        """How many bytes the cover takes; Refused for one that can't be used."""

    def hide(self, cover: bytes, payload: bytes, key: bytes) -> bytes:
        """The carrier image (PNG); Refused where cover or payload don't fit."""

    def reveal(self, image: bytes, key: bytes) -> bytes:
        """The payload; Refused (`nothing-hidden`) for a wrong key and an ordinary image alike."""
