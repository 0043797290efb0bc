"""Resources that come from a source: clients may not change what the source gives, unless the app shares them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from ..apps.workspace import Workspace
from ..db import Database, Slot, prepared
from ..db.sync_tables import SourceLinkRow, SourceRow
from ..errors import BadRequest, Remedy
from ..journal import Actor

#: Links of this state are of who is not in the source any more, so that it owns nothing.
_GONE = "gone"


def may_matter(workspace: Workspace) -> bool:
    """True for a client's act in an app whose sources own what they give; nothing is asked of the database."""
    app = workspace.app
    return app.sourced and workspace.origin.actor is Actor.SCIM and app.settings.sourced_users == "source"


def check(workspace: Workspace, row: int, paths: Iterable[str], *, members: bool) -> None:
    """Raises BadRequest when a source owns one of these attributes of a resource, or the members of a group.

    In: the resource's row, the paths that would change, and whether members would.
    """
    found = _owner(workspace, row)
    if found is None:
        return
    name, owned = found
    taken = [path for path in paths if any(path == own or path.startswith(f"{own}.") for own in owned)]
    if members:
        taken.append("members")
    if taken:
        raise _refusal(workspace, name, f"gives {', '.join(sorted(taken))}")


def check_deletion(workspace: Workspace, row: int) -> None:
    """Raises BadRequest when a resource comes from a source."""
    found = _owner(workspace, row)
    if found is not None:
        raise _refusal(workspace, found[0], "has this entry")


def _refusal(workspace: Workspace, source: str, fact: str) -> BadRequest:
    return BadRequest(
        f"It comes from the source {source} of the app {workspace.app.slug}, which {fact}: change it there.",
        remedy=Remedy(feature="sourced-users", value="shared"),
    )


def _owner(workspace: Workspace, row: int) -> tuple[str, list[str]] | None:
    """The source of a resource, and what it owns of it; None when no source has it."""
    found = workspace.db.row(_owned, app=workspace.app.id, row=row)
    if found is None:
        return None
    name, type, owned = found
    return name, orjson.loads(owned).get(type, [])


@prepared
def _owned(db: Database) -> Any:
    link, source = SourceLinkRow, SourceRow
    query = link.select(source.name, link.type, source.owned).join(source, on=(source.id == link.source_id))
    return query.where(link.app_id == Slot("app"), link.resource_id == Slot("row"), link.state != _GONE)
