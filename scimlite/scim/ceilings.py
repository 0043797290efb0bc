"""Ceilings: how large a resource, an attribute and a text may become.

A resource that is above a ceiling already, because it was stored before there was one, can still be changed as long as
the change does not make it larger there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..errors import InvalidValue, PayloadTooLarge, Remedy, ScimError
from ..limits import Limits
from .document import Document, parts
from .patch import Operation
from .schema import ResourceType

Json = Any

#: Characters of a path that an error repeats.
_LONGEST_PATH = 200


@dataclass(slots=True)
class _Measure:
    """The size of one attribute: its items, the simple values in them, and the bytes of its longest and all texts."""

    items: int = 0
    values: int = 0
    text: int = 0
    size: int = 0


_NOTHING = _Measure()


# --- what came ----------------------------------------------------------------------------------------------------


def check_sent(
    resource_type: ResourceType,
    sent: Iterable[tuple[str, Json]],
    limits: Limits,
    stored: Callable[[], Document] = dict,
) -> None:
    """Raises PayloadTooLarge or InvalidValue for what is far too large, before anything is done with it.

    In: names or paths of attributes with what was sent for them, and a function that reads the resource as it is: a
    list may be as long as what it has already, and a text too.
    """
    counts: list[tuple[int, str]] = []
    total, longest = 0, max(limits.max_text, limits.max_name)
    for path, value in sent:
        if type(value) is str:
            if len(value) > longest and _is_stored(resource_type, path):
                _check_text(resource_type, path, _bytes(value), limits, stored)
        elif type(value) is list or type(value) is dict:
            number = len(value)
            if type(value) is dict or number <= limits.max_attribute_values:
                number = _items(value)
            counts.append((number, path))
            total += number
    if total > min(limits.max_attribute_values, limits.max_values):
        _check_lists(resource_type, counts, limits, stored)


def _check_text(
    resource_type: ResourceType, path: str, length: int, limits: Limits, stored: Callable[[], Document]
) -> None:
    known = (measure.text for measure in _measured(resource_type, stored()).values())
    if length > max(known, default=0):
        raise _Excess("max_text", f"{path[:_LONGEST_PATH]} has a text of {length:,} bytes").error(limits)


def _check_lists(
    resource_type: ResourceType, counts: Sequence[tuple[int, str]], limits: Limits, stored: Callable[[], Document]
) -> None:
    counts = [(number, path) for number, path in counts if _is_stored(resource_type, path)]
    total, (most, largest) = sum(number for number, _ in counts), max(counts, default=(0, ""))
    if most <= limits.max_attribute_values and total <= limits.max_values:
        return
    if total <= sum(measure.values for measure in _measured(resource_type, stored()).values()):
        return
    if most > limits.max_attribute_values:
        raise _Excess("max_attribute_values", f"{largest[:_LONGEST_PATH]} has {most:,} values").error(limits)
    where = f"most of them in {largest[:_LONGEST_PATH]}"
    raise _Excess("max_values", f"The request has {total:,} values, {where}").error(limits)


def of_body(body: Json) -> Iterator[tuple[str, Json]]:
    """The attributes of a POST or PUT with their values, those of extensions each by itself."""
    for name, value in body.items() if isinstance(body, dict) else ():
        if ":" in name and isinstance(value, dict):
            yield from value.items()
        else:
            yield name, value


def of_operations(operations: Iterable[Operation]) -> Iterator[tuple[str, Json]]:
    """The attributes of a PATCH with the values that its operations have for them."""
    for operation in operations:
        if operation.path is not None:
            yield operation.path, operation.value
        elif isinstance(operation.value, dict):
            yield from operation.value.items()


def _is_stored(resource_type: ResourceType, path: str) -> bool:
    """True when an attribute of this name becomes a part of the document: a group's members do not."""
    name = path.partition("[")[0].rpartition(":")[2].partition(".")[0].lower()
    found = (schema.by_key.get(name) for schema in (resource_type.schema, *resource_type.extensions))
    return any(attribute is not None and not (attribute.links or attribute.read_only) for attribute in found)


