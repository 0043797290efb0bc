"""The form of a mapping in JSON: its rows, their members, and what each takes."""

from __future__ import annotations

from functools import cache
from typing import Any

import marshmallow
from marshmallow import Schema, fields, validate

from ..scim import forms

Json = Any

_MOST_ROWS = 200
_LONGEST = 1000


def load(body: Json, transforms: tuple[str, ...]) -> dict[str, list[dict[str, Json]]]:
    """The rows of users and groups, checked member by member. In: `transforms`, the names of what a row can apply.

    Raises InvalidSyntax or InvalidValue naming the row and the member.
    """
    loaded: dict[str, list[dict[str, Json]]] = forms.load(_mapping_schema(transforms), body, "The mapping")
    return loaded


def _scalar(value: Json) -> None:
    if not isinstance(value, str | bool | int | float) or (isinstance(value, str) and len(value) > _LONGEST):
        raise marshmallow.ValidationError(f"takes a text of at most {_LONGEST} characters, a number, true or false.")


def _text() -> fields.String:
    return fields.String(validate=validate.Length(1, _LONGEST))


@cache
def _mapping_schema(transforms: tuple[str, ...]) -> Schema:
    row: dict[str, fields.Field[Any]] = {
        "target": fields.String(
            required=True, validate=validate.Regexp(r"[A-Za-z_][A-Za-z0-9_.:-]{0,99}\Z", error="is not a name.")
        ),
        "source": _text(),
        "template": _text(),
        "constant": fields.Raw(validate=_scalar),
        "default": fields.Raw(validate=_scalar),
        "transform": fields.List(fields.String(validate=validate.OneOf(transforms)), validate=validate.Length(max=3)),
        "required": fields.Boolean(truthy={True}, falsy={False}),
    }
    row_schema = Schema.from_dict(row, name="Row")
    kinds: dict[str, fields.Field[Any]] = {
        kind: fields.List(fields.Nested(row_schema), validate=validate.Length(max=_MOST_ROWS))
        for kind in ("user", "group")
    }
    return Schema.from_dict(kinds, name="Mapping")()
