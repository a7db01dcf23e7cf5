"""Finds copies of confidential documents, whole or in excerpts, by fingerprints that do not give the documents away.

Winnowing (Schleimer, Wilkerson, Aiken: "Winnowing: Local Algorithms for Document Fingerprinting", SIGMOD 2003) over the
skeleton of a text (views.py), its letters and digits alone, look-alikes undone: of every W neighbouring grams of K
characters the least hash is kept. So a run of K + W - 1 = 63 letters and digits that two texts share always shares a
fingerprint, and two of every seventeen grams are stored.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.dlp.detectors.masking import mask
from services.dlp.detectors.winnowing import among, grams, winnow
from services.dlp.findings import Hit
from services.dlp.layers import Layer
from services.dlp.message import Passage
from services.dlp.views import SEAM, Codes, Places, bones, codes, described, skeleton
from services.dlp.words import fold

# Longer grams and shorter windows than usual: 32 letters are a name ("North Atlantic Treaty Organization"), 48 a copy.
K = 48
W = 16
SHORTEST = K + W - 1
VERSION = f"winnowing {K} {W} 2"
DETECTOR = "copy"

# A template that thousands of documents share is said once, not thousands of times.
MAX_DOCUMENTS = 20

# Long texts are hashed in pieces, so that memory stays small.
PIECE = 1 << 20

_MAGIC = f"SecuMail {VERSION}\n".encode()
_HEAD = struct.Struct("<QQQ")
_DIGEST = 32

Hashes = NDArray[np.uint64]
Owners = NDArray[np.uint32]

_NONE: Hashes = np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """A document's fingerprints, in ascending order, each once; `document` is the id that hits name."""

    document: str
    hashes: Hashes


class TooShort(ValueError):
    """A document of fewer letters and digits than an excerpt that is always found."""

    def __init__(self) -> None:
        super().__init__(
            f"the document has fewer than {SHORTEST} letters and digits: put what it says on the word list"
        )


class Damaged(ValueError):
    """Bytes that are no index, or not one whole index of this version."""

    def __init__(self) -> None:
        super().__init__("these bytes are no fingerprint index of this version: register the documents again")


def register(document: str, texts: Iterable[str]) -> Fingerprints:
    """The fingerprints of a document's passages. TooShort: it would not be found."""
    parts = [_winnowed(squashed) for squashed, _ in map(_squash, texts) if len(squashed) >= SHORTEST]
    if not parts:
        raise TooShort
    return Fingerprints(document, np.unique(np.concatenate(parts)))


