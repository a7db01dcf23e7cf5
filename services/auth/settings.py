"""auth's settings."""

from secumail.settings import Settings as KernelSettings


class Settings(KernelSettings):
    """Besides the kernel's: what one Argon2id costs, and how many may run at once (each takes its memory)."""

    argon2_memory_kib: int = 19 * 1024
    argon2_passes: int = 2
    argon2_at_once: int = 2
    min_password: int = 12
