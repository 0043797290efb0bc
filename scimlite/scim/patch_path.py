"""Paths of PATCH operations (RFC 7644 section 3.5.2): an attribute path, perhaps with a filter."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .filter import Filter
from .filter_parser import parse_value_path
from .path import AttrPath, parse_attr_path


@dataclass(frozen=True, slots=True)
class PatchPath:
    """The target of a PATCH operation: an attribute, or the values of it that a filter selects."""

    #: With a filter, `attr.sub` is None.
    attr: AttrPath
    filter: Filter | None = None
    #: The sub-attribute after "]", or that of `attr` when there is no filter.
    sub: str | None = None


def parse_patch_path(text: str, urns: Collection[str] = ()) -> PatchPath:
    """Reads PATH of RFC 7644 section 3.5.2: an attribute path, or `attribute[filter]`, perhaps with `.sub` after it.

    Raises InvalidPath, for a malformed filter too.
    """
    if "[" not in text:
        attr = parse_attr_path(text, urns)
        return PatchPath(attr, sub=attr.sub)
    return PatchPath(*parse_value_path(text, urns))
