"""Lists for programs and spreadsheets: comma-separated values and JSON, a line at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..visible_text import visible_json
from .spreadsheet import inert

#: Characters of a piece of a download.
_PIECE = 32 * 1024


def csv_pieces(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yields comma-separated values with a header line, in pieces of some lines; formulas are inert."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(list(map(inert, row)))
        if buffer.tell() > _PIECE:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def json_pieces(items: Iterable[Any]) -> Iterator[str]:
    """Yields one JSON document a line, in pieces of some lines; no character of them steers a terminal."""
    lines: list[str] = []
    size = 0
    for item in items:
        line = visible_json(json.dumps(item, ensure_ascii=False))
        lines.append(line + "\n")
        size += len(line)
        if size > _PIECE:
            yield "".join(lines)
            lines, size = [], 0
    yield "".join(lines)
