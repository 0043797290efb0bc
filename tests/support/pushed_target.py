"""An app, a target behind quirks, and runs of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from commands import Commands
from installation import Connected, Installation
from quirky_target import QuirkyTarget
from scimlite import outbound
from scimlite.admin import targets
from scimlite.db.target_tables import TargetLinkRow, TargetRow
from scimlite.journal import Actor, Origin
from scimlite.sync.targets import runs
from scimlite.sync.targets.runs import Means, Report
from scimlite.sync.targets.stored import Options, Target

LOOPBACK = (ip_network("127.0.0.0/8"),)
WORKER = Origin("worker", actor=Actor.WORKER)


@dataclass
class Pushed:
    """An app that is pushed to another app of the same service, through a server that has quirks."""

    installation: Installation
    here: Connected
    there: Connected
    quirks: QuirkyTarget
    target: Target
    state_dir: Path
    client: outbound.Client

    @property
    def means(self) -> Means:
        """What runs need; no pause is longer than a moment."""
        return Means(self.installation.db, self.client, self.state_dir, pauses=(0.01, 0.02, 0.05))

    def sync(self, *, accepted: int | None = None, full: bool = False) -> Report:
        """A run, as the worker makes one."""
        report = runs.sync(self.means, self.target.id, WORKER, accepted=accepted, full=full)
        assert report is not None
        return report

    def ok(self) -> dict[str, int]:
        """A run that must end well; what it did how often."""
        report = self.sync()
        assert report.outcome == "ok", report.detail
        return dict(report.counts)

    def edit(self, **options: Any) -> None:
        """Other options."""
        workspace = self.installation.workspace(self.installation.app_row(self.here))
        self.target = targets.edit(workspace, self.row, options=Options(**options), networks=LOOPBACK)

    @property
    def commands(self) -> Commands:
        """The commands of the installation."""
        return Commands({**self.installation.env, "SCIMLITE_OUTBOUND_NETWORKS": "127.0.0.0/8"})

    @property
    def row(self) -> Target:
        """The target as it is stored."""
        return targets.get(self.installation.db, self.installation.app_row(self.here), self.target.name)

    def links(self) -> list[Any]:
        """What is known of those that were pushed."""
        query = TargetLinkRow.select().where(TargetLinkRow.target_id == self.target.id)
        return self.installation.db.records(query.order_by(TargetLinkRow.resource_id))

    def make_due(self) -> None:
        """Let the time of the next tries come, and the lease of a killed process end."""
        db = self.installation.db
        db.execute(TargetLinkRow.update(retry_at=0).where(TargetLinkRow.target_id == self.target.id))
        values = {"not_before": 0, "holder": None, "leased_until": 0}
        db.execute(TargetRow.update(values).where(TargetRow.id == self.target.id))

    def users_there(self) -> dict[str, Any]:
        """The users of the target by userName."""
        listed = self.there.client.find("Users", count=1000)["Resources"]
        return {each["userName"]: each for each in listed}

    def groups_there(self) -> dict[str, set[str]]:
        """The members of the target's groups by name: userNames, and names of groups."""
        users, groups = (self.there.client.find(each, count=1000)["Resources"] for each in ("Users", "Groups"))
        names = {each["id"]: each.get("userName") or each.get("displayName") for each in (*users, *groups)}
        return {group["displayName"]: {names[one["value"]] for one in group.get("members", ())} for group in groups}

    def assert_equal(self) -> None:
        """The target has what the app has, and nothing twice."""
        users = self.here.client.find("Users", count=1000)["Resources"]
        groups = self.here.client.find("Groups", count=1000)["Resources"]
        names = {each["id"]: each.get("userName") or each.get("displayName") for each in (*users, *groups)}
        there = self.there.client.find("Users", count=1000)["Resources"]
        assert sorted((each["externalId"], *_told(each)) for each in there) == sorted(
            (each["id"], *_told(each)) for each in users
        )
        listed = self.there.client.find("Groups", count=1000)["Resources"]
        assert sorted((each["externalId"], each["displayName"]) for each in listed) == sorted(
            (each["id"], each["displayName"]) for each in groups
        )
        assert self.groups_there() == {
            group["displayName"]: {names[one["value"]] for one in group.get("members", ())} for group in groups
        }


def _told(user: Any) -> tuple[Any, ...]:
    return user["userName"], user.get("active", True), user.get("title") or "", str(user.get("name"))


@pytest.fixture
def pushed(installation: Installation, tmp_path: Path) -> Iterator[Pushed]:
    here, there = installation.app("here"), installation.app("there")
    quirks = QuirkyTarget(f"{installation.url}/scim/v2/{there.slug}", there.text)
    (tmp_path / "token").write_text(there.text)
    with quirks.serving(), outbound.Client(LOOPBACK) as client:
        workspace = installation.workspace(installation.app_row(here))
        reference = f"file:{tmp_path / 'token'}"
        made = targets.add(workspace, "crm", quirks.url, reference, networks=LOOPBACK)
        yield Pushed(installation, here, there, quirks, made, tmp_path, client)
