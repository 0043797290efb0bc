"""Tries a target step by step: name, TCP and TLS, the token, what it can, and with `write` a user made and removed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

from ... import outbound
from ...errors import OperatorError
from ...journal.origin import CONNECTION_TEST_NAMES
from ...outbound import Kind
from ...scim import core
from ..reading import Finding
from . import abilities
from .abilities import Abilities
from .pushing import patch
from .remote import Remote, Reply

#: The step at which a request ended that got no answer.
_STEPS = {Kind.NAME: "name", Kind.CONNECT: "TCP", Kind.TIMEOUT: "TCP", Kind.TLS: "TLS"}


def check(remote: Remote, *, write: bool = False) -> Iterator[Finding]:
    """Yields what was found, step by step; the last one is what failed, if something did."""
    parts = urlsplit(remote.base)
    try:
        config = remote.plainly("GET", "/ServiceProviderConfig")
    except outbound.Refused as error:
        yield Finding("address", False, str(error))
        return
    except outbound.Failed as error:
        yield Finding(_STEPS.get(error.kind, "answer"), False, str(error))
        return
    yield Finding("name", True, f"{parts.hostname} is known")
    secure = "the certificate is accepted" if parts.scheme == "https" else "without TLS"
    yield Finding("connection", True if parts.scheme == "https" else None, f"port {_port(remote)}, {secure}")
    try:
        yield from _ask(remote, config, write=write)
    except OperatorError as error:
        yield Finding("answer", False, str(error))


def _ask(remote: Remote, config: Reply, *, write: bool) -> Iterator[Finding]:
    listed = remote.plainly("GET", "/Users?count=1&startIndex=1")
    if listed.status in (401, 403):
        yield Finding("token", False, f"it is refused: /Users {listed.reason}")
        return
    if not listed.fine or listed.body is None or "totalResults" not in listed.body:
        yield Finding("users", False, f"/Users is no list of SCIM: it {listed.reason}")
        return
    yield Finding("token", True, f"it is accepted: {listed.body['totalResults']} users are there")
    told = config.fine and config.body is not None
    text = f"answered in {config.ms} ms" if told else f"{config.reason}: what it can is not known"
    yield Finding("ServiceProviderConfig", True if told else None, text)
    able = abilities.read(remote)
    yield Finding("abilities", None, _spelled(able))
    if not able.takes_groups:
        yield Finding("groups", None, "it has no groups: only users are pushed")
    if write:
        yield from _write(remote, able)


def _spelled(able: Abilities) -> str:
    """What a target can, in words."""
    can = {"PATCH": able.patch, "filters": able.filter, "sorting": able.sort, "bulk": able.bulk}
    words = [f"{'' if yes else 'no '}{name}" for name, yes in can.items()]
    if able.most_results:
        words.append(f"lists of {able.most_results:,}")
    return ", ".join(words)


def _write(remote: Remote, able: Abilities) -> Iterator[Finding]:
    """Makes a user, changes it, and removes it."""
    name = f"{CONNECTION_TEST_NAMES}{secrets.token_hex(6)}"
    body = {
        "schemas": [core.USER_URN],
        "externalId": name,
        "userName": name,
        "displayName": name,
        "name": {"givenName": "scimlite", "familyName": "test"},
        "emails": [{"value": f"{name}@example.com", "type": "work", "primary": True}],
        "active": True,
    }
    made = remote.plainly("POST", able.path("User"), body)
    id = (made.body or {}).get("id")
    if not made.fine or not isinstance(id, str):
        yield Finding("create", False, f"{name}: {made.reason}")
        return
    yield Finding("create", True, f"{name} was made")
    path = able.path("User", id)
    try:
        operations = [{"op": "replace", "path": "active", "value": False}]
        changed = remote.plainly("PATCH", path, patch(operations)) if able.patch else None
        if changed is None:
            changed = remote.plainly("PUT", path, {**body, "id": id, "active": False})
        yield Finding("disable", changed.fine, changed.reason)
    finally:
        removed = remote.plainly("DELETE", path)
    text = "it is gone again" if removed.fine else f"{name} is left there: {removed.reason}"
    yield Finding("delete", removed.fine, text)


def _port(remote: Remote) -> int:
    parts = urlsplit(remote.base)
    return parts.port or (443 if parts.scheme == "https" else 80)
