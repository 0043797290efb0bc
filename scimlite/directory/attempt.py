"""Attempts to write or to search: the journal records how each ends, whether it came over HTTP or not."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from ..apps.workspace import Workspace
from ..db import waiters
from ..errors import (
    BadRequest,
    InternalError,
    MethodNotAllowed,
    NotFound,
    RefusedByRule,
    ScimError,
    Unauthorized,
    Unavailable,
    as_scim_error,
)
from ..journal import Action, Entry, Outcome, refusals, short
from ..journal import record as record_entries
from ..journal.refusals import Received, Refused
from ..redaction import error_log
from ..scim import core
from ..scim.schema import ResourceType
from .read import Resource

#: Errors that leave no row: the request reached no resource, or the database cannot be written.
_UNRECORDED = (Unauthorized, NotFound, MethodNotAllowed, Unavailable)


class Attempt:
    """One attempt to write or to search, which records its outcome in the journal.

    As a context manager it records the error that leaves the block: once, after the rollback of the transaction, with
    the request for `explain`. A write that succeeds records its entries with `record`.

    Inside a transaction of the caller a failed attempt records nothing, because the rollback would take the entry
    along: the caller that begins a transaction around writes makes an attempt around the transaction.
    """

    def __init__(
        self,
        workspace: Workspace | None,
        action: Action,
        resource_type: ResourceType | None = None,
        *,
        id: str | None = None,
        method: str = "",
        body: Any = None,
        note: str | None = None,
    ) -> None:
        """In: `note`, why it is attempted, in words for the journal."""
        self._workspace = workspace
        self.note = note
        self.action = action
        self.resource_type = resource_type
        self.id = id
        self._method = method
        self._body = body
        self._recorded = False

    @property
    def workspace(self) -> Workspace:
        """The app in which something is attempted, and who attempts it."""
        assert self._workspace is not None
        return self._workspace

    @property
    def name(self) -> str | None:
        """The name in the body of a resource to create; None without a name."""
        body = self.received.body
        if self.action is not Action.CREATED or not isinstance(body, dict):
            return None
        name = body.get("userName") or body.get("displayName") or body.get("name")
        return name if isinstance(name, str) else None

    @property
    def received(self) -> Received:
        """The request, to be kept when it is refused; without HTTP, the request that would do the same."""
        endpoint = self.resource_type.endpoint if self.resource_type else ""
        path = f"/{endpoint}/{self.id}" if self.id else f"/{endpoint}"
        return Received(self._method, path, parsed=self._body is not None, body=self._body)

    @property
    def may_be_large(self) -> bool:
        """False when what came is so small that nothing in it can be above a ceiling."""
        return True

    def success_status(self, resource: Resource) -> int | None:
        """The HTTP status of the answer to a successful write; None without HTTP."""
        return None

    def failure_status(self, error: ScimError) -> int | None:
        """The HTTP status of the answer to a refusal; None without HTTP."""
        return None

    def record(self, entries: Sequence[Entry], resource: Resource, at: int) -> None:
        """Records the entries of a successful write, inside its transaction; `at` is in microseconds since 1970 UTC."""
        record_entries(self.workspace, entries, at=at, status=self.success_status(resource))

    def __enter__(self) -> Self:
        if self.action is not Action.SEARCHED:
            waiters.subject.set((self.workspace.app.id, self.id))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        waiters.subject.set(None)
        # Inside a transaction the entry would be rolled back, so the attempt that began the transaction records.
        if isinstance(error, Exception) and not self._recorded and not self.workspace.db.in_transaction:
            self.refuse(as_scim_error(error))

    def refuse(self, error: ScimError) -> None:
        """Records a refusal outside of any transaction; for who began the transaction in which the attempt failed."""
        self._recorded = True
        if isinstance(error, _UNRECORDED):
            return
        if self.action is Action.SEARCHED and not isinstance(error, BadRequest):
            return
        origin = self.workspace.origin
        scope = replace(self.workspace, origin=replace(origin, request_id=origin.request_id or secrets.token_hex(8)))
        app = self.workspace.app
        refused = Refused(
            self._entry(error),
            error,
            self.received,
            [self.resource_type] if self.resource_type else list(app.resource_types.values()),
            self.failure_status(error),
            replace(error.remedy, app=app.slug) if error.remedy else None,
            app.settings.keep_bodies,
        )
        try:
            refusals.record(scope, refused)
        # The caller gets the error of the write, whatever happens to its record.
        except Unavailable as trouble:
            reason = trouble.reason or trouble.detail
            error_log.error("request=%s could not be journalled: %s", scope.origin.request_id, reason)
        except Exception as failure:
            error_log.error("request=%s could not be journalled", scope.origin.request_id, exc_info=failure)

    def _entry(self, error: ScimError) -> Entry:
        kind = self.resource_type.name if self.resource_type else None
        pair = (self.id, self.name) if self.id or self.name else None
        # Whoever reads the report is no client: what a rule of the operator's own says is for them.
        detail = f"{error.detail} It says: {error.reason}" if isinstance(error, RefusedByRule) else error.detail
        if kind not in (None, core.USER.name, core.GROUP.name):
            detail = f"{kind} {short(self.name or self.id)!r}: {detail}"
        return Entry(
            self.action,
            Outcome.FAILED if isinstance(error, InternalError) else Outcome.REFUSED,
            user=pair if kind == core.USER.name else None,
            group=pair if kind == core.GROUP.name else None,
            detail=detail,
        )
