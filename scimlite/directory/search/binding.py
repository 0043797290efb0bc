"""Filters of requests: checked against a resource type, and parted into a shape and the values compared with.

The shape is what `conditions` compiles, once for all filters that differ only in their values.

Two-valued logic: a comparison with an absent attribute is false, except `ne`, which is true; `not` is the complement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import InvalidFilter
from ...scim import comparison
from ...scim.filter import And, Compare, Filter, Not, Or, ValuePath
from ...scim.path import AttrPath
from ...scim.schema import Attribute, ResourceType
from ...scim.values import microseconds
from .conditions import COLUMNS, PREFIX
from .shapes import Comparison, Complement, Every, Fixed, OfTypes, SameItem, Schemas, Shape, Some


@dataclass(slots=True)
class BoundFilter:
    """A filter's shape, and what its Slots are bound to."""

    shape: Shape | OfTypes
    binds: dict[str, Any] = field(default_factory=dict)


def bind(term: Filter | None, resource_type: ResourceType) -> BoundFilter:
    """Check a filter against the schema; InvalidFilter names what does not exist or cannot be compared."""
    if term is None:
        return BoundFilter(Fixed(True))
    binder = _Binder(resource_type)
    return BoundFilter(binder.bound(term), binder.binds)


def bind_across(term: Filter | None, types: Sequence[ResourceType]) -> BoundFilter:
    """Check a filter against several types: what a type lacks has no value there (RFC 7644 section 3.4.2.1).

    So has one that cannot be compared like that there. InvalidFilter names what none of the types can answer.
    """
    if term is not None:
        _check_known(term, types)
    parts: list[tuple[ResourceType, Shape]] = []
    binds: dict[str, Any] = {}
    for number, resource_type in enumerate(types):
        binder = _Binder(resource_type, lenient=True, prefix=f"t{number}")
        parts.append((resource_type, binder.bound(term) if term is not None else Fixed(True)))
        binds |= binder.binds | {f"type{number}": resource_type.name, f"endpoint{number}": resource_type.endpoint}
    return BoundFilter(OfTypes(tuple(parts)), binds)


def _check_known(term: Filter, types: Sequence[ResourceType]) -> None:
    """Raise InvalidFilter unless every comparison of a filter can be made in some type."""
    match term:
        case And(terms) | Or(terms):
            for each in terms:
                _check_known(each, types)
        case Not(inner):
            _check_known(inner, types)
        case Compare(path) | ValuePath(path):
            refusal = InvalidFilter(f"No resource type of this app has an attribute {str(path)!r}.")
            for resource_type in types:
                if (found := resource_type.find(path)) and found.leaf:
                    try:
                        _Binder(resource_type).bound(term)
                    except InvalidFilter as error:
                        refusal = error
                    else:
                        return
            raise refusal


def bind_item(term: Filter, attribute: Attribute, resource_type: ResourceType) -> tuple[Shape, dict[str, Any]]:
    """Check a filter that stands in the brackets of a value path of `attribute`; its shape and binds."""
    binder = _Binder(resource_type)
    return binder.bound_item(term, attribute), binder.binds