@dataclass(frozen=True)
class Index:
    """The fingerprints of many documents: 12 bytes each, in ascending order of hash. An index never changes; `add`,
    `remove` and `ignoring` return another one.

    `ignored` are fingerprints of what everybody writes (signatures, disclaimers, templates): they count for nothing.
    """

    documents: tuple[str, ...] = ()
    hashes: Hashes = field(default_factory=_NONE.copy)
    owners: Owners = field(default_factory=lambda: np.empty(0, np.uint32))
    ignored: Hashes = field(default_factory=_NONE.copy)

    def add(self, *registered: Fingerprints) -> "Index":
        """With these documents; one that is there already is replaced."""
        kept = self.remove(*(one.document for one in registered))
        every = {one.document: one for one in registered}
        first = len(kept.documents)
        hashes = np.concatenate([kept.hashes, *(one.hashes for one in every.values())])
        owners = np.concatenate(
            [kept.owners, *(np.full(len(one.hashes), first + n, np.uint32) for n, one in enumerate(every.values()))]
        )
        order = np.argsort(hashes, kind="stable")
        return Index((*kept.documents, *every), hashes[order], owners[order], self.ignored)

    def remove(self, *documents: str) -> "Index":
        """Without these documents; those it does not have are passed over."""
        gone = set(documents)
        kept = [place for place, document in enumerate(self.documents) if document not in gone]
        if len(kept) == len(self.documents):
            return self
        renumbered = np.zeros(len(self.documents), np.uint32)
        renumbered[kept] = np.arange(len(kept), dtype=np.uint32)
        stays = np.isin(self.owners, np.array(kept, np.uint32))
        names = tuple(self.documents[place] for place in kept)
        return Index(names, self.hashes[stays], renumbered[self.owners[stays]], self.ignored)

    def ignoring(self, texts: Iterable[str]) -> "Index":
        """With these texts ignored, instead of those that were. Texts of fewer than K letters are passed over."""
        parts = [grams(squashed, K) for squashed, _ in map(_squash, texts) if len(squashed) >= K]
        return Index(self.documents, self.hashes, self.owners, np.unique(np.concatenate(parts)) if parts else _NONE)

    def find(self, passages: Sequence[Passage]) -> tuple[Hit, ...]:
        """One hit for each layer of a passage and document of which it has an excerpt (the 20 it has most of); the
        count is of shared fingerprints. The span is of the first shared gram, where the passage is ASCII.
        """
        if not len(self.hashes):
            return ()
        layers = [(passage, layer) for passage in passages for layer in passage.unfolded.layer if not layer.respelled]
        # Most mails have nothing: all their texts are looked at together, and apart where there is something.
        whole = codes(skeleton("".join(f"{layer.folded}{SEAM}" for _, layer in layers)))
        if not len(self._shared(_winnowed(whole))):
            return ()
        return tuple(hit for passage, layer in layers for hit in self._find(passage.name, layer))

    def _shared(self, mine: Hashes) -> Hashes:
        """Those of these fingerprints that count and that a document has, in ascending order, each once."""
        known = among(mine, self.hashes, *self._buckets)
        return np.setdiff1d(np.unique(known), self.ignored, assume_unique=True) if len(known) else known

    @cached_property
    def _buckets(self) -> tuple[NDArray[np.uint32], int]:
        """Where among the hashes those begin that have the same upper bits, a few each, and how many bits are below.
        (Binary search would touch ten times the memory.)"""
        bits = max(1, (len(self.hashes) // 4).bit_length())
        heads = self.hashes >> np.uint64(64 - bits)
        return np.searchsorted(heads, np.arange((1 << bits) + 1, dtype=np.uint64)).astype(np.uint32), 64 - bits

    def _find(self, passage: str, layer: Layer) -> Iterable[Hit]:
        squashed, places = _squash(layer.text)
        mine = self._shared(_winnowed(squashed))
        if not len(mine):
            return
        low = np.searchsorted(self.hashes, mine, "left")
        times = np.searchsorted(self.hashes, mine, "right") - low
        # Every entry of the index that has one of these hashes, and the hash beside it.
        shared = np.repeat(mine, times)
        entries = np.repeat(low - np.cumsum(times) + times, times) + np.arange(len(shared))
        owners, counts = np.unique(self.owners[entries], return_counts=True)
        where = ", ".join(filter(None, (passage, described(layer.view))))
        for place in np.argsort(-counts, kind="stable")[:MAX_DOCUMENTS].tolist():
            owner, count = int(owners[place]), int(counts[place])
            first = _first(squashed, shared[self.owners[entries] == owner])
            sample = mask("".join(map(chr, squashed[first : first + K].tolist())))
            span = None
            if places is not None and not layer.view:
                span = (int(places[first]), int(places[first + K - 1]) + 1)
            yield Hit(DETECTOR, self.documents[owner], where, count, sample, span=span)

    def to_bytes(self) -> bytes:
        """The index for keeping. It does not tell what the documents say, but whether a given sentence is in one: seal
        it like the lists."""
        names = json.dumps(self.documents).encode()
        body = b"".join(
            (
                _HEAD.pack(len(names), len(self.hashes), len(self.ignored)),
                names,
                self.hashes.astype("<u8").tobytes(),
                self.owners.astype("<u4").tobytes(),
                self.ignored.astype("<u8").tobytes(),
            )
        )
        return _MAGIC + hashlib.sha256(body).digest() + body

    @classmethod
    def from_bytes(cls, kept: bytes) -> "Index":
        """The index that `to_bytes` wrote. Damaged: these are not its bytes."""
        digest, body = kept[len(_MAGIC) : len(_MAGIC) + _DIGEST], kept[len(_MAGIC) + _DIGEST :]
        if not kept.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
            raise Damaged
        names, hashes, ignored = _HEAD.unpack_from(body)
        place = _HEAD.size + names
        return cls(
            tuple(json.loads(body[_HEAD.size : place])),
            # Copies, as numbers lie in memory: where the names end is no place for them.
            np.frombuffer(body, "<u8", hashes, place).astype(np.uint64),
            np.frombuffer(body, "<u4", hashes, place + 8 * hashes).astype(np.uint32),
            np.frombuffer(body, "<u8", ignored, place + 12 * hashes).astype(np.uint64),
        )


def _squash(text: str) -> tuple[Codes, Places | None]:
    """The skeleton of a text, and the places in the text of its letters, which are only known for ASCII."""
    if text.isascii():
        return bones(text.lower().replace("\n", " "))
    return codes(skeleton(fold(text))), None


def _winnowed(squashed: Codes) -> Hashes:
    """The fingerprints of a text as they come; of one with fewer than K characters, none."""
    return np.concatenate([_NONE, *(winnow(grams(piece, K), W) for _, piece in _pieces(squashed))])


def _pieces(squashed: Codes) -> Iterator[tuple[int, Codes]]:
    """A text in pieces that overlap so far that every window of W grams is whole in one of them."""
    for start in range(0, max(len(squashed) - SHORTEST + 1, 1), PIECE):
        piece = squashed[start : start + PIECE + SHORTEST - 1]
        if len(piece) >= K:
            yield start, piece


def _first(squashed: Codes, hashes: Hashes) -> int:
    """Where the first gram with one of these hashes begins."""
    return next(
        start + int(found[0])
        for start, piece in _pieces(squashed)
        if len(found := np.flatnonzero(np.isin(grams(piece, K), hashes)))
    )
