"""crypto: signatures and sealing: the mail authority, S/MIME, one key wrap per recipient."""
