"""tesseract, as a program: grey pictures in, the words they show out."""

import os
import shutil
import subprocess

LANGUAGES = "eng+deu"
"""Of who is told no others."""
UNKNOWN, BLOCK = 1, 6
"""Page segmentation: it finds out how a page lies and is laid out, or is told of lines below each other."""
TESSERACT = shutil.which("tesseract") or "tesseract"


def missing(languages: str) -> tuple[str, ...]:
    """Those of the languages ("eng+deu") that tesseract has no data for; all of them where there is none."""
    try:
        listed = subprocess.run([TESSERACT, "--list-langs"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return tuple(languages.split("+"))
    return tuple(one for one in languages.split("+") if one not in listed.stdout.split())


def words(pictures: bytes, languages: str, seconds: float, layout: int = UNKNOWN) -> list[str]:
    """The words on each page of a TIFF file.

    One thread: others have the other processors. Raises subprocess.TimeoutExpired, CalledProcessError, OSError.
    """
    found = subprocess.run(
        [TESSERACT, "stdin", "stdout", "-l", languages, "--psm", str(layout)],
        input=pictures,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        check=True,
        timeout=seconds,
    )
    return found.stdout.decode("utf-8", "replace").split("\f")
