"""Whom a change concerns: the names and states of a resource for its columns, and its journal entry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import journal
from ..apps.workspace import Workspace
from ..journal import Action, Entry
from ..scim import document as documents
from ..scim.document import Document
from ..scim.schema import ResourceType
from ..scim.values import fold


class Subject:
    """The person, group or other resource that a change concerns, for columns and journal."""

    def __init__(self, resource_type: ResourceType, id: str, document: Document) -> None:
        self.id = id
        self.type = resource_type.name
        self.is_user = resource_type.name == "User"
        self.is_group = resource_type.links is not None
        names = documents.names(resource_type, document)
        self.name = names.name or id
        self.display = names.display
        self.external_id = document.get("externalId")
        # A user whose `active` was removed may not use the application: nothing says that it may.
        self.active = int(bool(document.get("active"))) if self.is_user else 1
        self.pair = (id, self.name)
        #: The journal has columns for users and groups; of others it tells in words.
        self.told = [] if self.is_user or self.is_group else [f"{resource_type.name} {self.name!r} ({id})"]


def entry(
    action: Action,
    who: Subject,
    changes: dict[str, list[Any]],
    ignored: Iterable[str] = (),
    told: str | None = None,
) -> Entry:
    """The journal row of a change; `told` says why, or what else was done."""
    listed = ", ".join(list(ignored)[:20])
    return Entry(
        action,
        user=who.pair if who.is_user else None,
        group=who.pair if who.is_group else None,
        changes=changes or None,
        detail="; ".join(filter(None, [*who.told, told, listed and f"not taken: {listed}"])) or None,
    )


def remember(workspace: Workspace, who: Subject, before: Document) -> None:
    """Keep the names a user is known by, when they are new."""
    if not who.is_user:
        return
    names = [fold(who.name)] if before.get("userName") != who.name else []
    if who.external_id and before.get("externalId") != who.external_id:
        names.append(who.external_id)
    journal.known_as(workspace, who.id, names)
