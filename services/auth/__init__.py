"""auth: who people are. Accounts, credentials, roles, and the signed directory of addresses and keys."""
