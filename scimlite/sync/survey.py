"""Reads a source and compares it with what is there: what would be done, and why it may not be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from .. import clock
from ..apps.workspace import Workspace
from ..db import Database
from ..directory import brakes, departures, members, tombstones
from ..outbound import Client
from . import differences, guard, kinds, links, matching, plan, shaping
from .guard import Acceptance, Hold
from .links import Key, Link, Linked
from .memberships import Difference, difference, spared, wanted
from .plan import Act, Plan, Step
from .reading import GROUP, USER, Opening, Reader
from .sources import Source
from .staging import Staging

_SECOND = 1_000_000
#: Attributes are compared one by one when more users than this would change.
_MANY = 100

Told = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Ground:
    """Where runs take place: the database, the client for other hosts, and what reads a secret by its reference."""

    db: Database
    client: Client
    secret: Callable[[str], str]


@dataclass
class Found:
    """What was read and compared; it holds a file that is gone with the survey."""

    links: dict[Key, Link]
    staging: Staging
    plan: Plan
    resolve: Callable[[str], str | None]
    is_known: Callable[[Key], bool]
    identity: str
    position: str | None
    #: True when everything was read.
    whole: bool
    #: True when the source was asked what changed, and could not tell.
    untold: bool
    numbers: dict[str, int] = field(default_factory=dict)

    def member_changes(self, db: Database) -> Iterator[tuple[Step, Difference]]:
        """Yields the groups that are there and get other members, with the difference.

        Who has no resource yet is left out: they only come.
        """
        kept = spared(self.links, self.plan.missed)
        for step in self.plan.groups:
            link = self.links.get(step.key)
            if link is None or not link.lives or step.entry is None:
                continue
            if step.act is Act.CHANGE and link.ties == step.entry.ties and not link.drifted:
                continue
            keys = wanted(self.staging, step, self.resolve, self.is_known)
            ids = [member.uuid for key in keys if (member := self.links.get(key)) and member.lives and member.uuid]
            yield step, difference(db, link.row, ids, kept)


class Survey:
    """Reads one source, without writing anything."""

    def __init__(
        self,
        ground: Ground,
        workspace: Workspace,
        source: Source,
        mapping: Mapping[str, shaping.Compiled],
        *,
        whole: bool,
        told: Told,
    ) -> None:
        """In: `whole`, to read everything also where the source tells what changed; `told`, as for a run."""
        self._ground = ground
        self._workspace = workspace
        self._app = workspace.app
        self._source = source
        self._mapping = mapping
        self._whole = whole
        self._told = told
        self._kind = kinds.get(source.kind)
        self._rules = source.ruling
        self._untold = False

    # --- reading --------------------------------------------------------------------------------------------------

    @contextmanager
    def taken(self) -> Iterator[Found]:
        """What was read, compared with the links. Raises SourceError."""
        attributes = {type: compiled.attributes for type, compiled in self._mapping.items()}
        secret = self._ground.secret(self._source.secret) if self._source.secret else None
        reader = self._kind.open(Opening(self._source.options, secret, self._ground.client, attributes))
        try:
            identity = reader.identity()
            # Before reading: what changes meanwhile is read again by the next run.
            position = reader.position() if self._kind.tells_changes else None
            kept = links.of_source(self._ground.db, self._app.id, self._source.id)
            reassert = self._app.settings.sourced_users == "source"
            with Staging(self._mapping, self._source.mapping_version, kept, reassert=reassert) as staging:
                keys = self._changed(reader, identity, len(kept))
                for record in reader.everything() if keys is None else reader.read(keys):
                    staging.take(record)
                    self._told("read", len(staging.entries))
                yield self._compare(reader, kept, staging, keys, identity, position)
        finally:
            reader.close()

    def _changed(self, reader: Reader, identity: str, entries: int) -> list[str] | None:
        """The keys of what changed since the last run; None when everything is to be read."""
        source = self._source
        if self._whole or source.position is None or not self._kind.tells_changes or source.held:
            return None
        if source.identity != identity or source.read_version != source.mapping_version:
            return None
        if (source.last_full_at or 0) + self._rules.seconds_between(entries) * _SECOND <= clock.now():
            return None
        keys = reader.changed(source.position)
        self._untold = keys is None
        return None if keys is None else list(dict.fromkeys(keys))

    def _compare(
        self,
        reader: Reader,
        kept: dict[Key, Link],
        staging: Staging,
        keys: list[str] | None,
        identity: str,
        position: str | None,
    ) -> Found:
        buries = tombstones.deprovisions(self._app.settings)
        entries = staging.entries

        def is_known(key: Key) -> bool:
            link, entry = kept.get(key), entries.get(key)
            lives = link is not None and link.lives
            if entry is None:
                return keys is not None and lives and link is not None and link.state == Linked.OK
            return lives or (entry.fault is None and (entry.active or not buries or key.type == GROUP))

        self._told("compare", len(entries))
        staging.finish(reader.resolve, is_known)
        if keys is None:
            absent = [key for key in kept if key not in entries]
        else:
            asked = [Key(type, each) for each in keys for type in (USER, GROUP)]
            absent = [key for key in asked if key in kept and key not in entries]
        made = plan.make(kept, entries, self._rules, absent=absent, whole=keys is None, buries=buries)
        numbers = {"users": staging.count(USER), "groups": staging.count(GROUP)}
        numbers |= matching.settle(self._ground.db, self._app, made, staging, self._rules)
        numbers |= {**made.counts(), "unchanged": made.unchanged}
        return Found(
            kept, staging, made, reader.resolve, is_known, identity, position, keys is None, self._untold, numbers
        )

    # --- judging --------------------------------------------------------------------------------------------------

    def judge(self, found: Found, accepted: Acceptance) -> list[Hold]:
        """Why nothing may be written; empty when it may."""
        settings = self._app.settings
        limits = brakes.limits(settings, departures.USERS), brakes.limits(settings, departures.MEMBERS)
        return guard.judge(self._facts(found), self._rules, *limits, accepted)

    def _facts(self, found: Found) -> guard.Facts:
        living = {key: link for key, link in found.links.items() if link.lives and link.state != Linked.GONE}
        removed, halved = self._lost_members(found)
        entries = found.staging.entries
        return guard.Facts(
            active=sum(link.active for key, link in living.items() if key.type == USER),
            linked={type: sum(key.type == type for key in living) for type in self._mapping},
            found={type: sum(key.type == type for key in living if key in entries) for type in self._mapping},
            read=len(entries),
            refused=len(found.plan.refused),
            removals=plan.users(found.plan.removals),
            members_removed=removed,
            halved=tuple(halved),
            groups_removed=sum(step.key.type == GROUP for step in found.plan.leavers),
            changes=self._attribute_changes(found, living),
            new_mapping=self._source.read_version != self._source.mapping_version,
            identity=found.identity,
            former=self._source.identity,
            whole=found.whole,
        )

    def _lost_members(self, found: Found) -> tuple[int, list[str]]:
        """How many memberships would end, and the names of groups that would lose more than half of their members."""
        removed, halved = 0, []
        for step, change in found.member_changes(self._ground.db):
            removed += len(change.removed)
            if guard.is_halved(change.before, len(change.removed)):
                halved.append(step.name)
        for step in found.plan.leavers:
            row = found.links[step.key].row
            if step.key.type == GROUP and row is not None:
                before = members.count(self._ground.db, row, 1_000_000)
                removed += before
                if guard.is_halved(before, before):
                    halved.append(step.name)
        return removed, halved

    def _attribute_changes(self, found: Found, living: Mapping[Key, Link]) -> dict[str, int]:
        """How many users each attribute would change of, when that are many."""
        users = sum(key.type == USER for key in living)
        changed = [step for step in found.plan.changes if step.key in living]
        if users <= _MANY or len(changed) * 100 <= self._rules.hold_changes * users:
            return {}
        return differences.counts(differences.of(self._workspace, changed, found.links, found.staging, self._mapping))
