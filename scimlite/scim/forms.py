"""Messages and declarations as marshmallow schemas; they are called forms, because a schema is SCIM's own word."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load

from ..errors import InvalidSyntax
from . import named_schemas

Json = Any


class Form(Schema):
    """A JSON object whose member names are compared without case (RFC 7643 section 2.1)."""

    #: Members, in lower case, that are left out before the others are checked.
    labels: frozenset[str] = frozenset()
    #: The URN that the member `schemas` of the message names; None for what is no message.
    urn: str | None = None

    class Meta:
        unknown = EXCLUDE

    schemas = fields.List(fields.String(), load_default=list)

    @cached_property
    def _names(self) -> frozenset[str]:
        """The members' names as RFC 7643 and RFC 7644 spell them."""
        return frozenset(field.data_key or name for name, field in self.fields.items())

    @pre_load
    def _canonical_names(self, data: Json, **_: Any) -> Json:
        """The object with every known name spelled as the form spells it; refuses a known name given twice."""
        if not isinstance(data, Mapping) or data.keys() <= self._names:
            return data
        by_key = {name.lower(): name for name in self._names}
        members: dict[str, Json] = {}
        for name, value in data.items():
            if name.lower() in self.labels:
                continue
            canonical = by_key.get(name.lower()) or name
            if canonical in members:
                raise ValidationError("this member occurs twice; names are compared without case.", canonical)
            members[canonical] = value
        return members


def load(form: Schema, body: Json, title: str) -> Json:
    """Returns what `form` makes of `body`; `title` names the message in errors, as in "The bulk request".

    Raises InvalidSyntax naming the first member that is wrong.
    """
    if not isinstance(body, dict):
        raise InvalidSyntax(f"{title} is a JSON object.")
    try:
        loaded = form.load(body)
    except ValidationError as error:
        path, problem = _first_problem(error.messages)
        raise InvalidSyntax(f"{title}: {path}: {problem}") from None
    if isinstance(form, Form) and form.urn is not None:
        named_schemas.check(loaded["schemas"], form.urn)
    return loaded


def _first_problem(messages: Json, path: str = "") -> tuple[str, str]:
    """The path and the text of the first error in marshmallow's nested messages."""
    if isinstance(messages, dict):
        name, inner = next(iter(messages.items()))
        step = f"[{name}]" if isinstance(name, int) else f".{name}" if path else str(name)
        return _first_problem(inner, path + step)
    return path, str(messages[0] if isinstance(messages, list) else messages)
