"""The form of a mapping: its fields as rows, the buttons that edit rows, and a file in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any

import orjson
from werkzeug.datastructures import FileStorage, MultiDict

from ...admin.mapping_draft import KINDS, ORIGINS, Draft, TypedRow, of_mapping
from ...apps import AppError
from ...apps.mapping import DEFAULT
from ...errors import OperatorError, ScimError
from ...scim import messages

#: Rows that are read of a form: one more than a mapping can have, so that too many are refused.
_MOST_ROWS = 201

#: Rows of users, and of groups, that can be edited at once; all others travel with the form as JSON.
SHOWN = 25

Rows = dict[str, list[TypedRow]]


def typed(form: MultiDict[str, str]) -> Rows:
    """Returns the rows in a form, whose fields are called `user-3-target`; empty for a form without rows.

    Raises OperatorError when the rows that are not shown did not come as they were sent.
    """
    numbers = {kind: form.getlist(kind)[:_MOST_ROWS] for kind in KINDS}
    if not any(numbers.values()) and "rows" not in form:
        return {}
    found = {}
    for kind in KINDS:
        shown = [_row(form, f"{kind}-{number}") for number in numbers[kind]]
        before, after = (_carried(form.get(f"{kind}-{place}", "[]")) for place in ("before", "after"))
        found[kind] = [*before, *shown, *after][:_MOST_ROWS]
    return found


def carried(rows: Sequence[TypedRow]) -> list[tuple[Any, ...]]:
    """Returns rows as the JSON of a hidden field has them."""
    return [astuple(row) for row in rows]


def _carried(text: str) -> list[TypedRow]:
    try:
        rows = [TypedRow(*row) for row in orjson.loads(text)]
        if all(isinstance(part, str) for row in rows for part in astuple(row)[:-1]):
            return [replace(row, origin=row.origin if row.origin in ORIGINS else ORIGINS[0]) for row in rows]
    except (TypeError, ValueError):
        pass
    raise OperatorError("The form came without some of its rows, so nothing was done. Load the page again.")


def first_shown(form: MultiDict[str, str], edit: str, draft: Draft) -> dict[str, int]:
    """Returns the number of the first row that is shown, by `user` and `group`.

    That part is shown which the operator asked for, in which an edit was, or else the one that the form had; where it
    has nothing wrong in it, the first one that has.
    """
    found = {}
    for kind in KINDS:
        number = len(_carried(form.get(f"{kind}-before", "[]")))
        act, place = _act_and_place(edit, kind)
        if act is not None:
            number = len(draft.rows[kind]) if place is None else place + {"up": -1, "down": 1}.get(act, 0)
        number = max(min(number, len(draft.rows[kind]) - 1), 0) // SHOWN * SHOWN
        wrong = [at for problem_kind, at in draft.problems if problem_kind == kind]
        if act is None and wrong and not any(number <= at < number + SHOWN for at in wrong):
            number = min(wrong) // SHOWN * SHOWN
        found[kind] = number
    return found


def _act_and_place(edit: str, kind: str) -> tuple[str | None, int | None]:
    """Returns what an edit such as `up-user-3` does with the rows of a kind, and with which."""
    act, _, rest = edit.partition("-")
    named, _, text = rest.partition("-")
    if named != kind:
        return None, None
    return act, int(text) if text.isdecimal() and len(text) < 4 else None


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
    found = {kind: _act_and_place(edit, kind) for kind in KINDS}
    return {kind: _edited(rows[kind], *found[kind]) for kind in KINDS}


def _edited(rows: list[TypedRow], act: str | None, number: int | None) -> list[TypedRow]:
    changed = list(rows)
    if act == "add":
        changed.append(TypedRow())
    elif act in ("remove", "up", "down") and number is not None and number < len(changed):
        row = changed.pop(number)
        if act != "remove":
            changed.insert(max(number - 1, 0) if act == "up" else number + 1, row)
    return changed


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
