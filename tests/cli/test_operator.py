"""`scimlite operator`."""

from __future__ import annotations

import itertools

import pytest

from scimlite.operators import links

_numbers = itertools.count(1)


@pytest.fixture
def name() -> str:
    return f"ann{next(_numbers)}"


def test_add_prints_a_link_that_works(site, name):
    ran = site.run("operator", "add", name, "--role", "owner")
    assert ran.exit_code == 0
    assert f"{name} (owner) signs in once" in ran.stderr
    url = ran.stdout.strip()
    assert "/console/link/" in url
    assert links.owner_of(site.installation.db, url.rsplit("/", 1)[1]).name == name


def test_list_show_and_edit(site, name):
    slug = site.app("Bound")
    site.run("operator", "add", name, "--role", "auditor", "--app", slug)
    listed = next(row for row in site.json_lines("operator", "list") if row["operator"] == name)
    assert (listed["role"], listed["apps"], listed["state"]) == ("auditor", [slug], "active")
    assert site.run("operator", "edit", name, "--role", "operator", "--all-apps").exit_code == 0
    shown = site.json("operator", "show", name)
    assert (shown["role"], shown["apps"], shown["sessions"]) == ("operator", None, [])


def test_disable_enable_and_remove(site, name):
    site.run("operator", "add", f"{name} owner", "--role", "owner")
    site.run("operator", "add", name, "--role", "operator")
    assert site.run("operator", "disable", name).exit_code == 0
    refused = site.run("operator", "link", name)
    assert refused.exit_code == 1
    assert "disabled" in refused.stderr
    assert site.run("operator", "enable", name).exit_code == 0
    assert site.run("operator", "remove", name, "--dry-run").exit_code == 0
    assert site.run("operator", "show", name).exit_code == 0
    assert site.run("operator", "remove", name, "--yes").exit_code == 0
    assert "no operator" in site.run("operator", "show", name).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "x"), "--role"),
        (("add", "x", "--role", "boss"), "'boss' is not one of"),
        (("add", "x", "--role", "owner", "--app", "nowhere"), "nowhere"),
        (("edit", "x"), "Nothing to change"),
        (("edit", "x", "--app", "a", "--all-apps"), "exclude each other"),
        (("link", "nobody-of-this-name"), "There is no operator"),
    ],
)
def test_wrong_input_is_said(site, arguments, said):
    ran = site.run("operator", *arguments)
    assert ran.exit_code in (1, 2)
    assert said in ran.stderr
    assert ran.stdout == ""
