"""What the parts of a check share: the database, the app, the keys, and what was found so far."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import orjson

from ..apps import App, compiled_mapping, mapping
from ..apps.app import COLUMNS, load
from ..apps.features import AppSettings
from ..db import Database
from ..db.tables import AppRow, JournalRow
from ..journal import Action, Outcome
from ..scim import core, declared
from .check_findings import Findings, Kind, Problem

#: Rows of tables without documents that are read in one transaction.
ROWS = 5000


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
        #: The ids of apps that cannot be read, each with a finding.
        self.unreadable: set[int] = set()

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
        row = self.db.row(AppRow.select(*COLUMNS).where(AppRow.id == id, AppRow.deleted_at.is_null()))
        if row is None or id in self.unreadable:
            return None
        try:
            app = load(*row)
            kinds = [app.resource_types[kind.endpoint] for kind in (core.USER, core.GROUP)]
            compiled_mapping.check(mapping.from_json(app.mapping), kinds)
        # Parsers of what was stored expect what was checked before; what was not may raise anything.
        except Exception as error:
            self.unreadable.add(id)
            self.found(Kind.APPS, f"app row {id}: it cannot be read ({type(error).__name__})")
            return None
        return app

    def parse(self, row: Any) -> bool:
        """True when settings, declarations and mapping of an app can be read; a finding names the column."""

        def spelled() -> None:
            for name, text in orjson.loads(row.settings).items():
                AppSettings().with_feature(name, text)

        def mapped() -> None:
            kinds = declared.from_json(row.declared).resource_types(core.RESOURCE_TYPES)
            rows = mapping.from_json(row.mapping)
            compiled_mapping.check(rows, [kinds[kind.endpoint] for kind in (core.USER, core.GROUP)])

        parts: list[tuple[str, Callable[[], object]]] = [
            ("settings", spelled),
            ("declared", lambda: declared.from_json(row.declared).resource_types(core.RESOURCE_TYPES)),
            ("mapping", mapped),
        ]
        for column, read in parts:
            try:
                read()
            except Exception as error:
                self.found(Kind.APPS, f"app row {row.id} of {row.slug}: {column}: {type(error).__name__}")
                return False
        return True

    def whole(self) -> set[int]:
        """The ids of apps of which no entry was ever pruned.

        The oldest entries are pruned first, and the creation of an app is its first entry.
        """
        created = (JournalRow.action == Action.APP_CREATED.value) & (JournalRow.outcome == Outcome.OK.value)
        return {id for (id,) in self.db.rows(JournalRow.select(JournalRow.app_id).where(created))}

    def slugs(self) -> dict[int, str]:
        """The slugs of all apps that ever were, by id."""
        return dict(self.db.rows(AppRow.select(AppRow.id, AppRow.slug)))
