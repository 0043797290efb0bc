"""The tables about what the application is told, like those of `tables`."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CompositeKey, IntegerField, SmallIntegerField, TextField

from .table import Table


class FeedRow(Table):
    """The only row says which numbering of the feed's places holds, and how far the feed was pruned."""

    id = BigIntegerField(primary_key=True)
    #: Bumped when places are given again, or lead to another past: cursors of an older epoch are refused.
    epoch = BigIntegerField()
    #: What the numbers of transactions belong to; NULL where there are none.
    origin = TextField(null=True)
    #: The last place of which the entry was pruned.
    pruned_tx = BigIntegerField()
    pruned_id = BigIntegerField()

    class Meta:
        table_name = "feed"


class ReadingRow(Table):
    """An application said with its token that it has read up to a place of the feed."""

    id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    token_id = BigIntegerField()
    at = BigIntegerField()
    epoch = BigIntegerField()
    tx = BigIntegerField()
    place = BigIntegerField()

    class Meta:
        table_name = "reading"


class SetStreamRow(Table):
    """How far an application has acknowledged security event tokens that it polls with its token."""

    token_id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    epoch = BigIntegerField()
    #: Everything up to this place is acknowledged.
    tx = BigIntegerField()
    place = BigIntegerField()
    #: A JSON array of the ids of entries behind it that are acknowledged too.
    acknowledged = TextField()

    class Meta:
        table_name = "set_stream"


class WebhookRow(Table):
    """A URL that gets an app's events pushed; a removed one stays, so that receipts keep its name."""

    id = BigIntegerField(primary_key=True)
    app_id = BigIntegerField()
    name = TextField()
    url = TextField()
    #: A JSON array of event types; NULL for all.
    types = TextField(null=True)
    #: `standard` or `set`.
    format = TextField()
    #: 1 when a security event token about somebody who was disabled also says that sessions end.
    session_revoked = SmallIntegerField()
    #: How many events are delivered at once, each of another person.
    lanes = IntegerField()
    #: `active`, `paused` or `off`.
    state = TextField()
    #: The place in the feed up to which all is delivered, or waits in a delivery.
    epoch = BigIntegerField()
    tx = BigIntegerField()
    place = BigIntegerField()
    #: Which worker has it, and until when.
    holder = TextField(null=True)
    leased_until = BigIntegerField()
    #: Before this time the receiver wants nothing.
    not_before = BigIntegerField()
    created_at = BigIntegerField()
    #: It is for the events from this time on: where to begin when places begin anew.
    begins_at = BigIntegerField()
    #: Since when no delivery has succeeded; NULL when the last one did.
    failing_since = BigIntegerField(null=True)
    last_ok_at = BigIntegerField(null=True)
    last_failed_at = BigIntegerField(null=True)
    last_error = TextField(null=True)
    removed_at = BigIntegerField(null=True)

    class Meta:
        table_name = "webhook"


class WebhookSecretRow(Table):
    """A secret that signs deliveries; its text is made from the secret key and never stored."""

    id = BigIntegerField(primary_key=True)
    webhook_id = BigIntegerField()
    #: 128 random bits in base64url.
    secret_id = TextField()
    #: Fingerprint of the secret key that it is made from.
    key_id = TextField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField(null=True)

    class Meta:
        table_name = "webhook_secret"


class DeliveryRow(Table):
    """An event that a webhook's receiver has not confirmed, or that waits behind such a one of the same person."""

    webhook_id = BigIntegerField()
    journal_id = BigIntegerField()
    tx = BigIntegerField()
    #: Whom the event is about: what fails blocks the later events of the same lane.
    lane = TextField()
    attempts = IntegerField()
    next_at = BigIntegerField()
    last_status = IntegerField(null=True)
    last_error = TextField(null=True)
    #: When it was given up.
    dead_at = BigIntegerField(null=True)

    class Meta:
        table_name = "delivery"
        primary_key = CompositeKey("webhook_id", "journal_id")


class ReceiptRow(Table):
    """A webhook's receiver confirmed an event."""

    journal_id = BigIntegerField()
    webhook_id = BigIntegerField()
    at = BigIntegerField()
    status = IntegerField()
    attempts = IntegerField()
    #: Milliseconds of the last attempt.
    ms = IntegerField()

    class Meta:
        table_name = "receipt"
        primary_key = CompositeKey("journal_id", "webhook_id")


FEED_TABLES: tuple[type[Any], ...] = (
    FeedRow,
    ReadingRow,
    SetStreamRow,
    WebhookRow,
    WebhookSecretRow,
    DeliveryRow,
    ReceiptRow,
)
