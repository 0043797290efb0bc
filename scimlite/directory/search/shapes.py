"""Shapes: checked filters without the values that they compare with.

A shape is hashable, so that filters that differ only in their values are compiled once. Logic has two values: a
comparison with an absent attribute is false, and a `Complement` is true wherever its term is false.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...scim.attribute import Attribute
from ...scim.schema import ResourceType


@dataclass(frozen=True, slots=True)
class Fixed:
    """A condition that every resource satisfies, or none."""

    holds: bool


@dataclass(frozen=True, slots=True)
class Schemas:
    """The resource's `schemas` contain one of these URNs."""

    urns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Some value of `leaf` passes a test; false without a value.

    `op` is one of the filter grammar's, or `any`: there is a value, perhaps an empty one. `ne` means that some value
    differs. The Slot `slot` binds the key to compare with.
    """

    holder: Attribute
    leaf: Attribute
    op: str
    slot: str = ""
    #: The key is longer than PREFIX, so that the index alone cannot answer.
    long: bool = False
    #: For `sw`: no text sorts behind all texts that start with the key.
    last: bool = False


@dataclass(frozen=True, slots=True)
class OfKind:
    """A link of a derived attribute is of one of these kinds: `direct`, `indirect`; only inside a SameItem."""

    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Every:
    """All of the terms hold."""

    terms: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of the terms holds."""

    terms: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Complement:
    """The term does not hold."""

    term: Shape


@dataclass(frozen=True, slots=True)
class SameItem:
    """One single value of a complex or multi-valued attribute satisfies the whole term."""

    holder: Attribute
    term: Shape


@dataclass(frozen=True, slots=True)
class OfTypes:
    """Resources of several types, each with its own term; never inside another shape."""

    terms: tuple[tuple[ResourceType, Shape], ...]


Shape = Fixed | Schemas | Comparison | OfKind | Every | Some | Complement | SameItem
