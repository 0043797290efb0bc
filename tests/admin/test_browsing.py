"""Browsing users and groups: the same people in whatever parts they come, and first who begins with the text."""

import pytest

import databases
from command_line import Site
from installation import Installation
from scimlite.admin import browsing
from scimlite.admin.browsing import Choice, State, WrongPlace
from scimlite.apps import get
from scimlite.db.tables import ResourceRow
from scimlite.scim import core

NAMES = (
    "ann@example.com",
    "joanna@example.com",
    "Hannah@example.com",
    "bob@example.com",
    "cid@example.com",
    "ANNE",
    "\uff21\uff4e\uff4eika",
    "zo\u00eb@example.com",
)


@pytest.fixture(scope="module", params=databases.KINDS)
def whole(request, tmp_path_factory):
    """A database, and the choice of everybody in its two apps; some are disabled, one is deleted."""
    folder = tmp_path_factory.mktemp("browsing")
    with databases.upgraded_url(request.param, request, folder) as url:
        made = Installation.new(url, folder)
        site = Site(made.env, made)
        slugs = [site.app("first"), site.app("second")]
        for slug in slugs:
            for name in NAMES:
                emails = [{"value": f"x-{name[:2]}@mail.example"}, {"value": "ann-and-all@x.example"}]
                site.user(slug, name, emails=emails)
            site.user(slug, "dora", displayName="Dora Annen")
            site.user(slug, "off", active=False)
            site.delete(slug, site.user(slug, "gone-ann"))
        yield made.db, Choice(core.USER, [get(made.db, slug) for slug in slugs])
        made.stop()


def with_(choice, **changes):
    return Choice(**{**{name: getattr(choice, name) for name in choice.__slots__}, **changes})


def in_parts(db, choice, size):
    """All parts, one after the other; how often the time was over in one of them."""
    found, after, unfinished = [], None, 0
    for _ in range(1000):
        part = browsing.part(db, choice, after, size=size)
        found += part.found
        assert len(part.found) <= size
        unfinished += part.unfinished
        after = part.after
        if after is None:
            return [(each.app.slug[:5], each.name) for each in found], unfinished
    raise AssertionError("it does not end")


@pytest.mark.parametrize("text", [None, "ANN", "n@", "\U0010ffff"])
def test_the_parts_are_the_whole(whole, monkeypatch, text):
    db, choice = whole
    for state in (None, *State):
        chosen = with_(choice, text=text, state=state)
        wanted = expected(db, chosen)
        for size, a_slice, budget in ((1, 1, -1), (3, 2, 1000), (100, 5, -1)):
            monkeypatch.setattr(browsing, "_SLICE", a_slice)
            monkeypatch.setattr(browsing, "_BUDGET", budget)
            found, _ = in_parts(db, chosen, size)
            assert len(found) == len(set(found))
            assert set(found) == wanted
            assert [(each.app.slug[:5], each.name) for each in browsing.walk(db, chosen)] == found


def expected(db, choice):
    """The people by a look at each of them."""
    wanted = set()
    for app in choice.apps:
        ids = [row[0] for row in db.rows(ResourceRow.select(ResourceRow.id).where(ResourceRow.app_id == app.id))]
        for each in browsing.in_order(db, [app], ids):
            texts = [each.name, each.display or "", *each.values_of("emails.value")]
            text = browsing.fold(choice.text or "")
            states = (choice.state,) if choice.state else ("active", "disabled")
            if each.state in states and any(text in browsing.fold(value) for value in texts):
                wanted.add((app.slug[:5], each.name))
    return wanted


def test_who_begins_with_the_text_comes_first(whole):
    db, choice = whole
    chosen = with_(choice, text="ann", apps=choice.apps[:1])
    names = [name for _, name in in_parts(db, chosen, 100)[0]]
    assert names[:3] == ["ann@example.com", "ANNE", "\uff21\uff4e\uff4eika"]
    assert set(names[3:]) >= {"joanna@example.com", "Hannah@example.com", "dora"}


def test_deleted_people_come_the_newest_first(site):
    slug = site.app("first")
    for name in ("first", "second"):
        site.delete(slug, site.user(slug, name))
    db = site.installation.db
    chosen = Choice(core.USER, [get(db, slug)], state=State.DELETED)
    assert [name for _, name in in_parts(db, chosen, 1)[0]] == ["second", "first"]


def test_a_part_whose_time_is_over_says_so(whole, monkeypatch):
    db, choice = whole
    monkeypatch.setattr(browsing, "_SLICE", 1)
    monkeypatch.setattr(browsing, "_BUDGET", -1)
    _, unfinished = in_parts(db, with_(choice, text="nobody"), 100)
    assert unfinished > 20
    monkeypatch.setattr(browsing, "_BUDGET", 1000)
    assert in_parts(db, with_(choice, text="nobody"), 100) == ([], 0)


@pytest.mark.parametrize(
    "after", ["", "x", "0", "0-0", "0-0-0-0", "99-1-0", "-1-0-0", "0-1-0\n", "0-" + "9" * 30 + "-0"]
)
def test_a_place_that_is_none(whole, after):
    db, choice = whole
    with pytest.raises(WrongPlace):
        browsing.part(db, choice, after)


def test_a_place_of_somebody_who_is_gone_begins_the_lane_again(whole):
    db, choice = whole
    part = browsing.part(db, choice, "0-999999-0", size=2)
    assert [each.name for each in part.found] == ["ann@example.com", "ANNE"]


def test_a_count_ends_at_the_most_that_is_wanted(whole):
    db, choice = whole
    assert browsing.count(db, choice, 1000) == 2 * (len(NAMES) + 2)
    assert browsing.count(db, choice, 5) == 5
    assert browsing.count(db, with_(choice, state=State.DISABLED), 1000) == 2
    assert browsing.count(db, with_(choice, state=State.DELETED), 1000) == 2
    assert browsing.count(db, with_(choice, apps=[]), 1000) == 0
