"""Makes values that attributes take, and items that filters select, for the connection test."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable, Iterator
from itertools import islice, permutations, product
from typing import Any

from ..errors import InvalidValue
from ..scim import comparison, numbers
from ..scim.attribute import Attribute
from ..scim.filter import And, Compare, Filter, Not, Or, Scalar, unparse
from . import pattern_text

Json = Any

#: Items that are tried for one filter, which is some milliseconds.
_MOST_ITEMS = 20_000
#: Texts of a filter that are put together to one.
_MOST_TEXTS = 5
_A_TIME = "2030-01-01T00:00:00Z"


def of(attribute: Attribute, name: str) -> Json:
    """Returns a value that an attribute takes, a list of one when it has several; `name` is a text of its own."""
    value = _object(attribute, name) if attribute.complex else _simple(attribute, name)
    return [value] if attribute.multi_valued else value


def writable(attributes: Iterable[Attribute]) -> Iterator[Attribute]:
    """Yields the attributes that clients can write."""
    return (attribute for attribute in attributes if not attribute.read_only and not attribute.nested)


def _object(attribute: Attribute, name: str) -> dict[str, Json]:
    possible = list(writable(attribute.sub_attributes))
    chosen = [sub for sub in possible if sub.required or sub.key == "value"] or possible[:1]
    return {sub.name: of(sub, name) for sub in chosen}


def _simple(attribute: Attribute, name: str) -> Json:
    if attribute.canonical_values:
        return attribute.canonical_values[0]
    if attribute.pattern:
        return pattern_text.matching(attribute.pattern, attribute.takes) or name
    values = {
        "boolean": True,
        "integer": random.randrange(10**6, 10**9),
        "decimal": random.randrange(10**6, 10**9) + 0.5,
        "dateTime": _A_TIME,
        "binary": base64.b64encode(name.encode()).decode(),
        "reference": f"https://example.invalid/{name}",
    }
    text = f"{name}@example.invalid" if attribute.path.startswith("emails.") else name
    return values.get(attribute.type, text)


# --- items that a filter selects ----------------------------------------------------------------------------------


def selected(attribute: Attribute, leaf: Attribute, term: Filter, name: str) -> Json:
    """Returns an item of an attribute that a filter selects, with a value for `leaf`, one of its sub-attributes.

    Values are made of those that the filter compares with, and tried. Raises InvalidValue when none is selected.
    """
    matches = comparison.matcher(term, attribute)
    items: Iterable[Json] = _items(attribute, leaf, term, name)
    if leaf is attribute:
        items = (value for value in _candidates(leaf, list(_compared(term)), name) if value is not None)
    for item in islice(items, _MOST_ITEMS):
        if matches(item):
            return item
    raise InvalidValue(f"no value of {attribute.path} was found that {unparse(term)} selects")


def _items(attribute: Attribute, leaf: Attribute, term: Filter, name: str) -> Iterator[dict[str, Json]]:
    """Yields items with every choice of values for the sub-attributes that matter."""
    compared = list(_compared(term))
    subs = {comparison.sub_attribute(attribute, one.path).name for one in compared}
    subs |= {sub.name for sub in attribute.sub_attributes if sub.required} | {leaf.name}
    choices: list[list[Json]] = []
    for sub in (sub for sub in attribute.sub_attributes if sub.name in subs):
        own = [one for one in compared if comparison.sub_attribute(attribute, one.path) is sub]
        values = list(_candidates(sub, own, name))
        needed = sub is leaf or sub.required
        choices.append([(sub.name, value) for value in values if value is not None or not needed])
    for chosen in product(*choices):
        yield {key: value for key, value in chosen if value is not None}


def _compared(term: Filter) -> Iterator[Compare]:
    match term:
        case And(terms) | Or(terms):
            for inner in terms:
                yield from _compared(inner)
        case Not(inner):
            yield from _compared(inner)
        case Compare():
            yield term


def _candidates(attribute: Attribute, compared: list[Compare], name: str) -> Iterator[Json]:
    """Yields values that an attribute takes and that may be equal to, contain, or lie beside those in a filter.

    None stands for no value. The usual value of the attribute comes first.
    """
    yield of(attribute, name)
    yield None
    values = [value for one in compared for value in _beside(attribute, one.value, name)]
    texts = [one.value for one in compared if isinstance(one.value, str)] if attribute.type == "string" else []
    # What a text begins with, contains and ends with.
    values += [name.join(chosen) for several in (2, 3) for chosen in permutations(texts[:_MOST_TEXTS], several)]
    for value in values:
        if not isinstance(value, str) or attribute.takes(value):
            yield [value] if attribute.multi_valued else value


def _beside(attribute: Attribute, value: Scalar, name: str) -> list[Json]:
    """Returns values at, before and behind a value of a filter."""
    if value is None:
        return []
    match attribute.type:
        case "boolean":
            return [True, False]
        case "integer" | "decimal":
            number = numbers.number(str(value))
            exact = float if attribute.type == "decimal" else int
            return [] if number is None else [exact(number), exact(number) + 1, exact(number) - 1]
        case "dateTime":
            return [value, "2999-12-31T00:00:00Z", "1970-01-01T00:00:00Z"]
    return [str(value), f"{value}{name}", f"{name}{value}", f"{name}{value}{name}", "!", "~"]
