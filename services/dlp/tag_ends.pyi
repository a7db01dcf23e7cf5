"""Finds where a tag of HTML or XML ends, looking at each character once."""

def tag_ends(source: str, start: int) -> tuple[int, int] | None:
    """Where the name of the tag ends that opens at this place, and the tag itself: behind its ">", or -1 where it never
    does. None: no tag opens there.

    A tag opens with "<" or "</" and a letter of ASCII. It is read as HTML 13.2.5 does: a quote quotes only right after
    "=", so a ">" in it ends nothing; a quote that is not closed quotes nothing.
    """
