"""Sources of the kind scim at servers with quirks: everything is read, or the reading fails."""

from __future__ import annotations

import pytest

from receiver import Reply
from scim_stand_in import ScimStandIn
from scimlite.sync.readers import api
from scimlite.sync.reading import IncompleteError, SourceError
from stand_ins import everything, failed, json_reply, reading

CURSOR, SORT = {"pagination": {"cursor": True}}, {"sort": {"supported": True}}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(api, "PAUSES", (0.0, 0.0))


@pytest.fixture
def server():
    stand_in = ScimStandIn()
    with stand_in.listening():
        yield stand_in


@pytest.fixture
def reader(server):
    with reading("scim", "right", url=server.base) as made:
        yield made


@pytest.mark.parametrize("number", [0, 1, 3, 4, 9])
@pytest.mark.parametrize(
    "quirks",
    [
        {},
        {"config": None},
        {"config": CURSOR},
        {"config": {**CURSOR, **SORT}, "lacks": ("cursor", "sortBy")},
        {"total": "page"},
        {"refuses_the_end": True},
        {"most": 100},
    ],
    ids=["plain", "no config", "cursor", "less than it says", "total of the page", "refuses the end", "one page"],
)
def test_everything_is_read(server, reader, number, quirks):
    for name, value in quirks.items():
        setattr(server, name, value)
    server.people(number)
    assert len(everything(reader)) == number


@pytest.mark.parametrize(
    ("quirks", "said"),
    [
        ({"total": 2}, "9 of the users came, and 11 were announced"),
        ({"total": 2, "config": CURSOR}, "9 of the users came, and 11 were announced"),
        ({"repeats": True}, "came twice among the users"),
        ({"repeats": True, "config": CURSOR}, "came twice among the users"),
    ],
)
def test_a_list_that_cannot_be_trusted_is_no_directory(server, reader, quirks, said):
    for name, value in quirks.items():
        setattr(server, name, value)
    server.people(9)
    with pytest.raises(IncompleteError, match=said):
        everything(reader)


def test_who_is_moved_out_of_sight_by_a_leaver_is_read_by_another_pass(server, reader):
    server.people(9)
    server.leavers = ["u00"]
    assert everything(reader).keys() == {f"u{each:02}" for each in range(9)}


def test_values_that_are_written_otherwise_are_understood_or_refused(server, reader):
    spellings = {"a": "False", "b": "true", "c": None, "d": "maybe", "e": 0}
    server.users = [{"id": key, "userName": key, "active": value} for key, value in spellings.items()]
    links = {"x": [{"$ref": "https://x.example/Users/a"}], "y": [{"value": "a"}, {}], "z": "a"}
    server.groups = [{"id": key, "displayName": key, "members": value} for key, value in links.items()]
    found = everything(reader)
    assert {key: each.active for key, each in found.items() if not each.fault and key in spellings} == {
        "a": False,
        "b": True,
        "c": True,
    }
    assert list(found["x"].members) == ["a"]
    assert {key for key, each in found.items() if each.fault} == {"d", "e", "y", "z"}


def test_members_that_a_list_leaves_out_are_in_the_group(server, reader):
    server.people(3)
    server.groups = [{"id": "g", "displayName": "Staff", "members": [{"value": "u00"}, {"value": "u02"}]}]
    server.members_in_lists = False
    assert everything(reader)["g"].members == ["u00", "u02"]


def test_a_page_that_is_too_large_is_asked_for_in_parts(server, reader, monkeypatch):
    server.most = 200
    server.people(40)
    for user in server.users:
        user["title"] = "x" * 400
    reader._api._most = 10_000
    assert len(everything(reader)) == 40
    reader._api._most = 200
    with pytest.raises(IncompleteError, match="more than 200 bytes"):
        everything(reader)


def test_the_values_are_called_like_the_attributes(server, reader):
    extension = "urn:example:crew:2.0:User"
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    server.users = [
        {
            "id": "1",
            "userName": "ann",
            "active": False,
            "name": {"givenName": "Ann"},
            "emails": [
                {"value": "a@home.example", "type": "home"},
                {"value": "a@example.com", "type": "work", "primary": True},
                {"value": "b@example.com"},
            ],
            "addresses": [{"type": "work", "locality": "Ulm"}],
            enterprise: {"department": "Sales", "manager": {"value": "2", "displayName": "Bob"}},
            extension: {"level": 3, "tags": ["x", "y"], "home": {"port": "Kiel"}},
        }
    ]
    ann = everything(reader)["1"]
    assert (ann.name, ann.active) == ("ann", False)
    expected = {
        "userName": ["ann"],
        "name.givenName": ["Ann"],
        "emails": ["a@example.com", "a@home.example", "b@example.com"],
        "emails.work": ["a@example.com", "b@example.com"],
        "emails.work.primary": ["true"],
        "emails.home": ["a@home.example"],
        "addresses.work.locality": ["Ulm"],
        "department": ["Sales"],
        "manager": ["2"],
        f"{enterprise}:manager.displayName": ["Bob"],
        f"{extension}:level": ["3"],
        f"{extension}:tags": ["x", "y"],
        f"{extension}:home.port": ["Kiel"],
    }
    assert {name: ann.values[name] for name in expected} == expected


