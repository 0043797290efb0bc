"""The kinds of sources: those of this package, and those of others by the entry point group `scimlite.sources`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from ..suggestions import did_you_mean
from .reading import Kind, SourceError

#: The file in `readers` that has the kind as KIND.
_OWN = {
    "csv": "csv",
    "ldap": "ldap",
    "ad": "active_directory",
    "scim": "scim",
    "okta": "okta",
    "graph": "graph",
    "google": "google",
    "aws": "aws",
}
_GROUP = "scimlite.sources"


@cache
def _others() -> dict[str, EntryPoint]:
    """The kinds that other packages bring, by name; a kind of this package keeps its name."""
    return {point.name: point for point in entry_points(group=_GROUP) if point.name not in _OWN}


def forget() -> None:
    """Looks for the kinds of other packages again; for who installs one while this process runs."""
    _others.cache_clear()


def names() -> list[str]:
    """The names of all kinds."""
    return [*_OWN, *sorted(_others())]


def own_names() -> list[str]:
    """The names of this package's kinds."""
    return list(_OWN)


def get(name: str) -> Kind:
    """The kind of this name. Raises SourceError when there is none, or when it cannot be loaded."""
    if name in _OWN:
        kind = import_module(f".readers.{_OWN[name]}", __package__).KIND
    elif name in _others():
        try:
            kind = _others()[name].load()
        except Exception as error:
            raise SourceError(f"The kind of source {name!r} cannot be loaded: {error}") from error
    else:
        raise SourceError(f"There is no kind of source {name!r}.{did_you_mean(name, names())} Kinds: {_listed()}.")
    if not isinstance(kind, Kind):
        raise SourceError(f"The kind of source {name!r} is no Kind of scimlite.")
    return kind


def _listed() -> str:
    return ", ".join(names())
