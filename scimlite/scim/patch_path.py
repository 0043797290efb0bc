"""Paths of PATCH operations (RFC 7644 section 3.5.2): an attribute path, perhaps with a filter."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .filter import Filter
from .filter_parser import parse_value_path
from .path import AttrPath, parse_attr_path


@dataclass(frozen=True, slots=True)
class PatchPath:
    """What a PATCH operation aims at: an attribute, or the values of one that a filter picks."""

    #: With a filter, `attr.sub` is None.
    attr: AttrPath
    filter: Filter | None = None
    #: The sub-attribute after "]", or that of `attr` when there is no filter.
    sub: str | None = None


def parse_patch_path(text: str, urns: Collection[str] = ()) -> PatchPath:
    """Read PATH of RFC 7644 section 3.5.2: an attribute path, or `attribute[filter]` and `.sub` after it.

    :raise InvalidPath: for a bad filter as well, because the path as a whole is malformed.
    """
    if "[" not in text:
        attr = parse_attr_path(text, urns)
        return PatchPath(attr, sub=attr.sub)
    return PatchPath(*parse_value_path(text, urns))
