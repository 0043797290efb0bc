"""An app with a source, as operators and clients meet it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from made_source import DIRECTORIES, Directory
from scimlite.admin import apps, source_runs, sources
from scimlite.apps import App
from scimlite.apps.workspace import Workspace
from scimlite.db.tables import ResourceRow
from scimlite.directory import members, write
from scimlite.installation import Installation
from scimlite.journal import Actor, Origin, Scope, report
from scimlite.journal.report import Record
from scimlite.journal.selection import Selection
from scimlite.sync.history import Outcome
from scimlite.sync.rules import Rules
from scimlite.sync.runs import Report
from scimlite.sync.sources import Source

OPERATOR = Origin("cli:test", actor=Actor.CLI)
CLIENT = Origin("idp/1.0", "default", "0123456789abcdef", actor=Actor.SCIM)


@dataclass
class Sourced:
    """An app with the source `corp`, and the directory behind it."""

    installation: Installation
    slug: str
    directory: Directory

    @classmethod
    def new(cls, installation: Installation, slug: str, kind: str = "made", **features: str) -> Sourced:
        """An app of this name with a source; who is not found once has left, unless a test has other rules."""
        scope = Scope(installation.db, OPERATOR)
        apps.create(scope, slug, slug)
        if features:
            apps.edit(scope, slug, features={name.replace("_", "-"): text for name, text in features.items()})
        directory = DIRECTORIES[slug] = Directory()
        site = cls(installation, slug, directory)
        sources.add(site.workspace, "corp", kind, {"directory": slug}, rules=Rules().with_(missing_after=1))
        return site

    @property
    def app(self) -> App:
        return apps.get(self.installation.db, self.slug)

    @property
    def source(self) -> Source:
        return sources.get(self.installation.db, self.app, "corp")

    @property
    def workspace(self) -> Workspace:
        return Workspace.of(Scope(self.installation.db, OPERATOR), self.app)

    @property
    def client(self) -> Workspace:
        """What an identity provider writes by."""
        return Workspace.of(Scope(self.installation.db, CLIENT), self.app)

    def feature(self, name: str, value: str) -> None:
        apps.edit(Scope(self.installation.db, OPERATOR), self.slug, features={name: value})

    def rules(self, **rules: Any) -> None:
        sources.edit(self.workspace, self.source, rules=self.source.ruling.with_(**rules))

    def sync(self, *, outcome: Outcome = Outcome.OK, **options: Any) -> Report:
        """Runs the source now; the outcome is as told."""
        with source_runs.ground(self.installation.db, self.installation.settings) as place:
            made = source_runs.sync(place, self.workspace, self.source, **options)
        assert made.outcome is outcome, made
        return made

    def preview(self) -> list[tuple[str, str, dict[str, list[Any]]]]:
        """What a run would do: act, name, changes."""
        with (
            source_runs.ground(self.installation.db, self.installation.settings) as place,
            source_runs.preview(place, self.app, self.source) as seen,
        ):
            return [(step.act.value, step.name, differences) for step, differences in seen.rows()]

    def users(self) -> dict[str, dict[str, Any]]:
        """The living users by userName."""
        return {each.name: json.loads(each.document) for each in self._rows("User")}

    def active(self) -> set[str]:
        """The userNames of active users."""
        return {name for name, user in self.users().items() if user["active"]}

    def _rows(self, type: str) -> list[Any]:
        row = ResourceRow
        living = (row.app_id == self.app.id) & (row.type == type) & row.deleted_at.is_null()
        return self.installation.db.records(row.select(row.id, row.name, row.document).where(living).order_by(row.id))

    def members(self, group: str) -> set[str]:
        """The names of a group's members."""
        row = next(each.id for each in self._rows("Group") if each.name == group)
        return {link.name for link in members.members_of(self.installation.db, [row]).get(row, [])}

    def create(self, name: str, **values: Any) -> str:
        """A client creates a user; returns the id."""
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "active": True, **values}
        return write.create(self.client, self.app.resource_types["Users"], body).resource.id

    def journal(self) -> list[Record]:
        """All entries of the app, the oldest first."""
        return report.read(self.installation.db, Selection(app_id=self.app.id))

    def acts(self, after: int = 0) -> list[tuple[str, str, str | None]]:
        """What the journal says from an entry on: action, outcome, and whom it is about."""
        return [(each.action, each.outcome, each.user or each.group) for each in self.journal()[after:]]
