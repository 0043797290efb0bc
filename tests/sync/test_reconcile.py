"""Whether everybody was provisioned: an app beside a source and beside files of several makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from scimlite.admin import reconcile, source_runs
from scimlite.admin.reconcile import ReconcileError
from scimlite.errors import OperatorError, Uniqueness
from scimlite.sync.reading import IncompleteError
from sourced import Sourced


def compared(site: Sourced, other: str, match: str = "userName") -> dict[str, tuple[str, object]]:
    """What is found, by name: the finding, and what differs or why."""
    with (
        source_runs.ground(site.installation.db, site.installation.settings) as place,
        reconcile.reconcile(place, site.workspace, other, match=match) as found,
    ):
        return {row.name: (row.finding.value, row.differences or row.reason) for row in found.rows}


def written(folder: Path, *lines: str) -> str:
    path = folder / "users.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def test_a_list_of_the_portal(site, tmp_path):
    for name in ("ann", "bob", "gone"):
        site.create(f"{name}@example.com", displayName=name.title())
    site.create("off@example.com", active=False)
    with pytest.raises(Uniqueness):
        site.create("ANN@example.com")
    path = written(
        tmp_path,
        "userPrincipalName,displayName,surname,mail,objectId,accountEnabled",
        "ANN@example.com,Ann,,,1,True",
        "bob@example.com,Robert,,,2,True",
        "new@example.com,New,,,3,True",
        "left@example.com,Left,,,4,False",
        "off@example.com,Other,,,5,False",
        "twin@example.com,A,,,6,True",
        "Twin@example.com,B,,,7,True",
    )
    assert compared(site, path) == {
        "bob@example.com": ("differs", {"displayName": ["Bob", "Robert"]}),
        "gone@example.com": ("missing-there", None),
        "new@example.com": ("missing-here", "nothing about them ever came"),
        "twin@example.com": ("unclear", "several entries have this userName"),
    }


def test_who_was_refused_is_told_with_the_reason(site, tmp_path):
    site.create("taken@example.com", externalId="x")
    site.directory.user("k", "taken@example.com")
    site.directory.user("o", "other@example.com")
    site.sync()
    site.directory.user("bad", "two words")
    path = written(tmp_path, "userName;id", "other@example.com;1", "taken@example.com;2")
    assert compared(site, path) == {}
    path = written(tmp_path, "userName,id", "other@example.com,1")
    assert compared(site, path) == {"taken@example.com": ("missing-there", None)}


def test_a_source_is_known_by_its_links(site):
    for key in ("a", "b", "c", "d"):
        site.directory.user(key, f"{key}@example.com", title="T")
    site.sync()
    assert compared(site, "corp") == {}
    site.directory.user("a", "renamed@example.com", title="T")
    site.directory.remove("b")
    site.directory.user("new", "new@example.com")
    site.directory.fault("c", "no text")
    found = compared(site, "corp")
    assert found["a@example.com"][0] == "differs"
    assert found["b@example.com"] == ("missing-there", None)
    assert found["new@example.com"][0] == "missing-here"
    assert "no text" in [reason for _, reason in found.values()]
    assert len([act for act, _, who in site.acts() if who == "new@example.com"]) == 0


@pytest.mark.parametrize("match", ["externalId", "emails.work"])
def test_other_ways_to_match(site, tmp_path, match):
    mail = [{"type": "work", "value": "ann@example.com"}]
    site.create("ann", externalId="x1", emails=mail)
    path = written(tmp_path, "id,userName,email", "x1,other,ANN@example.com")
    found = compared(site, path, match)
    assert found.popitem()[1][1]["userName"] == ["ann", "other"]


@pytest.mark.parametrize("other", ["nobody", "/nowhere/users.csv"])
def test_what_cannot_be_compared_with(site, other):
    with pytest.raises(OperatorError, match=r"nobody|no file"):
        compared(site, other)


def test_half_a_list_says_nothing(site, tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("id,userName\n1,ann\n2,bo")
    with pytest.raises(IncompleteError):
        compared(site, str(path))
    assert issubclass(ReconcileError, OperatorError)
