"""One installation on one machine: directory, certificates, passwords, broker, database, processes."""
