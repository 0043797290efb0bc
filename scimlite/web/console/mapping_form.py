"""The form of a mapping: its fields as rows, the buttons that edit rows, and a file in their place."""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import FileStorage, MultiDict

from ...admin.mapping_draft import KINDS, ORIGINS, TypedRow, of_mapping
from ...apps import AppError
from ...apps.mapping import DEFAULT
from ...errors import ScimError
from ...scim import messages

#: Rows that are read of a form: one more than a mapping can have, so that too many are refused.
_MOST_ROWS = 201

Rows = dict[str, list[TypedRow]]


def typed(form: MultiDict[str, str]) -> Rows:
    """Returns the rows in a form, whose fields are called `user-3-target`; empty for a form without rows."""
    numbers = {kind: form.getlist(kind)[:_MOST_ROWS] for kind in KINDS}
    if not any(numbers.values()) and "rows" not in form:
        return {}
    return {kind: [_row(form, f"{kind}-{number}") for number in numbers[kind]] for kind in KINDS}


def _row(form: MultiDict[str, str], prefix: str) -> TypedRow:
    origin = form.get(f"{prefix}-origin", "")
    texts = [form.get(f"{prefix}-{name}", "").strip() for name in ("target", "text", "default", "transform")]
    target, text, default, transform = texts
    return TypedRow(
        target,
        origin if origin in ORIGINS else ORIGINS[0],
        text,
        default,
        transform,
        f"{prefix}-required" in form,
    )


def edited(rows: Rows, edit: str) -> Rows:
    """Returns rows after an edit: `add-user`, `remove-user-3`, `up-user-3`, `down-user-3`, or `default`."""
    if edit == "default":
        return of_mapping(DEFAULT)
    act, _, place = edit.partition("-")
    kind, _, text = place.partition("-")
    if kind not in KINDS:
        return rows
    changed = list(rows[kind])
    number = int(text) if text.isdecimal() and len(text) < 4 else len(changed)
    if act == "add":
        changed.append(TypedRow())
    elif number < len(changed):
        row = changed.pop(number)
        if act != "remove":
            changed.insert(max(number - 1, 0) if act == "up" else number + 1 if act == "down" else number, row)
    return {**rows, kind: changed}


def read_file(file: FileStorage | None) -> Any:
    """Returns the JSON in a file that was sent with a form. Raises AppError when there is none, or no JSON in it."""
    content = file.read() if file is not None else b""
    if not content:
        raise AppError("Choose a file with a mapping in JSON.")
    try:
        return messages.load_json(content)
    except ScimError as error:
        # The service's own words are about the body of a request.
        raise AppError(error.detail.replace("The body", "The file", 1)) from None
