"""Detectors: pure functions from a mail's passages to hits. Each has `find(passages)` and a VERSION."""
