"""gateway's adapters."""
