"""crypto's settings."""

from pathlib import Path

from secumail.settings import Settings as KernelSettings


class Settings(KernelSettings):
    """Besides the kernel's: where the mail authority's files are."""

    authority: Path
