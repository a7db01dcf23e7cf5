"""Settings every service has, from the environment (see deploy/ and docs/operations.md). Passwords come from files."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from secumail.errors import Refused
from secumail.sealing.kms import Token


class KeySettings(BaseSettings):
    """Where the KMS scopes are: in files (SECUMAIL_KEYS), or in a PKCS#11 token."""

    model_config = SettingsConfigDict(env_prefix="SECUMAIL_", extra="ignore")

    kms: Literal["file", "pkcs11"] = "file"
    pkcs11_module: Path | None = None
    """The maker's library."""
    pkcs11_token: str = Field(default="secumail", min_length=1)
    """The token's label; `{scope}` in it stands for the scope's name, as in the PIN file's."""
    pkcs11_pin: Path | None = None
    """The file with the PIN."""

    @cached_property
    def token(self) -> Token | None:
        """The token, None where keys are in files."""
        if self.kms == "file":
            return None
        if self.pkcs11_module is None or self.pkcs11_pin is None:
            raise Refused(
                "token-not-named", "SECUMAIL_KMS is pkcs11, but module or PIN file are not named.",
                "Set SECUMAIL_PKCS11_MODULE and SECUMAIL_PKCS11_PIN, or SECUMAIL_KMS=file.",
            )  # fmt: skip
        return Token(self.pkcs11_module, self.pkcs11_token, self.pkcs11_pin)


class Settings(KeySettings):
    """What any service needs to reach broker, database and keys. Invalid values are refused at start."""

    amqp_url: str = Field(validation_alias=AliasChoices("AMQP_URL", "amqp_url"))
    mongodb_url: str = Field(validation_alias=AliasChoices("MONGODB_URL", "mongodb_url"))
    secrets: Path
    keys: Path
    identities: Path
    tls_ca: Path | None = None
    database: str = "secumail"
    domains: Annotated[tuple[str, ...], NoDecode]
    bind: str = "127.0.0.1"
    health_port: int = Field(ge=1, le=65535)
    log_level: str = "INFO"
    in_flight: int = Field(default=100, ge=1, le=2000)
    """Mails a service works on at once (the prefetch of each of its queues)."""
    max_mail_bytes: int = Field(default=25 * 2**20, ge=2**16)
    stuck_after: float = Field(default=30.0, gt=0)
    """Seconds after which a mail that stands still is driven again."""

    @field_validator("domains", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(d.strip().lower() for d in value.split(",") if d.strip())
        return value

    @cached_property
    def amqp(self) -> str:
        """The broker's URL with its password."""
        return _with_password(self.amqp_url, self.secrets / "amqp_password")

    @cached_property
    def mongodb(self) -> str:
        """The database's URL with its password."""
        return _with_password(self.mongodb_url, self.secrets / "mongodb_password")


def _with_password(url: str, file: Path) -> str:
    parts = urlsplit(url)
    if parts.password is not None or parts.username is None:
        return url
    if not file.exists():
        raise Refused(
            "no-password", f"The URL names a user without a password, and {file.name} is not there.",
            f"Put the password into {file.name} in the directory SECUMAIL_SECRETS names, or into the URL.",
        )  # fmt: skip
    password = quote(file.read_text().strip(), safe="")
    netloc = f"{parts.username}:{password}@{parts.netloc.rsplit('@', 1)[1]}"
    return urlunsplit(parts._replace(netloc=netloc))
