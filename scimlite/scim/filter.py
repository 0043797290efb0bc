"""A filter of RFC 7644 section 3.4.2.2 as a tree, and the canonical text of a tree."""

from __future__ import annotations

import json
from dataclasses import dataclass

from . import numbers
from .path import AttrPath


class Bare(str):
    """A value without quotation marks as it is written: a number, or a word (`filter_parser` says which words).

    The type of the attribute tells what it means: `1e3` is 1000 in a number and the text `1e3` in a text.
    """

    __slots__ = ()


#: A text that is no Bare had quotation marks; None is the literal null.
Scalar = str | bool | None


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
            return f"{path} {op} {_literal(value)}"
        case And(terms):
            return " and ".join(_bracketed(term, And, Or) for term in terms)
        case Or(terms):
            return " or ".join(_bracketed(term, Or) for term in terms)
        case Not(term):
            return f"not ({unparse(term)})"
        case _:
            return f"{node.path}[{unparse(node.term)}]"


def _literal(value: Scalar) -> str:
    """A value as JSON; a number keeps its digits."""
    if isinstance(value, Bare) and numbers.is_number(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _bracketed(node: Filter, *kinds: type[Filter]) -> str:
    """The text of a node, in brackets when it is one of `kinds`."""
    return f"({unparse(node)})" if isinstance(node, kinds) else unparse(node)
