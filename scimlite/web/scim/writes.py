"""What a write over HTTP answers: its status, and the resource with what the request asks to see."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ... import clock
from ...apps.workspace import Workspace
from ...directory import members, write
from ...directory.read import Resource
from ...scim import projection
from ...scim.projection import Projection
from ...scim.schema import ResourceType
from .call import HttpAttempt

Json = Any

_ENTITY_TAG = re.compile(r'\*|(?:W/)?"([^"]*)"')
#: Above this many members a PATCH of a group is answered with 204 (app setting `patch answer`: auto).
_MOST_MEMBERS_ANSWERED = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """How a write ended: its status, the resource as it is now (None when it is gone), and what to show of it.

    Links and derived attributes of the resource are attached where they cost nothing; None means not looked up.
    """

    status: int
    resource: Resource | None
    wanted: Projection


def versions(entity_tags: str) -> list[str]:
    """The versions that a list of entity tags names, `*` included."""
    return ["*" if match.group() == "*" else match.group(1) for match in _ENTITY_TAG.finditer(entity_tags)]


def if_match(entity_tags: str | None) -> list[str]:
    """The versions of which a write expects one; empty without any, one that never is when malformed."""
    return versions(entity_tags) or ["none"] if entity_tags else []


def create(attempt: HttpAttempt, resource_type: ResourceType, body: Json, wanted: Projection, retention: int) -> Answer:
    """POST (RFC 7644 section 3.3). In: `retention`, for how long a deleted user can be revived, in microseconds."""
    attempt.answer = always(201)
    since = clock.now() - retention
    written = write.create(attempt.workspace, resource_type, body, revive_since=since, attempt=attempt)
    shown = wanted.after_writing(projection.of_document(resource_type, written.document))
    return Answer(201, written.resource, shown)


def replace(
    attempt: HttpAttempt,
    resource_type: ResourceType,
    id: str,
    body: Json,
    if_match: Sequence[str],
    wanted: Projection,
) -> Answer:
    """PUT (RFC 7644 section 3.5.1)."""
    attempt.answer = always(200)
    written = write.replace(attempt.workspace, resource_type, id, body, if_match=if_match, attempt=attempt)
    return Answer(200, written.resource, wanted.after_writing(projection.of_document(resource_type, written.document)))


def patch(
    attempt: HttpAttempt,
    resource_type: ResourceType,
    id: str,
    body: Json,
    if_match: Sequence[str],
    wanted: Projection,
) -> Answer:
    """PATCH (RFC 7644 section 3.5.2)."""
    attempt.answer = attempt.answer or partial(_patch_status, attempt.workspace, wanted)
    written = write.patch(attempt.workspace, resource_type, id, body, if_match=if_match, attempt=attempt)
    resource = written.resource
    status = attempt.status or attempt.answer(resource)
    if resource.gone:
        return Answer(status, resource, wanted)
    return Answer(status, resource, wanted.after_writing(projection.of_edits(written.edits)))


def delete(attempt: HttpAttempt, resource_type: ResourceType, id: str, if_match: Sequence[str]) -> Answer:
    """DELETE (RFC 7644 section 3.6)."""
    attempt.answer = always(204)
    write.delete(attempt.workspace, resource_type, id, if_match=if_match, attempt=attempt)
    return Answer(204, None, Projection(resource_type))


def always(status: int) -> Callable[[Resource], int]:
    """The answer of a write that ends in one status only."""
    return lambda resource: status


def _patch_status(workspace: Workspace, wanted: Projection, resource: Resource) -> int:
    """200 or 204 as the app's setting wants it; with `attributes` always 200, for a resource that is gone 204."""
    answer = workspace.app.settings.patch_answer
    if resource.gone:
        return 204
    if wanted.only is not None or answer == "body":
        return 200
    if answer == "empty":
        return 204
    if not wanted.wants(wanted.resource_type.links):
        return 200
    return 204 if members.more_than(workspace.db, resource.row, _MOST_MEMBERS_ANSWERED) else 200
