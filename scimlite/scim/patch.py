"""PATCH (RFC 7644 section 3.5.2): operations become a plan without a look at the document.

Planning checks every operation against the schema, so that all of them apply or none. Edits of the document are
applied after the row is locked (`apply`). Changes of links (a group's members) never load the links there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import BadRequest, InvalidFilter, InvalidPath, InvalidValue, Mutability, NoTarget
from . import comparison, document, quirks, values
from .changes import Edit, LinkStep, Plan
from .edits import apply
from .filter import And, Compare, Filter, Not, Or
from .path import AttrPath, PatchPath, parse_patch_path, quote
from .schema import Attribute, ResourceType, Target

__all__ = ["Edit", "LinkStep", "Operation", "Plan", "apply", "plan"]

Json = Any

#: Edits and steps that one request may come to; each costs a look at the whole attribute or a query.
_MOST_CHANGES = 1000
#: How much of a path an error repeats: a URN, and the attribute behind it.
_LONGEST_PATH = 200
#: What would have an unknown attribute accepted.
_UNKNOWN = "scimlite app edit {app} --feature unknown-attributes=ignore, or scimlite schema add to declare it"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a PATCH request; `given` tells an explicit null value from none."""

    op: str
    path: str | None = None
    value: Json = None
    given: bool = False


