"""OpenPGP (RFC 9580) and PGP/MIME (RFC 3156)."""
