"""PATCH (RFC 7644 section 3.5.2): operations become a plan without a look at the document.

Planning checks every operation against the schema, so that all of them apply or none. `patch_apply` applies the edits
of the document after its row is locked. Changes of links (a group's members) never load the links there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import BadRequest, InvalidPath, InvalidValue, Mutability, NoTarget, Remedy
from . import comparison, document, leniency, quirks, values
from .attribute import Attribute
from .filter import Compare, Filter, Or
from .leniency import Leniency
from .patch_edits import Step, edit_of
from .patch_path import PatchPath, parse_patch_path
from .patch_plan import Edit, Plan
from .path import AttrPath, quote
from .schema import ResourceType, Target

Json = Any

#: Edits and link steps of one request; each costs a look at the whole attribute or a query.
_MOST_CHANGES = 1000
#: Characters of a path that an error repeats: a URN, and the attribute behind it.
_LONGEST_PATH = 200
_UNKNOWN = Remedy(feature="unknown-attributes", value="ignore", declare=True)


# Not frozen: making a frozen one takes 0.7 us longer, a third of reading a PatchOp message.
@dataclass(slots=True)
class Operation:
    """One operation of a PATCH request; `has_value` tells an explicit null from a missing value."""

    op: str
    path: str | None = None
    value: Json = None
    has_value: bool = False


def plan(
    operations: Sequence[Operation],
    resource_type: ResourceType,
    *,
    ignore_unknown: bool = False,
    sole: bool = False,
    whole: bool = False,
) -> Plan:
    """Checks operations against the schema and returns them in a form that can be applied.

    `ignore_unknown`: attributes that the schema does not know are listed in `ignored` instead of refused. `sole`: the
    plan cannot be applied where a filter matches several values. `whole`: a replace of one complex value removes the
    sub-attributes that it does not name, which RFC 7644 section 3.5.2.3 leaves. Raises InvalidPath, InvalidFilter,
    InvalidValue, Mutability, NoTarget, or BadRequest for more than 1,000 changes.
    """
    planner = _Planner(resource_type, ignore_unknown, sole, whole)
    for operation in operations:
        planner.take(operation)
        if len(planner.plan.edits) + len(planner.plan.links) > _MOST_CHANGES:
            raise BadRequest(f"One PATCH request makes at most {_MOST_CHANGES} changes: send several.")
    return planner.plan


class _Planner:
    """Puts operations into a plan, one after the other."""

    def __init__(self, resource_type: ResourceType, ignore_unknown: bool, sole: bool, whole: bool) -> None:
        self.whole = whole
        self.resource_type = resource_type
        self.ignore_unknown = ignore_unknown
        self.plan = Plan(sole=sole)

    def take(self, operation: Operation) -> None:
        """Plan one operation of the request."""
        if operation.path is not None:
            path = parse_patch_path(operation.path, self.resource_type.urns)
            if operation.op != "remove" and not operation.has_value:
                raise InvalidValue(f"{operation.op} {quote(operation.path)} needs a value.")
            self.on_path(operation.op, path, operation.path, operation.value, by_path=True)
        elif operation.op == "remove":
            raise NoTarget("A remove operation needs a path (RFC 7644 section 3.5.2.2).")
        else:
            self.on_keys(operation.op, "", quirks.unwrap_single(operation.value))

    def on_keys(self, op: str, prefix: str, value: Json) -> None:
        """Plan an operation without a path: every key of the value is a path (Entra sends dotted and URN keys)."""
        if not isinstance(value, dict):
            place = f"on {prefix[:-1]}" if prefix else "without a path"
            raise InvalidValue(f"{op} {place} takes an object of attributes as its value.")
        for name, inner in values.unique_names(value, "The value"):
            if not prefix and quirks.is_foreign_container(name, inner, self.resource_type.urns):
                values.note(self.plan.ignored, name)
                continue
            path = self.key(prefix + name)
            if path is not None:
                if path.sub or path.filter or (path.attr.urn and path.attr.name and not prefix):
                    leniency.note(Leniency.KEY_AS_PATH)
                self.on_path(op, path, prefix + name, inner, by_path=False)

    def key(self, text: str) -> PatchPath | None:
        """A key as a path; None for a malformed one when unknown attributes are ignored."""
        try:
            return parse_patch_path(text, self.resource_type.urns)
        except InvalidPath:
            if not self.ignore_unknown or "[" in text:
                raise
            self.leave_out(text)
            return None

    def leave_out(self, text: str) -> None:
        """Note a name that no schema has."""
        values.note(self.plan.ignored, text)
        leniency.note(Leniency.UNKNOWN_ATTRIBUTE)

    def on_path(self, op: str, path: PatchPath, text: str, value: Json, *, by_path: bool) -> None:
        """Plan an operation on the attribute that a path or a key names."""
        target = self.find(path, text)
        if target is None:
            return
        if target.attribute is None:
            self.on_schema(op, target.urn, value)
            return
        step = Step(op, target, target.attribute, path.filter, value, by_path, self.plan.ignored, self.whole)
        if step.filter is not None:
            _check_filter(step.attribute, step.filter)
        if not by_path and (step.read_only or step.attribute.key == "schemas"):
            return
        if step.read_only and not step.attribute.links:
            raise Mutability(f"{step.leaf.path} is readOnly: clients cannot change it.")
        if step.attribute.key == "schemas":
            _check_schemas(step, self.resource_type)
        elif step.target.sub is not None or self.keep_known(step):
            self.on_known(step)

    def on_known(self, step: Step) -> None:
        """Plan an operation of which every name is known."""
        if step.attribute.links:
            self.on_links(step)
        else:
            edit = edit_of(step)
            if edit is not None:
                self.plan.add_edit(edit)

    def keep_known(self, step: Step) -> bool:
        """Leaves unknown sub-attributes out of a value; False when there is nothing else in it.

        Raises InvalidPath when unknown attributes are refused.
        """
        attribute = step.attribute
        if not any(values.unknown_subs(attribute, step.value)):
            return True
        items = [
            quirks.display_name(attribute, quirks.legacy_manager(attribute, item))
            for item in values.items_of(step.value)
        ]
        for name in values.unknown_subs(attribute, items):
            self.refuse_unknown(name)
        known = [item for item in items if not _is_unknown(attribute, item)]
        step.value = known if isinstance(step.value, list) else next(iter(known), None)
        return bool(known)

    def refuse_unknown(self, name: str) -> None:
        """Raises InvalidPath for a name that no schema has; notes it when such names are ignored."""
        if not self.ignore_unknown:
            raise InvalidPath(
                f"{self.resource_type.name} has no attribute {quote(name, most=_LONGEST_PATH)}.", remedy=_UNKNOWN
            )
        self.leave_out(name)

    def find(self, path: PatchPath, text: str) -> Target | None:
        """The target of a path; None for an unknown attribute when those are ignored."""
        name = path.attr.name
        target = self.resource_type.find(AttrPath(name, path.sub, path.attr.urn))
        if target is None and not name and path.attr.urn and path.attr.urn.lower() in self.resource_type.urns:
            return Target(None, None)
        if target is None:
            self.refuse_unknown(text)
        return target

    def on_schema(self, op: str, urn: str | None, value: Json) -> None:
        """Plan an operation whose path is a schema's URN alone: the keys of its value are attributes of the schema."""
        if op == "remove":
            value = quirks.blank_removal(quirks.unwrap_single(value))
        if value is not None:
            value = quirks.without_nested_schemas(value) if urn else value
            self.on_keys(op, f"{urn or self.resource_type.schema.id}:", value)
        elif urn is None:
            raise NoTarget("The core schema cannot be removed.")
        elif op != "add":
            for attribute in self.resource_type.extension_by_key[urn.lower()].attributes:
                if not attribute.read_only:
                    self.plan.add_edit(Edit(urn, attribute, "drop"))

    # --- links ---

    def on_links(self, step: Step) -> None:
        """Plan a change of the linking attribute: by value, by `value eq`, by any other filter, or all."""
        attribute = step.attribute
        if step.target.sub is not None and step.filter is None:
            raise Mutability(f"{step.leaf.path} cannot be changed: add and remove {attribute.name}.")
        if step.target.sub is not None and step.filter is not None:
            self.plan.expect_link(step.filter, then_refuse=True)
        elif step.filter is not None:
            self.on_filtered_links(step, step.filter)
        elif step.op == "remove":
            items = quirks.listed_values(step.op, step.value)
            if items is None:
                self.plan.reset_links()
            else:
                self.plan.remove_links(self.ids(attribute, items))
        else:
            change = self.plan.replace_links if step.op == "replace" else self.plan.add_links
            change(self.ids(attribute, step.value))

    def on_filtered_links(self, step: Step, condition: Filter) -> None:
        """Plan a change of the links that a filter selects: they can be removed, but their values cannot change."""
        ids = _ids_in(condition)
        if step.removes:
            items = quirks.listed_values(step.op, quirks.blank_removal(step.value))
            named = None if items is None else self.ids(step.attribute, items)
            if ids is None:
                self.plan.remove_links_where(condition, named)
            else:
                self.plan.remove_links(ids if named is None else set(named).intersection(ids))
        else:
            same = ids is not None and self.ids(step.attribute, step.value) == ids
            self.plan.expect_link(condition, then_refuse=not same)

    def ids(self, attribute: Attribute, value: Json) -> list[str]:
        """The ids in values of the linking attribute."""
        return document.link_ids(attribute, value, self.plan.ignored, self.plan.displays)


