"""What a PATCH request comes to: edits of the document, and steps on the links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from .filter import Filter
from .schema import Attribute

Json = Any


@dataclass(frozen=True, slots=True)
class Edit:
    """One checked change of the attribute that `urn` (None: the core schema) holds.

    | action | one value | several values |
    | --- | --- | --- |
    | set | it becomes `value` | the values become `value`; with a filter, each that matches becomes `value` |
    | merge | sub-attributes become those of `value`, `cleared` ones go | the same, for those that match the filter |
    | append | - | those of `value` that are not there are added |
    | remove | it goes | all go, or those that match the filter, or those that `listed` names |
    | drop | it goes with its whole extension, even if required there | the same |

    `within` says what a merge does with the values it has for a multi-valued sub-attribute: they become all, join
    those that there are, or go.
    """

    urn: str | None
    attribute: Attribute
    action: Literal["set", "merge", "append", "remove", "drop"]
    filter: Filter | None = None
    value: Json = None
    cleared: tuple[str, ...] = field(default=())
    listed: tuple[Json, ...] | None = None
    within: Literal["set", "append", "remove"] = "set"


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
    """What a PATCH request comes to.

    `secrets` are the last values given by path to attributes that are kept apart (a password), None for one that is
    taken away: no document holds them.
    """

    edits: list[Edit] = field(default_factory=list)
    links: list[LinkStep] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    secrets: dict[str, Json] = field(default_factory=dict, repr=False)

    def add_edit(self, edit: Edit) -> None:
        """Change the document, or what is kept apart from it."""
        if edit.attribute.apart:
            self.secrets[edit.attribute.path] = edit.value
        else:
            self.edits.append(edit)

    def _step(self) -> LinkStep:
        if not self.links or self.links[-1].expect is not None:
            self.links.append(LinkStep())
        return self.links[-1]

    def add_links(self, ids: Iterable[str]) -> None:
        """Link these, in the given order."""
        for each in ids:
            step = self._step()
            step.remove.discard(each)
            step.add[each] = None

    def remove_links(self, ids: Iterable[str]) -> None:
        """Unlink these; one that is not linked is no error."""
        for each in ids:
            step = self._step()
            step.add.pop(each, None)
            step.remove.add(each)

    def reset_links(self) -> None:
        """Unlink all. What was planned before does not matter then, unless something looked at it."""
        if not any(step.expect is not None for step in self.links):
            self.links.clear()
        self.links.append(LinkStep(reset=True))

    def remove_links_where(self, condition: Filter) -> None:
        """Unlink those that match."""
        self.links.append(LinkStep(remove_where=condition))

    def expect_link(self, condition: Filter, *, then_refuse: bool) -> None:
        """Refuse unless some link matches; when one does, refuse as well if the change itself is not allowed."""
        self.links.append(LinkStep(expect=condition, then_refuse=then_refuse))
