"""What apps hold, counted for all apps at once."""

from scimlite.admin.contents import Contents, contents, contents_of
from scimlite.admin.overview import overview
from scimlite.apps import every, get


def test_several_apps_are_counted_in_three_queries(site):
    db = site.installation.db
    first, second, third = (site.app(name) for name in ("first", "second", "third"))
    ann, ben = site.user(first, "ann"), site.user(first, "ben", active=False)
    site.group(first, "Sales", ann, ben)
    site.user(second, "cid")
    counts = contents_of(db, every(db))
    assert counts[get(db, first).id] == Contents(2, 1, 1, 0, 2)
    assert counts[get(db, second).id] == Contents(1, 0, 0, 0, 0)
    assert counts[get(db, third).id] == Contents(0, 0, 0, 0, 0)


def test_the_deleted_do_not_count(site):
    slug = site.app("first")
    ann, ben = site.user(slug, "ann"), site.user(slug, "ben")
    sales, _ = site.group(slug, "Sales", ann, ben), site.group(slug, "Support", ben)
    site.delete(slug, ben)
    app = get(site.installation.db, slug)
    assert contents(site.installation.db, app) == Contents(1, 0, 2, 0, 1)
    site.delete(slug, sales)
    assert contents(site.installation.db, app) == Contents(1, 0, 1, 0, 0)


def test_no_app_no_contents(site):
    assert contents_of(site.installation.db, []) == {}
    assert overview(site.installation.db) == []


def test_an_overview_has_the_contact_of_each_app(site):
    first, second = site.app("first"), site.app("second")
    site.user(first, "ann")
    found = {each.app.slug: each.health.contact for each in overview(site.installation.db)}
    assert found[first].first == found[first].last is not None
    assert found[second].first is found[second].last is None
