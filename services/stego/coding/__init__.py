"""Adaptive hiding: bytes into the elements of a canvas, where a change is least likely to be noticed."""

from services.stego.coding.allotment import DENSEST, Survey, allot, survey
from services.stego.coding.embedding import HEADER_SIZE, NoRoom, embed, read_body, read_header

__all__ = [
    "DENSEST",
    "HEADER_SIZE",
    "NoRoom",
    "Survey",
    "allot",
    "embed",
    "read_body",
    "read_header",
    "survey",
]
