"""The attributes in an answer: `attributes`, `excludedAttributes` and `returned` (RFC 7644 section 3.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InvalidValue
from . import values
from .attribute import Attribute
from .leniency import Leniency, note
from .patch_path import parse_patch_path
from .patch_plan import Edit
from .schema import ResourceType, Target

Json = Any


@dataclass(frozen=True, slots=True)
class Projection:
    """The attributes that one request wants to see of one resource type; names that the type lacks are left out."""

    resource_type: ResourceType
    #: The targets of `attributes`; None without that parameter.
    only: tuple[Target, ...] | None = None
    #: The targets of `excludedAttributes`.
    without: tuple[Target, ...] = field(default=())
    #: The targets that the request wrote: they are shown even when returned is request (RFC 7643 section 7).
    written: tuple[Target, ...] = field(default=())

    @property
    def plain(self) -> bool:
        """True when stored documents can be sent as they are (links and derived attributes are not in them)."""
        if self.only is not None or self.resource_type.returned_on_request:
            return False
        return all(
            target.attribute is not None and target.sub is None and (target.attribute.links or target.attribute.derived)
            for target in self.without
        )

    def wants(self, attribute: Attribute | None, urn: str | None = None) -> bool:
        """True when an attribute, or a part of it, belongs in the answer; `urn` is the extension that holds it."""
        if attribute is None:
            return False
        if attribute.returned in ("always", "never"):
            return attribute.returned == "always"
        if self.only is not None:
            return bool(_about(self.only, urn, attribute))
        if attribute.returned == "request" and not _about(self.written, urn, attribute):
            return False
        return all(target.sub is not None for target in _about(self.without, urn, attribute))

    def after_writing(self, targets: Iterable[Target]) -> Projection:
        """The projection for the answer to a request that wrote these targets."""
        if self.only is not None or not self.resource_type.returned_on_request:
            return self
        return replace(self, written=tuple(targets))

    def names(self, sub: Attribute) -> bool:
        """True when `attributes` names this sub-attribute."""
        return self.only is not None and any(target.sub is sub for target in self.only)

    def apply(self, resource: dict[str, Json]) -> dict[str, Json]:
        """The resource with only the attributes that belong in the answer."""
        shown: dict[str, Json] = {}
        for name, value in resource.items():
            extension = self.resource_type.extension_by_key.get(name.lower())
            if extension is None:
                attribute = self.resource_type.core.get(name.lower())
                kept = self._kept(None, attribute, value)
            else:
                part = {
                    inner: self._kept(extension.id, extension.by_key.get(inner.lower()), inner_value)
                    for inner, inner_value in value.items()
                }
                kept = {inner: inner_value for inner, inner_value in part.items() if inner_value is not None}
            if kept is not None and (kept != {} or extension is None):
                shown[name] = kept
        return shown

    def _kept(self, urn: str | None, attribute: Attribute | None, value: Json) -> Json:
        """The value, or the part of it that belongs in the answer; None when no part does."""
        if attribute is None or not self.wants(attribute, urn):
            return None
        wanted = _about(self.only or (), urn, attribute)
        named = {target.sub.name for target in wanted if target.sub is not None}
        if wanted and all(target.sub is not None for target in wanted) and attribute.returned != "always":
            return _parts(attribute, value, lambda sub: sub.returned == "always" or sub.name in named)
        named |= {target.sub.name for target in _about(self.written, urn, attribute) if target.sub is not None}
        excluded = {target.sub.name for target in _about(self.without, urn, attribute) if target.sub is not None}
        return _parts(attribute, value, lambda sub: _shown(sub, named, excluded))


def of_document(resource_type: ResourceType, document: dict[str, Json]) -> Iterator[Target]:
    """The targets that a resource sent by a client writes."""
    for urn, attribute in resource_type.attributes:
        holder = document if urn is None else document.get(urn, {})
        if attribute.name in holder:
            yield from _written(urn, attribute, holder[attribute.name])


def of_edits(edits: Iterable[Edit]) -> Iterator[Target]:
    """The targets that the edits of a PATCH request write."""
    for edit in edits:
        yield from _written(edit.urn, edit.attribute, edit.value)


def _written(urn: str | None, attribute: Attribute, value: Json) -> Iterator[Target]:
    """The attribute, and its sub-attributes in the value."""
    yield Target(urn, attribute)
    if attribute.complex:
        for item in values.items_of(value):
            yield from (Target(urn, attribute, attribute.subs[name.lower()]) for name in item)


def _about(targets: Iterable[Target], urn: str | None, attribute: Attribute) -> list[Target]:
    """The targets that name an attribute, a part of it, or the extension that holds it."""
    return [
        target
        for target in targets
        if target.urn == urn and (target.attribute is attribute or target.attribute is None)
    ]


def _shown(sub: Attribute, named: set[str], excluded: set[str]) -> bool:
    """True when a sub-attribute is shown in the answer that holds its whole attribute."""
    if sub.returned == "request":
        return sub.name in named
    return sub.returned == "always" or sub.name not in excluded


def _parts(attribute: Attribute, value: Json, wanted: Callable[[Attribute], bool]) -> Json:
    """A complex value, or a list of them, with the sub-attributes that `wanted` accepts and that are ever returned."""
    if not attribute.complex:
        return value
    if isinstance(value, list):
        parts = [_parts(attribute, item, wanted) for item in value]
        return [part for part in parts if part] or (None if value else value)
    subs = ((attribute.subs.get(name.lower()), name, inner) for name, inner in value.items())
    return {
        name: inner for sub, name, inner in subs if sub is not None and sub.returned != "never" and wanted(sub)
    } or None


def parse(resource_type: ResourceType, attributes: Iterable[str], excluded: Iterable[str]) -> Projection:
    """Resolves the names of `attributes` and `excludedAttributes`.

    Names that the type does not have are left out: one request may name attributes of several types
    (RFC 7644 section 3.4.3). Raises InvalidValue when both are given, InvalidPath when a name is malformed.
    """
    wanted, unwanted = list(attributes), list(excluded)
    if wanted and unwanted:
        raise InvalidValue("attributes and excludedAttributes cannot be used together.")
    return Projection(
        resource_type,
        _targets(resource_type, wanted) if wanted else None,
        _targets(resource_type, unwanted),
    )


def _targets(resource_type: ResourceType, names: Iterable[str]) -> tuple[Target, ...]:
    targets = []
    for name in names:
        # The filter of a value path chooses values, and a projection attributes: `emails[…].value` means `emails`.
        named = parse_patch_path(name.strip(), resource_type.urns)
        if named.filter is not None:
            note(Leniency.FILTER_IN_ATTRIBUTES)
        path = named.attr
        target = resource_type.find(path)
        if target is None and not path.name and path.urn and path.urn.lower() == resource_type.schema.id.lower():
            targets += [Target(None, attribute) for attribute in resource_type.schema.attributes]
        elif target is not None:
            targets.append(target)
    return tuple(targets)
