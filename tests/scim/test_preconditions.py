"""Conditions on a version or a time: what holds, what does not, and what is malformed."""

from __future__ import annotations

import pytest

from scimlite.errors import InvalidValue, PreconditionFailed
from scimlite.scim.preconditions import Preconditions, versions_for_match, versions_for_none_match

#: 12:00:00.5 of a day, in microseconds; its second is NOON.
MODIFIED = 1_790_000_000_500_000
NOON = 1_790_000_000


@pytest.mark.parametrize(
    ("tags", "versions"),
    [
        (None, None),
        ("", None),
        ("*", ("*",)),
        ('W/"1"', ("1",)),
        ('"1"', ("1",)),
        (' W/"1" , "2",, W/"a b,c" ', ("1", "2", "a b,c")),
        ('W/"7", *', ("7", "*")),
        ('""', ("",)),
    ],
)
def test_versions(tags: str | None, versions: tuple[str, ...] | None) -> None:
    assert versions_for_match(tags) == versions
    assert versions_for_none_match(tags, reading=True) == versions
    assert versions_for_none_match(tags, reading=False) == versions


@pytest.mark.parametrize("tags", ["1", "nonsense", '"1', 'w/"1"', '"1" "2"', 'garbage "1"', '"1" garbage', "**", ","])
def test_malformed_tags_name_no_version_and_keep_a_write_back(tags: str) -> None:
    assert versions_for_match(tags) == ()
    assert versions_for_none_match(tags, reading=True) == ()
    with pytest.raises(InvalidValue, match="If-None-Match"):
        versions_for_none_match(tags, reading=False)


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        (Preconditions(), True),
        (Preconditions(match=("3",)), True),
        (Preconditions(match=("2", "3")), True),
        (Preconditions(match=("*",)), True),
        (Preconditions(match=("2",)), False),
        (Preconditions(match=()), False),
        (Preconditions(none_match=("3",)), False),
        (Preconditions(none_match=("*",)), False),
        (Preconditions(none_match=("2",)), True),
        (Preconditions(match=("3",), none_match=("3",)), False),
        (Preconditions(match=("3",), none_match=("2",)), True),
        (Preconditions(unmodified_since=NOON), True),
        (Preconditions(unmodified_since=NOON - 1), False),
        # If-Match is the more exact one, so that the time is left out beside it (RFC 9110 section 13.2.2).
        (Preconditions(match=("3",), unmodified_since=NOON - 1), True),
        (Preconditions(match=("2",), unmodified_since=NOON), False),
        (Preconditions(unmodified_since=NOON, none_match=("3",)), False),
    ],
)
def test_a_write(conditions: Preconditions, holds: bool) -> None:
    if holds:
        conditions.require("User 7", 3, MODIFIED)
    else:
        with pytest.raises(PreconditionFailed, match=r'User 7 .*W/"3"'):
            conditions.require("User 7", 3, MODIFIED)


@pytest.mark.parametrize(
    ("conditions", "not_modified"),
    [
        (Preconditions(), False),
        (Preconditions(none_match=("3",)), True),
        (Preconditions(none_match=("*",)), True),
        (Preconditions(none_match=("2",)), False),
        (Preconditions(modified_since=NOON + 1), True),
        (Preconditions(modified_since=NOON), False),
        (Preconditions(modified_since=NOON - 1), False),
        (Preconditions(none_match=("2",), modified_since=NOON + 1), False),
        (Preconditions(none_match=("3",), modified_since=NOON - 1), True),
    ],
)
def test_a_read(conditions: Preconditions, not_modified: bool) -> None:
    assert conditions.not_modified(3, MODIFIED) == not_modified
