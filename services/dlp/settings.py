"""dlp's settings."""

from pydantic import Field

from secumail.settings import Settings as KernelSettings


class Settings(KernelSettings):
    """The kernel's, and how long a held mail waits for a reviewer."""

    hold_days: int = Field(default=30, ge=1, le=3650)
    """Days after which a held mail that nobody decided on is refused, and its sender told."""
