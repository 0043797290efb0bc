"""The tables, as Peewee models without a database of their own: `db.Database` runs their queries.

The migrations create them; a test compares the two. Times are integer microseconds since 1970 UTC.
"""

from __future__ import annotations

from typing import Any

from peewee import SQL, BigIntegerField, CompositeKey, IntegerField, SmallIntegerField, TextField

from .feed_tables import FEED_TABLES
from .operator_tables import OPERATOR_TABLES
from .sync_tables import SYNC_TABLES
from .table import Table
from .target_tables import TARGET_TABLES


class AppRow(Table):
    """A connection from an identity provider; a deleted one stays, so that the journal keeps its name."""

    id = BigIntegerField(primary_key=True)
    slug = TextField()
    name = TextField()
    enabled = SmallIntegerField()
    #: AppSettings as JSON.
    settings = TextField()
    #: The name of the bundle of features that was chosen last (apps/app_profile.py).
    profile = TextField()
    #: Schemas and resource types of the app's own (scim/declared.py) as JSON.
    declared = TextField()
    #: The attribute mapping (mapping.py) as JSON; `{}` is the default one.
    mapping = TextField()
    #: Bumped by every change of the mapping: a profile says by which version it was made.
    mapping_version = IntegerField()
    #: Bumped by every change, so that what was parsed from this row can be cached.
    version = IntegerField()
    created_at = BigIntegerField()
    deleted_at = BigIntegerField(null=True)
    #: 1 when sources are read into it, so that resources may have an owner.
    sourced = SmallIntegerField()

    class Meta:
        table_name = "app"


class TokenRow(Table):
    """A bearer credential of an app; the token itself is never stored."""

    id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    #: 128 random bits in base64url: what the token's text holds, signed.
    token_id = TextField()
    #: Fingerprint of the secret key that signed it.
    key_id = TextField()
    label = TextField()
    issued_at = BigIntegerField()
    expires_at = BigIntegerField(null=True)
    revoked_at = BigIntegerField(null=True)
    last_used_at = BigIntegerField(null=True)
    #: When a refusal of this token was last journalled, by cause: a JSON object.
    refusals = TextField(null=True)
    #: The id, as clients see it, of the user that `/Me` is for this token.
    subject = TextField(null=True)
    #: What it is good for: `scim`, the SCIM endpoint, or `reader`, what the application reads.
    kind = TextField()

    class Meta:
        table_name = "token"


class ResourceRow(Table):
    """A SCIM resource; with `deleted_at` it is a tombstone."""

    id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    type = TextField()
    #: The id that clients see.
    uuid = TextField()
    #: userName or displayName: what people call it.
    name = TextField()
    #: displayName when there is one.
    display = TextField(null=True)
    active = SmallIntegerField()
    version = IntegerField()
    created_at = BigIntegerField()
    modified_at = BigIntegerField()
    deleted_at = BigIntegerField(null=True)
    #: JSON as a client gets it back, without `meta` and derived attributes.
    document = TextField()
    #: Since when a user is active without a break; NULL when it is not.
    active_since = BigIntegerField(null=True)
    #: How a tombstone came about: `deleted`, or with `delete the deactivated` on `deprovisioned` or `deactivated`.
    ended = TextField(null=True)
    #: The profile as JSON, without what is joined when it is read; and the version of the mapping that made it.
    profile = TextField(null=True)
    profile_version = IntegerField()

    class Meta:
        table_name = "resource"


#: How many characters of a value's key the index covers (migration 0001).
PREFIX = 200


class ValueRow(Table):
    """One attribute value of a living resource: what filters and sorting read."""

    app_id = BigIntegerField()
    type = TextField()
    resource_id = BigIntegerField()
    path = TextField()
    item = IntegerField()
    nth = SmallIntegerField()
    key = TextField()
    #: The key again, or its digest when long, if the value must be unique in the app; else NULL.
    unique_key = TextField(null=True)
    #: Whether the index over keys has it.
    sought = SmallIntegerField()

    class Meta:
        table_name = "value"
        primary_key = CompositeKey("resource_id", "path", "item", "nth")


def sought(value: Any) -> Any:
    """The condition that the index over keys has, of ValueRow or an alias: planners know it by its constant."""
    return value.sought == SQL("1")


class MemberRow(Table):
    """This group holds that user, group or resource of a declared type."""

    app_id = BigIntegerField()
    group_id = BigIntegerField()
    member_id = BigIntegerField()
    #: What the client called the member, while the app's feature `member-display` is `sent`.
    display = TextField(null=True)

    class Meta:
        table_name = "member"
        primary_key = CompositeKey("group_id", "member_id")


class PasswordRow(Table):
    """The hash of a living user's password."""

    resource_id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    hash = TextField()
    changed_at = BigIntegerField()

    class Meta:
        table_name = "password"


