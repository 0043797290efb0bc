"""What the parts of a check share: the database, the app, the keys, and what was found so far."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from ..apps import App, compiled_mapping, mapping
from ..apps.app import COLUMNS, load
from ..db import Database
from ..db.tables import AppRow
from ..errors import OperatorError
from ..scim import core
from .check_findings import Findings, Kind, Problem

#: Rows of tables without documents that are read in one transaction.
ROWS = 5000
#: What parsing an app's row raises that no command of ours has stored.
_MALFORMED = (ArithmeticError, AttributeError, LookupError, OperatorError, RecursionError, TypeError, ValueError)


class Run:
    """One run of the check over one app, or over the whole database."""

    def __init__(self, db: Database, only: int | None, keys: Collection[str] | None) -> None:
        self.db = db
        self.keys = keys
        #: The id of the only app to check; None for all.
        self.only = only
        self.findings = Findings()
        #: What could not be looked at, and what to do about it.
        self.notes: list[str] = []
        #: The slugs of apps that cannot be read.
        self._unreadable: set[str] = set()

    def found(self, kind: Kind, text: str) -> None:
        """Adds a problem to the findings."""
        self.findings.add(Problem(kind, text))

    def add_all(self, problems: Iterable[Problem]) -> None:
        """Adds problems to the findings."""
        for problem in problems:
            self.findings.add(problem)

    def narrowed(self, query: Any, column: Any) -> Any:
        """A query, for the rows of the one app if there is one."""
        return query if self.only is None else query.where(column == self.only)

    def apps(self) -> list[tuple[int, str]]:
        """Id and slug of the apps to check, without those that were deleted."""
        query = AppRow.select(AppRow.id, AppRow.slug).where(AppRow.deleted_at.is_null()).order_by(AppRow.id)
        return [(id, slug) for id, slug in self.db.rows(self.narrowed(query, AppRow.id))]

    def app(self, id: int) -> App | None:
        """An app as it is now; None when it is gone, and, with a finding, when its row cannot be read."""
        row = self.db.row(AppRow.select(AppRow.slug, *COLUMNS).where(AppRow.id == id, AppRow.deleted_at.is_null()))
        if row is None:
            return None
        slug, *columns = row
        try:
            app = load(*columns)
            kinds = [app.resource_types[kind.endpoint] for kind in (core.USER, core.GROUP)]
            compiled_mapping.check(mapping.from_json(app.mapping), kinds)
        except _MALFORMED as error:
            self.unreadable_app(slug, type(error).__name__)
            return None
        return app

    def unreadable_app(self, slug: str, reason: str) -> None:
        """Adds the finding that an app's row cannot be read, once for each app."""
        if slug not in self._unreadable:
            self._unreadable.add(slug)
            self.found(Kind.APPS, f"{slug} ({reason})")

    def slugs(self) -> dict[int, str]:
        """The slugs of all apps that ever were, by id."""
        return dict(self.db.rows(AppRow.select(AppRow.id, AppRow.slug)))
