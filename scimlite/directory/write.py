"""Writes resources: create, replace, patch and delete; each is one attempt and one transaction.

Clients of the service and callers without HTTP write through the same functions, so that every write and every refusal
leaves the same entries in the journal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from .. import clock
from ..apps import features
from ..apps.workspace import Workspace
from ..journal import Action
from ..scim import ceilings, intake, messages, patch_apply, patch_plan
from ..scim import document as documents
from ..scim import patch as patching
from ..scim.document import Document
from ..scim.preconditions import UNCONDITIONAL, Preconditions
from ..scim.schema import ResourceType
from . import brakes, departures, member_changes, ownership, passwords, tombstones
from .attempt import Attempt
from .change import Change, Revision
from .creation import Creation
from .identity import Subject, entry
from .read import Resource, get, lock

Json = Any


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a write: the resource as it is now, and the part of it that the request named."""

    resource: Resource
    #: The checked body of a POST or PUT.
    document: Document = field(default_factory=dict)
    #: The edits of a PATCH.
    edits: Sequence[Any] = ()


def create(
    workspace: Workspace,
    resource_type: ResourceType,
    body: Json,
    *,
    revive_since: int = 0,
    attempt: Attempt | None = None,
) -> Written:
    """Stores a new resource (RFC 7644 section 3.3).

    In: the resource as JSON; a user may get the id of a tombstone that ended after `revive_since` (microseconds,
    tombstones.revivable). Raises the errors of `document.clean`, Uniqueness when a unique value is taken, InvalidValue
    when a member is refused or the app's mapping lacks a required value, BadRequest when a feature forbids it.
    """
    with attempt or Attempt(workspace, Action.CREATED, resource_type, method="POST", body=body) as attempt:
        _check(workspace, resource_type, body)
        if attempt.may_be_large:
            ceilings.check_sent(resource_type, ceilings.of_body(body), workspace.limits)
        cleaned = intake.clean(resource_type, body)
        return Written(Creation(attempt, resource_type, cleaned, revive_since).carry_out(), cleaned.document)


def replace(
    workspace: Workspace,
    resource_type: ResourceType,
    id: str,
    body: Json,
    *,
    preconditions: Preconditions = UNCONDITIONAL,
    attempt: Attempt | None = None,
) -> Written:
    """Replaces a resource and its links with those of the body (RFC 7644 section 3.5.1).

    In: `preconditions`, which the resource must satisfy. Raises NotFound, PreconditionFailed, the errors of `create`,
    and TooManyRequests when a brake is on.
    """
    with attempt or Attempt(workspace, Action.UPDATED, resource_type, id=id, method="PUT", body=body) as attempt:
        _check(workspace, resource_type, body)
        if attempt.may_be_large:
            stored = partial(_stored, workspace, resource_type, id)
            ceilings.check_sent(resource_type, ceilings.of_body(body), workspace.limits, stored)
        cleaned = intake.clean(resource_type, body, replacing=True)
        revision = Revision(
            renew=lambda current: documents.renewed(resource_type, current, cleaned.document),
            steps=[patch_plan.whole(cleaned.links)] if resource_type.links else [],
            ignored=cleaned.ignored,
            password=passwords.change(workspace, resource_type, cleaned.secrets),
            displays=cleaned.displays,
        )
        change = Change(attempt, resource_type, id, preconditions, revision)
        return Written(change.carry_out(), cleaned.document)


def patch(
    workspace: Workspace,
    resource_type: ResourceType,
    id: str,
    body: Json,
    *,
    preconditions: Preconditions = UNCONDITIONAL,
    attempt: Attempt | None = None,
) -> Written:
    """Carries out all operations of a PatchOp message, or none (RFC 7644 section 3.5.2).

    In: the message as JSON; `preconditions` as for `replace`. Raises the errors of `messages.load_patch`,
    `patch.plan` and `replace`.
    """
    with attempt or Attempt(workspace, Action.UPDATED, resource_type, id=id, method="PATCH", body=body) as attempt:
        app = workspace.app
        # A part of a POST, which a bulk request adds when the resources that it refers to are there, is read like one.
        ignore_unknown = app.settings.unknown_attributes == "ignore" or attempt.action is Action.CREATED
        operations = messages.load_patch(body)
        if app.strictness is not None:
            app.strictness.check_patch(resource_type, body, operations)
        if attempt.may_be_large:
            stored = partial(_stored, workspace, resource_type, id)
            ceilings.check_sent(resource_type, ceilings.of_operations(operations), workspace.limits, stored)
        plan = patching.plan(
            operations,
            resource_type,
            ignore_unknown=ignore_unknown,
            sole=not app.settings.patch_elements,
            whole=app.settings.patch_replace == "whole",
        )
        if plan.links:
            features.allow_change(app.settings, app.slug, resource_type, members=True)
        revision = Revision(
            renew=partial(patch_apply.apply, plan.edits, resource_type) if plan.edits else _unchanged,
            steps=plan.links,
            ignored=plan.ignored,
            password=passwords.change(workspace, resource_type, plan.secrets),
            displays=plan.displays,
        )
        change = Change(attempt, resource_type, id, preconditions, revision)
        return Written(change.carry_out(), edits=plan.edits)


