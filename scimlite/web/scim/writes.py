"""What a write does, whoever asks for it: checked, stored, and answered with a status and perhaps a resource."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ... import errors
from ...clock import now
from ...directory import members, write
from ...directory.read import Resource
from ...journal import Action
from ...journal.refusals import Received
from ...scim import document, messages, projection
from ...scim import patch as patching
from ...scim.projection import Projection
from ...scim.schema import ResourceType
from .provider import Attempt, Call

Json = Any

_ENTITY_TAG = re.compile(r'\*|(?:W/)?"([^"]*)"')
#: Above this many members a PATCH of a group is answered with 204 (app setting `patch answer`: auto).
_MOST_MEMBERS_ANSWERED = 100

_WRITES = {
    "POST": Action.CREATED,
    "PUT": Action.UPDATED,
    "PATCH": Action.UPDATED,
    "DELETE": Action.DELETED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """How a write ended: its status, the resource as it is now (None when it is gone), and what to show of it.

    Links and derived attributes of the resource are attached where they cost nothing; None means not looked up.
    """

    status: int
    resource: Resource | None
    wanted: Projection


def resource_type(
    call: Call,
    endpoint: str,
    id: str | None = None,
    *,
    method: str | None = None,
    received: Received | None = None,
) -> ResourceType:
    """The type behind an endpoint of the app; NotFound otherwise.

    Notes what is tried, for the journal: the request's method, or the one that is given; with what came, when that is
    not the whole request.
    """
    found = call.app.resource_types.get(endpoint)
    if found is None:
        raise errors.NotFound(f"There is nothing at /{endpoint[:100]}.")
    action = _WRITES.get(method or call.request.method)
    if action is not None:
        call.attempt = Attempt(action, found.name, id, received=received)
    return found


def note_name(call: Call, body: Json) -> None:
    """Note who is to be created, for the journal."""
    if isinstance(body, dict) and call.attempt is not None:
        named = body.get("userName") or body.get("displayName") or body.get("name")
        call.attempt.name = named if isinstance(named, str) else None


def versions(entity_tags: str) -> list[str]:
    """The versions that a list of entity tags names, `*` included."""
    return ["*" if match.group() == "*" else match.group(1) for match in _ENTITY_TAG.finditer(entity_tags)]


def if_match(entity_tags: str | None) -> list[str]:
    """The versions of which a write expects one; empty without any, one that never is when malformed."""
    return versions(entity_tags) or ["none"] if entity_tags else []


def create(call: Call, resource_type: ResourceType, body: Json, wanted: Projection) -> Answer:
    """POST (RFC 7644 section 3.3). Raises the errors of `document.clean` and `store.create`."""
    note_name(call, body)
    cleaned = document.clean(resource_type, body)
    revive_since = now() - call.retention
    resource = write.create(call.db, call.app, resource_type, cleaned, call.origin, revive_since=revive_since)
    # Nothing can hold what was not there, and it holds nothing that it was not given.
    resource.derived = []
    if not cleaned.links:
        resource.links = []
    return Answer(201, resource, wanted.after_writing(projection.of_document(resource_type, cleaned.document)))


def replace(
    call: Call, resource_type: ResourceType, id: str, body: Json, if_match: Sequence[str], wanted: Projection
) -> Answer:
    """PUT (RFC 7644 section 3.5.1). Raises the errors of `document.clean` and `store.replace_resource`."""
    cleaned = document.clean(resource_type, body)
    resource = write.replace_resource(call.db, call.app, resource_type, id, cleaned, call.origin, if_match=if_match)
    return Answer(200, resource, wanted.after_writing(projection.of_document(resource_type, cleaned.document)))


def patch(
    call: Call, resource_type: ResourceType, id: str, body: Json, if_match: Sequence[str], wanted: Projection
) -> Answer:
    """PATCH (RFC 7644 section 3.5.2). Raises the errors of `messages.load_patch`, `patch.plan` and `store.patch`."""
    ignore_unknown = call.app.settings.unknown_attributes == "ignore"
    plan = patching.plan(messages.load_patch(body), resource_type, ignore_unknown=ignore_unknown)
    resource = write.patch(call.db, call.app, resource_type, id, plan, call.origin, if_match=if_match)
    if resource.gone:
        return Answer(204, resource, wanted)
    shown = wanted.after_writing(projection.of_edits(plan.edits))
    return Answer(_patch_status(call, resource, wanted), resource, shown)


def _patch_status(call: Call, resource: Resource, wanted: Projection) -> int:
    """200 or 204 as the app's setting wants it; with `attributes` always 200."""
    answer = call.app.settings.patch_answer
    if wanted.only is not None or answer == "body":
        return 200
    if answer == "empty":
        return 204
    if not wanted.wants(wanted.resource_type.links):
        return 200
    return 204 if members.more_than(call.db, resource.row, _MOST_MEMBERS_ANSWERED) else 200


def delete(call: Call, resource_type: ResourceType, id: str, if_match: Sequence[str]) -> Answer:
    """DELETE (RFC 7644 section 3.6). Raises the errors of `store.delete`."""
    write.delete(call.db, call.app, resource_type, id, call.origin, if_match=if_match)
    return Answer(204, None, Projection(resource_type))
