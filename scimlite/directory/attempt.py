"""An attempt to change something: how it ends is recorded in the journal, whoever makes it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from ..apps.workspace import Workspace
from ..db import DatabaseError
from ..errors import (
    BadRequest,
    InternalError,
    MethodNotAllowed,
    NotFound,
    ScimError,
    Unauthorized,
    Unavailable,
    as_scim_error,
)
from ..journal import Action, Entry, Outcome, refusals
from ..journal import record as record_entries
from ..journal.refusals import Received
from ..scim import core
from ..scim.schema import ResourceType
from .read import Resource

_log = logging.getLogger("scimlite.error")

#: Errors that leave no row: nothing was tried on what exists, or the database cannot be written.
_UNRECORDED = (Unauthorized, NotFound, MethodNotAllowed, Unavailable)


class Attempt:
    """One attempt to write, or to search, and what the journal is told about it.

    As a context manager it records the error that leaves the block: once, after the transaction was rolled back, with
    what came (`explain` shows it). A write that succeeds records its entries with `record`.
    """

    def __init__(
        self,
        workspace: Workspace,
        action: Action,
        resource_type: ResourceType | None = None,
        *,
        id: str | None = None,
        method: str = "",
        body: Any = None,
    ) -> None:
        self.workspace = workspace
        self.action = action
        self.resource_type = resource_type
        self.id = id
        self._method = method
        self._body = body
        self._recorded = False

    @property
    def name(self) -> str | None:
        """What people call the resource that is to be created, where the body says so."""
        body = self.received.body
        if self.action is not Action.CREATED or not isinstance(body, dict):
            return None
        name = body.get("userName") or body.get("displayName") or body.get("name")
        return name if isinstance(name, str) else None

    @property
    def received(self) -> Received:
        """What came, to be kept when it is refused; without HTTP, as the request that would say the same."""
        endpoint = self.resource_type.endpoint if self.resource_type else ""
        path = f"/{endpoint}/{self.id}" if self.id else f"/{endpoint}"
        return Received(self._method, path, parsed=self._body is not None, body=self._body)

    def success_status(self, resource: Resource) -> int | None:
        """The HTTP status that a write is answered with; None when it did not come over HTTP."""
        return None

    def failure_status(self, error: ScimError) -> int | None:
        """The HTTP status that a refusal is answered with; None when the attempt did not come over HTTP."""
        return None

    def record(self, entries: Sequence[Entry], resource: Resource, at: int) -> None:
        """Record what was done, inside the transaction of the write."""
        record_entries(self.workspace, entries, at=at, status=self.success_status(resource))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Inside a transaction nothing would stay of it: who began that one records.
        if isinstance(error, Exception) and not self._recorded and not self.workspace.db.in_transaction:
            self._recorded = True
            self._refuse(as_scim_error(error))

    def _refuse(self, error: ScimError) -> None:
        if isinstance(error, _UNRECORDED):
            return
        if self.action is Action.SEARCHED and not isinstance(error, BadRequest):
            return
        origin = self.workspace.origin
        scope = replace(self.workspace, origin=replace(origin, request_id=origin.request_id or secrets.token_hex(8)))
        app, types = self.workspace.app, [self.resource_type] if self.resource_type else None
        try:
            refusals.record(
                scope,
                self._entry(error),
                error,
                self.received,
                types or list(app.resource_types.values()),
                remedy=replace(error.remedy, app=app.slug) if error.remedy else None,
                status=self.failure_status(error),
                keep_body=app.settings.keep_bodies,
            )
        except (ScimError, DatabaseError) as failure:
            _log.error("request=%s could not be journalled", scope.origin.request_id, exc_info=failure)

    def _entry(self, error: ScimError) -> Entry:
        kind = self.resource_type.name if self.resource_type else None
        pair = (self.id, self.name) if self.id or self.name else None
        detail = error.detail
        if kind not in (None, core.USER.name, core.GROUP.name):
            detail = f"{kind} {self.name or self.id!r}: {detail}"
        return Entry(
            self.action,
            Outcome.FAILED if isinstance(error, InternalError) else Outcome.REFUSED,
            user=pair if kind == core.USER.name else None,
            group=pair if kind == core.GROUP.name else None,
            detail=detail,
        )
