"""Who may do what to which collection: one database user per service, with these MongoDB actions and no others."""

from collections.abc import Mapping

_READ = ("find",)
_ADD = ("find", "insert")
_KEEP = ("find", "insert", "update")
_OWN = ("find", "insert", "update", "remove")
# GridFS looks for its indexes at the first upload.
_BLOBS = (*_OWN, "createIndex", "listIndexes")
_SPOOL = {
    "spool": _KEEP,
    "blobs.files": _BLOBS,
    "blobs.chunks": _BLOBS,
    "transport_keys": _OWN,
    "acts": ("insert",),
}

RIGHTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "gateway": {
        **_SPOOL,
        "entries": _KEEP,
        "directory": _READ,
        "groups": _READ,
        "sessions": _OWN,
        "decryption_keys": ("find", "update"),
        "pickups": _KEEP,
    },
    "auth": {
        "transport_keys": _OWN,
        "accounts": _OWN,
        "groups": _OWN,
        "directory": _OWN,
        "acts": ("insert",),
    },
    # dlp appends to the reviewers' mailbox; it can't read any.
    "dlp": {**_SPOOL, "entries": ("insert",), "directory": _READ, "lists": _KEEP},
    "crypto": {
        **_SPOOL,
        "directory": _READ,
        "signing_keys": _OWN,
        "certificates": _KEEP,
        "crls": _KEEP,
        "decryption_keys": _OWN,
        "openpgp_keys": _OWN,
        "peers": _OWN,
    },
    # A used cover is never changed, and forgotten only where its mail went out in no picture.
    "stego": {**_SPOOL, "directory": _READ, "covers": _OWN, "covers_used": ("find", "insert", "remove")},
    "delivery": {**_SPOOL, "entries": ("insert",), "directory": _READ, "audit": _ADD, "acts": _OWN},
}  # fmt: skip
