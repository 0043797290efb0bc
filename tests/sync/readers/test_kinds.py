"""What each kind of source gives becomes users and groups of an app, by its usual mapping."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from aws_stand_in import CREDENTIALS, AwsStandIn
from google_stand_in import GoogleStandIn
from graph_stand_in import GraphStandIn
from made_source import Directory
from okta_stand_in import OktaStandIn
from scimlite.admin import apps, sources
from scimlite.journal import Scope
from scimlite.sync import secret_references
from scimlite.sync.rules import Rules
from sourced import OPERATOR, Sourced

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_numbers = itertools.count(1)


def okta():
    made = OktaStandIn()
    profile = {"firstName": "Ann", "lastName": "Ash", "mobilePhone": "1", "city": "Ulm", "department": "Sales"}
    made.user("ann", managerId="bob@example.com", **profile)
    made.user("bob", title="Chief")
    made.user("cid", "DEPROVISIONED")
    made.group("g", "Staff", "ann", "bob")
    return made, "SSWS right".removeprefix("SSWS "), {"url": made}


def graph():
    made = GraphStandIn()
    profile = {"givenName": "Ann", "surname": "Ash", "displayName": "Ann Ash", "mobilePhone": "1", "city": "Ulm"}
    profile |= {"department": "Sales", "mail": "ann@example.com", "manager": "bob"}
    made.user("ann", **profile)
    made.user("bob", jobTitle="Chief")
    made.user("cid", accountEnabled=False)
    made.group("g", "Staff", "ann", "bob")
    return made, "s&cret", {"url": made, "login-url": made, "tenant": "t1", "client-id": "me"}


def google():
    made = GoogleStandIn(token="right")
    name = {"givenName": "Ann", "familyName": "Ash", "fullName": "Ann Ash"}
    address = {"type": "work", "locality": "Ulm"}
    profile = {"phones": [{"type": "mobile", "value": "1"}], "addresses": [address]}
    profile |= {
        "organizations": [{"department": "Sales"}],
        "relations": [{"type": "manager", "value": "bob@example.com"}],
    }
    made.user("ann", name=name, **profile)
    made.user("bob", organizations=[{"title": "Chief"}])
    made.user("cid", suspended=True)
    made.group("g", "Staff", "ann", "bob")
    return made, "right", {"url": made}


def aws():
    pytest.importorskip("boto3")
    made = AwsStandIn()
    profile = {"Addresses": [{"Locality": "Ulm"}], "PhoneNumbers": [{"Type": "mobile", "Value": "1"}]}
    profile |= {"Name": {"GivenName": "Ann", "FamilyName": "Ash"}, "DisplayName": "Ann Ash"}
    made.user("ann", Emails=[{"Value": "ann@example.com", "Type": "work", "Primary": True}], **profile)
    made.user("bob", Title="Chief")
    made.user("cid", UserStatus="DISABLED")
    made.group("g", "Staff", "ann", "bob")
    return made, None, {"store": made.store, "region": "eu-central-1"}


@pytest.mark.parametrize("kind", [okta, graph, google, aws], ids=lambda kind: kind.__name__)
def test_a_directory_becomes_users_and_groups(installation, monkeypatch, kind):
    stand_in, secret, options = kind()
    slug = f"{kind.__name__}-{next(_numbers)}"
    site = Sourced(installation, slug, Directory())
    apps.create(Scope(installation.db, OPERATOR), slug, slug)
    with stand_in.listening():
        given = {name: stand_in.base if value is stand_in else value for name, value in options.items()}
        state_dir = Path(installation.settings.state_dir)
        reference = secret_references.keep(state_dir, slug, secret) if secret else None
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_IDENTITYSTORE": stand_in.base}.items():
            monkeypatch.setenv(name, value)
        rules = Rules().with_(missing_after=1)
        sources.add(site.workspace, "corp", kind.__name__, given, secret=reference, rules=rules)
        done = site.sync()
        assert (done.numbers["users"], done.numbers["groups"]) == (3, 1)
        acts = len(site.acts())
        assert site.sync(whole=True).numbers["unchanged"] == 4
    assert len(site.acts()) == acts
    here = {name.removesuffix("@example.com"): user for name, user in site.users().items()}
    assert here["ann"]["name"] == {"givenName": "Ann", "familyName": "Ash"}
    assert here["ann"]["displayName"] == "Ann Ash"
    assert here["ann"]["externalId"] == "ann"
    assert here["ann"]["emails"][0] == {"type": "work", "value": "ann@example.com", "primary": True}
    assert here["ann"]["phoneNumbers"] == [{"type": "mobile", "value": "1"}]
    assert here["ann"]["addresses"] == [{"type": "work", "locality": "Ulm"}]
    if kind is not aws:
        assert here["ann"][ENTERPRISE]["department"] == "Sales"
        assert here["ann"][ENTERPRISE]["manager"]["value"] == here["bob"]["id"]
    assert here["bob"]["title"] == "Chief"
    assert site.active() == {"ann@example.com", "bob@example.com"}
    assert site.members("Staff") == {"ann@example.com", "bob@example.com"}
