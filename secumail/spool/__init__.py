"""The spool: THE record of a mail in transit, from acceptance to its last recipient (design: docs/architecture.md).

record    what is known of a mail
advance   what a step has found out, and the one update it becomes
spool     submit(), the one conditional update a step is, splitting
redrive   publishes again what stands still
"""
