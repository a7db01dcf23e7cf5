"""dlp's adapters."""
