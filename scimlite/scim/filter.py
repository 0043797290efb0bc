"""A filter of RFC 7644 section 3.4.2.2 as a tree, and the canonical text of a tree."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .path import AttrPath

Scalar = str | bool | int | float | None


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison of one attribute with one value."""

    path: AttrPath
    #: In lower case: eq ne co sw ew gt ge lt le pr.
    op: str
    #: None for `pr`, and for the literal null.
    value: Scalar = None


@dataclass(frozen=True, slots=True)
class And:
    """Two or more terms, all of them true."""

    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Two or more terms, at least one of them true."""

    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """A term that is false."""

    term: Filter


@dataclass(frozen=True, slots=True)
class ValuePath:
    """A term that is true for one and the same value of a multi-valued attribute.

    Paths inside the term are plain sub-attribute names, and the term holds no other value path.
    """

    path: AttrPath
    term: Filter


Filter = Compare | And | Or | Not | ValuePath


def unparse(node: Filter) -> str:
    """The canonical text of a filter: one blank between words, and only the brackets that are needed."""
    match node:
        case Compare(path, "pr"):
            return f"{path} pr"
        case Compare(path, op, value):
            return f"{path} {op} {json.dumps(value, ensure_ascii=False)}"
        case And(terms):
            return " and ".join(_bracketed(term, And, Or) for term in terms)
        case Or(terms):
            return " or ".join(_bracketed(term, Or) for term in terms)
        case Not(term):
            return f"not ({unparse(term)})"
        case _:
            return f"{node.path}[{unparse(node.term)}]"


def _bracketed(node: Filter, *kinds: type[Filter]) -> str:
    """The text of a node, in brackets when it is one of `kinds`."""
    return f"({unparse(node)})" if isinstance(node, kinds) else unparse(node)
