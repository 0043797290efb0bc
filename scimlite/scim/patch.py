"""PATCH (RFC 7644 section 3.5.2): operations become a plan without a look at the document; then the plan is applied.

Planning checks every operation against the schema, so that all of them apply or none. Applying edits to the document
is pure and happens after the row is locked. Changes of links (a group's members) never load the links there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidPath, InvalidValue, Mutability, NoTarget
from . import comparison, document, quirks, values
from .filter import Compare, Filter, Or
from .path import AttrPath, PatchPath, parse_attr_path, parse_patch_path
from .schema import Attribute, ResourceType, Target

Json = Any
Document = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a PATCH request; `given` tells an explicit null value from none."""

    op: str
    path: str | None = None
    value: Json = None
    given: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """One checked change of the document: add, replace or remove what `target` and `filter` name."""

    op: str
    target: Target
    filter: Filter | None = None
    value: Json = None
    listed: tuple[Json, ...] | None = None


@dataclass(slots=True)
class LinkStep:
    """A change of links, in this order: drop all, drop those matching, then drop and add the named ones.

    `expect` is a filter that must match some link, with the refusal when it does not.
    """

    reset: bool = False
    remove_where: Filter | None = None
    remove: set[str] = field(default_factory=set)
    add: dict[str, None] = field(default_factory=dict)
    expect: Filter | None = None
    then_refuse: bool = False


@dataclass(slots=True)
class Plan:
    """What a PATCH request comes to."""

    edits: list[Edit] = field(default_factory=list)
    links: list[LinkStep] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def _step(self) -> LinkStep:
        if not self.links or self.links[-1].expect is not None:
            self.links.append(LinkStep())
        return self.links[-1]

    def add_links(self, ids: Iterable[str]) -> None:
        """Link these, in the given order."""
        step = self._step()
        for each in ids:
            step.remove.discard(each)
            step.add[each] = None

    def remove_links(self, ids: Iterable[str]) -> None:
        """Unlink these; one that is not linked is no error."""
        step = self._step()
        for each in ids:
            step.add.pop(each, None)
            step.remove.add(each)

    def reset_links(self) -> None:
        """Unlink all."""
        self.links = [step for step in self.links if step.expect is not None]
        self.links.append(LinkStep(reset=True))

    def remove_links_where(self, condition: Filter) -> None:
        """Unlink those that match."""
        self.links.append(LinkStep(remove_where=condition))

    def expect_link(self, condition: Filter, *, then_refuse: bool) -> None:
        """Refuse unless some link matches; when one does, refuse as well if the change itself is not allowed."""
        self.links.append(LinkStep(expect=condition, then_refuse=then_refuse))


def plan(
    operations: Sequence[Operation], resource_type: ResourceType, *, ignore_unknown: bool = False
) -> Plan:
    """Check operations against the schema and put them in a form that can be applied.

    `ignore_unknown`: attributes that the schema does not know are listed in `ignored` instead of refused.
    Raises InvalidPath, InvalidFilter, InvalidValue, Mutability or NoTarget; nothing is applied then.
    """
    result = Plan()
    for operation in operations:
        if operation.path is None:
            _plan_value(result, operation, resource_type, ignore_unknown)
            continue
        path = parse_patch_path(operation.path, resource_type.urns)
        target = _find(result, resource_type, path.attr, path.sub, operation.path, ignore_unknown)
        if target is not None:
            _plan_target(result, operation, resource_type, target, path, ignore_unknown)
    return result


def _plan_value(plan: Plan, operation: Operation, resource_type: ResourceType, ignore_unknown: bool) -> None:
    """An operation without a path: every key of the value is a path (Entra sends dotted and URN keys)."""
    if operation.op == "remove":
        raise NoTarget("A remove operation needs a path (RFC 7644 section 3.5.2.2).")
    if not isinstance(operation.value, dict):
        raise InvalidValue(f"{operation.op} without a path takes an object of attributes as its value.")
    for name, value in operation.value.items():
        path = parse_attr_path(name, resource_type.urns)
        target = _find(plan, resource_type, path, path.sub, name, ignore_unknown)
        if target is None or _read_only(target) or (target.attribute and target.attribute.key == "schemas"):
            continue
        step = Operation(operation.op, name, value, given=True)
        _plan_target(plan, step, resource_type, target, PatchPath(path, None, path.sub), ignore_unknown)


