"""A changed copy of a confidential file that is no text is known by the parts that were not changed."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dlp.detectors.binaries import DETECTOR, SURE, find, with_chunks
from services.dlp.detectors.fingerprints import Index, TooShort
from services.dlp.extraction.child import Extractor
from services.dlp.extraction.walk import extract
from services.dlp.files.chunks import chunk_hashes
from services.dlp.message import Chunks, File
from tests.unit.dlp import hiding


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


DRAWING = noise(200_000, 1)
INDEX = Index().add(with_chunks("drawing.dwg", [], [chunk_hashes(DRAWING)]))


def hits(data: bytes) -> list[tuple[str, str, float]]:
    return [(hit.rule, hit.where, hit.score) for hit in find(INDEX, [Chunks("attachment 1", chunk_hashes(data))])]


SURELY = [("drawing.dwg", "attachment 1", 1.0)]


@pytest.mark.parametrize(
    "copy",
    [
        DRAWING,
        b"x" + DRAWING,
        DRAWING[:100_000] + b"another title" + DRAWING[100_000:],
        DRAWING[:90_000] + DRAWING[110_000:],
        DRAWING[150_000:] + DRAWING[:50_000],
        noise(100_000, 2) + DRAWING[60_000:80_000] + noise(100_000, 3),
    ],
    ids=["the same", "shifted", "changed", "shortened", "its ends swapped", "an excerpt in another file"],
)
def test_a_changed_copy_is_found(copy: bytes) -> None:
    assert hits(copy) == SURELY


def test_another_file_is_not() -> None:
    assert hits(noise(2_000_000, 4)) == [] == hits(bytes(1_000_000)) == hits(b"\x00\x01\x02\x03" * 100_000)


@given(st.integers(0, 184_000), st.integers(0, 1 << 30))
def test_an_excerpt_of_sixteen_kilobytes_is_found_or_as_rare_as_one_in_three_hundred(start: int, seed: int) -> None:
    """Two bounds must lie in it; of these places in this file, they do."""
    excerpt = noise(3_000, seed) + DRAWING[start : start + 24_000] + noise(3_000, seed + 1)
    assert hits(excerpt)


def test_chunks_are_the_same_wherever_they_stand() -> None:
    """Also over the bounds of the pieces in which a long file is hashed."""
    long = noise(3 << 20, 5)
    whole, behind = set(chunk_hashes(long)), set(chunk_hashes(noise(777, 6) + long))
    assert len(whole & behind) >= len(whole) - 2
    assert chunk_hashes(long) == chunk_hashes(bytes(bytearray(long)))


def test_a_small_file_cannot_be_registered_by_its_chunks() -> None:
    with pytest.raises(TooShort):
        with_chunks("a.bin", ["short"], [chunk_hashes(DRAWING[:1_500])])
    assert len(chunk_hashes(DRAWING[:40_000])) >= SURE


def test_a_changed_picture_in_a_document_in_an_archive_is_found_through_the_confined_process() -> None:
    changed = DRAWING[:50_000] + b"changed" + DRAWING[50_007:]
    sent = hiding.zipped({"b.docx": hiding.docx(**{"word/media/image1.bin": changed})})
    extractor = Extractor(processes=1)
    try:
        found = list(extractor([File(1, "attachment 1 (a.zip)", "a.zip", "", sent)]))
    finally:
        extractor.close()
    [hit] = find(INDEX, [one for one in found if isinstance(one, Chunks)])
    assert (hit.detector, hit.rule, hit.score) == (DETECTOR, "drawing.dwg", 1.0)
    assert hit.where == "attachment 1 (a.zip) ! b.docx ! image1.bin"


def test_texts_have_fingerprints_and_no_chunks() -> None:
    text = "\n".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(200)).encode()
    assert not [one for one in extract([File(1, "attachment 1", "", "", text)]) if isinstance(one, Chunks)]
