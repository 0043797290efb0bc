"""Security event tokens: what they say of each type of event, and the keys that sign them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import KeySet

from scimlite.apps.keyring import Keyring
from scimlite.events import set_keys, sets, types
from scimlite.events.document import Data, Event, State
from scimlite.events.set_keys import MissingExtraError
from scimlite.journal import Action

OLD, NEW = "the old secret key, which is for tests", "the new secret key, which is for tests"
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
        token = sets.Issuer(keyring, "https://scim.example.com/scim/v2/crm").token(event("user.deleted"), "me")
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