class BrakeRow(Table):
    """A brake of an app that was once tripped or released."""

    app_id = BigIntegerField()
    #: `users` or `members`.
    kind = TextField()
    #: NULL when it lets through.
    tripped_at = BigIntegerField(null=True)
    #: What came before does not count.
    released_at = BigIntegerField(null=True)
    #: Why it tripped, in words.
    detail = TextField(null=True)
    #: How many more departures are within the limits for certain, so that nothing has to be counted; NULL: count.
    spare = IntegerField(null=True)
    #: The version of the app for which `spare` was found: another one may have other limits.
    spare_version = IntegerField(null=True)
    #: `spare` holds while the window begins between these times.
    spare_from = BigIntegerField(null=True)
    spare_until = BigIntegerField(null=True)

    class Meta:
        table_name = "brake"
        primary_key = CompositeKey("app_id", "kind")


class DepartureRow(Table):
    """A user whom an app disabled or deleted, or took out of a group: what brakes count."""

    app_id = BigIntegerField()
    kind = TextField()
    at = BigIntegerField()
    resource_id = BigIntegerField()
    #: Since when the user had been active.
    active_since = BigIntegerField(null=True)

    class Meta:
        table_name = "departure"
        primary_key = CompositeKey("app_id", "kind", "at", "resource_id")


class RefusalRow(Table):
    """A refused or failed request, or operation of a bulk request, as it is kept for a week to be explained."""

    id = BigIntegerField(primary_key=True)
    at = BigIntegerField()
    app_id = BigIntegerField()
    request_id = TextField()
    method = TextField()
    path = TextField()
    scim_type = TextField(null=True)
    #: What the client was told.
    detail = TextField(null=True)
    #: Which setting or command would have the request accepted.
    remedy = TextField(null=True)
    #: Bytes of the body.
    size = IntegerField(null=True)
    #: The masked body, where the app keeps bodies.
    body = TextField(null=True)
    user_uuid = TextField(null=True)
    user_key = TextField(null=True)
    #: The client's own id of the request: what its operators see.
    client_request_id = TextField(null=True)

    class Meta:
        table_name = "refusal"


class JournalRow(Table):
    """What was done or tried: one row per action and subject, only ever added."""

    id = BigIntegerField(primary_key=True)
    at = BigIntegerField()
    app_id = BigIntegerField(null=True)
    action = TextField()
    outcome = TextField()
    user_uuid = TextField(null=True)
    user_name = TextField(null=True)
    #: The folded userName of somebody who got no id, because the request was refused.
    user_key = TextField(null=True)
    group_uuid = TextField(null=True)
    group_name = TextField(null=True)
    #: JSON: attribute path to [from, to].
    changes = TextField(null=True)
    #: What the client calls itself.
    client = TextField(null=True)
    token_label = TextField(null=True)
    request_id = TextField(null=True)
    #: The client's own id of the request, such as Entra's ActivityId.
    client_request_id = TextField(null=True)
    status = SmallIntegerField(null=True)
    detail = TextField(null=True)
    #: The kind of who acted (journal/origin.py).
    actor = TextField(null=True)
    #: The client's address, behind the trusted proxies.
    address = TextField(null=True)
    #: The user of the operating system who ran a command, and the one who called sudo for it.
    uid = BigIntegerField(null=True)
    sudo_uid = BigIntegerField(null=True)
    #: The number of the transaction, by which the feed is ordered (db/feed_order.py); 0 where ids are that order.
    tx = BigIntegerField()

    class Meta:
        table_name = "journal"


class AliasRow(Table):
    """Every name a user was known by, so that the report finds a person by an old userName."""

    app_id = BigIntegerField()
    #: Folded userName, or externalId as it is.
    name = TextField()
    user_uuid = TextField()

    class Meta:
        table_name = "alias"
        primary_key = CompositeKey("name", "user_uuid", "app_id")


class TallyRow(Table):
    """How often something happened in an app on one day; `journal.tallies` counts it."""

    #: Days since 1970 UTC.
    day = IntegerField()
    app_id = BigIntegerField()
    #: A `tallies.Kind`, and the name of the thing in it.
    kind = TextField()
    name = TextField()
    times = BigIntegerField()

    class Meta:
        table_name = "tally"
        primary_key = CompositeKey("day", "app_id", "kind", "name")


class SigningKeyRow(Table):
    """The fingerprint of a secret key that signed tokens, so that a wrong key is noticed."""

    fingerprint = TextField(primary_key=True)
    first_used_at = BigIntegerField()

    class Meta:
        table_name = "signing_key"


TABLES: tuple[type[Any], ...] = (
    AppRow,
    TokenRow,
    ResourceRow,
    ValueRow,
    MemberRow,
    PasswordRow,
    BrakeRow,
    DepartureRow,
    RefusalRow,
    JournalRow,
    AliasRow,
    TallyRow,
    SigningKeyRow,
    *OPERATOR_TABLES,
    *FEED_TABLES,
    *SYNC_TABLES,
    *TARGET_TABLES,
)