class _Binder:
    """Makes one filter's shape and collects its values, under names that begin with `prefix`.

    `lenient`: an attribute that the type lacks, or has of another kind, has no value, instead of being refused.
    """

    def __init__(self, resource_type: ResourceType, *, lenient: bool = False, prefix: str = "") -> None:
        self.resource_type = resource_type
        self.lenient = lenient
        self.prefix = prefix
        self.binds: dict[str, Any] = {}

    def bound(self, term: Filter) -> Shape:
        match term:
            case And() | Or() | Not():
                return _logical(term, self.bound)
            case Compare() | ValuePath() if self.lenient:
                try:
                    return self.bound_comparison(term)
                except InvalidFilter:
                    return Fixed(isinstance(term, Compare) and _true_of_nothing(term))
        return self.bound_comparison(term)

    def bound_comparison(self, term: Compare | ValuePath) -> Shape:
        match term:
            case Compare(path):
                holder, leaf = self.resolve(path)
                return self.compare(holder, leaf, term)
            case ValuePath(path, inner):
                _, holder = self.resolve(path)
                return self.value_path(holder, inner)

    def resolve(self, path: AttrPath) -> tuple[Attribute, Attribute]:
        """The top-level attribute and the one that the whole path names."""
        target = self.resource_type.find(path)
        if target is None or target.attribute is None or target.leaf is None:
            raise InvalidFilter(f"{self.resource_type.name} has no attribute {str(path)!r}.")
        return target.attribute, target.leaf

    def value_path(self, holder: Attribute, term: Filter) -> Shape:
        if not holder.multi_valued and not holder.complex:
            raise InvalidFilter(f"{holder.path} is one simple value: it takes no filter in brackets.")
        inner = self.bound_item(term, holder)
        # Each is the only one of its resource, and always there; or is already about the whole.
        if holder.key == "meta" or isinstance(inner, Fixed | Schemas):
            return inner
        return _same_item(holder, inner)

    def bound_item(self, term: Filter, holder: Attribute) -> Shape:
        """The filter inside the brackets of a value path: every name is a sub-attribute."""
        match term:
            case _ if holder.key == "schemas":
                return self.schemas(lambda urn: comparison.matches(term, holder, urn))
            case And() | Or() | Not():
                return _logical(term, lambda each: self.bound_item(each, holder))
            case Compare(path):
                return self.compare(holder, comparison.sub_attribute(holder, path), term, in_item=True)
            case ValuePath():
                raise InvalidFilter("A value path cannot stand inside another one.")
        raise AssertionError(term)

    def schemas(self, test: Callable[[str], bool]) -> Shape:
        """Which of the type's schemas pass the test: what a resource holds says whether it has them."""
        core, *extensions = (self.resource_type.schema, *self.resource_type.extensions)
        if test(core.id):
            return Fixed(True)
        found = tuple(extension.id for extension in extensions if test(extension.id))
        return Schemas(found) if found else Fixed(False)

    def compare(self, holder: Attribute, leaf: Attribute, term: Compare, *, in_item: bool = False) -> Shape:
        if "never" in (holder.returned, leaf.returned):
            raise InvalidFilter(f"{leaf.path} cannot be filtered by.")
        bound = comparison.bind(leaf, term.op, term.value)
        leaf = bound.attribute
        if bound.op in ("pr", "absent"):
            return _presence(holder, leaf, absent=bound.op == "absent")
        if holder.key == "schemas":
            return self.schemas(lambda urn: comparison.OPERATORS[bound.op](urn, bound.key))
        if leaf.path == "meta.resourceType":
            return Fixed(comparison.OPERATORS[bound.op](self.resource_type.name, bound.key))
        if holder.derived and leaf.key == "type":
            raise InvalidFilter(f"{leaf.path} cannot be filtered by: it is not stored.")
        slot, long, last = self.slots(bound, term)
        if bound.op != "ne":
            return Comparison(holder, leaf, bound.op, slot, long, last)
        if leaf.multi_valued or (holder.multi_valued and not in_item):
            without = Complement(Comparison(holder, leaf, "any"))
            return Some((without, Comparison(holder, leaf, "ne", slot, long)))
        return Complement(Comparison(holder, leaf, "eq", slot, long))

    def slots(self, bound: comparison.Bound, term: Compare) -> tuple[str, bool, bool]:
        """Bind what the comparison is made with; returns the Slots' common name, and what is special about the key."""
        name = f"{self.prefix}v{len(self.binds)}"
        start = bound.key[:PREFIX]
        following = _successor(start) if bound.op == "sw" else None
        self.binds |= {name: bound.key, f"{name}p": start, f"{name}n": following}
        if bound.attribute.type == "dateTime":
            self.binds[f"{name}i"] = microseconds(str(term.value))
        return name, len(bound.key) >= PREFIX, bound.op == "sw" and following is None


def _true_of_nothing(term: Compare) -> bool:
    """Whether a comparison holds for what has no value: it differs from everything, and equals null."""
    return (term.op == "eq") if term.value is None and term.op != "pr" else term.op == "ne"


def _logical(term: And | Or | Not, bound: Callable[[Filter], Shape]) -> Shape:
    match term:
        case And(terms):
            return _flat(Every, [bound(each) for each in terms])
        case Or(terms):
            return _flat(Some, [bound(each) for each in terms])
        case Not(inner):
            return Complement(bound(inner))


def _flat(kind: type[Every] | type[Some], terms: list[Shape]) -> Shape:
    """`(a and b) and c` is `a and b and c`. The deepest comes first: so a parser has the least to keep in mind."""
    flat: list[Shape] = []
    for term in terms:
        flat += term.terms if isinstance(term, kind) else [term]
    return kind(tuple(sorted(flat, key=_depth, reverse=True)))


def _depth(term: Shape) -> int:
    match term:
        case Every(terms) | Some(terms):
            return 1 + max(_depth(each) for each in terms)
        case Complement(inner) | SameItem(_, inner):
            return 1 + _depth(inner)
    return 0


def _presence(holder: Attribute, leaf: Attribute, *, absent: bool) -> Shape:
    if leaf.path in COLUMNS or holder.key in ("meta", "schemas"):
        return Fixed(not absent)
    present = Comparison(holder, leaf, "pr")
    return Complement(present) if absent else present


def _same_item(holder: Attribute, term: Shape) -> Shape:
    """One value passes `a or b` when one passes a or one passes b, and each of these an index can answer."""
    if isinstance(term, Some):
        return Some(tuple(_same_item(holder, each) for each in term.terms))
    return SameItem(holder, term)


def _successor(text: str) -> str | None:
    """The smallest text greater than every text that starts with this one; None when there is none."""
    while text:
        code = ord(text[-1]) + 1
        if code == 0xD800:
            code = 0xE000
        if code <= 0x10FFFF:
            return text[:-1] + chr(code)
        text = text[:-1]
    return None