def _find(
    plan: Plan,
    resource_type: ResourceType,
    path: AttrPath,
    sub: str | None,
    text: str,
    ignore_unknown: bool,
) -> Target | None:
    target = resource_type.find(AttrPath(path.name, sub, path.urn))
    if target is None and path.name == "" and path.urn and path.urn.lower() == resource_type.schema.id.lower():
        return Target(None, None)
    if target is None:
        if not ignore_unknown:
            raise InvalidPath(f"{resource_type.name} has no attribute {text!r}.")
        plan.ignored.append(text)
    return target


def _read_only(target: Target) -> bool:
    attribute = target.attribute
    return attribute is not None and (attribute.read_only or bool(target.sub and target.sub.read_only))


def _plan_target(
    plan: Plan,
    operation: Operation,
    resource_type: ResourceType,
    target: Target,
    path: PatchPath,
    ignore_unknown: bool,
) -> None:
    """One operation on a known target."""
    attribute = target.attribute
    if attribute is None:
        _plan_extension(plan, operation, resource_type, target, ignore_unknown)
        return
    if operation.op != "remove" and not operation.given:
        raise InvalidValue(f"{operation.op} {operation.path} needs a value.")
    if path.filter is not None:
        _check_value_path(attribute, path.filter)
    if attribute.links:
        _plan_links(plan, operation, target, path)
        return
    if _read_only(target):
        raise Mutability(f"{operation.path} is readOnly.")
    if attribute.key == "schemas":
        _check_schemas(operation, resource_type)
        return
    edit = _edit(operation, target, path)
    if edit is not None and attribute.mutability != "writeOnly":
        plan.edits.append(edit)


def _plan_extension(
    plan: Plan, operation: Operation, resource_type: ResourceType, target: Target, ignore_unknown: bool
) -> None:
    """A path or key that is a schema's URN alone: the value's keys are attributes of that schema."""
    if operation.op == "remove" or operation.value is None:
        if target.urn is None:
            raise NoTarget("The core schema cannot be removed.")
        plan.edits.append(Edit("remove", target))
        return
    if not isinstance(operation.value, dict):
        raise InvalidValue(f"{operation.path} takes an object.")
    prefix = f"{target.urn}:" if target.urn else ""
    named = {prefix + name: value for name, value in operation.value.items()}
    _plan_value(plan, Operation(operation.op, None, named, given=True), resource_type, ignore_unknown)


def _check_value_path(attribute: Attribute, condition: Filter) -> None:
    """Raise when the filter of a value path cannot be compared with this attribute."""
    if not attribute.multi_valued:
        raise InvalidPath(f"{attribute.path} has one value: it takes no filter.")
    comparison.matches(condition, attribute, {} if attribute.complex else "")
    _bind_all(condition, attribute)


def _bind_all(condition: Filter, attribute: Attribute) -> None:
    """Check every comparison, those too that a short cut would not reach."""
    for term in getattr(condition, "terms", None) or [getattr(condition, "term", condition)]:
        if isinstance(term, Compare):
            comparison.bind(comparison.sub_attribute(attribute, term.path), term.op, term.value)
        else:
            _bind_all(term, attribute)


def _check_schemas(operation: Operation, resource_type: ResourceType) -> None:
    """`schemas` follows from what a resource holds: naming known URNs changes nothing, anything else is refused."""
    listed = operation.value if isinstance(operation.value, list) else [operation.value]
    known = all(isinstance(urn, str) and urn.lower() in resource_type.urns for urn in listed)
    if operation.op == "remove" or not known:
        raise Mutability("schemas follows from the attributes that a resource holds.")


