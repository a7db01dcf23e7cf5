"""dlp: leak filtering: policies, word and hash lists, hold and release."""
