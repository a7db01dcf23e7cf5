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
    public_url: str = Field(default="", pattern=r"^(https://[^/?#\s]+/?)?$")
    """What links to pickups begin with; empty: the address the sender's request came to."""
    pickup_days: int = Field(default=28, ge=1, le=365)
    max_pickup_days: int = Field(default=90, ge=1, le=365)
    pickups_at_once: int = Field(default=2, ge=1, le=64)
    """Passwords of pickups tried at the same moment; each takes 19 MiB."""
