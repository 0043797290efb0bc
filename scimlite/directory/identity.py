"""The subject of a change: a resource's names and state for its columns, and its journal entries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import journal
from ..apps.workspace import Workspace
from ..journal import Action, Entry
from ..scim import document as documents
from ..scim.document import Document
from ..scim.names import fold
from ..scim.schema import ResourceType


class Subject:
    """The user, group or other resource that a change concerns, for columns and journal."""

    def __init__(self, resource_type: ResourceType, id: str, document: Document) -> None:
        self.id = id
        self.type = resource_type.name
        self.is_user = resource_type.name == "User"
        self.is_group = resource_type.links is not None
        names = documents.names(resource_type, document)
        self.name = names.name or id
        self.display = names.display
        self.external_id = document.get("externalId")
        # A user without `active` is disabled: nothing says that the user may use the application.
        self.active = int(bool(document.get("active"))) if self.is_user else 1
        self.pair = (id, self.name)
        #: The journal has columns for users and groups; the text of an entry names other resources.
        self.names = [] if self.is_user or self.is_group else [_label(resource_type, self.pair)]


def _label(resource_type: ResourceType, pair: tuple[str, str]) -> str:
    return f"{resource_type.name} {journal.short(pair[1])!r} ({pair[0]})"


def entry(
    action: Action,
    subject: Subject,
    changes: dict[str, list[Any]],
    ignored: Iterable[str] = (),
    note: str | None = None,
) -> Entry:
    """The journal entry of a change.

    In: `ignored`, attributes that were left out; `note`, the reason of the change or another act, in words.
    """
    listed = ", ".join(list(ignored)[:20])
    return Entry(
        action,
        user=subject.pair if subject.is_user else None,
        group=subject.pair if subject.is_group else None,
        changes=changes or None,
        detail="; ".join(filter(None, [*subject.names, note, listed and f"not taken: {listed}"])) or None,
    )


def remember(workspace: Workspace, subject: Subject, before: Document) -> None:
    """Keeps a user's new names, by which the journal is searched; `before` is the document before the change."""
    if not subject.is_user:
        return
    names = [fold(subject.name)] if before.get("userName") != subject.name else []
    if subject.external_id and before.get("externalId") != subject.external_id:
        names.append(subject.external_id)
    journal.add_names(workspace, subject.id, names)
