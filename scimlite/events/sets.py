"""Security event tokens (RFC 8417) about users and groups, with the events of RFC 9967, which notify without values.

A token has the same claims whenever it is made, so that one that is sent again is the one from before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ..apps.keyring import Keyring
from ..scim import core
from . import set_keys
from .document import Event, State
from .types import TEST

Json = Any

#: The media type of a token, and its `typ`, which leaves out `application/` (RFC 8417 section 2.3).
MEDIA_TYPE = "application/secevent+jwt"
_TYPE = "secevent+jwt"

_SCIM = "urn:ietf:params:scim:event:"
_CREATED, _PATCHED = f"{_SCIM}prov:create:notice", f"{_SCIM}prov:patch:notice"
_DELETED, _DEACTIVATED, _ACTIVATED = f"{_SCIM}prov:delete", f"{_SCIM}prov:deactivate", f"{_SCIM}prov:activate"
# What was deleted left the feed; that it is there again is no creation (RFC 9967 section 2.3.1).
_ADDED = f"{_SCIM}feed:add"
_SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
_VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"

#: The event of RFC 9967 for each type; it has none for what concerns the app.
_EVENTS: Mapping[str, str] = {
    "user.created": _CREATED,
    "user.updated": _PATCHED,
    "user.disabled": _DEACTIVATED,
    "user.enabled": _ACTIVATED,
    "user.deleted": _DELETED,
    "user.restored": _ADDED,
    "group.created": _CREATED,
    "group.updated": _PATCHED,
    "group.deleted": _DELETED,
    "group.restored": _ADDED,
    "group.member_added": _PATCHED,
    "group.member_removed": _PATCHED,
}
#: After these a user has no session any more.
_ENDS = frozenset(("user.disabled", "user.deleted"))
#: The types of events that make a token.
TYPES = frozenset(_EVENTS)
#: The events that there are, for discovery.
EVENT_URIS: tuple[str, ...] = tuple(dict.fromkeys(_EVENTS.values()))


@dataclass(frozen=True, slots=True)
class Issuer:
    """What issues tokens: the keys that sign, and the issuer's name, the SCIM base URL of the app."""

    keyring: Keyring
    url: str

    def token(self, event: Event, audience: str, *, session_revoked: bool = False) -> str:
        """The signed token of an event, for the receiver that goes by a name.

        `session_revoked` says of a user who may not use the application any more that their sessions end, in the words
        of CAEP. Raises MissingExtraError, and KeyError for an event of a type that makes no token.
        """
        key = set_keys.signing_key(self.keyring)
        from joserfc import jwt

        header = {"typ": _TYPE, "alg": set_keys.ALGORITHM, "kid": key.kid}
        return jwt.encode(header, claims(event, self.url, audience, session_revoked=session_revoked), key)


def claims(event: Event, issuer: str, audience: str, *, session_revoked: bool = False) -> dict[str, Json]:
    """What a token says of an event. Raises KeyError for one of a type that makes no token."""
    seconds = event.at // 1_000_000
    said = {
        "iss": issuer,
        "aud": audience,
        "iat": seconds,
        "jti": event.id,
        "txn": event.request_id or event.id,
    }
    if event.type == TEST:
        # RFC 9967 has no event to try a stream with; Shared Signals has.
        return {**said, "sub_id": {"format": "opaque", "id": event.app}, "events": {_VERIFICATION: {}}}
    events: dict[str, Json] = {_EVENTS[event.type]: _payload(event)}
    if session_revoked and event.type in _ENDS:
        events[_SESSION_REVOKED] = {"event_timestamp": seconds}
    return {**said, "sub_id": _subject(event), "events": events}


def _subject(event: Event) -> Json:
    """The user or group; a change of members is one of the group."""
    of_group = event.type.startswith("group.")
    state = event.data.group if of_group else event.data.user
    assert state is not None, "types of users and groups are of entries that name one"
    endpoint = (core.GROUP if of_group else core.USER).endpoint
    found = {"format": "scim", "uri": f"/{endpoint}/{state.id}"}
    return {**found, "externalId": state.external_id} if state.external_id is not None else found


def _payload(event: Event) -> Json:
    """What a notice names: the attributes, never their values."""
    uri = _EVENTS[event.type]
    if uri == _CREATED:
        state = event.data.user or event.data.group
        assert state is not None
        return {"attributes": _attributes(state)}
    if uri == _PATCHED:
        # A group whose member is no user has changed too, and no attribute is named there.
        members = event.type.startswith("group.member_") or (event.type == "group.updated" and not event.data.changed)
        return {"attributes": ["members"] if members else event.data.changed or []}
    return {}


def _attributes(state: State) -> list[str]:
    """The names of the attributes that a resource has, those of extensions with their URN."""
    found = []
    for name, value in orjson.loads(state.document or "{}").items():
        if name == "schemas":
            continue
        extension = name.startswith("urn:") and isinstance(value, dict)
        found += [f"{name}:{each}" for each in value] if extension else [name]
    return found
