"""Keys of a POST or PUT that are paths, such as `name.givenName`: they mean what they do in a PATCH without a path."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidPath, InvalidSyntax
from . import document as documents
from . import patch, patch_apply
from .document import Document
from .patch_plan import Plan
from .schema import ResourceType

Json = Any


def plan(resource_type: ResourceType, name: str, value: Json) -> Plan:
    """Checks one key; an unknown name is listed in the plan's `ignored`.

    Raises the errors of `patch.plan`, InvalidPath for a key that selects links, which only a PATCH can.
    """
    made = patch.plan([patch.Operation("replace", None, {name: value}, True)], resource_type, ignore_unknown=True)
    if any(step.expect is not None or step.remove_where is not None for step in made.links):
        raise InvalidPath(f"{resource_type.name} takes no filter in a key for what it links to.")
    return made


def taken(resource_type: ResourceType, document: Document, made: Plan) -> Document:
    """The document with the values of a key.

    Raises InvalidSyntax when it has another value for one of them: it is unknown which one was meant.
    """
    after = patch_apply.edited(made.edits, document)
    lost = documents.value_rows(resource_type, document) - documents.value_rows(resource_type, after)
    # Another value may become the primary one, as in PATCH.
    twice = sorted(row.path for row in lost if not row.path.endswith(".primary"))
    if twice:
        raise InvalidSyntax(f"The resource names {twice[0]} twice.")
    return after
