"""delivery's adapters: none of its own yet; mailboxes and spool are the kernel's."""
