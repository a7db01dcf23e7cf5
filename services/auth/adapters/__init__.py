"""auth's adapters."""
