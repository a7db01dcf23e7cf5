"""S/MIME (RFC 8551) over CMS (RFC 5652): written here, read by a library."""
