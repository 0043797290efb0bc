"""Security event tokens that an application polls: verified as a receiver does, given until they are acknowledged."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from jsonschema import Draft202012Validator

import feeds
from installation import Connected, Installation
from scimlite.admin import tokens
from scimlite.apps.keyring import TokenKind
from scimlite.db.feed_tables import FeedRow, ReadingRow, SetStreamRow
from scimlite.events import epoch
from scimlite.web.api.openapi import document

SCIM = "urn:ietf:params:scim:event:"
OFF = {"op": "replace", "path": "active", "value": False}


@dataclass
class Receiver:
    """The application: it polls with a reader's token of an app."""

    installation: Installation
    app: Connected
    token: str

    @property
    def url(self) -> str:
        return f"{self.installation.url}/api/v1/{self.app.slug}"

    def ask(self, body: Any, query: str = "", method: str = "POST") -> tuple[int, Any, Any]:
        feeds.settle(self.installation.db)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/sets{query}", data=data, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error), error.headers

    def poll(self, _query: str = "", **body: Any) -> tuple[list[dict[str, Any]], bool]:
        """The claims of the tokens that come, verified with the published keys; and whether there are more."""
        status, answer, _ = self.ask(body, _query)
        assert status == 200, answer
        check("SetPoll", body)
        check("SetPage", answer)
        with urllib.request.urlopen(f"{self.installation.url}/.well-known/jwks.json", timeout=30) as published:
            keys = KeySet.import_key_set(json.load(published))
        found = []
        for id, text in answer["sets"].items():
            token = jwt.decode(text, keys)
            assert token.header["typ"] == "secevent+jwt"
            assert token.claims["jti"] == id
            assert "sub" not in token.claims
            found.append(token.claims)
        return found, answer["moreAvailable"]

    def refused(self, status: int, body: Any, query: str = "", method: str = "POST") -> Any:
        given, answer, headers = self.ask(body, query, method)
        assert given == status, answer
        check("SetError", answer)
        assert headers["Content-Language"] == "en"
        return answer


def check(schema: str, value: Any) -> None:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    Draft202012Validator(whole).validate(value)


def issued(installation: Installation, app: Connected, label: str = "reader") -> str:
    workspace = installation.workspace(installation.app_row(app))
    return tokens.issue(workspace, installation.keyring, label=label, kind=TokenKind.READER)[1]


@pytest.fixture
def receiver(installation: Installation, app: Connected) -> Receiver:
    found = Receiver(installation, app, issued(installation, app))
    assert found.poll() == ([], False)
    return found


def told(claims: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(uri.removeprefix(SCIM), payload) for each in claims for uri, payload in each["events"].items()]


def ids(claims: list[dict[str, Any]]) -> list[str]:
    return [each["jti"] for each in claims]


def test_the_life_of_a_user_and_a_group(receiver: Receiver) -> None:
    client, app = receiver.app.client, receiver.app
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    ann = client.user("ann", externalId="x1", active=True, **{enterprise: {"department": "secret"}}).ok(201).id
    client.patch(f"/Users/{ann}", {"op": "replace", "path": "title", "value": "secret"}).ok(200)
    client.patch(f"/Users/{ann}", OFF).ok(200)
    client.patch(f"/Users/{ann}", {**OFF, "value": True}).ok(200)
    group = client.group("staff", ann).ok(201).id
    client.patch(f"/Groups/{group}", {"op": "replace", "path": "displayName", "value": "secret"}).ok(200)
    client.delete(f"/Groups/{group}").ok(204)
    client.delete(f"/Users/{ann}").ok(204)
    claims, more = receiver.poll()
    created, *others = told(claims)
    assert created[0] == "prov:create:notice"
    names = {"id", "userName", "externalId", "active", f"{enterprise}:department", "title"}
    assert set(created[1]["attributes"]) == names
    assert others == [
        ("prov:patch:notice", {"attributes": ["title"]}),
        ("prov:deactivate", {}),
        ("prov:activate", {}),
        ("prov:create:notice", {"attributes": ["id", "displayName"]}),
        ("prov:patch:notice", {"attributes": ["members"]}),
        ("prov:patch:notice", {"attributes": ["displayName"]}),
        ("prov:delete", {}),
        ("prov:patch:notice", {"attributes": ["members"]}),
        ("prov:delete", {}),
    ]
    assert not more
    assert "secret" not in json.dumps(claims)
    first, *_, last = claims
    assert first["iss"] == client.base
    assert first["aud"] == f"{receiver.url}/sets"
    assert first["sub_id"] == last["sub_id"] == {"format": "scim", "uri": f"/Users/{ann}", "externalId": "x1"}
    assert claims[5]["sub_id"] == {"format": "scim", "uri": f"/Groups/{group}"}
    assert first["txn"] == receiver.installation.journal(app)[0].request_id
    # What one request does is one transaction.
    assert len({each["txn"] for each in claims[4:6]}) == 1


