"""References in filters of PATCH paths: what no link can have must not stand for all links."""

from __future__ import annotations

import pytest

from scimlite.errors import InvalidFilter
from scimlite.scim import references
from scimlite.scim.core import GROUP
from scimlite.scim.patch_path import parse_patch_path

BASE = "https://id.example.com/scim/v2/app"
USER = f"{BASE}/Users/1b2c-3D"


def check(condition: str) -> None:
    term = parse_patch_path(f"members[{condition}]").filter
    assert term is not None
    assert GROUP.links is not None
    references.check(term, GROUP.links, BASE)


@pytest.mark.parametrize(
    "condition",
    [
        *(f'$ref {op} "{USER}"' for op in ("eq", "ne", "sw", "co", "ew")),
        *(f'not ($ref {op} "{USER}")' for op in ("eq", "ne", "sw", "co", "ew")),
        # These match nobody, and remove nobody.
        *(f'$ref {op} "http://elsewhere.example/1"' for op in ("eq", "sw", "co", "ew")),
        'not ($ref sw "https://id.")',
        f'not ($ref sw "{BASE}/Groups/x")',
        *(f'not ($ref co "{text}")' for text in ("", "app/Users/", "sers/1b", "1b2c", "id.example.com")),
        *(f'not ($ref ew "{text}")' for text in ("-3D", "/1b2c-3D", "app/Groups/1")),
        'not (value eq "http://elsewhere.example/1")',
        "not ($ref pr)",
        "not ($ref eq null)",
    ],
)
def test_a_filter_that_can_be_meant_passes(condition: str) -> None:
    check(condition)


@pytest.mark.parametrize(
    "condition",
    [
        *(f'$ref ne "{text}"' for text in ("http://elsewhere.example/1", "Users/1", "", f"{BASE}/Roles/1", BASE)),
        *(f'not ($ref {op} "http://elsewhere.example/1")' for op in ("eq", "ne", "sw", "co", "ew")),
        f'not ($ref sw "{BASE}/Roles")',
        'not ($ref co "Users/a/b")',
        'not ($ref ew "Users/")',
        'not ($ref ew "")',
        f'type eq "User" and (not (not ($REF eq "{BASE}")) or value pr)',
    ],
)
def test_a_filter_for_what_no_link_can_have_is_refused(condition: str) -> None:
    with pytest.raises(InvalidFilter, match=r"members\.\$ref: no URL in this app matches .* begin with https://id"):
        check(condition)


def test_a_long_text_is_checked_in_a_moment() -> None:
    with pytest.raises(InvalidFilter):
        check(f'not ($ref co "{"/a" * 4_000}")')
