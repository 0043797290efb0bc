"""Makes a user or group that an app takes, from its schemas and its mapping, for the connection test."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Any

from ..apps import App, compiled_mapping
from ..scim import document as documents
from ..scim import intake
from ..scim.attribute import Attribute
from ..scim.schema import ResourceType

Json = Any

#: Signs of which texts are made until one matches a pattern.
_SIGNS = ("0", "1", "a", "A")
_LONGEST = 40


def example(app: App, resource_type: ResourceType, body: dict[str, Json], name: str) -> dict[str, Json]:
    """Returns `body` as a client sends it, with a value for each attribute that the app's mapping or schemas require.

    In: `name`, a text that no other resource has, for values that are unique. A text that fits a pattern is made for
    simple patterns only. Raises ScimError when no such resource can be made.
    """
    for urn in resource_type.required_extensions:
        body = {**body, urn: {}}
    document = intake.clean(resource_type, _completed(resource_type, body, name)).document
    compiled = compiled_mapping.compiled(app.mapping, resource_type)
    for row in list(compiled.missing(compiled.profile(document))) if compiled is not None else []:
        for path in compiled_mapping.paths(row):
            urn_of_path = compiled_mapping.resolve(path, resource_type)[1].urn
            if urn_of_path is not None and urn_of_path not in document:
                document = _completed(resource_type, {**document, urn_of_path: {}}, name)
            # A path as a key is understood as PATCH understands it; what is sent is the plain resource.
            value = _value_at(resource_type, path, name)
            document = intake.clean(resource_type, {**document, path: value}).document
    return documents.finish(resource_type, document)


def _completed(resource_type: ResourceType, body: dict[str, Json], name: str) -> dict[str, Json]:
    """Returns a resource with values for the required attributes of its core schema and of the extensions it has."""
    full = dict(body)
    for urn, attribute, _ in resource_type.demanding:
        holder = full if urn is None else full.get(urn)
        if holder is None or not attribute.required or attribute.name in holder:
            continue
        value = _value(attribute, name)
        full |= {attribute.name: value} if urn is None else {urn: {**holder, attribute.name: value}}
    for extension in resource_type.extensions:
        first = next(_writable(extension.attributes), None)
        if full.get(extension.id) == {} and first is not None:
            full[extension.id] = {first.name: _value(first, name)}
    return full


def _writable(attributes: tuple[Attribute, ...]) -> Iterator[Attribute]:
    return (attribute for attribute in attributes if not attribute.read_only and not attribute.nested)


def _value_at(resource_type: ResourceType, path: str, name: str) -> Json:
    """Returns a value for a path of the mapping; of a complex attribute, an object."""
    parsed, target = compiled_mapping.resolve(path, resource_type)
    leaf, attribute = target.leaf, target.attribute
    assert leaf is not None
    assert attribute is not None
    value = _value(leaf, name)
    if leaf is attribute or parsed.sub is not None:
        return value
    # The path names the whole attribute, and means its `value`.
    return [{leaf.name: value}] if attribute.multi_valued and parsed.filter is None else {leaf.name: value}


def _value(attribute: Attribute, name: str) -> Json:
    """Returns a value that an attribute takes; a list of one when it has several."""
    value = _object(attribute, name) if attribute.complex else _simple(attribute, name)
    return [value] if attribute.multi_valued else value


def _object(attribute: Attribute, name: str) -> dict[str, Json]:
    writable = list(_writable(attribute.sub_attributes))
    chosen = [sub for sub in writable if sub.required or sub.key == "value"] or writable[:1]
    return {sub.name: _value(sub, name) for sub in chosen}


def _simple(attribute: Attribute, name: str) -> Json:
    if attribute.canonical_values:
        return attribute.canonical_values[0]
    if attribute.pattern:
        return next((text for text in _texts() if attribute.takes(text)), name)
    values = {
        "boolean": True,
        "integer": random.randrange(10**6, 10**9),
        "decimal": random.randrange(10**6, 10**9) + 0.5,
        "dateTime": "2030-01-01T00:00:00Z",
        "binary": base64.b64encode(name.encode()).decode(),
        "reference": f"https://example.invalid/{name}",
    }
    text = f"{name}@example.invalid" if attribute.path.startswith("emails.") else name
    return values.get(attribute.type, text)


def _texts() -> Iterator[str]:
    return (sign * length for length in range(1, _LONGEST) for sign in _SIGNS)