def test_a_token_comes_until_it_is_acknowledged(installation: Installation, receiver: Receiver) -> None:
    for name in "abcde":
        receiver.app.client.user(name).ok(201)
    first, more = receiver.poll(maxEvents=2)
    assert (len(first), more) == (2, True)
    again, _ = receiver.poll(maxEvents=2)
    assert again == first
    whole, more = receiver.poll(maxEvents=5, returnImmediately=False)
    assert (whole[:2], more) == (first, False)
    # In any order; what was acknowledged in between does not come again.
    left, more = receiver.poll(maxEvents=2, ack=ids(whole[1:3]))
    assert (ids(left), more) == ([whole[0]["jti"], whole[3]["jti"]], True)
    app_id = installation.app_row(receiver.app).id
    streams = installation.db.rows(SetStreamRow.select(SetStreamRow.acknowledged).where(SetStreamRow.app_id == app_id))
    assert len(json.loads(streams[0][0])) == 2
    errors = {whole[0]["jti"]: {"err": "invalid_key", "description": "ann@example.com"}}
    left, more = receiver.poll(maxEvents=0, setErrs=errors)
    assert (left, more) == ([], True)
    assert f"refuses the token {whole[0]['jti']}: invalid_key" in installation.log()
    assert "ann@example.com" not in installation.log()
    left, _ = receiver.poll(ack=["", "evt_1_1", "evt_0_99", "evt_99999999999_1", "é", whole[3]["jti"]])
    assert ids(left) == [whole[4]["jti"]]
    assert receiver.poll(ack=ids(left)) == ([], False)
    assert len(installation.db.rows(ReadingRow.select().where(ReadingRow.app_id == app_id))) == 3


def test_each_token_has_its_own_stream(installation: Installation, receiver: Receiver) -> None:
    receiver.app.client.user("ann").ok(201)
    other = Receiver(installation, receiver.app, issued(installation, receiver.app, "another"))
    assert other.poll() == ([], False)
    assert len(receiver.poll()[0]) == 1
    # A stream can begin with what is kept, or where a walk through the profiles began.
    assert len(other.poll("?after=start")[0]) == 1
    receiver.app.client.user("bob").ok(201)
    assert len(other.poll()[0]) == 2


def test_a_stream_whose_events_are_not_kept_any_more(installation: Installation, receiver: Receiver) -> None:
    app_id = installation.app_row(receiver.app).id
    number = epoch.current(installation.db).epoch
    installation.db.execute(SetStreamRow.update(epoch=number + 1).where(SetStreamRow.app_id == app_id))
    assert receiver.refused(410, {})["err"] == "cursor_expired"
    assert receiver.poll("?after=start") == ([], False)
    assert receiver.poll() == ([], False)
    assert installation.db.scalar(FeedRow.select(FeedRow.epoch)) == number


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "JSON"),
        (b"[]", "object"),
        ({"maxEvents": -1}, "maxEvents"),
        ({"maxEvents": "10"}, "maxEvents"),
        ({"maxEvents": True}, "maxEvents"),
        ({"returnImmediately": "no"}, "returnImmediately"),
        ({"ack": "evt_1_1"}, "ack"),
        ({"ack": [1]}, "ack"),
        ({"ack": ["a"] * 10_001}, "10000"),
        ({"setErrs": ["evt_1_1"]}, "setErrs"),
        ({"setErrs": {"evt_1_1": {}}}, "setErrs"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_asked_wrongly(receiver: Receiver, body: Any, named: str) -> None:
    answer = receiver.refused(400, body)
    assert answer["err"] == "invalid_request"
    assert named in answer["description"]


def test_errors_have_the_form_of_the_rfc(receiver: Receiver) -> None:
    assert receiver.refused(400, {}, "?after=abc")["err"] == "invalid_request"
    assert receiver.refused(400, {}, "?since=abc")["err"] == "invalid_request"
    assert receiver.refused(405, {}, method="PUT")["err"] == "method_not_allowed"
    receiver.token = receiver.app.text
    assert receiver.refused(403, {})["err"] == "access_denied"
    receiver.token = "abc"
    assert receiver.refused(401, {})["err"] == "authentication_failed"


def test_events_are_announced_where_the_operator_says_so(installation: Installation, app: Connected) -> None:
    assert "securityEvents" not in app.client.get("/ServiceProviderConfig").ok(200).json
    announced = installation.app(security_events="on").client.get("/ServiceProviderConfig").ok(200).json
    assert announced["securityEvents"]["asyncRequest"] == "none"
    assert f"{SCIM}prov:deactivate" in announced["securityEvents"]["eventUris"]
