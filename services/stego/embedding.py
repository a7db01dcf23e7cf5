"""Keyed ±1 embedding (LSB matching): sealed bytes go into the parities of samples that only the key finds.

A sample whose parity is already right stays; any other goes up or down by one, as a keystream says. LSB
replacement would only ever swap 2k with 2k+1, which the sample pairs, RS and weighted stego tests see at
once; a step in either direction leaves them blind (Sharp, "An Implementation of Key-Based Digital Signal
Steganography", IH 2001).

The format depends on AES-CTR alone, never on a library's random numbers: what is hidden today opens with any
version of NumPy.
"""

from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from services.stego import cover as covers
from services.stego import payload as payloads
from services.stego.cover import CoverRefused, Picture, Samples
from services.stego.payload import HEADER_SIZE, OVERHEAD, NothingHidden, Subkeys, subkeys

Places = NDArray[np.int64]

DENSEST = 2  # samples a bit: beyond half of all samples the walk's repeated draws grow expensive


@dataclass(frozen=True)
class LsbMatching:
    """Hides one bit in `samples_per_bit` samples of a PNG; revealing doesn't depend on that rate.

    A full picture at the default rate has one sample in forty changed. Learned detectors beat chance even
    there, so nothing here promises to be undetectable.
    """

    samples_per_bit: int = 20

    def __post_init__(self) -> None:
        if self.samples_per_bit < DENSEST:
            raise ValueError(f"samples_per_bit is at least {DENSEST}, not {self.samples_per_bit}")

    def capacity(self, cover: bytes) -> int:
        """Bytes of payload that fit into this PNG whatever they are. Raises CoverRefused."""
        return max(0, self._room(covers.read(cover)) - OVERHEAD)

    def hide(self, cover: bytes, payload: bytes, key: bytes) -> bytes:
        """A PNG that looks like `cover` and hides `payload`; the same arguments give the same samples.

        `key` is 32 random bytes made for this payload alone, and `cover` a picture nobody else has: who can
        compare the two sees the changes. Raises CoverRefused and PayloadTooLarge.
        """
        picture = covers.read(cover)
        keys = subkeys(key)
        message = payloads.seal(payload, keys.cipher, self._room(picture))
        return covers.write(Picture(embed(picture.samples, message, keys), picture.profile))

    def reveal(self, image: bytes, key: bytes) -> bytes:
        """The payload hidden under `key`. Raises NothingHidden for any other picture or file."""
        try:
            samples = covers.read(image).samples
        except CoverRefused as error:
            raise NothingHidden from error
        keys = subkeys(key)
        size = HEADER_SIZE + payloads.body_size(extract(samples, HEADER_SIZE, keys), keys.cipher)
        return payloads.open_body(extract(samples, size, keys)[HEADER_SIZE:], keys.cipher)

    def _room(self, picture: Picture) -> int:
        return picture.samples.size // self.samples_per_bit // 8


def embed(samples: Samples, message: bytes, keys: Subkeys) -> Samples:
    """A copy of the samples (any shape) whose parities along the walk spell the message.

    No sample moves by more than one. Raises ValueError where the message needs more than half of the samples.
    """
    bits = _bits(message)
    stego = samples.flatten()
    places = walk(keys.walk, stego.size, bits.size)
    wrong = places[(stego[places] & 1) != bits]
    values = stego[wrong]
    coins = _bits(_keystream(keys.signs, wrong.size // 8 + 1))[: wrong.size].astype(bool)
    upwards = (coins | (values == 0)) & (values != 255)  # no wrap at the ends: there is one way only
    stego[wrong] = np.where(upwards, values + np.uint8(1), values - np.uint8(1))
    return stego.reshape(samples.shape)


def extract(samples: Samples, size: int, keys: Subkeys) -> bytes:
    """The first `size` bytes spelled along the walk. Raises NothingHidden where no message is that long."""
    flat = samples.reshape(-1)
    if size * 8 > flat.size // DENSEST:
        raise NothingHidden
    return np.packbits(flat[walk(keys.walk, flat.size, size * 8)] & 1).tobytes()


def walk(key: bytes, samples: int, steps: int) -> Places:
    """The first `steps` of a keyed random order of `samples` places; a longer walk starts like a shorter one.

    The order is that of first appearance among uniform draws from a keystream, so the cost grows with the
    message and not with the picture. A 64-bit draw modulo less than 2^27 samples is uniform up to 2^-37.
    Raises ValueError beyond half of the samples.
    """
    if steps > samples // DENSEST:
        raise ValueError(f"a walk over {samples} samples has at most {samples // DENSEST} steps, not {steps}")
    # Nearly always enough: meeting half of the samples takes 1.39 draws a step.
    draws = steps + steps // 2 + 64
    while True:
        drawn = np.frombuffer(_keystream(key, 8 * draws), "<u8") % np.uint64(samples)
        first = np.sort(np.unique(drawn, return_index=True)[1])
        if first.size >= steps:
            return drawn[first[:steps]].astype(np.int64)
        draws *= 2


def _bits(data: bytes) -> NDArray[np.uint8]:
    return np.unpackbits(np.frombuffer(data, np.uint8))


def _keystream(key: bytes, size: int) -> bytes:
    """AES-256-CTR from counter zero: `key` serves one purpose of one hidden mail."""
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(size))
