"""stego: hides a protected mail in a cover image, and reveals it."""
