"""Other people's programs that read and write protected mail, driven as a user would drive them.

Each peer is a class with a private temporary home, a `version`, and methods that take and give bytes. A peer that
says no raises `PeerRefused` with its own words; one that is not installed raises `PeerMissing`.
"""

from tests.interop.peers.running import PeerMissing, PeerRefused

__all__ = ["PeerMissing", "PeerRefused"]
