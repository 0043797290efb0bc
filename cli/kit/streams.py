"""The terminal's streams and arguments when its encoding is not UTF-8: nothing that is printed or typed is an error."""

from __future__ import annotations

import codecs
import json
import os
import sys
from typing import TextIO

import click

#: How the signs of our own tables and messages are written in ASCII.
_ASCII = {"\N{HORIZONTAL ELLIPSIS}": "...", "\N{BOX DRAWINGS LIGHT HORIZONTAL}": "-"}

#: ASCII under another name: Click takes a stream with the name "ascii" for a mistake, and writes UTF-8 to it.
_OUR_ASCII = "scimlite_ascii"


def prepare() -> None:
    """Have stdout and stderr take every character, and arguments that are UTF-8 in every locale."""
    codecs.register_error("scimlite", _written)
    codecs.register(_found)
    for stream in (sys.stdout, sys.stderr):
        # None when the stream was closed before the start.
        if stream is not None and hasattr(stream, "reconfigure"):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_OUR_ASCII if is_ascii else None, errors="scimlite")
    sys.argv = list(map(_decoded, sys.argv))


def _found(name: str) -> codecs.CodecInfo | None:
    """Return ASCII under our name for it."""
    if name != _OUR_ASCII:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        known.encode,
        known.decode,
        incrementalencoder=known.incrementalencoder,
        incrementaldecoder=known.incrementaldecoder,
        name=name,
    )


def takes_unicode(stream: TextIO | None = None) -> bool:
    """True when a stream is written in UTF-8; stdout when none is given."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def _written(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding does not have: signs of our own in ASCII, everything else as an escape."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    escaped = "".join(_ASCII.get(char) or char.encode("ascii", "backslashreplace").decode() for char in text)
    return escaped, error.end


def _decoded(argument: str) -> str:
    """Return an argument that Python did not decode in the locale's encoding. Ends the program when it is not UTF-8."""
    if argument.isascii():
        return argument
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:
        text = f"The argument {argument!a} is not UTF-8."
        click.echo(json.dumps({"error": text}) if "--json" in sys.argv else f"Error: {text}", err=True)
        raise SystemExit(2) from None
