"""The `secumail` command.

main      the command itself: gathers the commands of the kernel and of each service
client    the public API over HTTPS; session: who is logged in on this machine
output    tables and words for people, JSON for programs
operator  the operator's way to broker and database: dead, audit
stack     an installation on this machine
"""
