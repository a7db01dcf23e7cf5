"""The public door's paths, one module for each subject: each parses, asks or reads, and answers."""
