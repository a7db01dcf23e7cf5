"""stego's settings."""

from pydantic import Field

from secumail.settings import Settings as KernelSettings


class Settings(KernelSettings):
    """The kernel's, and how much is worked on at once."""

    hiding_processes: int = Field(default=1, ge=1, le=64)
    """Processes that hide mails; one more reveals. Each may take a core, and some gigabytes for a large picture."""
