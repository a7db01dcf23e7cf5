"""stego's adapters."""
