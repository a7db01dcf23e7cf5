"""The kernel of SecuMail: what every service stands on. It imports no service."""

__version__ = "0.1.0"