def _edit(operation: Operation, target: Target, path: PatchPath) -> Edit | None:
    """The checked edit for an attribute of the document; None when there is nothing to do."""
    attribute, sub = target.attribute, target.sub
    assert attribute is not None
    if operation.op == "remove":
        listed = None
        if path.filter is None and sub is None and attribute.multi_valued:
            given = quirks.listed_values("remove", operation.value)
            if given is not None:
                listed = tuple(values.clean(attribute, given) or ())
        return Edit("remove", target, path.filter, listed=listed)
    where = operation.path or attribute.path
    if sub is not None:
        value = values.clean(sub, operation.value, where)
    elif path.filter is not None:
        value = values.clean_item(attribute, quirks.unwrap_single(operation.value), where)
    else:
        value = values.clean(attribute, operation.value, where)
    if value is None:
        return None if operation.op == "add" else Edit("remove", target, path.filter)
    return Edit(operation.op, target, path.filter, value)


def _plan_links(plan: Plan, operation: Operation, target: Target, path: PatchPath) -> None:
    """Changes of the linking attribute: by value, by `value eq`, by any other filter, or all."""
    attribute = target.attribute
    assert attribute is not None
    if target.sub is not None:
        if path.filter is None:
            raise Mutability(f"{operation.path} cannot be changed: add and remove {attribute.name}.")
        plan.expect_link(path.filter, then_refuse=True)
        return
    if path.filter is not None:
        if operation.op != "remove":
            plan.expect_link(path.filter, then_refuse=False)
            return
        ids = _named_ids(path.filter)
        plan.remove_links(ids) if ids is not None else plan.remove_links_where(path.filter)
        return
    given = quirks.listed_values(operation.op, operation.value)
    if operation.op == "remove":
        if given is None:
            plan.reset_links()
        else:
            plan.remove_links(_link_ids(attribute, given))
        return
    if operation.op == "replace":
        plan.reset_links()
    plan.add_links(_link_ids(attribute, operation.value))


def _link_ids(attribute: Attribute, given: Json) -> list[str]:
    return document.link_ids(attribute, values.clean(attribute, given) or ())


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


def apply(edits: Iterable[Edit], resource_type: ResourceType, current: Document) -> Document:
    """The document after the edits; the given one is not changed.

    Raises NoTarget when a filter matches nothing and does not say how to make an item, Mutability when an
    immutable value would change or a required one be removed.
    """
    changed = dict(current)
    for edit in edits:
        if edit.target.attribute is None:
            changed.pop(edit.target.urn or "", None)
        elif edit.target.urn is None:
            _apply_to(changed, edit)
        else:
            part = dict(changed.get(edit.target.urn, {}))
            _apply_to(part, edit)
            changed[edit.target.urn] = part
    finished = document.finish(resource_type, document.with_defaults(resource_type, changed))
    document.require(resource_type, finished)
    return finished


def _apply_to(holder: Document, edit: Edit) -> None:
    """Change one attribute in the object that holds it."""
    attribute = edit.target.attribute
    assert attribute is not None
    old = holder.get(attribute.name)
    new = (_apply_many if attribute.multi_valued else _apply_single)(attribute, edit, old)
    if attribute.mutability == "immutable" and old is not None and new != old:
        raise Mutability(f"{attribute.path} is immutable: it cannot change once it has a value.")
    if new is None or new == [] or (attribute.complex and new == {}):
        if attribute.required:
            raise Mutability(f"{attribute.path} is required: it cannot be removed.")
        holder.pop(attribute.name, None)
    else:
        holder[attribute.name] = new


def _apply_single(attribute: Attribute, edit: Edit, old: Json) -> Json:
    if edit.target.sub is not None:
        part = {} if edit.op == "remove" else {edit.target.sub.name: edit.value}
        gone = edit.target.sub.name if edit.op == "remove" else None
        return _merge(attribute, old or {}, part, gone)
    if edit.op == "remove":
        return None
    return _merge(attribute, old or {}, edit.value) if attribute.complex else edit.value


