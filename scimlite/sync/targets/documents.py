"""The document of a user or group as a target gets it, in parts that are compared one by one: pure.

Left out are the id, `meta`, links, values that no client can read, and what the target does not take. References to
other users get their ids at the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from ...scim.attribute import Attribute
from ...scim.schema import ResourceType
from .abilities import Abilities

Json = Any
#: Bytes of a digest: a change is missed once in 10^14.
_DIGEST = 6
#: The digest of a value that a target may have.
UNKNOWN = ""
_COMMON = ("id", "schemas", "meta", "externalid")


@dataclass(slots=True)
class Shaped:
    """What a target gets: the whole document, and its values by the paths of PATCH."""

    document: dict[str, Json]
    parts: dict[str, Json] = field(default_factory=dict)
    #: Paths that the target does not take.
    left_out: set[str] = field(default_factory=set)
    #: True when a reference is to a resource that is not at the target.
    waits: bool = False

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each part."""
        return {path: digest(value) for path, value in self.parts.items()}


def digest(value: Json) -> str:
    """A short text that differs for different values."""
    return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=_DIGEST).hexdigest()


def references(resource_type: ResourceType, document: Mapping[str, Json]) -> Iterator[str]:
    """Yields the ids that a document refers to, such as that of the manager."""
    for _, attribute, value in _values(resource_type, document):
        if _refers(attribute):
            for item in _items(value):
                if isinstance(item.get("value"), str):
                    yield item["value"]


def shape(
    resource_type: ResourceType,
    document: Mapping[str, Json],
    uuid: str,
    abilities: Abilities,
    urls: Mapping[str, tuple[str, str]],
) -> Shaped:
    """The document for a target.

    In: the stored document; the resource's own id, which becomes its externalId; for each reference in it, the id at
    the target and the URL there, as far as it is there.
    """
    shaped = Shaped({"externalId": uuid}, {"externalId": uuid})
    for urn, attribute, value in _values(resource_type, document):
        path = attribute.name if urn is None else f"{urn}:{attribute.name}"
        if not abilities.takes(resource_type.name, urn, attribute.name):
            shaped.left_out.add(path)
            continue
        sent = _translated(attribute, value, urls, shaped) if _refers(attribute) else value
        sent = _taken(abilities, resource_type.name, urn, attribute, sent, path, shaped)
        if sent in (None, [], {}):
            continue
        holder = shaped.document if urn is None else shaped.document.setdefault(urn, {})
        holder[attribute.name] = sent
        if attribute.complex and not attribute.multi_valued and not _refers(attribute):
            # PATCH merges a complex value into the one that is there, so each part of it is named.
            shaped.parts |= {f"{path}.{name}": part for name, part in sent.items()}
        else:
            shaped.parts[path] = sent
    urns = [resource_type.schema.id, *(key for key in shaped.document if ":" in key)]
    shaped.document = {"schemas": urns, **shaped.document}
    return shaped


def operations(parts: Mapping[str, Json], known: Mapping[str, str]) -> list[dict[str, Json]]:
    """The PATCH operations that make a target's values, of which the digests are known, those of `parts`."""
    changed = [
        {"op": "replace", "path": path, "value": value}
        for path, value in parts.items()
        if known.get(path) != digest(value)
    ]
    return changed + [{"op": "remove", "path": path} for path in known if path not in parts]


def doubtful(parts: Mapping[str, Json], known: Mapping[str, str]) -> dict[str, str]:
    """The digests while a request is under way that changes values: what it is about is unknown until its answer."""
    now = {path: digest(value) for path, value in parts.items()}
    return {
        path: text if now.get(path) == text else UNKNOWN for path, text in {**dict.fromkeys(now, ""), **known}.items()
    }


def _values(resource_type: ResourceType, document: Mapping[str, Json]) -> Iterator[tuple[str | None, Attribute, Json]]:
    """Yields the values of a document that a target may get, with the URN of their extension."""
    for urn, attribute in resource_type.attributes:
        if (urn is None and attribute.key in _COMMON) or not _is_pushed(attribute):
            continue
        holder = document if urn is None else document.get(urn)
        value = holder.get(attribute.name) if isinstance(holder, Mapping) else None
        if value is not None:
            yield urn, attribute, value


def _is_pushed(attribute: Attribute) -> bool:
    hidden = attribute.read_only or attribute.write_only or attribute.returned == "never"
    return not (hidden or attribute.links or attribute.derived or attribute.apart or attribute.nested)


def _refers(attribute: Attribute) -> bool:
    """True for an attribute that names other users by their ids, such as the manager."""
    reference = attribute.subs.get("$ref")
    return reference is not None and "value" in attribute.subs and "User" in reference.reference_types


def _items(value: Json) -> list[dict[str, Json]]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def _translated(attribute: Attribute, value: Json, urls: Mapping[str, tuple[str, str]], shaped: Shaped) -> Json:
    """The references whose resources are at the target, with their ids there."""
    found = []
    for item in _items(value):
        if item.get("value") in urls:
            id, url = urls[item["value"]]
            found.append({**item, "value": id, "$ref": url})
        else:
            shaped.waits = True
    return found if attribute.multi_valued else next(iter(found), None)


def _taken(
    abilities: Abilities, type: str, urn: str | None, attribute: Attribute, value: Json, path: str, shaped: Shaped
) -> Json:
    """A complex value without the sub-attributes that the target does not take, or that no client writes."""
    if not attribute.complex or value is None:
        return value
    kept = []
    for item in _items(value):
        rest = {}
        for name, part in item.items():
            sub = attribute.subs.get(name.lower())
            if sub is None or sub.read_only or sub.write_only or sub.returned == "never":
                continue
            if abilities.takes(type, urn, attribute.name, name):
                rest[name] = part
            else:
                shaped.left_out.add(f"{path}.{name}")
        kept += [rest] if rest else []
    return kept if attribute.multi_valued else next(iter(kept), None)
