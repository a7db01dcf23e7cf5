"""Mailboxes: one library, two users. delivery (and dlp, for the reviewers) files into them; the gateway serves them.

entry    one mail in one mailbox: sealed body and metadata under a fresh key, the key sealed to the owner
mailbox  filing exactly once, listing, reading, flags, moving, deleting
"""
