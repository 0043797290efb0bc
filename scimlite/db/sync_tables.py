"""The tables about sources, like those of `tables`."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CompositeKey, IntegerField, TextField

from .table import Table


class SourceRow(Table):
    """A directory that is read into an app; a removed one stays, so that its runs keep their name."""

    id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    name = TextField()
    #: The name of its kind (sync/kinds.py).
    kind = TextField()
    #: What the kind's options were set to, as JSON.
    settings = TextField()
    #: SCIM attribute to expression, by type, as JSON.
    mapping = TextField()
    #: Bumped by every change of the mapping or the settings: then everything is read.
    mapping_version = IntegerField()
    #: The attributes that it owns of its resources, by type, as JSON: index paths, or what they begin with.
    owned = TextField()
    #: Where its secret is: `env:NAME`, `file:PATH` or `kept:NAME`; NULL without one.
    secret = TextField(null=True)
    #: The rules of runs (sync/rules.py), as JSON.
    rules = TextField()
    #: `active` or `disabled`.
    state = TextField()
    #: What directory it was at the last good run.
    identity = TextField(null=True)
    #: The reader's position of the last good run.
    position = TextField(null=True)
    #: The mapping's version at the last good full run.
    read_version = IntegerField()
    #: When the next run is due.
    due_at = BigIntegerField()
    #: How many runs failed one after the other.
    failures = IntegerField()
    #: What would be done by a run that wants an operator's word, as JSON; NULL when none does.
    held = TextField(null=True)
    #: What an operator accepted for the next run, as JSON; NULL for nothing.
    accepted = TextField(null=True)
    last_ok_at = BigIntegerField(null=True)
    last_full_at = BigIntegerField(null=True)
    #: Which process runs it, and until when without another word.
    holder = TextField(null=True)
    leased_until = BigIntegerField()
    created_at = BigIntegerField()
    removed_at = BigIntegerField(null=True)

    class Meta:
        table_name = "source"


class SourceLinkRow(Table):
    """This entry of a source is this resource."""

    app_id = BigIntegerField()
    source_id = BigIntegerField()
    #: `User` or `Group`.
    type = TextField()
    #: The entry's immutable id there.
    key = TextField()
    #: NULL for an entry that was refused, so that it has no resource.
    resource_id = BigIntegerField(null=True)
    #: Of what was read of the entry when it was last written; empty when it must be looked at again.
    digest = TextField()
    #: The key of the manager that was written, or the digest of a group's members.
    ties = TextField()
    #: The resource's version after the last write by the source: another one was changed by somebody else.
    version = IntegerField()
    #: `ok`, `missing`, `gone` or `refused`.
    state = TextField()
    #: How many full runs in a row did not find it.
    missing_runs = IntegerField()
    missing_since = BigIntegerField(null=True)
    #: Why it was refused.
    reason = TextField(null=True)

    class Meta:
        table_name = "source_link"
        primary_key = CompositeKey("app_id", "source_id", "type", "key")


class SourceRunRow(Table):
    """One pass over a source."""

    id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    source_id = BigIntegerField()
    #: What its entries in the journal have as the request's id.
    request_id = TextField()
    #: `full` or `delta`.
    kind = TextField()
    started_at = BigIntegerField()
    #: The last sign of life.
    beat_at = BigIntegerField()
    ended_at = BigIntegerField(null=True)
    #: `running`, `ok`, `held`, `failed` or `interrupted`.
    outcome = TextField()
    #: How many entries were read, created, changed and so on, as JSON.
    counts = TextField()
    #: Why it failed or was held, in words.
    detail = TextField(null=True)

    class Meta:
        table_name = "source_run"


SYNC_TABLES: tuple[type[Any], ...] = (SourceRow, SourceLinkRow, SourceRunRow)
