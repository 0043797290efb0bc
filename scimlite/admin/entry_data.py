"""Entries of the report as data for programs and spreadsheets, the same from the command and the console."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..clock import iso_time
from ..db import chunks
from ..journal.report import Record
from ..visible_text import visible_json
from .spreadsheet import inert

#: Entries that become one piece of a stream.
_PIECE = 500

#: The keys of JSON objects and the header of CSV, in their order, with the function that gives the value.
VALUES: Mapping[str, Callable[[Record], Any]] = {
    "id": lambda entry: entry.id,
    "at": lambda entry: iso_time(entry.at),
    "app": lambda entry: entry.app,
    "app_name": lambda entry: entry.app_name,
    "action": lambda entry: entry.action,
    "outcome": lambda entry: entry.outcome,
    "user": lambda entry: entry.user,
    "user_id": lambda entry: entry.user_id,
    "group": lambda entry: entry.group,
    "group_id": lambda entry: entry.group_id,
    "changes": lambda entry: entry.changes,
    "client": lambda entry: entry.client,
    "actor": lambda entry: entry.actor,
    "address": lambda entry: entry.address,
    "uid": lambda entry: entry.uid,
    "sudo_uid": lambda entry: entry.sudo_uid,
    "token_label": lambda entry: entry.token,
    "request_id": lambda entry: entry.request_id,
    "client_request_id": lambda entry: entry.client_request_id,
    "status": lambda entry: entry.status,
    "detail": lambda entry: entry.detail,
}
#: The older key of `token_label`, for one more release.
OLDER_KEYS = {"token": "token_label"}


def csv_cell(value: Any) -> Any:
    """Returns a value as a cell of CSV: an object as its JSON, an empty one as an empty text."""
    return (json.dumps(value, ensure_ascii=False) if value else "") if isinstance(value, dict) else value


def json_pieces(entries: Iterable[Record]) -> Iterator[bytes]:
    """Yields JSON, one object a line, in pieces of some hundred entries."""
    for chunk in chunks(entries, _PIECE):
        yield "".join(visible_json(json.dumps(_data(entry), ensure_ascii=False)) + "\n" for entry in chunk).encode()


def csv_pieces(entries: Iterable[Record]) -> Iterator[bytes]:
    """Yields CSV with a header line, in pieces; no cell is a formula for a spreadsheet."""
    yield _csv([[*VALUES, *OLDER_KEYS]])
    for chunk in chunks(entries, _PIECE):
        yield _csv([inert(csv_cell(value)) for value in _data(entry).values()] for entry in chunk)


def _data(entry: Record) -> dict[str, Any]:
    data = {key: value(entry) for key, value in VALUES.items()}
    return {**data, **{older: data[key] for older, key in OLDER_KEYS.items()}}


def _csv(rows: Iterable[list[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
