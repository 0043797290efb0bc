"""`scimlite group`: list groups, and show one with its members."""

import pytest


@pytest.fixture(scope="module")
def nested(site):
    """An app where Circle holds Company and ann, Company holds Engineering and carl, Engineering ann and bob."""
    slug = site.app("Nested")
    ann, bob, carl = (site.user(slug, name, displayName=name.title()) for name in ("ann", "bob", "carl"))
    engineering = site.group(slug, "Engineering", ann, bob, externalId="g-1")
    company = site.group(slug, "Company", engineering, carl)
    site.group(slug, "Other")
    site.group(slug, "Circle", company, ann)
    return slug


def member_names(shown):
    return [(each["name"], each["direct"]) for each in shown["members"]]


# --- list ---------------------------------------------------------------------------------------------------------


def test_list_counts_direct_members(site, nested):
    listed = site.json_lines("group", "list", "--app", nested)
    assert len(listed) == 4
    assert [(each["display_name"], each["members"]) for each in listed] == [
        ("Circle", 2),
        ("Company", 2),
        ("Engineering", 2),
        ("Other", 0),
    ]


def test_list_for_people(site, nested):
    printed = site.ok("group", "list", "--app", nested, "--search", "ENGIN")
    assert len(printed.splitlines()) == 3
    assert "Engineering" in printed
    assert "No group matches." in site.run("group", "list", "--app", nested, "--search", "zzz").stderr


def test_pages(site, nested):
    result = site.run("group", "list", "--app", nested, "--per-page", "3")
    assert "1 to 3 of 4 groups. Next: --page 2" in result.stderr
    second = site.json_lines("group", "list", "--app", nested, "--per-page", "3", "--page", "2")
    assert [each["display_name"] for each in second] == ["Other"]


def test_deleted_members_do_not_count(site):
    slug = site.app("Shrinking")
    ann, bob = site.user(slug, "ann"), site.user(slug, "bob")
    group = site.group(slug, "Team", ann, bob)
    site.delete(slug, ann)
    assert site.json_lines("group", "list", "--app", slug)[0]["members"] == 1
    shown = site.json("group", "show", group.id)
    assert (shown["users"], shown["total"]) == (1, 1)
    assert member_names(shown) == [("bob", True)]


# --- show ---------------------------------------------------------------------------------------------------------


def test_show_lists_groups_first_and_then_people_by_name(site, nested):
    shown = site.json("group", "show", "company", "--app", nested)
    assert member_names(shown) == [("Engineering", True), ("carl", True)]
    assert (shown["users"], shown["groups"], shown["users_with_nested"]) == (1, 1, 3)
    assert [(each["name"], each["membership"]) for each in shown["in_groups"]] == [("Circle", "direct")]


def test_show_with_the_members_of_its_groups(site, nested):
    shown = site.json("group", "show", "Company", "--app", nested, "--nested")
    assert shown["total"] == 4
    assert member_names(shown) == [("Engineering", True), ("ann", False), ("bob", False), ("carl", True)]
    shown = site.json("group", "show", "Circle", "--app", nested, "--nested")
    assert member_names(shown) == [
        ("Company", True),
        ("Engineering", False),
        ("ann", True),
        ("bob", False),
        ("carl", False),
    ]


def test_show_for_people(site, nested):
    printed = site.ok("group", "show", "COMPANY")
    assert "Users in all   3, those in its groups included" in printed
    assert "In groups      Circle" in printed
    assert site.json("group", "show", "g-1")["display_name"] == "Engineering"
    narrow = site.ok("group", "show", "company", "--nested", columns=80)
    assert max(map(len, narrow.splitlines())) <= 80
    assert "indirect" in narrow


def test_members_in_pages(site):
    slug = site.app("Many")
    people = [site.user(slug, f"user-{number:03}") for number in range(25)]
    site.group(slug, "Everybody", *people)
    result = site.run("group", "show", "everybody", "--per-page", "10", "--page", "3")
    assert "user-020" in result.stdout
    assert "user-019" not in result.stdout
    assert "21 to 25 of 25 members." in result.stderr
    assert "page 3 is the last" in site.run("group", "show", "everybody", "--per-page", "10", "--page", "4").stderr
    assert "No members." in site.run("group", "show", site.group(slug, "Nobody").id).stderr


def test_a_circle_ends(site):
    slug = site.app("Circle")
    ann = site.user(slug, "ann")
    inner = site.group(slug, "Inner", ann)
    outer = site.group(slug, "Outer", inner)
    site.add_member(slug, inner, outer)
    shown = site.json("group", "show", inner.id, "--nested")
    assert member_names(shown) == [("Outer", True), ("ann", True)]
    assert shown["users_with_nested"] == 1
    assert ("Outer", "direct") in [(each["name"], each["membership"]) for each in shown["in_groups"]]


def test_a_deleted_group_conducts_nothing(site):
    slug = site.app("Cut")
    inner = site.group(slug, "Inner", site.user(slug, "ann"))
    site.group(slug, "Outer", inner)
    site.delete(slug, inner)
    shown = site.json("group", "show", "Outer", "--app", slug, "--nested")
    assert (shown["total"], shown["users_with_nested"]) == (0, 0)


def test_a_deleted_group_is_found_by_its_id(site):
    slug = site.app("Group gone")
    group = site.group(slug, "Gone", site.user(slug, "ann"))
    site.delete(slug, group)
    assert site.json("group", "show", group.id)["deleted_at"] is not None
    assert "when it was deleted" in site.ok("group", "show", group.id)
    assert "There is no group 'Gone'" in site.fails("group", "show", "Gone", "--app", slug)


def test_several_groups_of_one_name(site):
    slug = site.app("Ambiguous")
    site.ok("app", "edit", slug, "--feature", "unique-group-names=off")
    groups = [site.group(slug, "Team"), site.group(slug, "TEAM")]
    said = site.fails("group", "show", "team", "--app", slug)
    assert f"2 groups go by 'team' in {slug}; name one by its id" in said
    assert all(group.id in said for group in groups)


def test_no_such_group(site):
    assert "by id, displayName or externalId" in site.fails("group", "show", "no such group")
