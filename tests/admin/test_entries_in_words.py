"""Entries and brakes in words."""

from dataclasses import replace

import pytest

from scimlite.admin.wording import actor_of, description_of, sentence_about, subject_of, wording_of_brake
from scimlite.apps import get
from scimlite.directory import brakes
from scimlite.directory.brakes import Limits
from scimlite.journal.report import Record
from scimlite.visible_text import visible

ENTRY = Record(
    id=1,
    at=0,
    app="first",
    app_name="First",
    action="updated",
    outcome="ok",
    user="ann",
    user_id="u1",
    group=None,
    group_id=None,
    changes={"title": ["Dr", "Prof"]},
    client="idp/1.0",
    token="default",
    request_id="0123456789abcdef",
    client_request_id=None,
    status=200,
    detail=None,
    actor="scim",
    address="192.0.2.7",
    uid=None,
    sudo_uid=None,
    app_id=1,
)


def entry(**changed):
    return replace(ENTRY, **changed)


@pytest.mark.parametrize(
    ("changed", "subject"),
    [
        ({}, "ann"),
        ({"user": None}, "u1"),
        ({"user": None, "user_id": None, "group": "Sales"}, "Sales"),
        ({"user": None, "user_id": None, "group_id": "g1"}, "g1"),
        ({"user": None, "user_id": None, "group": "Sales", "action": "member_added"}, ""),
        ({"user": None, "user_id": None}, ""),
    ],
)
def test_the_subject_of_an_entry(changed, subject):
    assert subject_of(entry(**changed)) == subject


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (["Dr", "Prof"], "title: Dr → Prof"),
        ([None, "Prof"], "title set to Prof"),
        (["Dr", None], "title removed, was Dr"),
        ([True, False], "title: true → false"),
        ([[], [1, 2]], "title: nothing → 1, 2"),
        (["", "x" * 100], 'title: "" → ' + "x" * 79 + "…"),
        ([None, {"value": "a", "type": "work"}], "title set to a (work)"),
        ([None, {"value": "a"}], "title set to a"),
        ([None, {"street": "b", "zip": 1}], "title set to street b, zip 1"),
    ],
)
def test_a_change(change, text):
    assert description_of(entry(changes={"urn:x:title": change})) == text
    assert sentence_about(entry(changes={"urn:x:title": change})) == f"was changed: {text}"


def test_a_refusal_has_reason_status_and_request():
    refused = entry(outcome="refused", status=400, changes={}, detail="no")
    assert description_of(refused) == "refused (400): no (request 0123456789abcdef)"
    assert sentence_about(refused) == "changing was refused (400): no"


def test_a_membership():
    joined = entry(action="member_added", group="Sales", changes={})
    assert description_of(joined) == "Sales"
    assert sentence_about(joined) == "joined the group Sales"


def test_a_client_that_calls_itself_an_operator_is_none():
    posing = entry(client="cli:ann")
    assert description_of(posing) == "title: Dr → Prof"
    assert actor_of(posing) == "a client that calls itself cli:ann / default"


def test_an_operator_is_named():
    assert description_of(entry(client="cli:ann", token=None, actor="cli")) == "title: Dr → Prof, by cli:ann"
    assert actor_of(entry(client="cli:ann", token=None, actor="cli")) == "cli:ann"
    assert actor_of(entry()) == "idp/1.0 / default"


def test_what_steers_a_terminal_is_an_escape():
    assert visible("a\x1b[2Jb\u202ec") == r"a\x1b[2Jb\u202ec"
    assert visible("e\u200dx") == "e\u200dx"
    assert description_of(entry(changes={}, detail="a\nb")) == r"a\nb"


def test_a_brake_in_every_state(site):
    app = get(site.installation.db, site.app("first"))
    users, members = brakes.every(site.installation.db, app)
    off = replace(users, limits=Limits(None, None, 1))
    on = replace(users, limits=Limits(5, 10, 1), counted=3, active_before=40)
    share = replace(users, limits=Limits(None, 10, 1), active_before=40)
    members = replace(members, limits=Limits(5, None, 1), active_before=1)
    tripped = replace(on, tripped_at=1, reason="too many")
    words = {
        "off": off,
        "trips when more than 5 users and more than 10 % of the users active before are disabled or deleted": on,
        "so far 3 of 40": on,
        "trips when more than 10 % of the users active before": share,
        "removed from groups within": members,
        "it cannot trip, because the app has only 1 active user": members,
        "HOLDS since noon: too many. Release: scimlite app release first": tripped,
        "It is off now": replace(tripped, limits=off.limits),
    }
    for text, brake in words.items():
        assert text in wording_of_brake(app, brake, "noon")
