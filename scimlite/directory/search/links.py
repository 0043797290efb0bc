"""Conditions on links, as Peewee expressions: the members of a group and the groups of a user."""

from __future__ import annotations

from typing import Any

from peewee import SQL, Case, Cast, Value, fn

from ...db import Database, Slot
from ...db.tables import MemberRow, ResourceRow, ValueRow
from ...scim import core
from ...scim.attribute import Attribute
from .cost import terms_of
from .expressions import ALWAYS, NEVER, all_of, any_of, compared, exists, hidden, joined, negated
from .shapes import Comparison, Complement, Every, Fixed, OfKind, Shape, Some


def linked_set(db: Database, holder: Attribute, term: Shape) -> Any:
    """A query of the ids of resources that link by `holder` to a resource which satisfies the term."""
    member = MemberRow.alias()
    if holder.links:
        return member.select(member.group_id).where(_among_others(db, member.member_id, term))
    if _names_kind(term):
        row = ResourceRow.alias()
        return row.select(row.id).where(_of_either_kind(db, term, row))
    return member.select(member.member_id).where(member.group_id.in_(_groups_below(db, term)))


def linked(db: Database, holder: Attribute, term: Shape, row: Any) -> Any:
    """The condition that a resource has a link of `holder` whose other end satisfies the term."""
    member = MemberRow.alias()
    if holder.links:
        return exists(member, member.group_id == row.id, _among_others(db, member.member_id, term))
    if _names_kind(term):
        return _of_either_kind(db, term, row)
    return exists(member, member.member_id == row.id, member.group_id.in_(_groups_below(db, term)))


def _of_either_kind(db: Database, term: Shape, row: Any) -> Any:
    """The condition that a resource is in a group, directly or indirectly, with which the term about the link holds."""
    direct, indirect = (_of_kind(term, kind) for kind in ("direct", "indirect"))
    return any_of([row.id.in_(_direct(db, direct)), row.id.in_(_indirect(db, indirect))])


def _direct(db: Database, term: Shape) -> Any:
    """A query of the ids of the members of living groups that satisfy the term."""
    member = MemberRow.alias()
    return member.select(member.member_id).where(member.group_id.in_(_others(db, term, core.GROUP.name)))


def _indirect(db: Database, term: Shape) -> Any:
    """A query of the ids of those who are in a living group that satisfies the term through another group only."""
    start, member, inner = ResourceRow.alias(), MemberRow.alias(), ResourceRow.alias()
    first = start.select(start.id, start.id).where(start.id.in_(_others(db, term, core.GROUP.name)))
    down = first.cte("down", recursive=True, columns=("top", "id"))
    step = (
        member.select(down.c.top, member.member_id)
        .join(down, on=(member.group_id == down.c.id))
        .join(inner, on=(inner.id == member.member_id))
        .where(inner.type == core.GROUP.name, inner.deleted_at.is_null())
    )
    pairs = down.union(step)
    lower, upper = MemberRow.alias(), MemberRow.alias()
    direct = exists(upper, upper.group_id == pairs.c.top, upper.member_id == lower.member_id)
    return (
        lower.select(lower.member_id)
        .join(pairs, on=(lower.group_id == pairs.c.id))
        .where(negated(direct))
        .with_cte(pairs)
    )


def _names_kind(shape: Shape) -> bool:
    """True when a term says whether the link is direct."""
    match shape:
        case Every(terms) | Some(terms):
            return any(_names_kind(term) for term in terms)
        case Complement(term):
            return _names_kind(term)
    return isinstance(shape, OfKind)


def _of_kind(shape: Shape, kind: str) -> Shape:
    """The term about the other end of a link of this kind."""
    match shape:
        case OfKind(kinds):
            return Fixed(kind in kinds)
        case Every(terms):
            return Every(tuple(_of_kind(term, kind) for term in terms))
        case Some(terms):
            return Some(tuple(_of_kind(term, kind) for term in terms))
        case Complement(term):
            return Complement(_of_kind(term, kind))
    return shape


def _among_others(db: Database, column: Any, term: Shape) -> Any:
    """The condition that the column is the id of a resource at the other end; `=` where at most one can be there."""
    others = _others(db, term)
    return column == others if _names_one(term) else column.in_(others)


def _others(db: Database, term: Shape, type: str | None = None) -> Any:
    """The living resources of the app, perhaps of one type, that satisfy a term about the other end."""
    other = ResourceRow.alias()
    app, living = other.app_id == Slot("app"), other.deleted_at.is_null()
    of_type = [other.type == type] if type is not None else []
    end = other_end(db, term, other)
    if _names_one(term):
        return other.select(other.id).where(all_of([app, end, hidden(living, *of_type)]))
    return other.select(other.id).where(all_of([app, *of_type, living, end]))


def _groups_below(db: Database, term: Shape) -> Any:
    """The living groups that satisfy the term and all groups inside them; UNION ends cycles."""
    start = _others(db, term, core.GROUP.name)
    if isinstance(term, Comparison) and term.op in ("pr", "any"):
        return start
    down = start.cte("down", recursive=True, columns=("id",))
    member, inner = MemberRow.alias(), ResourceRow.alias()
    step = (
        member.select(member.member_id)
        .join(down, on=(member.group_id == down.c.id))
        .join(inner, on=(inner.id == member.member_id))
        .where(inner.type == core.GROUP.name, inner.deleted_at.is_null())
    )
    closure = down.union(step)
    return closure.select_from(closure.c.id)


def _names_one(term: Shape) -> bool:
    """True when the term names the other end by its id."""
    return any(isinstance(part, Comparison) and part.leaf.key == "value" and part.op == "eq" for part in terms_of(term))


def other_end(db: Database, shape: Shape, other: Any) -> Any:
    """The condition on the resource at the other end of a link; `other` is its alias of ResourceRow."""
    match shape:
        case Every(terms):
            return all_of(other_end(db, term, other) for term in terms)
        case Some(terms):
            return any_of(other_end(db, term, other) for term in terms)
        case Complement(term):
            return negated(other_end(db, term, other))
        case Fixed(holds):
            return ALWAYS if holds else NEVER
    assert isinstance(shape, Comparison)
    if shape.op == "any" or (shape.op == "pr" and shape.leaf.key != "display"):
        return ALWAYS
    value = _value(shape.leaf, other)
    return value != "" if shape.op == "pr" else compared(db, value, shape.op, Slot(shape.slot))


def _value(leaf: Attribute, other: Any) -> Any:
    """The value of a link's sub-attribute, read from the resource at its other end."""
    if leaf.key == "value":
        return other.uuid
    if leaf.key == "display":
        names = dict.fromkeys(name for end in leaf.ends for name in end.names)
        return fn.coalesce(*(_first_value(other, path) for path in names), "")
    if leaf.key == "$ref":
        return joined(Slot("base").typed(), SQL("'/'"), _endpoint(leaf, other.type), SQL("'/'"), other.uuid)
    assert leaf.key == "type", leaf.path
    return fn.lower(other.type)


def _endpoint(leaf: Attribute, type: Any) -> Any:
    """The endpoint of a type that a link can point at, as SQL over the column that names the type."""
    return Case(type, [(_text(end.type), _text(end.endpoint)) for end in leaf.ends])


def _text(value: str) -> Any:
    """A constant with its type, which PostgreSQL cannot infer in a CASE."""
    return Cast(Value(value), "TEXT")


def _first_value(other: Any, path: str) -> Any:
    value = ValueRow.alias()
    return value.select(value.key).where(value.resource_id == other.id, value.path == path).limit(1)
