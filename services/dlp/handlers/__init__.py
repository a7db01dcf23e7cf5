"""What dlp does when an event or a command arrives, by subject."""
