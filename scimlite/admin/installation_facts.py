"""What an operator knows about an installation: version, database, keys, disks, backup, settings without secrets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from peewee import fn

from .. import apps, clock
from ..apps.keyring import Keyring
from ..clock import DAY
from ..config import Settings, fields_of_variables
from ..config_values import ClaimedRole
from ..db import Database, drift, migration
from ..db.tables import JournalRow, TokenRow
from ..events import webhooks
from . import backups, figures, watch
from .figures import Space
from .watch import Finding


@dataclass(frozen=True, slots=True)
class Key:
    """A secret key by its fingerprint: whether the service has it, how many valid tokens and webhooks it signs."""

    fingerprint: str
    present: bool
    tokens: int
    webhooks: int


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable with the value that is in force; a secret has no value here."""

    variable: str
    value: str
    secret: bool
    default: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """An installation; sizes are bytes, times microseconds since 1970 UTC, None what a server does not tell."""

    version: str
    database: str
    kind: str
    size: int | None
    wal_size: int | None
    keys: list[Key]
    backup_at: int | None
    disks: dict[Path, Space]
    #: Entries of the report, counted by their numbers, and when the oldest was made.
    entries: int
    oldest_entry: int | None
    settings: list[Setting]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What takes longer to find out: the schema compared with what this version needs, and what `check` judges."""

    current: bool
    pending: list[str]
    unknown: list[str]
    changed: list[str]
    #: None when the tables were not compared.
    differences: list[str] | None
    findings: list[Finding]

    @property
    def sound(self) -> bool:
        """True when the schema is as this version needs it."""
        return self.current and not self.changed and not self.differences


def facts(db: Database, settings: Settings, keyring: Keyring) -> Facts:
    """Returns the facts, in a few short queries."""
    rooms = {folder: figures.space(folder) for folder in dict.fromkeys([settings.state_dir, *db.folders()])}
    # Two queries: SQLite reads all rows for both in one.
    first, last = (db.scalar(JournalRow.select(edge(JournalRow.id))) for edge in (fn.min, fn.max))
    oldest = db.scalar(JournalRow.select(JournalRow.at).order_by(JournalRow.at, JournalRow.id).limit(1))
    return Facts(
        version=version("scimlite"),
        database=settings.database_label,
        kind=db.kind,
        size=db.size(),
        wal_size=db.wal_size(),
        keys=_keys(db, keyring),
        backup_at=backups.last(settings.state_dir),
        disks={folder: room for folder, room in rooms.items() if room is not None},
        entries=0 if first is None else last - first + 1,
        oldest_entry=oldest,
        settings=_settings(settings),
    )


def inspect(db: Database, settings: Settings, *, compare: bool) -> Inspection:
    """Judges the installation as `scimlite check` does without options; `compare` compares tables, columns and indexes.

    PostgreSQL takes seconds to describe them.
    """
    status = migration.status(db)
    folders = [settings.state_dir, *db.folders()]
    found = figures.of_apps(db, apps.every(db))
    return Inspection(
        status.current,
        status.pending,
        status.unknown,
        migration.changed(db),
        drift.differences(db) if compare and status.current else None,
        watch.judge(found, folders, backups.last(settings.state_dir), watch.Thresholds()),
    )


def _keys(db: Database, keyring: Keyring) -> list[Key]:
    at = clock.now()
    valid = (TokenRow.revoked_at.is_null() | (TokenRow.revoked_at > at)) & (
        TokenRow.expires_at.is_null() | (TokenRow.expires_at > at)
    )
    query = TokenRow.select(TokenRow.key_id, fn.count(TokenRow.id)).where(valid).group_by(TokenRow.key_id)
    signed = {key_id: int(count) for key_id, count in db.rows(query)}
    hooks = webhooks.needed_keys(db, at)
    known = list(keyring.fingerprints)
    others = sorted((signed.keys() | hooks.keys()) - set(known))
    return [Key(each, each in known, signed.get(each, 0), hooks.get(each, 0)) for each in [*known, *others]]


def _settings(settings: Settings) -> list[Setting]:
    fields = {field.name: field for field in dataclasses.fields(settings)}
    found = [Setting("SCIMLITE_STATE_DIR", str(settings.state_dir), False, False)]
    found.append(Setting("SCIMLITE_DATABASE_URL", settings.database_label, False, settings.database_is_default))
    found.append(Setting("SCIMLITE_SECRET_KEY", "", True, False))
    for variable, name in fields_of_variables().items():
        field, value = fields[name], getattr(settings, name)
        made = field.default_factory
        default = field.default if made is dataclasses.MISSING else made()
        # What a repr leaves out is secret.
        found.append(Setting(variable, _spelled(name, value) if field.repr else "", not field.repr, value == default))
    return found


def _spelled(name: str, value: Any) -> str:
    """Returns a value as one would write it into the variable, as far as it has a form of its own."""
    if name == "retention":
        return f"{value // DAY}d"
    if name == "console":
        return "off" if value is None else value.host or (_spelled("", value.bind) if value.bind else "on")
    if value is None or value == ():
        return "not set"
    if isinstance(value, ClaimedRole):
        slugs = f"@{'+'.join(value.slugs)}" if value.slugs else ""
        return f"{value.claim}={value.value}:{value.role}{slugs}"
    if isinstance(value, tuple):
        # An address with its port, or a list.
        is_place = len(value) == 2 and isinstance(value[1], int)
        return ":".join(map(str, value)) if is_place else ", ".join(_spelled("", each) for each in value)
    return str(value)
