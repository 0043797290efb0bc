"""Conditional requests (RFC 9110 section 13): the versions and times that a request names, and what they decide.

Versions are compared as texts, whether their tags are weak or strong: RFC 7644 section 3.14 sends weak tags with
If-Match, which the strong comparison of RFC 9110 section 13.1.1 would never let match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import InvalidValue, PreconditionFailed

_TAG = r'(?:\*|(?:W/)?"[^"]*")'
_TAGS = re.compile(rf"[\s,]*{_TAG}(?:\s*,[\s,]*{_TAG})*[\s,]*")
_ONE_TAG = re.compile(r'\*|"([^"]*)"')
#: Stands for any version.
_ANY = "*"


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The conditions of one request; None stands for a header that was not sent.

    `match` and `none_match` are versions, `*` for any. The times are in seconds since 1970.
    """

    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None
    unmodified_since: int | None = None
    modified_since: int | None = None

    def require(self, what: str, version: int, modified_at: int) -> None:
        """Raises PreconditionFailed unless the resource may be written (RFC 9110 section 13.2.2).

        In: `what`, the resource in words; the time of its last change in microseconds.
        """
        self.require_match(what, version, modified_at)
        if self._excludes(version):
            raise PreconditionFailed(f'{what} has a version that If-None-Match excludes: W/"{version}".')

    def require_match(self, what: str, version: int, modified_at: int) -> None:
        """Raises PreconditionFailed when If-Match, or without it If-Unmodified-Since, does not hold."""
        if self.match is not None:
            if _ANY not in self.match and str(version) not in self.match:
                raise PreconditionFailed(f'{what} has changed: its version is W/"{version}".')
        elif self.unmodified_since is not None and modified_at // 1_000_000 > self.unmodified_since:
            raise PreconditionFailed(f'{what} has changed since If-Unmodified-Since: its version is W/"{version}".')

    def require_nothing(self, what: str) -> None:
        """Raises PreconditionFailed when If-Match asks for a version where there is none, such as in a creation."""
        if self.match is not None:
            raise PreconditionFailed(f"{what} has no version, so that If-Match cannot hold.")

    def require_unversioned(self, what: str) -> None:
        """Raises PreconditionFailed when If-Match names versions of something that has none, such as a list."""
        if self.match is not None and _ANY not in self.match:
            raise PreconditionFailed(f"{what} has no version, so that If-Match cannot hold.")

    def not_modified(self, version: int, modified_at: int) -> bool:
        """True when a client that sent these conditions has the resource as it is now, for GET and HEAD.

        A time has no fractions, so a change within the second that If-Modified-Since names counts as a later one.
        """
        if self.none_match is not None:
            return self._excludes(version)
        return self.modified_since is not None and modified_at <= self.modified_since * 1_000_000

    @property
    def excludes_any(self) -> bool:
        """True for `If-None-Match: *`."""
        return self.none_match is not None and _ANY in self.none_match

    def _excludes(self, version: int) -> bool:
        return self.none_match is not None and (_ANY in self.none_match or str(version) in self.none_match)


#: The conditions of a request without conditional headers.
UNCONDITIONAL = Preconditions()


def versions_for_match(tags: str | None) -> tuple[str, ...] | None:
    """The versions in an If-Match header or in `version` of a bulk operation; None without one.

    A malformed header has no versions, so that it never holds.
    """
    return (_versions(tags) or ()) if tags else None


def versions_for_none_match(tags: str | None, *, reading: bool) -> tuple[str, ...] | None:
    """The versions in an If-None-Match header; None without one.

    A malformed header has no versions when the request reads, which then gets the whole answer. Raises InvalidValue
    when it writes, because the write might be one that the client did not want.
    """
    if not tags:
        return None
    versions = _versions(tags)
    if versions is None and not reading:
        raise InvalidValue('If-None-Match is no list of entity tags, such as W/"1", and is not *.')
    return versions or ()


def _versions(tags: str) -> tuple[str, ...] | None:
    """The versions in a list of entity tags, `*` included (RFC 9110 section 8.8.3); None when it is malformed."""
    if not _TAGS.fullmatch(tags):
        return None
    return tuple(_ANY if match.group() == _ANY else match.group(1) for match in _ONE_TAG.finditer(tags))
