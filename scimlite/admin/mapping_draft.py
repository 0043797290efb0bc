"""A mapping while an operator edits it: rows as they are typed, what is wrong with each, and what it would do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from ..apps import App, AppError, compiled_mapping, mapping
from ..apps.mapping import MappingError, Row
from ..apps.workspace import Workspace
from ..directory import profiles
from ..errors import ScimError
from ..scim import core
from ..scim.attribute import Attribute
from ..scim.schema import ResourceType
from . import browsing, people
from . import mapping as remapping
from .people import Found

#: The members of a mapping in JSON, with the resource type of each.
KINDS = {"user": core.USER, "group": core.GROUP}
#: What a row can take its value from.
ORIGINS = ("source", "template", "constant")
#: The combinations of transforms that make sense.
TRANSFORMS = ("", "trim", "lower", "upper", "trim, lower", "trim, upper")
#: Rows that are read of a form; a mapping has at most 200.
_MOST_ROWS = 201
#: People whom a search offers.
_MOST_FOUND = 6
#: Where the words of a form for JSON name a row.
_PLACE = re.compile(r"The mapping: (?:user|group)\[0\]\.")


@dataclass(frozen=True, slots=True)
class TypedRow:
    """A row as texts, the way an operator types it."""

    target: str = ""
    #: One of ORIGINS.
    origin: str = "source"
    text: str = ""
    default: str = ""
    transform: str = ""
    required: bool = False

    @property
    def blank(self) -> bool:
        """True when nothing was typed."""
        return not (self.target or self.text or self.default)

    def members(self) -> dict[str, Any]:
        """The row as a mapping's JSON has it."""
        members: dict[str, Any] = {"target": self.target}
        if self.text:
            members[self.origin] = _value(self.text) if self.origin == "constant" else self.text
        if self.default:
            members["default"] = _value(self.default)
        if self.transform:
            members["transform"] = [name.strip() for name in self.transform.split(",")]
        return {**members, "required": True} if self.required else members


def _value(text: str) -> Any:
    """Returns the value of a text: a number, true, false, a text in quotation marks, or else the text itself."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value if isinstance(value, str | bool | int | float) else text


def _spelled(value: Any) -> str:
    """Returns the text that stands for a value: `_value` backwards."""
    if value is None:
        return ""
    return value if isinstance(value, str) and _value(value) == value else orjson.dumps(value).decode()


def typed_row(row: Row) -> TypedRow:
    """Returns a row of a mapping as it is typed."""
    origin = next(name for name in ORIGINS if getattr(row, name) is not None)
    text = _spelled(row.constant) if origin == "constant" else getattr(row, origin)
    return TypedRow(row.target, origin, text, _spelled(row.default), ", ".join(row.transform), row.required)


@dataclass(frozen=True, slots=True)
class Draft:
    """Rows as they are typed, by `user` and `group`, and what is wrong with them."""

    rows: Mapping[str, Sequence[TypedRow]]
    #: What is wrong with a row, by `user` or `group` and its number.
    problems: Mapping[tuple[str, int], str]
    #: What is wrong with all of them; empty when nothing is.
    problem: str
    #: The mapping that the rows make; None when something is wrong.
    mapping: mapping.Mapping | None


def of_mapping(current: mapping.Mapping) -> dict[str, list[TypedRow]]:
    """Returns the rows of a mapping as they are typed."""
    return {kind: [typed_row(row) for row in current.rows(type_.name)] for kind, type_ in KINDS.items()}


def read(app: App, rows: Mapping[str, Sequence[TypedRow]]) -> Draft:
    """Returns typed rows with what is wrong with each for this app; rows that are blank do not count."""
    problems: dict[tuple[str, int], str] = {}
    types = tuple(remapping.types(app))
    for kind, typed in rows.items():
        targets: set[str] = set()
        for number, row in enumerate(typed[:_MOST_ROWS]):
            problem = "" if row.blank else _problem(types, kind, row)
            if not problem and row.target.lower() in targets:
                problem = "There are two rows for this target."
            targets |= {row.target.lower()} if row.target else set()
            if problem:
                problems[kind, number] = problem
    if problems:
        return Draft(rows, problems, "", None)
    body = {kind: [row.members() for row in typed if not row.blank] for kind, typed in rows.items()}
    try:
        return Draft(rows, {}, "", mapping.read(body))
    except MappingError as error:
        return Draft(rows, {}, str(error), None)


@lru_cache(maxsize=2048)
def _problem(types: tuple[ResourceType, ...], kind: str, row: TypedRow) -> str:
    """Returns what is wrong with a row by itself; empty when nothing is.

    Kept, because a preview comes with every key that is pressed, and 400 rows take 60 ms.
    """
    if not row.target:
        return "The target is missing: the name that the application has for the value."
    if not row.text:
        return "Say where the value comes from: an attribute, a template or a constant."
    try:
        alone = mapping.read({"user": [], "group": [], kind: [row.members()]})
        compiled_mapping.check(alone, types)
    except MappingError as error:
        return _PLACE.sub("", str(error)).removeprefix(f"{row.target}: ")
    return ""


def from_file(app: App, body: Any) -> dict[str, list[TypedRow]]:
    """Returns the rows of a mapping in JSON; those of users or groups that it lacks stay. Raises AppError."""
    now = mapping.from_json(app.mapping).as_dict()
    try:
        return of_mapping(mapping.read({**now, **body} if isinstance(body, dict) else body))
    except MappingError as error:
        raise AppError(str(error)) from None


def changes(app: App, draft: Draft) -> dict[str, list[Any]]:
    """Returns what a draft would change: target (`user.title`) to [row before, row after]; nothing for a wrong one."""
    if draft.mapping is None:
        return {}
    return remapping.changes(mapping.from_json(app.mapping), draft.mapping)


# --- the attributes to choose from ----------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def sources(resource_type: ResourceType) -> tuple[str, ...]:
    """Returns the paths that can be a row's source, each attribute of the type; of several values also one by type."""
    found = [path for _, attribute in resource_type.attributes for path in _paths(attribute)]
    return tuple(path for path in dict.fromkeys(found) if _resolves(path, resource_type))


