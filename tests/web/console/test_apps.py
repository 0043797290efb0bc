"""The list of apps and the form for a new one."""

from __future__ import annotations

import itertools
import re
import time

import pytest

from browser import axe, picture, sizes
from console_client import signed_in
from scimlite import clock
from scimlite.admin import apps, health, tokens
from scimlite.admin.apps_at_a_glance import glance
from scimlite.admin.health import State
from scimlite.clock import DAY
from scimlite.db.tables import BrakeRow, JournalRow, TokenRow
from scimlite.journal import activity, tallies
from scimlite.operators.roles import Role

_numbers = itertools.count(1)


@pytest.fixture
def owner(installation):
    return signed_in(installation, f"ann{next(_numbers)}")


def row_of(page, slug: str) -> str:
    """The words of an app's row in the list."""
    row = next(each for each in re.findall(r"<tr>.*?</tr>", page.source, re.DOTALL) if f"/apps/{slug}" in each)
    return " ".join(re.sub(r"<[^>]*>", " ", row).split())


def state(installation, app) -> State:
    return health.health(installation.db, installation.app_row(app)).state


def age(installation, app, by: int) -> None:
    """Let everything that an app's client did be so much longer ago."""
    db, id = installation.db, installation.app_row(app).id
    db.transact(lambda: db.execute(JournalRow.update(at=JournalRow.at - by).where(JournalRow.app_id == id)))
    used = TokenRow.update(last_used_at=TokenRow.last_used_at - by).where(TokenRow.app_id == id)
    db.transact(lambda: db.execute(used))


def test_the_list_says_what_each_app_does(installation, owner):
    app = installation.app("Entra <b>ID</b>")
    assert "never connected" in row_of(owner.get("/console/"), app.slug)
    app.client.post("/Users", {"userName": "ann"}).ok(201)
    app.client.post("/Users", {"userName": "bob", "active": False}).ok(201)
    app.client.post("/Groups", {"displayName": "staff"}).ok(201)
    app.client.post("/Users", {"userName": "ann"}).ok(409)
    row = row_of(owner.get("/console/").ok(), app.slug)
    assert "Entra &lt;b&gt;ID&lt;/b&gt;" in row
    assert re.search(r" ok 2 1 \S+ \S+ UTC 1 never$", row), row


def test_the_end_of_the_token_is_shown(installation, owner):
    app = installation.app()
    ends = clock.now() + 30 * DAY
    installation.db.transact(lambda: installation.db.execute(TokenRow.update(expires_at=ends)))
    assert re.search(r"\d UTC$", row_of(owner.get("/console/"), app.slug))
    tokens.revoke(installation.workspace(installation.app_row(app)), app.token)
    assert row_of(owner.get("/console/"), app.slug).endswith("no token")


def test_many_apps_are_paged_and_searched(installation, owner):
    slugs = [installation.app("paged").slug for _ in range(27)]
    first = owner.get("/console/?search=paged").ok()
    assert "1–25 of 27" in first.words
    second = owner.get("/console/?search=paged&page=2").ok()
    shown = set(re.findall(r"/console/apps/(paged-\d+)", first.source + second.source))
    assert shown == set(slugs)
    assert "26–27 of 27" in owner.get("/console/?search=PAGED&page=99").words
    assert "1–25 of 27" in owner.get("/console/?search=paged&page=x").words
    assert "No app has this name" in owner.get("/console/?search=nothing-of-the-kind").words


def test_an_operator_sees_the_own_apps_alone(installation):
    app, other = installation.app("mine"), installation.app("theirs")
    bound = signed_in(installation, f"bob{next(_numbers)}", Role.OPERATOR, app.slug)
    page = bound.get("/console/").ok()
    assert app.slug in page.source
    assert other.slug not in page.source
    assert "Add an app" not in page.words
    bound.get("/console/apps/new").ok(403)
    bound.post("/console/apps/new", {"name": "another", "idp": "okta"}).ok(403)
    assert apps.find(installation.db, "another") is None


# --- states -------------------------------------------------------------------------------------------------------


def test_states_of_an_app(installation):
    app = installation.app()
    assert state(installation, app) is State.NEVER
    app.client.get("/Users").ok()
    assert state(installation, app) is State.OK
    app.client.post("/Users", {"userName": "ann"}).ok(201)
    assert state(installation, app) is State.OK
    age(installation, app, 4 * DAY)
    assert state(installation, app) is State.SILENT
    app.client.post("/Users", {"userName": "ann"}).ok(409)
    app.client.post("/Users", {"userName": "ann"}).ok(409)
    assert state(installation, app) is State.FAILING
    apps.set_enabled(installation.scope, app.slug, enabled=False)
    assert state(installation, app) is State.DISABLED


def test_a_client_with_a_revoked_token_is_locked_out(installation):
    app = installation.app()
    app.client.post("/Users", {"userName": "ann"}).ok(201)
    tokens.revoke(installation.workspace(installation.app_row(app)), app.token)
    app.client.get("/Users").ok(401)
    assert state(installation, app) is State.LOCKED_OUT
    assert health.health(installation.db, installation.app_row(app)).word == "failing"