# --- what is wrong, in words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "step", "said"),
    [
        (json_reply({}, 401), "sign-in", "does not accept the token (401)"),
        (json_reply({"scimType": "sensitive"}, 403), "rights", "does not let this account read"),
        (Reply(200, {"Content-Type": "text/html"}, b"<html>Sign in"), "answer", "a web page in place of"),
        (Reply(302, {"Location": "https://sso.example/x?token=1"}), "answer", "at sso.example: give that one"),
        (Reply(200, {}, b'{"a": '), "answer", "no whole JSON (6 bytes)"),
        (Reply(200, {}, b"[]"), "answer", "something else than"),
        (json_reply({"detail": "right"}, 418), "answer", "does not give"),
    ],
)
def test_a_refusal_is_told_in_words_without_secrets(server, reader, reply, step, said):
    server.times(reply)
    found = failed(reader.check())
    assert found[0] == step
    assert said in found[1]
    assert "right" not in found[1].replace("the right", "").replace("if it is right", "")


def test_a_test_says_what_the_server_can_do(server, reader):
    server.people(4)
    server.config = {"filter": {"supported": True, "maxResults": 50}, "sort": {"supported": True}}
    said = [(step.step, step.text) for step in reader.check()]
    assert said == [
        ("connection", f"{server.base.removeprefix('http://')} answers"),
        ("abilities", "pages of 50 by index, sorted by id; changes are asked for by meta.lastModified"),
        ("users", "4 users"),
        ("groups", "0 groups"),
    ]


@pytest.mark.parametrize(
    ("url", "step"),
    [("http://127.0.0.1:9", "TCP"), ("http://10.1.2.3/scim", "address")],
)
def test_a_server_that_cannot_be_reached_is_told_at_once(url, step):
    with reading("scim", "right", url=url) as reader:
        assert failed(reader.check())[0] == step
        with pytest.raises(SourceError):
            reader.identity()


def test_trouble_in_the_middle_is_tried_again_and_ends_in_an_error(server, reader):
    server.people(6)
    reader.identity()
    server.times(json_reply({}, 503), json_reply({}, 429, Retry_After="0"))
    assert len(everything(reader)) == 6
    server.times(Reply(fault="reset"), Reply(200, {}, b"{}", fault="half"))
    assert len(everything(reader)) == 6
    server.before = lambda got: json_reply({}, 503) if "startIndex=4" in got.path else None
    with pytest.raises(IncompleteError, match=r"answered 503 for the users\. It was tried 3 times"):
        everything(reader)
    server.before = lambda got: json_reply({}, 429, Retry_After="3600") if "startIndex=4" in got.path else None
    with pytest.raises(IncompleteError, match="asks for 3,600 seconds of rest"):
        everything(reader)


def test_basic_and_client_credentials_sign_in(server):
    seen = []

    def before(got):
        seen.append(got.headers.get("authorization"))
        if got.path == "/token":
            assert got.body == b"grant_type=client_credentials&client_id=me&client_secret=s%26cret&scope=read"
            return json_reply({"access_token": "right", "expires_in": 3600})
        return None

    server.before = before
    with reading("scim", "pass", url=server.base, user="ann") as reader:
        assert failed(reader.check())[1].startswith(
            f"{server.base.removeprefix('http://')} does not accept the user or the password (401)"
        )
    assert seen == ["Basic YW5uOnBhc3M="]
    token = {"token_url": f"{server.base}/token", "client_id": "me", "scope": "read"}
    with reading("scim", "s&cret", url=server.base, **token) as reader:
        assert everything(reader) == {}
        server.token = "other"
        assert failed(reader.check())[0] == "sign-in"
        server.before = lambda got: json_reply({"error": "invalid_client"}, 401) if got.path == "/token" else None
        step, said = failed(reader.check())
        assert (step, "gives no access token (401, invalid_client): the client id" in said) == ("sign-in", True)
