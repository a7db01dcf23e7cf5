"""crypto's step and its answers, by subject."""
