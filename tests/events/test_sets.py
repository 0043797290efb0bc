"""Security event tokens: what they say of each type of event, and the keys that sign them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import KeySet

import databases
import feeds
from people import ORIGIN
from receiver import Receiver, Reply, receiving
from scimlite.admin import apps, tokens, webhook_trial, webhooks
from scimlite.admin.webhooks import WebhookError
from scimlite.apps.keyring import Keyring, TokenKind
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db.feed_tables import DeliveryRow
from scimlite.errors import OperatorError
from scimlite.events import sending, set_keys, set_streams, sets, types
from scimlite.events.document import Data, Event, State
from scimlite.events.sending import Format, Service
from scimlite.events.set_keys import MissingExtraError
from scimlite.installation import Installation
from scimlite.journal import Action, Entry, record
from scimlite.outbound import Client
from scimlite.web.app import create_app
from scimlite.worker import Worker

OLD, NEW = "the old secret key that is for tests", "the new secret key that is for tests"
ROOT = "https://scim.example.com/scim/v2"
SCIM = "urn:ietf:params:scim:event:"
REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"


def event(type: str, **more: Any) -> Event:
    """An event about ann in staff at a time."""
    user, group = State("u1", "x1", name="ann", document='{"schemas": [], "id": "u1"}'), State("g1", document="{}")
    of_group, of_both = type.startswith("group."), ".member_" in type
    data = Data(None if of_group and not of_both else user, group if of_group else None, more.get("changed"))
    return Event("evt_1_7", type, "", "crm", more.get("request_id"), data, at=1_700_000_000_500_000)


def test_old_and_new_keys_verify_while_a_secret_key_is_replaced() -> None:
    old, both = Keyring([OLD]), Keyring([NEW, OLD])
    published = set_keys.key_set(both)
    assert [key["kid"] for key in published["keys"]] == both.fingerprints
    assert set_keys.key_set(Keyring([OLD]))["keys"] == published["keys"][1:]
    assert all(set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in published["keys"])
    for keyring in (old, both):
        token = sets.Issuer(keyring, f"{ROOT}/crm").token(event("user.deleted"), "me")
        read = jwt.decode(token, KeySet.import_key_set(json.loads(json.dumps(published))))
        assert read.header == {"typ": "secevent+jwt", "alg": "ES256", "kid": keyring.newest}
    with pytest.raises(JoseError):
        jwt.decode(token, KeySet.import_key_set(set_keys.key_set(old)))
    another = KeySet.import_key_set({"keys": [{**published["keys"][1], "kid": both.newest}]})
    with pytest.raises(BadSignatureError):
        jwt.decode(token, another)


def test_what_a_token_says() -> None:
    said = sets.claims(event("user.updated", changed=["title"], request_id="r1"), "https://issuer", "https://me")
    assert said == {
        "iss": "https://issuer",
        "aud": "https://me",
        "iat": 1_700_000_000,
        "jti": "evt_1_7",
        "txn": "r1",
        "sub_id": {"format": "scim", "uri": "/Users/u1", "externalId": "x1"},
        "events": {f"{SCIM}prov:patch:notice": {"attributes": ["title"]}},
    }


@pytest.mark.parametrize("type", sorted(sets.TYPES))
def test_each_type(type: str) -> None:
    said = sets.claims(event(type), "i", "a", session_revoked=True)
    (uri, payload), *more = said["events"].items()
    assert uri in sets.EVENT_URIS
    # RFC 9967 section 2.4: a notice has attributes, and nothing else has.
    assert uri.endswith(":notice") == ("attributes" in payload)
    assert said["sub_id"]["uri"] == ("/Groups/g1" if type.startswith("group.") else "/Users/u1")
    assert said["txn"] == "evt_1_7"
    ends = type in ("user.disabled", "user.deleted")
    assert more == ([(REVOKED, {"event_timestamp": 1_700_000_000})] if ends else [])


def test_what_has_no_event_is_left_out() -> None:
    assert set(types.TYPES) - sets.TYPES == {
        "app.brake_tripped",
        "app.released",
        "app.mapping_changed",
        types.TEST,
    }
    # A member that is no user is one of the group too.
    assert types.type_of(Action.MEMBER_ADDED, None, "g1") == "group.updated"
    assert sets.claims(event("group.updated"), "i", "a")["events"] == {
        f"{SCIM}prov:patch:notice": {"attributes": ["members"]}
    }


def test_an_erased_person_is_a_path() -> None:
    erased = Event("evt_1_7", "user.created", "", "crm", None, Data(State("u1", active=False, ended="erased")))
    said = sets.claims(erased, "i", "a")
    assert said["sub_id"] == {"format": "scim", "uri": "/Users/u1"}
    assert said["events"] == {f"{SCIM}prov:create:notice": {"attributes": []}}


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_keys, "find_spec", lambda name: None)
    for act in (set_keys.signing_key, set_keys.key_set):
        with pytest.raises(MissingExtraError, match=r"pip install 'scimlite\[sets\]'"):
            act(Keyring([OLD]))


# --- pushed -------------------------------------------------------------------------------------------------------

_numbers = itertools.count(1)


@pytest.fixture(scope="module", params=databases.KINDS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("sets")
    with databases.upgraded_url(request.param, request, folder) as url:
        settings = Settings.from_environment(
            {
                "SCIMLITE_STATE_DIR": str(folder / "state"),
                "SCIMLITE_DATABASE_URL": url,
                "SCIMLITE_SECRET_KEY": f"{NEW},{OLD}",
                "SCIMLITE_BASE_URL": "https://scim.example.com",
                "SCIMLITE_OUTBOUND_NETWORKS": "127.0.0.0/8",
            }
        )
        opened = Installation.open(settings, create=True)
        yield opened
        opened.db.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        receiver.reply = lambda got: Reply(202)
        yield receiver


@pytest.fixture
def workspace(installation: Installation) -> Workspace:
    app = apps.create(Workspace(installation.db, ORIGIN, None), f"sets-{next(_numbers)}")  # type: ignore[arg-type]
    return Workspace(installation.db, ORIGIN, app)


def added(installation: Installation, workspace: Workspace, url: str, **more: Any) -> webhooks.Webhook:
    known = {"format": Format.SET, "scim_root": installation.scim_root, **more}
    networks = installation.settings.outbound_networks
    made, secret = webhooks.add(workspace, installation.keyring, url, networks=networks, **known)
    assert secret is None
    return made


def work(installation: Installation, workspace: Workspace, *users: str, action: Action = Action.DISABLED) -> None:
    """Something happens to users, and a worker does what there is to do."""
    for user in users:
        workspace.db.transact(lambda user=user: record(workspace, [Entry(action, user=(user, user))]))  # type: ignore[misc]
    feeds.settle(workspace.db)
    Worker(installation, lease=5).run(once=True)


def test_tokens_are_pushed_and_verified(installation: Installation, workspace: Workspace, receiver: Receiver) -> None:
    webhook = added(installation, workspace, f"{receiver.url}?key=secret", session_revoked=True)
    client = Client(installation.settings.outbound_networks)
    service = Service(installation.keyring, installation.scim_root)
    assert webhook_trial.send(workspace, service, client, webhook).confirmed
    client.close()
    work(installation, workspace, "ann")
    # What makes no token is not sent.
    work(installation, workspace, action=Action.RELEASED)
    keys = KeySet.import_key_set(set_keys.key_set(installation.keyring))
    tried, got = [(each, jwt.decode(each.body.decode(), keys)) for each in receiver.got]
    assert list(tried[1].claims["events"]) == ["https://schemas.openid.net/secevent/ssf/event-type/verification"]
    request, token = got
    assert request.headers["content-type"] == "application/secevent+jwt"
    assert request.headers["accept"] == "application/json"
    assert not [name for name in request.headers if name.startswith("webhook-")]
    assert token.header == {"typ": "secevent+jwt", "alg": "ES256", "kid": installation.keyring.newest}
    claims = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": f"{ROOT}/{workspace.app.slug}"},
        aud={"essential": True, "value": receiver.url},
    )
    claims.validate(token.claims)
    assert list(token.claims["events"]) == [f"{SCIM}prov:deactivate", REVOKED]
    assert token.claims["sub_id"] == {"format": "scim", "uri": "/Users/ann"}
    webhooks.remove(workspace, webhook)


#: How a receiver answers: what becomes of the event, and why.
ANSWERS: dict[str, tuple[Reply, bool, str]] = {
    "200": (Reply(200), False, "answered 200, where RFC 8935 has 202"),
    "400 without a code": (Reply(400, body=b'{"error": "x"}'), False, 'answered 400: {"error": "x"}'),
    "500": (Reply(500), False, "answered 500"),
    "refused": (
        Reply(400, body=b'{"err": "invalid_issuer", "description": "who is that?"}'),
        True,
        "refused: invalid_issuer: who is that?",
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_not_accepted(
    installation: Installation, workspace: Workspace, receiver: Receiver, answer: str
) -> None:
    reply, dead, error = ANSWERS[answer]
    receiver.reply = lambda got: reply
    webhook = added(installation, workspace, receiver.url)
    work(installation, workspace, "ann")
    (row,) = workspace.db.records(DeliveryRow.select().where(DeliveryRow.webhook_id == webhook.id))
    assert (row.dead_at is not None, row.last_error) == (dead, error)
    webhooks.remove(workspace, webhook)


def test_which_types_are_pushed(installation: Installation, workspace: Workspace) -> None:
    webhook = added(installation, workspace, "https://crm.example.com")
    assert webhook.chosen == sets.TYPES
    webhook = webhooks.edit(workspace, webhook, chosen=["user.deleted"])
    assert webhooks.edit(workspace, webhook, chosen=[]).chosen == sets.TYPES
    with pytest.raises(WebhookError, match=r"app\.released"):
        webhooks.edit(workspace, webhook, chosen=["app.released"])
    for act in (webhooks.show_secret, lambda *arguments: webhooks.rotate(*arguments, overlap=0)):
        with pytest.raises(WebhookError, match="has no secret"):
            act(workspace, installation.keyring, webhook)
    webhooks.remove(workspace, webhook)


def test_what_keeps_tokens_from_being_pushed(
    installation: Installation, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WebhookError, match="--format set"):
        added(installation, workspace, "https://crm.example.com", format=Format.STANDARD, session_revoked=True)
    with pytest.raises(OperatorError, match="SCIMLITE_BASE_URL"):
        added(installation, workspace, "https://crm.example.com", scim_root=None)
    webhook = added(installation, workspace, "https://crm.example.com")
    for service, installed, named in (
        (Service(installation.keyring, None), True, "SCIMLITE_BASE_URL"),
        (Service(installation.keyring, ROOT), False, r"scimlite\[sets\]"),
    ):
        if not installed:
            monkeypatch.setattr(set_keys, "find_spec", lambda name: None)
            with pytest.raises(MissingExtraError):
                added(installation, workspace, "https://crm.example.com", name="other")
        seal = sending.seal(workspace.db, service, webhook, workspace.app.slug, 0)
        verdict = sending.send(Client(), webhook, event("user.deleted"), seal)
        assert verdict.error is not None
        assert named.replace("\\", "") in verdict.error
    webhooks.remove(workspace, webhook)


# --- polled -------------------------------------------------------------------------------------------------------


def test_an_event_that_is_never_acknowledged_ends_the_stream_at_a_bound(
    installation: Installation, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_streams, "_MOST_AHEAD", 3)
    token = tokens.issue(workspace, installation.keyring, label="reader", kind=TokenKind.READER)[0].id

    def polled(*done: Event) -> list[Event]:
        feeds.settle(workspace.db)
        return set_streams.poll(workspace, token, most=10, done=[each.id for each in done]).events

    assert polled() == []
    entries = [Entry(Action.UPDATED, user=(str(number), None)) for number in range(5)]
    workspace.db.transact(lambda: record(workspace, entries))
    first, *others = polled()
    assert [each.lane for each in others] == ["1", "2"]
    # The others are taken, and nothing comes behind them until the first is.
    assert polled(*others) == [first]
    assert not set_streams.poll(workspace, token, most=10).more
    assert [each.lane for each in polled(first)] == ["3", "4"]


def test_the_service_says_which_extra_is_missing(
    installation: Installation, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(installation.settings)
    client = app.test_client()
    published = client.get("/.well-known/jwks.json")
    assert published.mimetype == "application/jwk-set+json"
    assert published.json == set_keys.key_set(installation.keyring)
    text = tokens.issue(workspace, installation.keyring, label="reader", kind=TokenKind.READER)[1]
    monkeypatch.setattr(set_keys, "find_spec", lambda name: None)
    headers = {"Authorization": f"Bearer {text}"}
    polled = client.post(f"/api/v1/{workspace.app.slug}/sets", json={}, headers=headers)
    refused = client.get("/.well-known/jwks.json")
    assert (polled.status_code, refused.status_code) == (501, 501)
    assert polled.json is not None
    assert set(polled.json) == {"err", "description"}
    for answer in (polled, refused):
        assert "pip install 'scimlite[sets]'" in answer.get_data(as_text=True)
    app.extensions["scimlite"].db.close()
