"""Bodies of POST and PUT: each is checked, and becomes a document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import BadRequest, InvalidSyntax, InvalidValue
from . import document as documents
from . import key_paths, named_schemas, quirks, values
from .attribute import Attribute
from .document import Document
from .normal import normal_form
from .schema import ResourceType

Json = Any

#: Keys that are paths in one body; each costs a look at the whole resource.
_MOST_PATHS = 100

#: Attributes of this mutability keep their value when a PUT does not send one.
_KEPT = ("immutable", "writeOnly")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A checked body: the document to store, the ids it links to, and the names that were left out.

    `secrets` holds, by path, the values of attributes that no document holds (a password).
    """

    document: Document
    links: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    secrets: dict[str, Json] = field(default_factory=dict, repr=False)
    #: What the client calls linked resources, by id.
    displays: dict[str, str] = field(default_factory=dict)


def clean(resource_type: ResourceType, body: Json, *, replacing: bool = False) -> Cleaned:
    """Checks a resource sent with POST or PUT (`replacing`).

    readOnly and unknown attributes are left out (RFC 7644 section 3.3) and listed in `ignored`, except those that the
    service itself puts into its answers, because clients send them back. Values of the linking attribute become ids
    in `links`. Raises InvalidSyntax when the body is no object or names an attribute twice, InvalidValue when a value
    is wrong or a required one is missing.
    """
    if not isinstance(body, dict):
        raise InvalidSyntax(f"A {resource_type.name} is a JSON object.")
    intake = _Intake(resource_type)
    intake.take(body)
    if intake.others:
        intake.take_others()
    finished = documents.finish(resource_type, intake.document)
    documents.require(resource_type, finished, kept=_KEPT if replacing else ())
    if not replacing:
        documents.check_name(finished, {})
    return Cleaned(finished, list(dict.fromkeys(intake.links)), intake.ignored, intake.secrets, intake.displays)


class _Intake:
    """Reads a body attribute by attribute; its fields are those of `Cleaned`, as far as the body is read."""

    def __init__(self, resource_type: ResourceType) -> None:
        self.resource_type = resource_type
        self.document: Document = {}
        self.links: list[str] = []
        self.displays: dict[str, str] = {}
        self.ignored: list[str] = []
        self.secrets: dict[str, Json] = {}
        #: Keys that name no attribute, with their values; they may be paths.
        self.others: list[tuple[str, Json]] = []
        self._paths: set[str] = set()

    def take(self, body: Document) -> None:
        """Reads the whole resource."""
        named: Json = None
        core = self.resource_type.core
        for name, value in values.unique_names(body, "The resource"):
            key = name.lower()
            attribute = core.get(key)
            if attribute is not None:
                if key == "schemas":
                    named = value
                self._attribute(None, attribute, name, value)
            elif (extension := self.resource_type.extension(name)) is not None:
                self._schema(extension.id, extension.by_key, value)
            elif key == self.resource_type.schema.id.lower():
                self._schema(None, core, value)
            else:
                self._attribute(None, None, name, value)
        used = [extension.id for extension in self.resource_type.extensions if extension.id in self.document]
        named_schemas.check(named, self.resource_type.schema.id, self.resource_type.urns, used)

    def take_others(self) -> None:
        """Reads the keys that name no attribute as the paths that they are in a PATCH without a path."""
        changes = 0
        for name, value in self.others:
            made = key_paths.plan(self.resource_type, name, value)
            for ignored in made.ignored:
                values.note(self.ignored, ignored)
            if value in ("", []):
                continue
            for path, secret in made.secrets.items():
                if self.secrets.setdefault(path, secret) != secret:
                    raise InvalidSyntax(f"The resource names {path} twice.")
            for step in made.links:
                self.links += step.add
            if made.edits:
                changes += 1
                self.document = key_paths.taken(self.resource_type, self.document, made)
            if changes > _MOST_PATHS:
                raise BadRequest(f"One resource has at most {_MOST_PATHS} keys that are paths.")

    def _schema(self, urn: str | None, attributes: dict[str, Attribute], body: Json) -> None:
        """Reads the object under a schema's URN; `urn` is None for the core schema."""
        owner = urn or self.resource_type.schema.id
        if body is None:
            return
        if not isinstance(body, dict):
            raise InvalidValue(f"{owner} takes an object.")
        for name, value in values.unique_names(quirks.without_nested_schemas(body) if urn else body, owner):
            self._attribute(urn, attributes.get(name.lower()), f"{owner}:{name}", value)

    def _attribute(self, urn: str | None, attribute: Attribute | None, name: str, value: Json) -> None:
        """Reads one attribute; None stands for one that the schema does not know."""
        if attribute is None:
            if value is not None:
                self.others.append((name, value))
            return
        if attribute.path in self._paths:
            raise InvalidSyntax(f"The resource names {attribute.path} twice.")
        self._paths.add(attribute.path)
        if attribute.read_only:
            if value is not None and not attribute.derived and attribute not in self.resource_type.common:
                values.note(self.ignored, name)
        elif attribute.key == "schemas":
            _check_schemas(value)
        elif attribute.links:
            self.links += documents.link_ids(attribute, value, self.ignored, self.displays)
        else:
            cleaned = values.clean(attribute, value, self.ignored)
            if attribute.composed and cleaned is not None:
                cleaned = normal_form(attribute, cleaned)
            if cleaned is not None and attribute.apart:
                self.secrets[attribute.path] = cleaned
            elif cleaned is not None:
                holder = self.document if urn is None else self.document.setdefault(urn, {})
                holder[attribute.name] = cleaned


def _check_schemas(value: Json) -> None:
    if value is None or (isinstance(value, list) and all(isinstance(urn, str) for urn in value)):
        return
    raise InvalidValue("schemas takes an array of strings.")
