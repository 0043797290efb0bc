"""Checks filters of requests against a resource type, and parts them into a shape and the values to compare with.

`conditions` compiles the shape once for all filters that differ only in their values. Logic has two values: a
comparison with an absent attribute is false, except `ne`, which is true; `not` is the complement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...db.tables import PREFIX
from ...errors import InvalidFilter
from ...scim import comparison, values
from ...scim.attribute import Attribute
from ...scim.filter import And, Compare, Filter, Not, Or, ValuePath
from ...scim.path import AttrPath
from ...scim.schema import ResourceType
from .columns import COLUMNS
from .shapes import Comparison, Complement, Every, Fixed, OfKind, OfTypes, SameItem, Schemas, Shape, Some


@dataclass(slots=True)
class BoundFilter:
    """A filter's shape, and the values of its Slots."""

    shape: Shape | OfTypes
    binds: dict[str, Any] = field(default_factory=dict)


def bind(term: Filter | None, resource_type: ResourceType) -> BoundFilter:
    """Checks a filter; InvalidFilter names an attribute that does not exist or cannot be compared like that."""
    if term is None:
        return BoundFilter(Fixed(True))
    binder = _Binder(resource_type)
    return BoundFilter(binder.bound(term), binder.binds)


def bind_across(term: Filter | None, types: Sequence[ResourceType]) -> BoundFilter:
    """Checks a filter against several types (RFC 7644 section 3.4.2.1).

    An attribute that a type lacks, or that cannot be compared like that in it, has no value in that type.
    InvalidFilter names an attribute that cannot be compared in any of the types.
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
    """Raises InvalidFilter unless each comparison of a filter can be made in at least one type."""
    match term:
        case And(terms) | Or(terms):
            for part in terms:
                _check_known(part, types)
        case Not(inner):
            _check_known(inner, types)
        case Compare(path) | ValuePath(path):
            refusal = InvalidFilter(f"No resource type of this app has an attribute {str(path)!r}.")
            for resource_type in types:
                if (target := resource_type.find(path)) and target.leaf:
                    try:
                        _Binder(resource_type).bound(term)
                    except InvalidFilter as error:
                        refusal = error
                    else:
                        return
            raise refusal


def bind_item(term: Filter, attribute: Attribute, resource_type: ResourceType) -> tuple[Shape, dict[str, Any]]:
    """Checks the filter in the brackets of a value path of `attribute`; returns its shape and binds."""
    binder = _Binder(resource_type)
    return binder.bound_item(term, attribute), binder.binds


class _Binder:
    """Makes the shape of one filter and collects its values under names that begin with `prefix`.

    `lenient`: an attribute that the type lacks, or that has another type of value, has no value; otherwise the filter
    is refused.
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
        """The top-level attribute of a path, and the attribute or sub-attribute that the whole path names."""
        target = self.resource_type.find(path)
        if target is None or target.attribute is None or target.leaf is None:
            raise InvalidFilter(f"{self.resource_type.name} has no attribute {str(path)!r}.")
        return target.attribute, target.leaf

    def value_path(self, holder: Attribute, term: Filter) -> Shape:
        if not holder.multi_valued and not holder.complex:
            raise InvalidFilter(f"{holder.path} is one simple value: it takes no filter in brackets.")
        inner = self.bound_item(term, holder)
        # A resource has exactly one `meta`, and these shapes are about the whole resource already.
        if holder.key == "meta" or isinstance(inner, Fixed | Schemas):
            return inner
        return _same_item(holder, inner)

    def bound_item(self, term: Filter, holder: Attribute) -> Shape:
        """The shape of the filter in the brackets of a value path, where every name is a sub-attribute."""
        match term:
            case _ if holder.key == "schemas":
                return self.schemas(lambda urn: comparison.matches(term, holder, urn))
            case And() | Or() | Not():
                return _logical(term, lambda part: self.bound_item(part, holder))
            case Compare(path):
                return self.compare(holder, comparison.sub_attribute(holder, path), term, in_item=True)
            case ValuePath():
                raise InvalidFilter("A value path cannot stand inside another one.")
        raise AssertionError(term)

    def schemas(self, test: Callable[[str], bool]) -> Shape:
        """The shape of a test of `schemas`: those of the type's URNs that pass it."""
        core, *extensions = (self.resource_type.schema, *self.resource_type.extensions)
        if test(core.id):
            return Fixed(True)
        urns = tuple(extension.id for extension in extensions if test(extension.id))
        return Schemas(urns) if urns else Fixed(False)

    def compare(self, holder: Attribute, leaf: Attribute, term: Compare, *, in_item: bool = False) -> Shape:
        if "never" in (holder.returned, leaf.returned):
            raise InvalidFilter(f"{leaf.path} cannot be used in a filter.")
        bound = comparison.bind(leaf, term.op, term.value)
        leaf = bound.attribute
        if bound.op in ("pr", "absent"):
            return _presence(holder, leaf, absent=bound.op == "absent")
        if holder.key == "schemas":
            return self.schemas(lambda urn: comparison.OPERATORS[bound.op](urn, bound.key))
        if leaf.path == "meta.resourceType":
            return Fixed(comparison.OPERATORS[bound.op](self.resource_type.name, bound.key))
        if holder.derived and leaf.key == "type":
            kind = self.kind(leaf, bound)
            if in_item:
                return kind
            matching = SameItem(holder, kind)
            return matching if bound.op != "ne" else Some((Complement(Comparison(holder, leaf, "any")), matching))
        if leaf.assumed is not None:
            return self.primary(holder, leaf, bound, in_item=in_item)
        slot, long, last = self.slots(bound, term)
        if bound.op != "ne":
            return Comparison(holder, leaf, bound.op, slot, long, last)
        if leaf.multi_valued or (holder.multi_valued and not in_item):
            without = Complement(Comparison(holder, leaf, "any"))
            return Some((without, Comparison(holder, leaf, "ne", slot, long)))
        return Complement(Comparison(holder, leaf, "eq", slot, long))

    def primary(self, holder: Attribute, leaf: Attribute, bound: comparison.Bound, *, in_item: bool) -> Shape:
        """The shape of a comparison of `primary`, which is false in every item that does not say true."""
        slot = f"{self.prefix}v{len(self.binds)}"
        true = values.key(leaf, True)
        self.binds |= {slot: true, f"{slot}p": true}
        marked = Comparison(holder, leaf, "eq", slot)
        wants_true = (bound.key == true) == (bound.op == "eq")
        if in_item:
            return marked if wants_true else Complement(marked)
        some = marked if wants_true else SameItem(holder, Complement(marked))
        return some if bound.op == "eq" else Some((Complement(Comparison(holder, holder, "any")), some))

    def kind(self, leaf: Attribute, bound: comparison.Bound) -> OfKind:
        """The shape of a comparison with the kind of a link, which is computed and not stored."""
        test = comparison.OPERATORS[bound.op]
        return OfKind(frozenset(kind for kind in leaf.canonical_values if test(kind, bound.key)))

    def slots(self, bound: comparison.Bound, term: Compare) -> tuple[str, bool, bool]:
        """Binds the key of a comparison; returns the common name of its Slots, and `long` and `last` of Comparison."""
        name = f"{self.prefix}v{len(self.binds)}"
        start = bound.key[:PREFIX]
        following = _successor(start) if bound.op == "sw" else None
        self.binds |= {name: bound.key, f"{name}p": start, f"{name}n": following}
        if bound.attribute.type == "dateTime":
            self.binds[f"{name}i"] = values.microseconds(str(term.value))
        return name, len(bound.key) >= PREFIX, bound.op == "sw" and following is None