def _merge(attribute: Attribute, old: Document, part: Document, gone: str | None = None) -> Document:
    """A complex value with some sub-attributes set and one removed.

    A `$ref` belongs to the `value` it came with, so it goes when only `value` changes.
    """
    merged = {**old, **part}
    if gone is not None:
        merged.pop(gone, None)
    if "$ref" not in part and merged.get("value") != old.get("value"):
        merged.pop("$ref", None)
    for name, value in old.items():
        if attribute.subs[name.lower()].mutability == "immutable" and merged.get(name) != value:
            raise Mutability(f"{attribute.path}.{name} is immutable: it cannot change once it has a value.")
    return merged


def _apply_many(attribute: Attribute, edit: Edit, old: Json) -> list[Json]:
    items: list[Json] = list(old or [])
    if edit.op == "remove":
        return _remove_items(attribute, edit, items)
    if edit.filter is None and edit.target.sub is None:
        return list(edit.value) if edit.op == "replace" else _append(attribute, items, edit.value)
    hit = [index for index, item in enumerate(items) if _selected(attribute, edit, item)]
    if not hit:
        made = _make_item(attribute, edit)
        return values.one_primary(attribute, [*items, made], len(items))
    for index in hit:
        items[index] = _changed_item(attribute, edit, items[index])
    return values.one_primary(attribute, items, hit[-1])


def _selected(attribute: Attribute, edit: Edit, item: Json) -> bool:
    return edit.filter is None or comparison.matches(edit.filter, attribute, item)


def _changed_item(attribute: Attribute, edit: Edit, item: Json) -> Json:
    if edit.target.sub is not None:
        return _merge(attribute, item, {edit.target.sub.name: edit.value})
    if edit.op == "replace" or not attribute.complex:
        return edit.value
    return _merge(attribute, item, edit.value)


def _make_item(attribute: Attribute, edit: Edit) -> Json:
    """The item that an add or replace on a value path creates when nothing matches.

    RFC 7644 section 3.5.2.3 would answer noTarget; Entra ID relies on the item being made
    (Captain-P-Goldfish/scim-for-keycloak#73). Only a conjunction of `eq` says what to make.
    """
    start: dict[str, Json] | None = {}
    if edit.filter is not None:
        start = comparison.required_values(edit.filter, attribute)
    if start is None or not attribute.complex:
        raise NoTarget(f"No value of {attribute.path} matches the filter.")
    part = {edit.target.sub.name: edit.value} if edit.target.sub is not None else edit.value
    return values.clean_item(attribute, {**start, **part}, attribute.path)


def _append(attribute: Attribute, items: list[Json], added: list[Json]) -> list[Json]:
    """The items with the new ones behind them; one that is there already is not added again."""
    for item in added:
        if item not in items:
            items = values.one_primary(attribute, [*items, item], len(items))
    return items


def _remove_items(attribute: Attribute, edit: Edit, items: list[Json]) -> list[Json]:
    if edit.target.sub is not None:
        name = edit.target.sub.name
        kept = [
            _merge(attribute, item, {}, name) if _selected(attribute, edit, item) else item for item in items
        ]
        return [item for item in kept if item]
    if edit.filter is not None:
        return [item for item in items if not comparison.matches(edit.filter, attribute, item)]
    if edit.listed is not None:
        return [item for item in items if not any(_same(attribute, item, gone) for gone in edit.listed)]
    return []


def _same(attribute: Attribute, item: Json, wanted: Json) -> bool:
    """Whether an item is the one a Remove with a value names: by `value` when that is given, else by all it names."""
    if not attribute.complex:
        return values.key(attribute, item) == values.key(attribute, wanted)
    names = ["value", "type"] if "value" in wanted else list(wanted)
    return all(
        name in item and _equal(attribute.subs[name.lower()], item[name], wanted[name])
        for name in names
        if name in wanted
    )


def _equal(sub: Attribute, one: Json, other: Json) -> bool:
    return values.key(sub, one) == values.key(sub, other)
