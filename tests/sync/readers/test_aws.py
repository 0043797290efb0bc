"""Sources of the kind aws: boto3 asks a stand-in that pages and refuses as the Identity Store does."""

from __future__ import annotations

import sys

import pytest

from aws_stand_in import CREDENTIALS, AwsStandIn
from scimlite.sync.reading import IncompleteError, SourceError
from stand_ins import everything, failed, reading

pytest.importorskip("boto3")
STORE = {"store": "d-1234567890", "region": "eu-central-1"}


@pytest.fixture(scope="module")
def server():
    stand_in = AwsStandIn()
    with stand_in.listening(), pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_ENDPOINT_URL_IDENTITYSTORE": stand_in.base, **CREDENTIALS}.items():
            patch.setenv(name, value)
        yield stand_in


@pytest.fixture(scope="module")
def reader(server):
    # One for all tests: boto3 reads its models for each.
    with reading("aws", None, **STORE) as made:
        yield made


@pytest.fixture
def aws(server):
    server.users, server.groups, server.members = {}, {}, {}
    server.throttled, server.refused, server.circles = 0, {}, False
    return server


def test_everything_is_read(aws, reader):
    emails = [{"Value": "b@example.com", "Type": "home"}, {"Value": "a@example.com", "Type": "work", "Primary": True}]
    address = {"Type": "work", "Locality": "Ulm", "Primary": True}
    aws.user("1", Name={"GivenName": "Ann", "FamilyName": "Ash"}, Emails=emails, Addresses=[address])
    aws.user("2", UserStatus="DISABLED")
    aws.user("3", UserStatus="ENABLED", PhoneNumbers=[{"Value": "1", "Type": "mobile"}])
    aws.group("g", "Staff", "1", "2", "3")
    aws.group("h", "Empty")
    found = everything(reader)
    assert {key for key, each in found.items() if each.active} == {"1", "3", "g", "h"}
    assert found["1"].values["Emails"] == ["a@example.com", "b@example.com"]
    assert found["1"].values["Name.GivenName"] == ["Ann"]
    assert found["1"].values["Addresses.Locality"] == ["Ulm"]
    assert found["3"].values["PhoneNumbers.mobile"] == ["1"]
    assert found["g"].members == ["1", "2", "3"]
    assert found["h"].members == []
    assert (reader.identity(), reader.position()) == ("d-1234567890", None)
    assert [record.key for record in reader.read(["1", "g", "gone"])] == ["1", "g"]
    assert [step.ok for step in reader.check()] == [True] * 3


def test_throttling_is_waited_for_and_does_not_lose_anybody(aws, reader):
    for number in range(5):
        aws.user(str(number))
    records = reader.everything()
    next(records)
    aws.throttled = 1
    assert len([*records]) == 4


@pytest.mark.parametrize(
    ("call", "code", "step", "said"),
    [
        ("ListUsers", "AccessDeniedException", "rights", "It needs the action identitystore:ListUsers"),
        ("ListGroups", "AccessDeniedException", "rights", "It needs the action identitystore:ListGroups"),
        ("ListGroupMemberships", "AccessDeniedException", "rights", "the action identitystore:ListGroupMemberships"),
        ("ListUsers", "ExpiredTokenException", "sign-in", "does not accept the credentials (ExpiredTokenException)"),
        ("ListUsers", "ResourceNotFoundException", "store", "look at --store and --region"),
        ("ListUsers", "ValidationException", "answer", "does not give the users (ValidationException)"),
    ],
)
def test_a_refusal_is_told_in_words(aws, reader, call, code, step, said):
    aws.user("1")
    aws.group("g", "Staff", "1")
    aws.refused = {call: code}
    found = failed(reader.check())
    assert (found[0], said in found[1]) == (step, True), found
    assert "not told" not in found[1]
    with pytest.raises(SourceError):
        everything(reader)


def test_a_list_that_leads_in_a_circle_is_no_directory(aws, reader):
    for number in range(5):
        aws.user(str(number))
    aws.circles = True
    with pytest.raises(IncompleteError):
        everything(reader)


def test_what_is_missing_is_told(aws, monkeypatch):
    with (
        pytest.raises(SourceError, match="boto3 cannot begin: The config profile"),
        reading("aws", profile="hr", **STORE),
    ):
        pass
    with (
        pytest.raises(SourceError, match="not a region' doesn't match"),
        reading("aws", store="d-1", region="not a region"),
    ):
        pass
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with reading("aws", None, **STORE) as reader:
        assert failed(reader.check()) == (
            "sign-in",
            "This process has no AWS credentials: give it a role, variables of the environment, or --profile.",
        )
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(SourceError, match=r"pip install 'scimlite\[aws\]'"), reading("aws", None, **STORE):
        pass
