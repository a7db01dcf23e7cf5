"""crypto's adapters."""
