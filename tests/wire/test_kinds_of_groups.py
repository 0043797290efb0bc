"""Filters by `groups.type`: whether a user is in a group directly, or through other groups only."""

from __future__ import annotations

import pytest

from installation import Connected
from scim_client import assert_scim_error


@pytest.fixture
def staffed(app: Connected) -> Connected:
    """ann is in Inner, which is in Outer; bob in both; cat in Outer; dan in none, and in a group that was deleted."""
    ann, bob, cat, dan = (app.client.user(name).ok(201).id for name in ("ann", "bob", "cat", "dan"))
    inner = app.client.group("Inner", ann, bob).ok(201).id
    outer = app.client.group("Outer", inner, bob, cat).ok(201).id
    # A circle ends.
    app.client.patch(f"/Groups/{inner}", {"op": "add", "path": "members", "value": [{"value": outer}]}).ok(200)
    gone = app.client.group("Gone", dan).ok(201).id
    app.client.delete(f"/Groups/{gone}").ok(204)
    return app


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('groups.type eq "direct"', "ann bob cat"),
        ('groups.type eq "indirect"', "ann cat"),
        ('groups.type eq "DIRECT"', "ann bob cat"),
        ('groups.type eq "other"', ""),
        ('groups.type ne "direct"', "ann cat dan"),
        ('groups.type ne "indirect"', "ann bob cat dan"),
        ('not (groups.type eq "indirect")', "bob dan"),
        ("groups.type pr", "ann bob cat"),
        ('groups.type co "direct"', "ann bob cat"),
        ('groups.type sw "in"', "ann cat"),
        ('groups[type eq "direct"]', "ann bob cat"),
        ('groups[type eq "direct" and display eq "Outer"]', "bob cat"),
        ('groups[type eq "indirect" and display eq "Outer"]', "ann"),
        ('groups[type eq "indirect" and display eq "Inner"]', "cat"),
        ('groups[type eq "indirect" and display eq "Gone"]', ""),
        ('groups[not (type eq "direct") and display sw "O"]', "ann"),
        ('groups[type eq "indirect" or display eq "Inner"]', "ann bob cat"),
        ('groups[type ne "direct" and (display eq "Outer" or display eq "Inner")]', "ann cat"),
        ('groups.type eq "indirect" and userName eq "ann"', "ann"),
        ('groups.type eq "indirect" or userName eq "dan"', "ann cat dan"),
    ],
)
def test_users_by_the_kind_of_their_groups(staffed: Connected, text: str, names: str) -> None:
    found = staffed.client.find("Users", filter=text, sortBy="userName")
    assert " ".join(each["userName"] for each in found["Resources"]) == names
    assert found["totalResults"] == len(names.split())
    across = staffed.client.post("/.search", {"filter": f"({text}) and userName pr"}).ok(200)
    assert across.json["totalResults"] == len(names.split())


def test_what_users_are_shown_with_is_what_they_are_found_by(staffed: Connected) -> None:
    for user in staffed.client.find("Users")["Resources"]:
        shown = {group["type"] for group in user.get("groups", [])}
        for kind in ("direct", "indirect"):
            text = f'groups.type eq "{kind}" and id eq "{user["id"]}"'
            assert staffed.client.find("Users", filter=text)["totalResults"] == (kind in shown)


def test_groups_have_no_groups(staffed: Connected) -> None:
    refused = staffed.client.get("/Groups?filter=groups.type%20eq%20%22direct%22")
    assert_scim_error(refused, 400, "invalidFilter")
