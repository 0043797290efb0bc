"""The tables of targets, the servers that an app's users and groups are pushed to, like those of `tables`."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CompositeKey, IntegerField, SmallIntegerField, TextField

from .table import Table


class TargetRow(Table):
    """A SCIM server that an app is pushed to; a removed one stays, so that the journal keeps its name."""

    id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    name = TextField()
    #: The SCIM base URL, without a slash at the end.
    url = TextField()
    #: The options (sync/targets/stored.py) as a JSON object.
    settings = TextField()
    #: Where the token is read (sync/secret_references.py), never the token.
    secret = TextField()
    #: 128 random bits, sent with each request: an installation that gets its own mark has a loop.
    mark = TextField()
    #: Microseconds after which it is looked through without a change.
    every = BigIntegerField()
    enabled = SmallIntegerField()
    #: What the server said that it can (sync/targets/abilities.py), as a JSON object; NULL before the first run.
    abilities = TextField(null=True)
    #: A JSON array of the attributes that it does not take.
    left_out = TextField()
    #: Why a run waits for an operator's word, as a JSON object.
    held = TextField(null=True)
    #: Which process has it, and until when.
    holder = TextField(null=True)
    leased_until = BigIntegerField()
    #: Before this time it is left alone.
    not_before = BigIntegerField()
    created_at = BigIntegerField()
    last_run_at = BigIntegerField(null=True)
    last_ok_at = BigIntegerField(null=True)
    #: Since when no run has ended well; NULL when the last one did.
    failing_since = BigIntegerField(null=True)
    last_error = TextField(null=True)
    removed_at = BigIntegerField(null=True)

    class Meta:
        table_name = "target"


class TargetLinkRow(Table):
    """What a user or group is at a target. The resource may be purged by now: its key is no foreign one."""

    app_id = BigIntegerField()
    target_id = BigIntegerField()
    resource_id = BigIntegerField()
    #: The resource's own id: SQLite gives the key of a purged row again.
    uuid = TextField()
    #: `User` or `Group`.
    type = TextField()
    #: Its id at the target; NULL when it was not created yet, or nobody knows whether it was.
    remote_id = TextField(null=True)
    #: The version of the resource that was pushed, or tried; 0 has it looked at again.
    version = IntegerField()
    #: A JSON object: the digest of each value that the target has by path, "" for one that it may have.
    digests = TextField()
    #: 1 for a user that is active there.
    active = SmallIntegerField()
    #: A `stored.LinkState`.
    state = TextField()
    #: Tries that failed since the last success or change, when it is tried again, and what went wrong.
    tries = IntegerField()
    retry_at = BigIntegerField()
    reason = TextField(null=True)
    changed_at = BigIntegerField()

    class Meta:
        table_name = "target_link"
        primary_key = CompositeKey("app_id", "target_id", "resource_id")


class TargetMemberRow(Table):
    """A target's group has a member, as far as was pushed."""

    app_id = BigIntegerField()
    target_id = BigIntegerField()
    group_id = BigIntegerField()
    member_id = BigIntegerField()
    #: 0 when it is being added or removed, and nobody knows yet whether it was.
    sure = SmallIntegerField()

    class Meta:
        table_name = "target_member"
        primary_key = CompositeKey("app_id", "target_id", "group_id", "member_id")


class TargetRunRow(Table):
    """A run that had something to push, was held, or failed."""

    id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    target_id = BigIntegerField()
    started_at = BigIntegerField()
    ended_at = BigIntegerField(null=True)
    #: `ok`, `held`, `failed` or `interrupted`; NULL while it runs.
    outcome = TextField(null=True)
    #: A JSON object of numbers.
    counts = TextField()
    detail = TextField(null=True)

    class Meta:
        table_name = "target_run"


TARGET_TABLES: tuple[type[Any], ...] = (TargetRow, TargetLinkRow, TargetMemberRow, TargetRunRow)