def _paths(attribute: Attribute) -> Iterable[str]:
    if not attribute.sub_attributes or attribute.derived:
        return [attribute.path]
    kinds = attribute.subs["type"].canonical_values if "type" in attribute.subs and attribute.multi_valued else ()
    typed = [f'{attribute.path}[type eq "{kind}"].value' for kind in kinds if attribute.value_sub is not None]
    return [*typed, *(f"{attribute.path}.{sub.name}" for sub in attribute.sub_attributes)]


def _resolves(path: str, resource_type: ResourceType) -> bool:
    try:
        compiled_mapping.compile_rows(mapping.Mapping((Row("x", path),), (Row("x", path),)), resource_type)
    except ScimError:
        return False
    return True


# --- the preview ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """A target in the profile of a person, with the values of the present mapping and of the draft."""

    target: str
    before: Any
    after: Any
    #: `same`, `changed`, `added` or `removed`.
    state: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The profile of a person now and with the draft."""

    person: Found
    lines: Sequence[Line]
    #: Required rows for which the person has no value: later writes of them would be refused.
    missing: Sequence[Row]


def search(workspace: Workspace, text: str) -> list[Found]:
    """Returns the first users and groups of the app with this text in a name; without a text the first users."""
    found: list[Found] = []
    for type_ in KINDS.values() if text else (core.USER,):
        choice = browsing.Choice(type_, [workspace.app], text or None)
        found += browsing.part(workspace.db, choice, size=_MOST_FOUND).found
    return found


def person(workspace: Workspace, id: str) -> Found | None:
    """Returns the living user or group of the app with this id; None when there is none."""
    matches = [
        each
        for type_ in KINDS.values()
        for each in people.find(workspace.db, type_, [workspace.app], id)
        if each.id == id and each.deleted_at is None
    ]
    return matches[0] if matches else None


def preview(workspace: Workspace, found: Found, new: mapping.Mapping) -> Preview:
    """Returns the profile of a person as it is and as another mapping would make it; writes nothing."""
    app = workspace.app
    kind = next(kind for kind in app.resource_types.values() if kind.name == found.type)
    # No stored profile has this version, so that each is made anew.
    changed = replace(workspace, app=replace(app, mapping=new.to_json(), mapping_version=-1))
    before = profiles.read(workspace, kind, [found.id]).get(found.id, {})
    after = profiles.read(changed, kind, [found.id]).get(found.id, {})
    lines = [
        Line(target, before.get(target), after.get(target), _state(target, before, after))
        for target in [*after, *(target for target in before if target not in after)]
    ]
    return Preview(found, lines, remapping.missing(changed.app, kind, after))


def _state(target: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if target not in before:
        return "added"
    if target not in after:
        return "removed"
    return "same" if before[target] == after[target] else "changed"
