"""The mapping of a source: what becomes of an entry's values. Pure.

A mapping has a row for each SCIM attribute: `userName: uid`, `name.givenName: givenName`, `emails.work: mail`. An
expression is one or more alternatives with `|` between, of which the first that has a value is taken:

- `mail`: the first value of an attribute; `mail[*]`: all; `mail[1:]`: all but the first
- `"Sales"`: this text; `{givenName} {sn}`: a text with values in it, none when one of them is missing
- `@key`, `@name`, `@active`: the entry's immutable id, its name there, whether it is active
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..scim.attribute import Attribute
from ..scim.document import Place
from ..scim.schema import ResourceType
from ..suggestions import did_you_mean
from .reading import GROUP, USER, Record, SourceError

Json = Any

_ATTRIBUTE = re.compile(r"([^\s|{}\"\[\]]+)(?:\[(\*|1:)\])?")
_PLACE = re.compile(r"\{([^{}]+)\}")
_SPECIAL = ("@key", "@name", "@active")
#: What booleans are written as, in lower case.
_TRUE, _FALSE = frozenset(("true", "yes", "1", "on")), frozenset(("false", "no", "0", "off"))
_LONGEST_EXPRESSION = 1000


class MappingError(SourceError):
    """A row of a mapping cannot be; the text names the row."""


# --- expressions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """One alternative of an expression."""

    #: The attribute in lower case, or a special one; None for a text.
    attribute: str | None
    #: Which values: `first`, `all` or `rest`; `constant` for a text that is taken as it is.
    which: str = "first"
    #: A text, with places unless it is constant.
    text: str = ""

    def values(self, record: Record, found: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """The values that a record gives, none when it has none. In: its values by lower-case attribute."""
        if self.which == "constant":
            return (self.text,)
        if self.attribute is None:
            return self._filled(record, found)
        values = _of(self.attribute, record, found)
        if self.which == "all":
            return values
        return values[1:] if self.which == "rest" else values[:1]

    def _filled(self, record: Record, found: Mapping[str, Sequence[str]]) -> Sequence[str]:
        pieces = _PLACE.split(self.text)
        for number in range(1, len(pieces), 2):
            values = _of(pieces[number].strip().lower(), record, found)
            if not values:
                return ()
            pieces[number] = values[0]
        return ("".join(pieces),)


def _of(attribute: str, record: Record, found: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if attribute == "@key":
        return (record.key,)
    if attribute == "@name":
        return (record.name,)
    if attribute == "@active":
        return ("true" if record.active else "false",)
    return found.get(attribute, ())


@dataclass(frozen=True)
class Expression:
    """What an attribute is made from."""

    text: str
    parts: tuple[_Part, ...]

    @classmethod
    def parse(cls, text: str) -> Expression:
        """An expression from its text. Raises MappingError."""
        if len(text) > _LONGEST_EXPRESSION:
            raise MappingError(f"An expression has at most {_LONGEST_EXPRESSION:,} characters.")
        return cls(text, tuple(_part(each.strip(), text) for each in _alternatives(text)))

    def values(self, record: Record, found: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """The values of the first alternative that has some; blank ones are none."""
        for part in self.parts:
            values = [value for value in part.values(record, found) if value.strip()]
            if values:
                return values
        return ()

    @cached_property
    def attributes(self) -> frozenset[str]:
        """The attributes of the source that it reads, in the operator's spelling."""
        names: set[str] = set()
        for part in _alternatives(self.text):
            stripped = part.strip()
            if not stripped.startswith('"'):
                match = _ATTRIBUTE.fullmatch(stripped)
                names.update([match[1]] if match else (place.strip() for place in _PLACE.findall(stripped)))
        return frozenset(names - set(_SPECIAL))


def _alternatives(text: str) -> list[str]:
    """The parts between `|`, which a quoted text may hold."""
    return re.findall(r'(?:"[^"]*"|[^|"])+', text) or [text]