def test_a_client_that_came_with_a_wrong_token_alone_is_locked_out(installation):
    app = installation.app()
    tallies.count(installation.db, installation.app_row(app).id, tallies.Kind.REFUSED_TOKEN, "malformed")
    tallies.write_all()
    assert state(installation, app) is State.LOCKED_OUT


def test_a_brake_that_is_on_counts_and_one_that_was_switched_off_does_not(installation):
    app = installation.app()
    row = {"app_id": installation.app_row(app).id, "kind": "users", "tripped_at": clock.now()}
    installation.db.transact(lambda: installation.db.execute(BrakeRow.insert(**row)))
    assert state(installation, app) is State.BRAKED
    features = {"brake-users": "off", "brake-percent": "off"}
    apps.edit(installation.scope, app.slug, features=features)
    assert state(installation, app) is State.NEVER


def test_more_refusals_than_are_counted_are_said_to_be_more(installation, monkeypatch):
    monkeypatch.setattr("scimlite.journal.activity.MOST_REFUSALS", 2)
    app = installation.app()
    for _ in range(3):
        app.client.get("/Users?filter=x").ok(400)
    (seen,) = glance(installation.db, [installation.app_row(app)])
    assert (seen.refusals, seen.more_refusals) == (2, True)


def test_activity_is_counted_by_day_for_as_long_as_there_is_time(installation, monkeypatch):
    app = installation.app()
    row = installation.app_row(app)
    for name in ("ann", "bob", "eve"):
        app.client.user(name).ok(201)
    monkeypatch.setattr(activity, "_BUDGET", -1.0)
    assert activity.entries_by_day(installation.db, [row.id], 3) == {row.id: [None] * 3}
    monkeypatch.setattr(activity, "_BUDGET", 1.0)
    monkeypatch.setattr(activity, "MOST_A_DAY", 4)
    # The app, its token, and three users.
    assert activity.entries_by_day(installation.db, [row.id], 2) == {row.id: [0, 4]}
    # What was counted is kept, and better than nothing once it is old.
    monkeypatch.setattr(activity, "MOST_A_DAY", 100)
    assert activity.entries_by_day(installation.db, [row.id], 2) == {row.id: [0, 4]}
    monkeypatch.setattr(time, "monotonic", lambda clock=time.monotonic: clock() + 20)
    monkeypatch.setattr(activity, "_BUDGET", -1.0)
    assert activity.entries_by_day(installation.db, [row.id], 3) == {row.id: [None, 0, 4]}
    monkeypatch.setattr(activity, "_BUDGET", 1.0)
    assert activity.entries_by_day(installation.db, [row.id], 2) == {row.id: [0, 5]}


# --- a new app ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("idp", "profile"), [("entra", "entra"), ("okta", "okta"), ("other", "default")])
def test_a_new_app_gets_profile_and_token_and_is_connected_next(installation, owner, idp, profile):
    name = f"New {idp} {installation.kind}"
    owner.get("/console/apps/new").ok()
    answer = owner.post("/console/apps/new", {"name": name, "slug": "", "idp": idp}).ok(303)
    made = apps.get(installation.db, name)
    assert made.profile == profile
    assert answer.location == f"/console/apps/{made.slug}/connect?idp={idp}"
    assert tokens.of_provider(installation.db, made) is not None
    page = owner.follow(answer).ok()
    assert f"{name} is added." in page.words
    assert f"{installation.url}/scim/v2/{made.slug}" in page.source


@pytest.mark.parametrize(
    ("fields", "said", "where"),
    [
        ({"name": " ", "slug": ""}, "1 to 200 printable characters", "name"),
        ({"name": "x" * 201}, "1 to 200 printable characters", "name"),
        ({"name": "東京", "slug": ""}, "No slug can be made", "slug"),
        ({"name": "New", "slug": "Not A Slug"}, "cannot be a slug", "slug"),
    ],
)
def test_a_wrong_app_is_said_at_its_field(owner, fields, said, where):
    owner.get("/console/apps/new")
    page = owner.post("/console/apps/new", {**fields, "idp": "okta"}).ok(400)
    assert said in page.words
    assert re.search(rf'id="field-{where}"[^>]*aria-invalid="true"', page.source)
    assert 'value="okta" selected' in page.source
    assert fields["name"].strip() in page.source


def test_a_slug_that_is_taken_is_refused(installation, owner):
    app = installation.app()
    owner.get("/console/apps/new")
    page = owner.post("/console/apps/new", {"name": "Another", "slug": app.slug}).ok(400)
    assert app.slug in page.words


def test_an_auditor_adds_nothing(installation):
    auditor = signed_in(installation, f"eve{next(_numbers)}", Role.AUDITOR)
    assert "Add an app" not in auditor.get("/console/").words
    auditor.get("/console/apps/new").ok(403)


# --- in a browser -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_in_a_browser(installation, open_page, owner, scheme):
    app = installation.app("Entra ID")
    app.client.post("/Users", {"userName": "ann"}).ok(201)
    page = open_page(color_scheme=scheme)
    page.context.add_cookies(
        [{"name": name, "value": value, "url": installation.url} for name, value in owner.cookies.items()]
    )
    for path in ("", "apps/new"):
        page.goto(f"{installation.url}/console/{path}")
        axe(page)
        sizes(page)
        picture(page, f"apps-{path.replace('/', '-')}-{scheme}")
