"""Forms with files in them (multipart/form-data): bounded, and never put down on disk."""

from fastapi import Request
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from secumail.errors import Refused


class _InMemory(MultiPartParser):
    """The library's parser puts files over 1 MB down on disk, for anyone to read: here they stay in memory."""

    spool_max_size = 0  # no limit: the form's size is known, and bounded


async def parsed(request: Request, most: int, files: int) -> FormData:
    """A form of at most `most` bytes and so many files. Its size is known beforehand: all of it is held in memory."""
    declared = request.headers.get("content-length", "")
    if not declared.isdigit():
        raise Refused("length-required", "The form has no Content-Length.", "Send it in one piece.", 411)
    if int(declared) > most:
        raise Refused("form-too-large", f"The form is larger than {most // 2**20} MB.", "Send less at once.", 413)
    try:
        return await _InMemory(request.headers, request.stream(), max_files=files, max_fields=8).parse()
    except MultiPartException as error:
        raise Refused("malformed-request", f"The form: {error.message}", "Send it as RFC 7578 says.", 400) from error


def text(form: FormData, name: str) -> str:
    """A field's text; empty where there is none."""
    value = form.get(name)
    return value if isinstance(value, str) else ""