def _part(text: str, whole: str) -> _Part:
    if text.startswith('"'):
        if len(text) < 3 or not text.endswith('"') or '"' in text[1:-1]:
            raise MappingError(f"{whole!r}: a text stands between two quotation marks.")
        return _Part(None, "constant", text[1:-1])
    if _PLACE.search(text):
        if _PLACE.sub("", text).count("{") or _PLACE.sub("", text).count("}"):
            raise MappingError(f"{whole!r}: a brace has no other one.")
        return _Part(None, text=text)
    match = _ATTRIBUTE.fullmatch(text)
    if match is None:
        raise MappingError(
            f'{whole!r} is no expression. It takes attributes with | between, "a text", or {{attribute}} in a text.'
        )
    name = match[1].lower()
    if name.startswith("@") and name not in _SPECIAL:
        raise MappingError(f"{whole!r}: there is no {match[1]}.{did_you_mean(name, _SPECIAL)}")
    return _Part(name, {"*": "all", "1:": "rest"}.get(match[2] or "", "first"))


# --- targets ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """The place in a resource that a row of a mapping is for."""

    text: str
    #: The extension's URN; None in the core schema.
    urn: str | None
    attribute: Attribute
    #: The type of the item of a multi-valued attribute, such as `work`.
    label: str | None = None
    sub: Attribute | None = None

    @property
    def owned(self) -> Place:
        """What the row owns of a resource; of a multi-valued attribute the whole."""
        within = self.sub if not self.attribute.multi_valued else None
        return Place(self.urn, self.attribute.name, within.name if within else None)


def target(resource_type: ResourceType, text: str) -> Target:
    """The place that a text such as `userName`, `name.givenName`, `emails.work` or `department` names.

    Raises MappingError when the app has no such attribute, or when it cannot be written.
    """
    urn, attribute, rest = _attribute(resource_type, text)
    if attribute.read_only or attribute.links or attribute.derived or attribute.apart or attribute.key == "schemas":
        raise MappingError(f"{text}: this attribute cannot be mapped.")
    made = _within(text, urn, attribute, rest)
    if made.sub is not None and (made.sub.complex or made.sub.read_only):
        raise MappingError(f"{text}: this attribute cannot be mapped.")
    return made


def _attribute(resource_type: ResourceType, text: str) -> tuple[str | None, Attribute, list[str]]:
    for extension in resource_type.extensions:
        prefix = f"{extension.id}:".lower()
        if text.lower().startswith(prefix):
            name, *rest = text[len(prefix) :].split(".")
            found = extension.by_key.get(name.lower())
            if found is None:
                raise MappingError(f"{text}: the schema has no attribute {name!r}.")
            return extension.id, found, rest
    name, *rest = text.split(".")
    core = resource_type.core.get(name.lower())
    if core is not None:
        return None, core, rest
    if name.lower() in resource_type.unqualified:
        urn, attribute = resource_type.unqualified[name.lower()]
        return urn, attribute, rest
    known = [attribute.name for _, attribute in resource_type.attributes]
    meant = did_you_mean(name, known)
    raise MappingError(f"A {resource_type.name} of this app has no attribute {name!r}.{meant}")


def _within(text: str, urn: str | None, attribute: Attribute, rest: list[str]) -> Target:
    """The place within an attribute; `rest` are the names behind the attribute's."""
    if not attribute.complex:
        if rest:
            raise MappingError(f"{text}: {attribute.name} has no sub-attributes.")
        return Target(text, urn, attribute)
    label = None
    if attribute.multi_valued and "type" in attribute.subs:
        if not rest:
            raise MappingError(f"{text}: say which of them, such as {attribute.name}.work.")
        label, *rest = rest
    if not rest and "value" in attribute.subs:
        rest = ["value"]
    sub = attribute.subs.get(rest[0].lower()) if len(rest) == 1 else None
    if sub is None:
        known = ", ".join(sub.name for sub in attribute.sub_attributes)
        raise MappingError(f"{text}: name one sub-attribute of {attribute.name}: {known}.")
    return Target(text, urn, attribute, label, sub)