def _is_unknown(attribute: Attribute, item: Json) -> bool:
    """True for an object of which every name is unknown."""
    return isinstance(item, dict) and bool(item) and all(name.lower() not in attribute.subs for name in item)


def _check_filter(attribute: Attribute, condition: Filter) -> None:
    """Raises InvalidPath or InvalidFilter when the filter of a value path cannot be used with this attribute."""
    if not attribute.multi_valued:
        raise InvalidPath(f"{attribute.path} has one value: it takes no filter.")
    comparison.matcher(condition, attribute)


def _check_schemas(step: Step, resource_type: ResourceType) -> None:
    """Raises Mutability for a change of `schemas`; an add or replace of known URNs is allowed and changes nothing."""
    urns = values.items_of(step.value)
    names_own = urns and all(isinstance(urn, str) and urn.lower() in resource_type.urns for urn in urns)
    if step.op == "remove" or not names_own:
        raise Mutability("schemas cannot be changed: it follows from the attributes that the resource has.")


def _ids_in(condition: Filter) -> list[str] | None:
    """The ids of a filter `value eq "…"`, or of several of them joined by `or`; None for any other filter."""
    terms = condition.terms if isinstance(condition, Or) else (condition,)
    ids: list[str] = []
    for term in terms:
        if not (isinstance(term, Compare) and term.op == "eq" and term.path.name.lower() == "value"):
            return None
        if not isinstance(term.value, str):
            return None
        ids.append(str(term.value))
    return ids
