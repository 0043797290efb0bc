"""Makes a user or group that an app takes, from its schemas and its mapping, for the connection test."""

from __future__ import annotations

from typing import Any

from ..apps import App, compiled_mapping
from ..scim import document as documents
from ..scim import intake
from ..scim.document import Document
from ..scim.schema import ResourceType
from . import example_value

Json = Any


def example(app: App, resource_type: ResourceType, body: dict[str, Json], name: str) -> dict[str, Json]:
    """Returns `body` as a client sends it, with a value for each attribute that the app's mapping or schemas require.

    In: `name`, a text that no other resource has, for values that are unique. Raises ScimError when no such resource
    can be made.
    """
    for urn in resource_type.required_extensions:
        body = {**body, urn: {}}
    document = intake.clean(resource_type, _completed(resource_type, body, name)).document
    compiled = compiled_mapping.compiled(app.mapping, resource_type)
    if compiled is None:
        return documents.finish(resource_type, document)
    for row in compiled.rows:
        # What an earlier row needed may be enough for this one.
        if row not in compiled.missing(compiled.profile(document)):
            continue
        for path in compiled_mapping.paths(row):
            holder = compiled_mapping.resolve(path, resource_type)[1].urn
            if holder is not None and holder not in document:
                document = _completed(resource_type, {**document, holder: {}}, name)
            document = _with_value_at(resource_type, document, path, name)
    return documents.finish(resource_type, document)


def _with_value_at(resource_type: ResourceType, document: Document, path: str, name: str) -> Document:
    """Returns a document with a value at a path of the mapping; where the path has a filter, an item that it selects.

    Raises ScimError when the app takes no such value, or none was found that the filter selects.
    """
    parsed, target = compiled_mapping.resolve(path, resource_type)
    leaf, attribute = target.leaf, target.attribute
    assert leaf is not None
    assert attribute is not None
    if parsed.filter is None:
        # The path of a whole complex attribute means its `value`.
        value = example_value.of(leaf, name)
        if leaf is not attribute and parsed.sub is None:
            value = [{leaf.name: value}] if attribute.multi_valued else {leaf.name: value}
        # A path as a key is understood as PATCH understands it; what is sent is the plain resource.
        return intake.clean(resource_type, {**document, path: value}).document
    item = example_value.selected(attribute, leaf, parsed.filter, name)
    holder = document if target.urn is None else document.get(target.urn, {})
    value = [*_without_primary(holder.get(attribute.name) or [], item), item] if attribute.multi_valued else item
    changed = {**holder, attribute.name: value}
    full = changed if target.urn is None else {**document, target.urn: changed}
    return intake.clean(resource_type, full).document


def _without_primary(items: list[Json], added: Json) -> list[Json]:
    """Returns items beside which another one can stand: at most one is primary."""
    if not isinstance(added, dict) or not added.get("primary"):
        return items
    return [{key: value for key, value in item.items() if key != "primary"} for item in items]


def _completed(resource_type: ResourceType, body: dict[str, Json], name: str) -> dict[str, Json]:
    """Returns a resource with values for the required attributes of its core schema and of the extensions it has."""
    full = dict(body)
    for urn, attribute, _ in resource_type.demanding:
        holder = full if urn is None else full.get(urn)
        if holder is None or not attribute.required or attribute.name in holder:
            continue
        value = example_value.of(attribute, name)
        full |= {attribute.name: value} if urn is None else {urn: {**holder, attribute.name: value}}
    for extension in resource_type.extensions:
        first = next(example_value.writable(extension.attributes), None)
        if full.get(extension.id) == {} and first is not None:
            full[extension.id] = {first.name: example_value.of(first, name)}
    return full
