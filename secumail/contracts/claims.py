"""The sealed claim: the right to open a mail, made out to one service, signed by the one before."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(max_length=64)]
Base64 = Annotated[str, Field(max_length=2048)]


class SealedClaim(BaseModel):
    """A key bundle sealed to one service (docs/keys.md, "Mail in transit").

    by: who signed: a service's name, or `account:<id>` for a reviewer's release
    to: the one service that can open it
    key: id of that service's transport key
    wrap: base64 of the HPKE ciphertext (about 1.2 KB)
    says: what the signer vouches for ("pass", "released", ...); signed, not secret
    signature: base64 Ed25519 over all of the above and the claim's context
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    by: Name
    to: Name
    key: Name
    wrap: Base64
    says: Name
    signature: Annotated[str, Field(max_length=128)]
