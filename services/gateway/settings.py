"""gateway's settings."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from secumail.settings import Settings as KernelSettings


class Settings(KernelSettings):
    """Besides the kernel's: the public door, and how long a session lives."""

    port: int = Field(default=8443, ge=1, le=65535)
    tls_cert: Path
    tls_key: Path
    session_idle: timedelta = timedelta(minutes=4)
    session_end: timedelta = timedelta(hours=12)
    max_recipients: int = Field(default=1000, ge=1, le=5000)
