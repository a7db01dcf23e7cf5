"""How a finding is shown to a reviewer without being spread: of what was found, at most four characters stand open."""

OPEN = 4


def mask(value: str) -> str:
    """The first and the last characters of `value`: a quarter of it, four at most; nothing of very short values."""
    shown = min(OPEN, len(value) // 4)
    head, tail = value[: (shown + 1) // 2], value[len(value) - shown // 2 :]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in f"{head}…{tail}")
