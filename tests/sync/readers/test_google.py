"""Sources of the kind google, at a stand-in that pages and signs in as Google does."""

from __future__ import annotations

import pytest
from joserfc.jwk import RSAKey

from google_stand_in import GoogleStandIn
from scimlite.sync.readers import api
from scimlite.sync.reading import IncompleteError, SourceError
from stand_ins import everything, failed, json_reply, reading

KEY = RSAKey.generate_key(2048)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(api, "PAUSES", (0.0, 0.0))


@pytest.fixture
def google():
    stand_in = GoogleStandIn(key=KEY)
    with stand_in.listening():
        yield stand_in


@pytest.fixture
def reader(google):
    with reading("google", google.account(), url=google.base, subject="admin@example.com") as made:
        yield made


def test_everything_is_read(google, reader):
    google.user("1", name={"givenName": "Ann", "fullName": "Ann Ash"}, aliases=["a@example.com"])
    organizations = [{"title": "Old"}, {"title": "Clerk", "department": "Sales", "primary": True}]
    relations = [{"type": "assistant", "value": "x@example.com"}, {"type": "manager", "value": "A@example.com"}]
    phones = [{"type": "work", "value": "1"}, {"type": "mobile", "value": "2"}]
    crew = {"customSchemas": {"Crew": {"level": 3}}}
    google.user("2", organizations=organizations, relations=relations, phones=phones, **crew)
    google.user("3", suspended=True)
    google.user("4", archived=True)
    google.group("g", "Staff", "1", "2", {"id": "h", "type": "GROUP"}, {"email": "x@else.example", "type": "USER"})
    google.group("h", "Everybody", {"type": "CUSTOMER", "id": "C1"}, "1")
    google.group("i", "Empty")
    found = everything(reader)
    assert {key for key, each in found.items() if each.active and each.type == "User"} == {"1", "2"}
    expected = {
        "organizations.title": ["Clerk"],
        "organizations.department": ["Sales"],
        "relations.manager": ["A@example.com"],
        "phones.work": ["1"],
        "phones.mobile": ["2"],
        "customSchemas.Crew.level": ["3"],
        "primaryEmail": ["2@example.com"],
    }
    assert {name: found["2"].values[name] for name in expected} == expected
    assert [reader.resolve(each) for each in ("A@example.com", "h", "x@else.example")] == ["1", "h", None]
    assert found["g"].members == ["1", "2", "h", "x@else.example"]
    assert found["h"].members == ["1", "2", "3", "4"]
    assert found["i"].members == []
    assert reader.identity() == "C1"
    assert [step.text for step in reader.check()][1:] == ["can be read", "can be read, and their members"]


def test_some_are_read_by_key(google, reader):
    google.user("1")
    google.user("2", relations=[{"type": "manager", "value": "1@example.com"}])
    google.group("g", "Staff", "2")
    assert [record.key for record in reader.read(["2", "g", "gone"])] == ["2", "g"]
    assert [reader.resolve(each) for each in ("1@example.com", "no@example.com")] == ["1", None]
    assert reader.position() is None


def test_only_the_users_of_a_query_are_read(google):
    google.user("1", orgUnitPath="/Staff")
    google.user("2", orgUnitPath="/Other")
    google.token = "right"
    with reading("google", "right", url=google.base, query="orgUnitPath='/Staff'", groups="no") as reader:
        assert everything(reader).keys() == {"1"}


def test_a_token_that_expires_is_renewed_and_one_that_was_given_is_not(google, reader):
    for number in range(5):
        google.user(str(number))
    records = reader.everything()
    next(records)
    google.token = "another"
    assert len([*records]) == 4
    with reading("google", "right", url=google.base) as given:
        step, said = failed(given.check())
    assert (step, "does not accept the token (401, authError)" in said) == ("sign-in", True)


def test_a_limit_that_is_told_by_403_is_waited_for(google, reader):
    google.user("1")
    everything(reader)
    google.times(json_reply({"error": {"errors": [{"reason": "userRateLimitExceeded"}]}}, 403))
    assert everything(reader).keys() == {"1"}


def test_delegation_that_is_lacking_is_told(google):
    with reading("google", google.account(), url=google.base, subject="other@example.com") as reader:
        step, said = failed(reader.check())
    assert (step, said.split(": ", 1)[1]) == (
        "sign-in",
        "this client may not ask for the scopes: an administrator has to allow them.",
    )


@pytest.mark.parametrize(
    ("place", "status", "document", "step", "said"),
    [
        (
            "/users",
            403,
            {"error": {"errors": [{"reason": "forbidden"}]}},
            "rights",
            "It needs the scope admin.directory.u",
        ),
        (
            "/groups",
            403,
            {"error": {"errors": [{"reason": "forbidden"}]}},
            "rights",
            "It needs the scope admin.directory.g",
        ),
        (
            "/users",
            400,
            {"error": {"errors": [{"reason": "invalid"}]}},
            "answer",
            "does not give the users (400, invalid)",
        ),
    ],
)
def test_a_right_that_is_lacking_is_named(google, reader, place, status, document, step, said):
    google.user("1")
    google.before = lambda got: json_reply(document, status) if place in got.path else None
    found = failed(reader.check())
    assert (found[0], said in found[1]) == (step, True)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"users": [{"id": "1"}, {"id": "1"}]}, "1 came twice"),
        ({"users": [], "nextPageToken": "x"}, "in a circle"),
        ({"users": [{"primaryEmail": "x"}]}, "has no id"),
    ],
)
def test_a_list_that_cannot_be_trusted_is_no_directory(google, reader, document, said):
    google.before = lambda got: json_reply(document) if "/users" in got.path else None
    with pytest.raises(IncompleteError, match=said):
        everything(reader)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("{}", "not that of a service account"),
        ('{"type": "service_account"}', "lacks its private_key"),
        (None, "Give the key"),
    ],
)
def test_a_key_that_is_none_is_told(google, secret, said):
    with pytest.raises(SourceError, match=said), reading("google", secret, url=google.base):
        pass
