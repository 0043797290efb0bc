"""A source of the kind scim at a real scimlite: what an app has is read into another one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import databases
from installation import Connected, Installation, running
from made_source import Directory
from scim_client import ENTERPRISE_URN, USER_URN
from scimlite import installation as house
from scimlite.admin import apps, schemas, sources
from scimlite.config import Settings
from scimlite.sync import secret_references
from scimlite.sync.rules import Rules
from sourced import Sourced
from stand_ins import everything, failed, reading

CREW = "urn:example:schemas:extension:crew:2.0:User"
_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=databases.KINDS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("served")
    with databases.upgraded_url(request.param, request, folder) as url:
        yield from running(lambda: Installation.new(url, folder, OUTBOUND_NETWORKS="127.0.0.0/8"), workers=1)


@pytest.fixture
def there(installation) -> Connected:
    return installation.app("there")


@pytest.fixture
def site(installation, there) -> Iterator[Sourced]:
    """An app that reads the other one."""
    opened = house.Installation.open(Settings.from_environment(installation.env))
    slug = f"here-{next(_numbers)}"
    made = Sourced(opened, slug, Directory())
    apps.create(installation.scope, slug, slug)
    secret = secret_references.keep(Path(installation.env["SCIMLITE_STATE_DIR"]), slug, there.text)
    options = {"url": there.client.base, "page-size": "3"}
    sources.add(made.workspace, "corp", "scim", options, secret=secret, rules=Rules().with_(missing_after=1))
    yield made
    opened.db.close()


def test_an_app_is_read_into_another_one(site, there):
    boss = there.client.user("boss", externalId="x-1").id
    body = {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "userName": "ann",
        "active": True,
        "name": {"givenName": "Ann", "familyName": "Ash"},
        "emails": [
            {"type": "work", "value": "ann@example.com", "primary": True},
            {"type": "home", "value": "a@home.org"},
        ],
        "phoneNumbers": [{"type": "mobile", "value": "+49 1"}],
        "addresses": [{"type": "work", "locality": "Ulm", "country": "DE"}],
        ENTERPRISE_URN: {"department": "Sales", "employeeNumber": "7", "manager": {"value": boss}},
    }
    ann = there.client.post("/Users", body).id
    more = [there.client.user(f"user{each}", active=each > 0).id for each in range(5)]
    inner = there.client.group("Inner", more[0]).id
    there.client.group("Staff", ann, boss, inner)
    done = site.sync()
    assert (done.numbers["users"], done.numbers["groups"]) == (7, 2)
    here = site.users()
    read = there.client.get(f"/Users/{ann}").ok().json
    for name in ("name", "emails", "phoneNumbers", "addresses", "active"):
        assert here["ann"][name] == read[name], name
    assert here["ann"]["externalId"] == ann
    assert here["boss"]["externalId"] == "x-1"
    assert here["ann"][ENTERPRISE_URN]["department"] == "Sales"
    assert here["ann"][ENTERPRISE_URN]["manager"]["value"] == here["boss"]["id"]
    assert site.active() == {"boss", "ann", "user1", "user2", "user3", "user4"}
    assert site.members("Staff") == {"ann", "boss", "Inner"}
    assert site.members("Inner") == {"user0"}
    acts = len(site.acts())
    site.sync(whole=True)
    # A row of the run, and nothing else.
    assert len(site.acts()) == acts


def test_a_delta_sees_changes_and_no_leavers(site, there):
    ids = [there.client.user(f"user{each}").id for each in range(5)]
    there.client.group("Staff", *ids)
    site.sync()
    there.client.patch(f"/Users/{ids[1]}", {"op": "replace", "path": "title", "value": "Chief"}).ok()
    there.client.delete(f"/Users/{ids[2]}").ok()
    done = site.sync()
    assert not done.whole
    assert site.users()["user1"]["title"] == "Chief"
    assert "user2" in site.active()
    site.sync(whole=True)
    assert "user2" not in site.active()


def test_a_declared_extension_is_read_by_its_urn(installation, there):
    schema = {"id": CREW, "attributes": [{"name": "level", "type": "integer"}]}
    schemas.add(installation.scope, there.slug, schema, to=["User"])
    key = there.client.user("ann", **{CREW: {"level": 3}}).id
    with reading("scim", there.text, url=there.client.base) as reader:
        assert everything(reader)[key].values[f"{CREW}:level"] == ["3"]


def test_the_reader_keeps_to_its_filter_and_its_time(there):
    ids = [there.client.user(f"user{each}", title="Clerk" if each else "Chief").id for each in range(4)]
    staff = there.client.group("Staff", *ids).id
    with reading("scim", there.text, url=there.client.base, filter='title eq "Clerk"') as reader:
        assert everything(reader).keys() == {*ids[1:], staff}
        assert [record.key for record in reader.read([*ids, staff, "none"])] == [*ids[1:], staff]
        assert reader.identity() == there.client.base
        position = reader.position()
        assert abs(time.mktime(time.strptime(position, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - time.time() + 300) < 60
        assert set(reader.changed(position)) == {*ids, staff}
        assert set(reader.changed("2999-01-01T00:00:00Z")) == set()
    with reading("scim", there.text, url=there.client.base, filter="title eq") as reader:
        assert "does not give the users (400, invalidFilter)" in failed(reader.check())[1]


def test_a_token_that_is_revoked_is_told(there):
    with reading("scim", "sl_wrong", url=there.client.base) as reader:
        step, said = failed(reader.check())
    assert (step, "does not accept the token (401)" in said) == ("sign-in", True)
    assert "sl_wrong" not in said