# --- mappings -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compiled:
    """A mapping for one resource type."""

    resource_type: ResourceType
    rows: tuple[tuple[Target, Expression], ...]
    #: The row of the manager, who is another entry.
    manager: tuple[Target, Expression] | None

    @cached_property
    def owned(self) -> frozenset[Place]:
        """What the source owns of a resource."""
        return frozenset(target.owned for target, _ in self.rows)

    @property
    def owned_paths(self) -> list[str]:
        """The attributes that the source owns: index paths, or what they begin with."""
        places = [target for target, _ in self.rows] + ([self.manager[0]] if self.manager else [])
        paths = {each.sub.path if each.owned.sub and each.sub else each.attribute.path for each in places}
        return sorted(paths)

    @cached_property
    def attributes(self) -> frozenset[str]:
        """The attributes of the source that are read."""
        rows = [*self.rows, *([self.manager] if self.manager else [])]
        return frozenset[str]().union(*(expression.attributes for _, expression in rows))

    @cached_property
    def active_as_read(self) -> bool:
        """True when a user is active as the reader says."""
        return any(target.attribute.key == "active" and rule.text == "@active" for target, rule in self.rows)

    def manager_of(self, record: Record) -> str | None:
        """What the manager of an entry is called in the source; None without one."""
        if self.manager is None:
            return None
        found = {name.lower(): values for name, values in record.values.items() if name.lower() in self._manager_names}
        return next(iter(self.manager[1].values(record, found)), None)

    @cached_property
    def _manager_names(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.manager[1].attributes) if self.manager else frozenset()

    def shape(self, record: Record) -> dict[str, Json]:
        """The resource that an entry is to be, without its manager, who is another entry."""
        found = {name.lower(): values for name, values in record.values.items()}
        body: dict[str, Json] = {}
        items: dict[tuple[str | None, str, str], list[dict[str, Json]]] = {}
        for target, expression in self.rows:
            values = expression.values(record, found)
            if values:
                _put(body, items, target, values)
        for (urn, name, _), made in items.items():
            kept = [item for item in made if item.keys() - {"type", "primary", "display"}]
            if kept:
                (body if urn is None else body.setdefault(urn, {})).setdefault(name, []).extend(kept)
        return body


def _put(
    body: dict[str, Json],
    items: dict[tuple[str | None, str, str], list[dict[str, Json]]],
    target: Target,
    values: Sequence[str],
) -> None:
    """Puts values where they belong; those of multi-valued complex attributes into items, by their type."""
    attribute, sub = target.attribute, target.sub
    holder = body if target.urn is None or (attribute.complex and attribute.multi_valued) else None
    if holder is None:
        holder = body.setdefault(target.urn or "", {})
    if not attribute.complex:
        typed = [_typed(attribute, value) for value in values]
        holder[attribute.name] = typed if attribute.multi_valued else typed[0]
    elif not attribute.multi_valued:
        assert sub is not None
        holder.setdefault(attribute.name, {})[sub.name] = _typed(sub, values[0])
    else:
        assert sub is not None
        label = target.label or ""
        made = items.setdefault((target.urn, attribute.name, label), [])
        blank = {"type": label} if label else {}
        wanted = values if sub.key == "value" else values[:1]
        while len(made) < len(wanted):
            made.append(dict(blank))
        for item, value in zip(made, wanted, strict=False):
            item[sub.name] = _typed(sub, value)


def _typed(attribute: Attribute, text: str) -> Json:
    """A text as a boolean where one belongs; numbers are read from texts when the resource is checked."""
    if attribute.type == "boolean":
        word = text.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    return text


def compile_mapping(types: Iterable[ResourceType], mapping: Mapping[str, Mapping[str, str]]) -> dict[str, Compiled]:
    """The mapping of users and groups, by type.

    In: the app's resource types; SCIM attribute to expression, by type. Raises MappingError, which names the row.
    """
    known = {resource_type.name: resource_type for resource_type in types}
    return {kind: _compiled(known[kind], rows) for kind, rows in mapping.items() if kind in (USER, GROUP)}


def _compiled(resource_type: ResourceType, rows: Mapping[str, str]) -> Compiled:
    made: list[tuple[Target, Expression]] = []
    manager = None
    for text, expression in rows.items():
        try:
            row = (target(resource_type, text), Expression.parse(expression))
        except MappingError as error:
            raise MappingError(f"Mapping of {resource_type.name}, {text}: {error}") from None
        if row[0].attribute.key == "manager" and resource_type.name == USER:
            manager = row
        else:
            made.append(row)
    if resource_type.name == USER and not any(each.attribute.key == "active" for each, _ in made):
        made.append((target(resource_type, "active"), Expression.parse("@active")))
    named = {each.attribute.key for each, _ in made}
    required = "username" if resource_type.name == USER else "displayname"
    if required not in named:
        name = "userName" if resource_type.name == USER else "displayName"
        raise MappingError(f"The mapping of {resource_type.name} needs a row for {name}.")
    return Compiled(resource_type, tuple(made), manager)
