"""Keeps an installation from pushing to itself: what it pushed would come back as a change, for ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from ...db import Database, Slot, prepared
from ...db.sync_tables import SourceRow
from ...db.target_tables import TargetRow
from .stored import Target, TargetError

#: The header by which an installation knows its own targets.
MARK_HEADER = "Scimlite-Target"
#: The kind of source that reads a SCIM server.
_SCIM = "scim"
_PORTS = {"https": 443, "http": 80}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})


def check(db: Database, target: Target, own_roots: Sequence[str]) -> None:
    """Raises TargetError for a target that is an app of this installation, unless the operator wants that."""
    if not target.options.same_installation:
        check_url(target.url, own_roots)


def check_url(url: str, own_roots: Sequence[str]) -> None:
    """Raises TargetError for a URL behind one of those at which this installation has its apps."""
    for root in own_roots:
        if _begins(url, root):
            raise TargetError(
                f"{url} is an app of this same installation: what is pushed there is the app's own. "
                "With --same-installation it is done all the same."
            )


def pushed_by_us(db: Database, mark: str) -> bool:
    """True for the mark of a target of this installation."""
    return bool(db.rows(_marked, mark=mark))


def sources_there(db: Database, target: Target) -> list[int]:
    """The keys of the app's sources that read the target's own server: what came from there is not pushed back."""
    found = []
    for id, settings in db.rows(_scim_sources, app=target.app_id):
        url = orjson.loads(settings).get("url")
        if isinstance(url, str) and _place(url) == _place(target.url):
            found.append(id)
    return found


def _begins(url: str, root: str) -> bool:
    own, path = _place(root)
    place, whole = _place(url)
    return own == place and (whole + "/").startswith(path + "/")


def _place(url: str) -> tuple[tuple[str, int], str]:
    """Host and port, with one name for this machine, and the path without slashes at its end."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").lower()
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return ("localhost" if host in _LOOPBACK else host, port), parts.path.rstrip("/")


@prepared
def _scim_sources(db: Database) -> Any:
    query = SourceRow.select(SourceRow.id, SourceRow.settings)
    return query.where(SourceRow.app_id == Slot("app"), SourceRow.kind == _SCIM, SourceRow.removed_at.is_null())


@prepared
def _marked(db: Database) -> Any:
    return TargetRow.select(TargetRow.id).where(TargetRow.mark == Slot("mark"))