def _true_of_nothing(term: Compare) -> bool:
    """True when a comparison holds for an absent attribute, which differs from every value and equals null."""
    return (term.op == "eq") if term.value in (None, "") and term.op in ("eq", "ne") else term.op == "ne"


def _logical(term: And | Or | Not, bound: Callable[[Filter], Shape]) -> Shape:
    match term:
        case And(terms):
            return _flat(Every, [bound(part) for part in terms])
        case Or(terms):
            return _flat(Some, [bound(part) for part in terms])
        case Not(inner):
            return Complement(bound(inner))


def _flat(kind: type[Every] | type[Some], terms: list[Shape]) -> Shape:
    """The terms without nested conjunctions (or disjunctions), the deepest first, because a parser then nests least."""
    flat: list[Shape] = []
    for term in terms:
        flat += term.terms if isinstance(term, kind) else [term]
    return kind(tuple(sorted(flat, key=_depth, reverse=True)))


def _depth(term: Shape) -> int:
    match term:
        case Every(terms) | Some(terms):
            return 1 + max(_depth(part) for part in terms)
        case Complement(inner) | SameItem(_, inner):
            return 1 + _depth(inner)
    return 0


def _presence(holder: Attribute, leaf: Attribute, *, absent: bool) -> Shape:
    if leaf.path in COLUMNS or holder.key in ("meta", "schemas"):
        return Fixed(not absent)
    present = Comparison(holder, leaf, "pr")
    return Complement(present) if absent else present


def _same_item(holder: Attribute, term: Shape) -> Shape:
    """A shape about one value; `a or b` becomes two shapes, because an index answers each of them."""
    if isinstance(term, Some):
        return Some(tuple(_same_item(holder, part) for part in term.terms))
    return SameItem(holder, term)


def _successor(text: str) -> str | None:
    """The smallest text that sorts behind every text that starts with this one; None when there is none."""
    while text:
        code = ord(text[-1]) + 1
        if code == 0xD800:
            code = 0xE000
        if code <= 0x10FFFF:
            return text[:-1] + chr(code)
        text = text[:-1]
    return None
