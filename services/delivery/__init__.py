"""delivery: files into mailboxes, bounces, and keeps the audit chain."""
