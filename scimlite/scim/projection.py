"""Which attributes an answer holds: `attributes`, `excludedAttributes` and `returned` (RFC 7644 section 3.9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidValue
from .path import parse_attr_path
from .schema import Attribute, ResourceType, Target

Json = Any


@dataclass(frozen=True, slots=True)
class Projection:
    """What was asked for, resolved against one resource type.

    `only` is None when nothing was asked for; names that mean nothing in this type are left out.
    """

    resource_type: ResourceType
    only: tuple[Target, ...] | None = None
    without: tuple[Target, ...] = field(default=())

    @property
    def plain(self) -> bool:
        """Whether stored documents can be sent as they are (links and derived attributes are not in them)."""
        if self.only is not None or self.resource_type.returned_on_request:
            return False
        return all(
            target.attribute is not None
            and target.sub is None
            and (target.attribute.links or target.attribute.derived)
            for target in self.without
        )

    def wants(self, attribute: Attribute | None) -> bool:
        """Whether an attribute (or a part of it) belongs into the answer."""
        if attribute is None:
            return False
        if attribute.returned in ("always", "never"):
            return attribute.returned == "always"
        if self.only is not None:
            return any(target.attribute is attribute for target in self.only)
        if attribute.returned == "request":
            return False
        return not any(t.attribute is attribute and t.sub is None for t in self.without)

    def apply(self, resource: dict[str, Json]) -> dict[str, Json]:
        """The resource with only what belongs into the answer."""
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
        """The value, or the part of it that was asked for; None when nothing was."""
        if attribute is None or attribute.returned == "never":
            return None
        if attribute.returned == "always":
            return value
        if self.only is not None:
            asked = [t for t in self.only if t.urn == urn and t.attribute in (attribute, None)]
            asked = [t for t in asked if t.attribute is not None or urn is not None]
            if not asked:
                return None
            names = {t.sub.name for t in asked if t.sub is not None}
            return value if any(t.sub is None for t in asked) else _parts(attribute, value, names, keep=True)
        dropped = [t for t in self.without if t.urn == urn and t.attribute in (attribute, None)]
        dropped = [t for t in dropped if t.attribute is not None or urn is not None]
        if attribute.returned == "request" or any(t.sub is None for t in dropped):
            return None
        return _parts(attribute, value, {t.sub.name for t in dropped if t.sub is not None}, keep=False)


def _parts(attribute: Attribute, value: Json, names: set[str], *, keep: bool) -> Json:
    """A complex value, or each of several, with only (`keep`) or without the named sub-attributes."""
    if isinstance(value, list):
        parts = [_parts(attribute, item, names, keep=keep) for item in value]
        return [part for part in parts if part] or None
    if not isinstance(value, dict):
        return value
    shown = {}
    for name, each in value.items():
        returned = attribute.subs[name.lower()].returned
        asked = name in names if keep else name not in names and returned != "request"
        if returned != "never" and (returned == "always" or asked):
            shown[name] = each
    return shown or None


def parse(resource_type: ResourceType, attributes: Iterable[str], excluded: Iterable[str]) -> Projection:
    """Resolve the names of `attributes` and `excludedAttributes`.

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
        path = parse_attr_path(name.strip(), resource_type.urns)
        target = resource_type.find(path)
        if target is None and not path.name and path.urn and path.urn.lower() == resource_type.schema.id.lower():
            targets += [Target(None, attribute) for attribute in resource_type.schema.attributes]
        elif target is not None:
            targets.append(target)
    return tuple(targets)
