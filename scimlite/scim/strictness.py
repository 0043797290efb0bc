"""Refuses what the SCIM interoperability profile refuses and the RFCs allow (draft-zollner-scim-interop-profile).

Each rule is a feature of an app, off by default. The checks read a request before it is carried out, so that they cost
nothing where no rule is on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidPath, InvalidSyntax, Remedy
from . import named_schemas, values
from .attribute import Attribute
from .filter import And, Compare, Filter
from .messages import PATCH_URN
from .patch import Operation
from .patch_path import PatchPath, parse_patch_path
from .path import AttrPath, quote
from .schema import ResourceType

Json = Any

#: Characters of a name that an error repeats.
_LONGEST_NAME = 200
_UNKNOWN = Remedy(feature="unknown-attributes", value="refuse", declare=True)
_SCHEMAS = Remedy(feature="require-schemas", value="off")
_PATHLESS = Remedy(feature="patch-without-path", value="on")
ELEMENTS = Remedy(feature="patch-elements", value="on")


@dataclass(frozen=True, slots=True)
class Strictness:
    """The rules of one app; each is true when requests are refused for it."""

    #: Attributes and schemas that the resource type does not have (section 5.3).
    unknown: bool = False
    #: Bodies without `schemas`, or with a wrong one.
    schemas: bool = False
    #: PATCH operations without a path (section 6.5.1.1).
    pathless: bool = False
    #: Paths that select whole items of a multi-valued attribute, or select by more than `eq` (section 6.5.2.2).
    elements: bool = False

    def check_resource(self, resource_type: ResourceType, body: Json) -> None:
        """Raises InvalidSyntax when a resource of POST or PUT breaks a rule."""
        if not isinstance(body, dict):
            return
        if self.schemas:
            used = [extension.id for extension in resource_type.extensions if _member(body, extension.id.lower())]
            self.check_message(body, resource_type.schema.id, resource_type.own_urns, used)
        if self.unknown:
            for name in _unknown_urns(resource_type, body):
                raise _unknown(f"The schema {quote(name, most=_LONGEST_NAME)}", resource_type)
            for name in _unknown_names(resource_type, body):
                raise _unknown(f"The attribute {quote(name, most=_LONGEST_NAME)}", resource_type)

    def check_patch(self, resource_type: ResourceType, body: Json, operations: Sequence[Operation]) -> None:
        """Raises InvalidSyntax or InvalidPath when a PatchOp message, or one of its operations, breaks a rule."""
        if self.schemas:
            self.check_message(body, PATCH_URN)
        for operation in operations:
            if operation.path is not None:
                self._check_path(resource_type, operation, operation.path)
            elif self.pathless:
                raise InvalidSyntax("Each operation needs a path.", remedy=_PATHLESS)
            elif self.unknown and isinstance(operation.value, dict):
                for name, value in operation.value.items():
                    self._check_path(resource_type, Operation(operation.op, name, value, True), name)

    def check_message(self, body: Json, urn: str, known: Collection[str] = (), used: Iterable[str] = ()) -> None:
        """Raises InvalidSyntax when `schemas` of a body is not right; in: as for `named_schemas.problem`."""
        if self.schemas and isinstance(body, dict):
            found = named_schemas.problem(_member(body, "schemas"), urn, known, used)
            if found is not None:
                raise InvalidSyntax(found[1], remedy=_SCHEMAS)

    def _check_path(self, resource_type: ResourceType, operation: Operation, text: str) -> None:
        path = parse_patch_path(text, resource_type.urns)
        if self.elements and path.filter is not None:
            _check_element(resource_type, path, path.filter, operation)
        if self.unknown:
            _check_names(resource_type, path, text, operation.value)


def _check_element(resource_type: ResourceType, path: PatchPath, condition: Filter, operation: Operation) -> None:
    """Raises InvalidPath for a path to whole items, InvalidSyntax for a filter with more than `eq` and `and`.

    Links can be removed by a path such as `members[value eq "…"]`: the RFCs have no other way to remove one of them.
    """
    target = resource_type.find(AttrPath(path.attr.name, None, path.attr.urn))
    is_link = target is not None and target.attribute is not None and target.attribute.links
    if path.sub is None and not (is_link and operation.op == "remove"):
        raise InvalidPath(
            f"{quote(operation.path or '', most=_LONGEST_NAME)} selects whole items: name a sub-attribute after it.",
            remedy=ELEMENTS,
        )
    if not all(isinstance(term, Compare) and term.op == "eq" for term in _terms(condition)):
        raise InvalidSyntax("A path may select by eq only, joined by and.", remedy=ELEMENTS)


def _terms(condition: Filter) -> Iterator[Filter]:
    """The comparisons of a filter joined by `and`; a term that is no comparison stands for itself."""
    if isinstance(condition, And):
        for term in condition.terms:
            yield from _terms(term)
    else:
        yield condition


def _check_names(resource_type: ResourceType, path: PatchPath, text: str, value: Json) -> None:
    """Raises InvalidSyntax when a path or its value names what no schema has."""
    urn = path.attr.urn
    if not path.attr.name and urn is not None and urn.lower() in resource_type.own_urns:
        attributes = _attributes(resource_type, urn)
        for name in _unknown_in_object(attributes, value, urn):
            raise _unknown(f"The attribute {quote(name, most=_LONGEST_NAME)}", resource_type)
        return
    target = resource_type.find(AttrPath(path.attr.name, path.sub, urn))
    is_defined = urn.lower() in resource_type.own_urns if urn else target is not None and target.urn is None
    if target is None or target.attribute is None or not is_defined:
        raise _unknown(f"The attribute {quote(text, most=_LONGEST_NAME)}", resource_type)
    if target.sub is None:
        for name in values.unknown_subs(target.attribute, value):
            raise _unknown(f"The attribute {quote(name, most=_LONGEST_NAME)}", resource_type)


def _unknown(what: str, resource_type: ResourceType) -> InvalidSyntax:
    return InvalidSyntax(f"{what} is not defined for {resource_type.name}.", remedy=_UNKNOWN)


# --- looking at bodies --------------------------------------------------------------------------------------------


def _member(body: dict[str, Json], key: str) -> Json:
    """The value of a member whose name is compared without case; None without one."""
    return next((value for name, value in body.items() if name.lower() == key), None)


def _unknown_urns(resource_type: ResourceType, body: dict[str, Json]) -> Iterator[str]:
    """The URNs in `schemas` that the resource type does not have."""
    for urn in values.items_of(_member(body, "schemas")):
        if isinstance(urn, str) and urn.lower() not in resource_type.own_urns:
            yield urn


def _unknown_names(resource_type: ResourceType, body: dict[str, Json]) -> Iterator[str]:
    """The names in a resource that no schema of its type has."""
    for name, value in body.items():
        if name.lower() in resource_type.own_urns:
            yield from _unknown_in_object(_attributes(resource_type, name), value, name)
        elif (attribute := resource_type.core.get(name.lower())) is None:
            yield name
        else:
            yield from values.unknown_subs(attribute, value)


def _attributes(resource_type: ResourceType, urn: str) -> dict[str, Attribute]:
    """The attributes of the schema with this URN, by lower-case name."""
    extension = resource_type.extension_by_key.get(urn.lower())
    return resource_type.core if extension is None else extension.by_key


def _unknown_in_object(attributes: dict[str, Attribute], value: Json, urn: str) -> Iterator[str]:
    """The names in the object under a URN that its schema does not have."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        attribute = attributes.get(name.lower())
        if attribute is None:
            yield f"{urn}:{name}"
        else:
            yield from values.unknown_subs(attribute, inner)
