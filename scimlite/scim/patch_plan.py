"""The plan of a PATCH request: edits of the document, and steps that change links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .attribute import Attribute
from .filter import Filter

Json = Any


@dataclass(frozen=True, slots=True)
class Edit:
    """One checked change of an attribute; `urn` is the extension that holds it, None for the core schema.

    | action | one value | several values |
    | --- | --- | --- |
    | set | becomes `value` | all become the list `value`; with a filter, each match becomes `value` |
    | merge | gets the sub-attributes of `value`, loses those in `cleared` | the same, for each match of the filter |
    | append | - | gets the values of `value` that it does not have |
    | remove | is removed | loses all values, or the matches of the filter; only the values in `listed`, if not None |
    | drop | is removed with its whole extension, even if required there | the same |

    `within` tells what a merge does with its values: set them, add them to those of a multi-valued sub-attribute, or
    remove what is equal to them.
    """

    urn: str | None
    attribute: Attribute
    action: Literal["set", "merge", "append", "remove", "drop"]
    filter: Filter | None = None
    value: Json = None
    cleared: tuple[str, ...] = field(default=())
    listed: tuple[Json, ...] | None = None
    within: Literal["set", "append", "remove"] = "set"
    #: Refuse the request with InvalidFilter when the filter matches several values.
    sole: bool = False


@dataclass(slots=True)
class LinkStep:
    """A change of links, carried out in the order of the fields.

    A step with `expect` changes no link; it may refuse the request.
    """

    #: Remove all links.
    reset: bool = False
    #: Remove the links that match this filter.
    remove_where: Filter | None = None
    #: Of the links that match, remove only those to these ids; None for all that match.
    among: frozenset[str] | None = None
    #: Remove the links to these ids.
    remove: set[str] = field(default_factory=set)
    #: Add links to these ids, in this order.
    add: dict[str, None] = field(default_factory=dict)
    #: Lists of ids that replaced all links; refuse the request with InvalidValue when nobody in one of them exists.
    replacements: list[tuple[str, ...]] = field(default_factory=list)
    #: Refuse it only when there are links, which it would remove (a PUT repeats what the group is to be).
    unless_empty: bool = False
    #: Refuse the request with NoTarget unless a link matches this filter.
    expect: Filter | None = None
    #: Refuse the request with Mutability when a link matches `expect`.
    then_refuse: bool = False


def whole(ids: Sequence[str]) -> LinkStep:
    """The step that makes these the only links: the links of a PUT."""
    replacements = [tuple(ids)] if ids else []
    return LinkStep(reset=True, add=dict.fromkeys(ids), replacements=replacements, unless_empty=True)


@dataclass(slots=True)
class Plan:
    """A whole PATCH request, checked against the schema.

    `ignored` lists the names that were left out. `secrets` holds, by path, the values of attributes that no document
    holds (a password); None for one that is removed.
    """

    edits: list[Edit] = field(default_factory=list)
    links: list[LinkStep] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    secrets: dict[str, Json] = field(default_factory=dict, repr=False)
    #: What the client calls linked resources, by id.
    displays: dict[str, str] = field(default_factory=dict)
    #: A filter may match one value only.
    sole: bool = False

    def add_edit(self, edit: Edit) -> None:
        """Adds an edit of the document, or a secret."""
        if edit.attribute.apart:
            self.secrets[edit.attribute.path] = edit.value
        elif self.sole and edit.filter is not None:
            self.edits.append(replace(edit, sole=True))
        else:
            self.edits.append(edit)

    def _step(self) -> LinkStep:
        """The last step when it changes links, else a new one."""
        if not self.links or self.links[-1].expect is not None:
            self.links.append(LinkStep())
        return self.links[-1]

    def add_links(self, ids: Iterable[str]) -> None:
        """Adds links to these ids, in this order."""
        for id in ids:
            step = self._step()
            step.remove.discard(id)
            step.add[id] = None

    def remove_links(self, ids: Iterable[str]) -> None:
        """Removes the links to these ids; an id without a link is no error."""
        for id in ids:
            step = self._step()
            step.add.pop(id, None)
            step.remove.add(id)

    def reset_links(self) -> None:
        """Removes all links. Earlier steps are dropped, unless one of them refuses a request."""
        replacements = [ids for step in self.links for ids in step.replacements]
        if not any(step.expect is not None for step in self.links):
            self.links.clear()
        self.links.append(LinkStep(reset=True, replacements=replacements))

    def replace_links(self, ids: Sequence[str]) -> None:
        """Removes all links, and adds links to these ids, of which one must exist if there are any."""
        self.reset_links()
        if ids:
            self.links[-1].replacements.append(tuple(ids))
        self.add_links(ids)

    def remove_links_where(self, condition: Filter, ids: Iterable[str] | None = None) -> None:
        """Removes the links that match; of them only those to some ids, when ids are given."""
        self.links.append(LinkStep(remove_where=condition, among=None if ids is None else frozenset(ids)))

    def expect_link(self, condition: Filter, *, then_refuse: bool) -> None:
        """Refuses the request when no link matches, and with `then_refuse` also when one does."""
        self.links.append(LinkStep(expect=condition, then_refuse=then_refuse))
