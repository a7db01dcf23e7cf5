"""The walk under a fuzzer that watches which lines its inputs reach: python -m tests.unit.dlp.fuzzing FOLDER [options]

The folder is the corpus; libFuzzer's options follow (-runs=2000 -seed=7). It ends with an error where the walk raises,
gives what is no finding, or takes longer or more memory than -timeout and -rss_limit_mb say.
"""

import logging
import sys

import atheris

# What is instrumented must be imported under the fuzzer's eyes: the readers, not the libraries below them.
with atheris.instrument_imports(include=["services.dlp.extraction", "services.dlp.files", "services.dlp.danger"]):
    from services.dlp.danger import examine
    from services.dlp.extraction.pieces import Limits
    from services.dlp.extraction.walk import extract

from services.dlp.attachments import Attachment
from services.dlp.findings import Hit
from services.dlp.message import Chunks, File, Passage

LIMITS = Limits(depth=6, total=1 << 24, members=500, text=1 << 24, seconds=5)


def walk(data: bytes) -> None:
    """One input: the first byte chooses a name, the rest is the file."""
    names = ("a.bin", "a.txt", "a.html", "a.eml", "a.p7s", "")
    name = names[data[0] % len(names)] if data else ""
    for found in extract([File(1, "attachment 1", name, "", data[1:])], LIMITS, examine):
        assert isinstance(found, Passage | Attachment | Hit | Chunks)
        assert not isinstance(found, Hit) or 0 < found.score <= 1


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    atheris.Setup(sys.argv, walk)
    atheris.Fuzz()