def assign(
    workspace: Workspace,
    resource_type: ResourceType,
    id: str,
    body: Json,
    owned: Collection[documents.Place],
    *,
    attempt: Attempt | None = None,
) -> Written:
    """Makes some places of a resource what they are in a body, and leaves the others and its links as they are.

    In: a resource as JSON; the places that are to be as in it, also without a value. Raises what `replace` raises.
    """
    with attempt or Attempt(workspace, Action.UPDATED, resource_type, id=id, method="PUT", body=body) as attempt:
        if attempt.may_be_large:
            ceilings.check_sent(resource_type, ceilings.of_body(body), workspace.limits)
        cleaned = intake.clean(resource_type, body, replacing=True)
        revision = Revision(
            renew=lambda current: documents.assigned(resource_type, current, cleaned.document, owned),
            steps=(),
            ignored=cleaned.ignored,
            password=None,
        )
        change = Change(attempt, resource_type, id, UNCONDITIONAL, revision)
        return Written(change.carry_out(), cleaned.document)


def relink(
    workspace: Workspace,
    resource_type: ResourceType,
    id: str,
    steps: Sequence[patch_plan.LinkStep],
    *,
    attempt: Attempt | None = None,
) -> Written:
    """Carries out steps on the links of a resource. Raises what `patch` raises."""
    with attempt or Attempt(workspace, Action.UPDATED, resource_type, id=id, method="PATCH") as attempt:
        features.allow_change(workspace.app.settings, workspace.app.slug, resource_type, members=bool(steps))
        revision = Revision(renew=_unchanged, steps=steps, ignored=(), password=None)
        return Written(Change(attempt, resource_type, id, UNCONDITIONAL, revision).carry_out())


def _check(workspace: Workspace, resource_type: ResourceType, body: Json) -> None:
    """Raises InvalidSyntax when the app is too strict for a resource."""
    if workspace.app.strictness is not None:
        workspace.app.strictness.check_resource(resource_type, body)


def _stored(workspace: Workspace, resource_type: ResourceType, id: str) -> Document:
    """The document of a resource as it is; NotFound when there is none."""
    document: Document = orjson.loads(get(workspace, resource_type, id, with_links=False, with_derived=False).document)
    return document


def _unchanged(document: Document) -> Document:
    return document


def delete(
    workspace: Workspace,
    resource_type: ResourceType,
    id: str,
    *,
    preconditions: Preconditions = UNCONDITIONAL,
    attempt: Attempt | None = None,
) -> None:
    """Hides a resource and frees its names (RFC 7644 section 3.6); its tombstone and member rows stay for a restore.

    In: `preconditions` as for `replace`. Raises NotFound, PreconditionFailed, BadRequest when a feature forbids it,
    TooManyRequests when a brake is on.
    """
    with attempt or Attempt(workspace, Action.DELETED, resource_type, id=id, method="DELETE") as attempt:
        features.allow_delete(workspace.app.settings, workspace.app.slug, resource_type)
        brakes.transact(workspace, partial(_delete, attempt, resource_type, id, preconditions))


def _delete(attempt: Attempt, resource_type: ResourceType, id: str, preconditions: Preconditions) -> None:
    workspace = attempt.workspace
    settings = workspace.app.settings
    resource = lock(workspace, resource_type, id, preconditions)
    if ownership.may_matter(workspace):
        ownership.check_deletion(workspace, resource.row)
    subject = Subject(resource_type, id, orjson.loads(resource.document))
    reason, ended = None, tombstones.DELETED
    if subject.is_user:
        brakes.count(workspace, departures.USERS, [resource.row])
        reason = tombstones.why(settings, deactivated=False)
        ended = tombstones.DEPROVISIONED if tombstones.deprovisions(settings) else ended
    entries = [entry(Action.DELETED, subject, {}, note="; ".join(filter(None, [attempt.note, reason])))]
    if subject.is_group:
        lost = member_changes.lost_by_deletion(workspace.db, resource.row, subject.pair)
        brakes.count(workspace, departures.MEMBERS, lost.removed)
        entries += lost.entries
    at = clock.after(resource.modified_at)
    tombstones.bury(workspace.db, resource.row, at, resource.version + 1, ended)
    attempt.record(entries, resource, at)
