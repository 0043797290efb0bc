"""What a filter asks once it is checked, without the values it compares with: hashable, so that it is compiled once.

Two-valued logic: a comparison with an absent attribute is false, a `Complement` is true wherever its term is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...scim.schema import Attribute, ResourceType


@dataclass(frozen=True, slots=True)
class Fixed:
    """What is the same for all resources."""

    holds: bool


@dataclass(frozen=True, slots=True)
class Schemas:
    """The resource's `schemas` name one of these."""

    urns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Some value of `leaf` passes a test; false when there is none.

    `op` is one of the grammar's, where `ne` means some value that differs, or `any`: a value, be it empty. The
    compared key is bound under `slot`; `long` and `last` tell keys that need another test than most.
    """

    holder: Attribute
    leaf: Attribute
    op: str
    slot: str = ""
    #: The key is longer than what the index covers.
    long: bool = False
    #: No text follows all those that start with the key.
    last: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    """All of the terms."""

    terms: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of the terms."""

    terms: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Complement:
    """Not the term."""

    term: Shape


@dataclass(frozen=True, slots=True)
class SameItem:
    """The term, about one and the same value of a complex or multi-valued attribute."""

    holder: Attribute
    term: Shape


@dataclass(frozen=True, slots=True)
class OfTypes:
    """Resources of several types, each with a term of its own: never inside another shape."""

    terms: tuple[tuple[ResourceType, Shape], ...]


Shape = Fixed | Schemas | Comparison | Every | Some | Complement | SameItem
