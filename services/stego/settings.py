"""stego's settings."""

from secumail.settings import Settings as KernelSettings


class Settings(KernelSettings):
    """The kernel's; nothing more yet."""
