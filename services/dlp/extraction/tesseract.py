"""tesseract, as a program: a grey picture in, the words it shows out."""

import os
import shutil
import subprocess

LANGUAGES = "eng+deu"
"""Of who is told no others."""
TESSERACT = shutil.which("tesseract") or "tesseract"


def missing(languages: str) -> tuple[str, ...]:
    """Those of the languages ("eng+deu") that tesseract has no data for; all of them where there is none."""
    try:
        listed = subprocess.run([TESSERACT, "--list-langs"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return tuple(languages.split("+"))
    return tuple(one for one in languages.split("+") if one not in listed.stdout.split())


def words(grey: bytes, languages: str, seconds: float) -> str:
    """The words in a portable grey map, upright or not. Raises subprocess.TimeoutExpired, CalledProcessError, OSError.

    Page segmentation 1 finds out by itself how the page lies. One thread: others have the other processors.
    """
    found = subprocess.run(
        [TESSERACT, "stdin", "stdout", "-l", languages, "--psm", "1"],
        input=grey,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        check=True,
        timeout=seconds,
    )
    return found.stdout.decode("utf-8", "replace")
