"""Attribute paths and PATCH paths, row by row from cases/paths.json."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scimlite.errors import InvalidPath
from scimlite.scim.filter import unparse
from scimlite.scim.patch_path import PatchPath, parse_patch_path
from scimlite.scim.path import AttrPath, parse_attr_path, quote

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
KNOWN = [CORE, ENTERPRISE]

CASES = json.loads(Path(__file__).with_name("cases").joinpath("paths.json").read_text("utf-8"))


def rows(kind: str, outcome: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in CASES if kind in case and outcome in case]


def text_of(case: dict[str, Any], kind: str) -> str:
    """The path of a row, which may be a list of pieces with how often each is repeated."""
    pieces = case[kind]
    return pieces if isinstance(pieces, str) else "".join(piece * times for piece, times in pieces)


@pytest.mark.parametrize("case", rows("attribute", "path"))
def test_reads_an_attribute(case: dict[str, Any]) -> None:
    urns = case.get("urns", KNOWN)
    path = parse_attr_path(case["attribute"], urns)
    assert path == AttrPath(**case["path"])
    assert parse_attr_path(str(path), urns) == path
    assert parse_patch_path(case["attribute"], urns) == PatchPath(path, None, path.sub)


@pytest.mark.parametrize("case", rows("attribute", "error"))
def test_refuses_an_attribute(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidPath) as refused:
        parse_attr_path(case["attribute"], case.get("urns", KNOWN))
    assert case["error"] in refused.value.detail
    refused.value.detail.encode()


@pytest.mark.parametrize("case", rows("patch", "path"))
def test_reads_a_patch_path(case: dict[str, Any]) -> None:
    path = parse_patch_path(case["patch"], case.get("urns", KNOWN))
    read = {"attr": str(path.attr), "filter": path.filter and unparse(path.filter), "sub": path.sub}
    assert read == {"filter": None, "sub": None} | case["path"]


@pytest.mark.parametrize("case", rows("patch", "error"))
def test_refuses_a_patch_path(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidPath) as refused:
        parse_patch_path(text_of(case, "patch"), case.get("urns", KNOWN))
    assert case["error"] in refused.value.detail
    assert (refused.value.status, refused.value.scim_type) == (400, "invalidPath")
    refused.value.detail.encode()


def test_quote_shows_forty_characters_and_nothing_unprintable() -> None:
    assert quote("x" * 40) == f"“{'x' * 40}”"
    assert quote("x" * 41) == f"“{'x' * 40}…”"
    assert quote("abc\0\ud800\n", 2) == r"“c\u0000\ud800\u000a”"


WORDS = st.sampled_from([CORE, ENTERPRISE.upper(), "emails", "$ref", "type eq", '"work"', *'.:[]()" \\\0\ud800é'])


@given(st.text() | st.text(string.printable) | st.lists(WORDS).map("".join))
@settings(deadline=None, max_examples=500)
def test_no_text_raises_anything_but_invalid_path(text: str) -> None:
    for parse in (parse_attr_path, parse_patch_path):
        try:
            parse(text, KNOWN)
        except InvalidPath as refused:
            refused.detail.encode()