def plan(operations: Sequence[Operation], resource_type: ResourceType, *, ignore_unknown: bool = False) -> Plan:
    """Check operations against the schema and put them in a form that can be applied.

    `ignore_unknown`: attributes that the schema does not know are listed in `ignored` instead of refused.
    Raises InvalidPath, InvalidFilter, InvalidValue, Mutability or NoTarget; nothing is applied then.
    """
    planner = _Planner(resource_type, ignore_unknown)
    for operation in operations:
        planner.take(operation)
        if len(planner.plan.edits) + len(planner.plan.links) > _MOST_CHANGES:
            raise BadRequest(f"One PATCH request makes at most {_MOST_CHANGES} changes: send several.")
    return planner.plan


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation on one attribute. `text` is how the client named it; `by_path`: it is no key of a value."""

    op: str
    text: str
    target: Target
    attribute: Attribute
    filter: Filter | None
    value: Json
    by_path: bool

    @property
    def leaf(self) -> Attribute:
        """What the whole path names."""
        return self.target.sub or self.attribute

    @property
    def read_only(self) -> bool:
        """Whether clients cannot write what the path names."""
        return self.attribute.read_only or self.leaf.read_only


class _Planner:
    """Puts operations into a plan, one after the other."""

    def __init__(self, resource_type: ResourceType, ignore_unknown: bool) -> None:
        self.resource_type = resource_type
        self.ignore_unknown = ignore_unknown
        self.plan = Plan()

    def take(self, operation: Operation) -> None:
        """One operation of the request."""
        if operation.path is not None:
            path = parse_patch_path(operation.path, self.resource_type.urns)
            if operation.op != "remove" and not operation.given:
                raise InvalidValue(f"{operation.op} {quote(operation.path)} needs a value.")
            self.on_path(operation.op, path, operation.path, operation.value, by_path=True)
        elif operation.op == "remove":
            raise NoTarget("A remove operation needs a path (RFC 7644 section 3.5.2.2).")
        else:
            self.on_keys(operation.op, "", quirks.unwrap_single(operation.value))

    def on_keys(self, op: str, prefix: str, value: Json) -> None:
        """An operation without a path: every key of the value is a path (Entra sends dotted and URN keys)."""
        if not isinstance(value, dict):
            named = f"on {prefix[:-1]}" if prefix else "without a path"
            raise InvalidValue(f"{op} {named} takes an object of attributes as its value.")
        for name, given in values.unique_names(value, "The value"):
            path = self.key(prefix + name)
            if path is not None:
                self.on_path(op, path, prefix + name, given, by_path=False)

    def key(self, text: str) -> PatchPath | None:
        """A key as a path; None when it is none and unknown attributes are ignored."""
        try:
            return parse_patch_path(text, self.resource_type.urns)
        except InvalidPath:
            if not self.ignore_unknown or "[" in text:
                raise
            values.note(self.plan.ignored, text)
            return None

    def on_path(self, op: str, path: PatchPath, text: str, value: Json, *, by_path: bool) -> None:
        """An operation on what a path or key names."""
        target = self.find(path, text)
        if target is None:
            return
        if target.attribute is None:
            self.on_schema(op, target.urn, value)
            return
        step = _Step(op, text, target, target.attribute, path.filter, value, by_path)
        if step.filter is not None:
            _check_filter(step.attribute, step.filter)
        if not by_path and (step.read_only or step.attribute.key == "schemas"):
            return
        if step.attribute.links:
            self.on_links(step)
        elif step.read_only:
            raise Mutability(f"{step.leaf.path} is readOnly.")
        elif step.attribute.key == "schemas":
            _check_schemas(step, self.resource_type)
        else:
            edit = self.edit(step)
            if edit is not None:
                self.plan.add_edit(edit)

    def find(self, path: PatchPath, text: str) -> Target | None:
        """What a path means; None when it means nothing and unknown attributes are ignored."""
        name = path.attr.name
        target = self.resource_type.find(AttrPath(name, path.sub, path.attr.urn))
        if target is None and not name and path.attr.urn and path.attr.urn.lower() in self.resource_type.urns:
            return Target(None, None)
        if target is None:
            if not self.ignore_unknown:
                raise InvalidPath(
                    f"{self.resource_type.name} has no attribute {quote(text, most=_LONGEST_PATH)}.", remedy=_UNKNOWN
                )
            values.note(self.plan.ignored, text)
        return target

    def on_schema(self, op: str, urn: str | None, value: Json) -> None:
        """A path or key that is a schema's URN alone: the value's keys are attributes of that schema."""
        if op != "remove" and value is not None:
            value = quirks.without_nested_schemas(value) if urn else value
            self.on_keys(op, f"{urn or self.resource_type.schema.id}:", value)
        elif urn is None:
            raise NoTarget("The core schema cannot be removed.")
        elif op != "add":
            for attribute in self.resource_type.extension_by_key[urn.lower()].attributes:
                if not attribute.read_only:
                    self.plan.add_edit(Edit(urn, attribute, "drop"))

    def edit(self, step: _Step) -> Edit | None:
        """The checked edit for an attribute of the document; None when there is nothing to do."""
        attribute = step.attribute
        if step.op == "remove" or (step.op == "replace" and step.value is None):
            if step.target.sub is not None:
                return self.removal_of_sub(step, step.target.sub)
            return _removal(step, self.listed(step))
        if step.target.sub is not None:
            return self.edit_sub(step, step.target.sub)
        if attribute.multi_valued and step.filter is None:
            return self.edit_many(step)
        return self.edit_one(step)

    def listed(self, step: _Step) -> tuple[Json, ...] | None:
        """The values that a Remove names instead of all; None when it names none."""
        if not step.attribute.multi_valued or step.filter is not None:
            return None
        given = quirks.listed_values(step.op, step.value)
        if given is None:
            return None
        return tuple(self.understood(step.attribute, item) for item in given if item is not None)

    def edit_sub(self, step: _Step, sub: Attribute) -> Edit:
        """An edit of one sub-attribute; assigning nothing takes it away (RFC 7643 section 2.5)."""
        value = values.clean(sub, step.value)
        if value is None:
            return Edit(step.target.urn, step.attribute, "merge", step.filter, cleared=(sub.name,))
        within: Literal["set", "append"] = "append" if step.op == "add" and sub.multi_valued else "set"
        return Edit(step.target.urn, step.attribute, "merge", step.filter, {sub.name: value}, within=within)

    def removal_of_sub(self, step: _Step, sub: Attribute) -> Edit:
        """An edit that takes a sub-attribute away, or those of its values that a Remove names."""
        named = quirks.listed_values(step.op, step.value) if sub.multi_valued else None
        if named is None:
            return Edit(step.target.urn, step.attribute, "merge", step.filter, cleared=(sub.name,))
        gone = {sub.name: values.clean(sub, named) or []}
        return Edit(step.target.urn, step.attribute, "merge", step.filter, gone, within="remove")

    def edit_many(self, step: _Step) -> Edit | None:
        """An edit of a multi-valued attribute as a whole."""
        urn, attribute = step.target.urn, step.attribute
        given = [self.understood(attribute, item) for item in values.items_of(step.value) if item is not None]
        if step.op == "add":
            return Edit(urn, attribute, "append", value=given) if given else None
        if not given:
            return _removal(step)
        return Edit(urn, attribute, "set", value=values.one_primary(attribute, given))

    def edit_one(self, step: _Step) -> Edit | None:
        """An edit of a single value, or of the items that a filter picks."""
        urn, attribute = step.target.urn, step.attribute
        given = quirks.unwrap_single(step.value)
        if attribute.complex:
            given = quirks.legacy_manager(attribute, quirks.bare_value(attribute, given))
            if not attribute.multi_valued and isinstance(given, dict) and self.nothing_asked(step, given):
                return None
        value = self.understood(attribute, given, partly=not attribute.multi_valued)
        cleared = _nulls(attribute, given)
        if value is None and not cleared:
            return None if step.op == "add" and step.filter else _removal(step)
        if attribute.complex and (step.op == "add" or not attribute.multi_valued):
            return Edit(urn, attribute, "merge", step.filter, value, cleared)
        return Edit(urn, attribute, "set", step.filter, value)

    def nothing_asked(self, step: _Step, given: dict[str, Json]) -> bool:
        """Whether an object names no sub-attribute at all, or only such as are to be ignored."""
        subs = [step.attribute.subs.get(name.lower()) for name in given]
        if any(sub is not None and (step.by_path or not sub.read_only) for sub in subs):
            return False
        if None in subs and not self.ignore_unknown:
            return False
        for name, sub in zip(given, subs, strict=True):
            if sub is None:
                values.note(self.plan.ignored, f"{step.attribute.path}.{name}")
        return True

    def understood(self, attribute: Attribute, given: Json, *, partly: bool = False) -> Json:
        """A value, cleaned; refused when nothing of it can be set, because it would be taken for no value.

        `partly`: nulls count, for they say that a sub-attribute goes.
        """
        value = values.clean_item(attribute, given, self.plan.ignored)
        if value is None and isinstance(given, dict) and not (partly and _settable(attribute, given)):
            raise InvalidValue(f"{attribute.path}: the value has none of the sub-attributes that can be set.")
        return value

    def on_links(self, step: _Step) -> None:
        """Changes of the linking attribute: by value, by `value eq`, by any other filter, or all."""
        attribute = step.attribute
        if step.target.sub is not None and step.filter is None:
            raise Mutability(f"{step.leaf.path} cannot be changed: add and remove {attribute.name}.")
        if step.target.sub is not None and step.filter is not None:
            self.plan.expect_link(step.filter, then_refuse=True)
        elif step.filter is not None:
            self.on_filtered_links(step, step.filter)
        elif step.op == "remove":
            given = quirks.listed_values(step.op, step.value)
            if given is None:
                self.plan.reset_links()
            else:
                self.plan.remove_links(self.ids(attribute, given))
        else:
            ids = self.ids(attribute, step.value)
            if step.op == "replace":
                self.plan.reset_links()
            self.plan.add_links(ids)

    def on_filtered_links(self, step: _Step, condition: Filter) -> None:
        """A value path of the linking attribute: links come and go, but what one says cannot change."""
        named = _named_ids(condition)
        if step.op == "remove" or (step.op == "replace" and step.value is None):
            if named is None:
                self.plan.remove_links_where(condition)
            else:
                self.plan.remove_links(named)
        else:
            same = named is not None and self.ids(step.attribute, step.value) == named
            self.plan.expect_link(condition, then_refuse=not same)

    def ids(self, attribute: Attribute, given: Json) -> list[str]:
        """The ids that values of the linking attribute point at."""
        return document.link_ids(attribute, given, self.plan.ignored)


def _settable(attribute: Attribute, given: dict[str, Json]) -> bool:
    subs = (attribute.subs.get(name.lower()) for name in given)
    return any(sub is not None and not sub.read_only for sub in subs)


def _nulls(attribute: Attribute, given: Json) -> tuple[str, ...]:
    """The sub-attributes that an object takes away by giving null; not those of a value that is none as a whole."""
    if not isinstance(given, dict):
        return ()
    subs = [(attribute.subs.get(name.lower()), value) for name, value in given.items()]
    if not attribute.multi_valued and any(sub is attribute.value_sub and value == "" for sub, value in subs):
        return ()
    return tuple(sub.name for sub, value in subs if sub and not sub.read_only and value in (None, []))


def _removal(step: _Step, listed: tuple[Json, ...] | None = None) -> Edit:
    """An edit that takes values away; InvalidValue when nothing is assigned where only Remove should take away."""
    if step.attribute.default is not None and step.op != "remove":
        raise InvalidValue(f"{step.attribute.path} takes a value; to take it away, use remove.")
    return Edit(step.target.urn, step.attribute, "remove", step.filter, listed=listed)


def _check_filter(attribute: Attribute, condition: Filter) -> None:
    """Raise when the filter of a value path cannot be compared with this attribute."""
    if not attribute.multi_valued:
        raise InvalidPath(f"{attribute.path} has one value: it takes no filter.")
    match condition:
        case Compare():
            comparison.bind(comparison.sub_attribute(attribute, condition.path), condition.op, condition.value)
        case And() | Or():
            for term in condition.terms:
                _check_filter(attribute, term)
        case Not():
            _check_filter(attribute, condition.term)
        case _:
            raise InvalidFilter("A value path cannot stand inside another one.")


def _check_schemas(step: _Step, resource_type: ResourceType) -> None:
    """`schemas` follows from what a resource holds: naming known URNs changes nothing, anything else is refused."""
    listed = values.items_of(step.value)
    known = listed and all(isinstance(urn, str) and urn.lower() in resource_type.urns for urn in listed)
    if step.op == "remove" or not known:
        raise Mutability("schemas follows from the attributes that a resource holds.")


def _named_ids(condition: Filter) -> list[str] | None:
    """The ids when a filter is nothing but `value eq "…"`, or several of them joined by `or`."""
    terms = condition.terms if isinstance(condition, Or) else (condition,)
    ids: list[str] = []
    for term in terms:
        if not (isinstance(term, Compare) and term.op == "eq" and term.path.name.lower() == "value"):
            return None
        if not isinstance(term.value, str):
            return None
        ids.append(term.value)
    return ids