def _items(value: Json) -> int:
    """The items of all lists in a value."""
    if type(value) is list:
        return len(value) + sum(_items(item) for item in value if type(item) in (list, dict))
    return sum(_items(inner) for inner in value.values() if type(inner) in (list, dict))


# --- what is to be stored -----------------------------------------------------------------------------------------


def check(resource_type: ResourceType, new: Document, size: int, limits: Limits, old: Document) -> None:
    """Raises PayloadTooLarge or InvalidValue, naming the attribute, when a document is above a ceiling.

    In: the bytes of the new document as JSON, and the document before the change, empty for a new resource.
    """
    if size <= limits.harmless:
        return
    after, before = _measured(resource_type, new), _measured(resource_type, old)
    names = _names(resource_type)
    for path, measure in after.items():
        known = before.get(path, _NOTHING)
        if measure.items > max(limits.max_attribute_values, known.items):
            raise _Excess("max_attribute_values", f"{path} has {measure.items:,} values").error(limits)
        limit = "max_name" if path in names else "max_text"
        if measure.text > max(getattr(limits, limit), known.text):
            raise _Excess(limit, f"{path} has a text of {measure.text:,} bytes").error(limits)
    values = sum(measure.values for measure in after.values())
    if values > max(limits.max_values, sum(measure.values for measure in before.values())):
        largest = max(after, key=lambda path: after[path].values)
        of = f"The {resource_type.name} has {values:,} values, most of them in {largest}"
        raise _Excess("max_values", of).error(limits)
    if size > limits.max_document and size > len(orjson.dumps(old)):
        largest = max(after, key=lambda path: after[path].size)
        of = f"The {resource_type.name} has {size:,} bytes, most of them in {largest}"
        raise _Excess("max_document", of).error(limits)


def _names(resource_type: ResourceType) -> set[str]:
    """The attributes that are names."""
    return {"externalId", *(name for _, name in resource_type.naming)}


def _measured(resource_type: ResourceType, document: Document) -> dict[str, _Measure]:
    """The measures of the attributes of a document by path."""
    measures: dict[str, _Measure] = {}
    for attributes, holder in parts(resource_type, document):
        for name, value in holder.items():
            attribute = attributes.get(name.lower())
            if attribute is not None and attribute.key != "schemas":
                measures[attribute.path] = _measure(value)
    return measures


def _measure(value: Json) -> _Measure:
    measure = _Measure(items=len(value) if isinstance(value, list) else 1)
    _add(measure, value)
    return measure


def _add(measure: _Measure, value: Json) -> None:
    if isinstance(value, list | dict):
        for inner in value if isinstance(value, list) else value.values():
            _add(measure, inner)
        return
    measure.values += 1
    if isinstance(value, str):
        length = _bytes(value)
        measure.text = max(measure.text, length)
        measure.size += length


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


# --- errors -------------------------------------------------------------------------------------------------------

#: What is said about each limit, with the number in the place.
_RULES = {
    "max_values": "a resource has at most {:,}",
    "max_attribute_values": "an attribute has at most {:,}",
    "max_name": "names and externalId have at most {:,}",
    "max_text": "a text has at most {:,}",
    "max_document": "a resource has at most {:,}",
}


@dataclass(frozen=True, slots=True)
class _Excess:
    """A limit that is exceeded, by its field, and what exceeds it, in words."""

    limit: str
    what: str

    def error(self, limits: Limits) -> ScimError:
        """The error that says so: 400 for a text, 413 for what is too much."""
        detail = f"{self.what}; {_RULES[self.limit].format(getattr(limits, self.limit))}."
        kind = InvalidValue if self.limit in ("max_name", "max_text") else PayloadTooLarge
        return kind(detail, remedy=Remedy(setting=f"SCIMLITE_{self.limit.upper()}"))
