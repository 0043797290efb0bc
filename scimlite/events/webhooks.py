"""Webhooks as they are stored: a webhook is a URL that gets an app's events pushed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import orjson
from peewee import fn

from ..apps.keyring import Keyring
from ..db import Database, Slot, prepared
from ..db.feed_order import Place
from ..db.feed_tables import WebhookRow, WebhookSecretRow
from . import signing

#: How many events are delivered at once without another choice.
DEFAULT_LANES = 8
MOST_LANES = 64


class State(StrEnum):
    """Whether a webhook is served: a paused or switched-off one keeps its place, and gets nothing."""

    ACTIVE = "active"
    PAUSED = "paused"
    #: The worker switched it off: its receiver answered 410, or failed for three days.
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook's row; the fields are named like the columns, times are microseconds since 1970 UTC."""

    id: int
    app_id: int
    name: str
    url: str
    types: str | None
    format: str
    session_revoked: int
    lanes: int
    state: str
    epoch: int
    tx: int
    place: int
    holder: str | None
    leased_until: int
    not_before: int
    created_at: int
    begins_at: int
    failing_since: int | None
    last_ok_at: int | None
    last_failed_at: int | None
    last_error: str | None

    @property
    def position(self) -> Place:
        """The place in the feed up to which all is delivered, or waits in a delivery."""
        return Place(self.tx, self.place)

    @property
    def chosen(self) -> frozenset[str]:
        """The types of events that it gets; empty for all."""
        return frozenset(orjson.loads(self.types)) if self.types else frozenset()


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that signs deliveries, from its row; None for `expires_at` is the present one."""

    id: int
    webhook_id: int
    secret_id: str
    key_id: str
    created_at: int
    expires_at: int | None

    def key(self, keyring: Keyring) -> bytes:
        """The bytes that sign. Raises TokenError when the secret key that they are made from is not given."""
        return signing.secret(keyring, self.secret_id, self.key_id)


COLUMNS = tuple(getattr(WebhookRow, part.name) for part in fields(Webhook))
_SECRET_COLUMNS = tuple(getattr(WebhookSecretRow, part.name) for part in fields(Secret))


def living(db: Database) -> list[Webhook]:
    """The webhooks of all apps that were not removed."""
    return [Webhook(*row) for row in db.rows(_living)]


def of_app(db: Database, app_id: int) -> list[Webhook]:
    """An app's webhooks that were not removed, by name."""
    return [Webhook(*row) for row in db.rows(_of_app, app=app_id)]


def by_id(db: Database, id: int) -> Webhook | None:
    """A webhook that was not removed; None when there is none."""
    row = db.row(_by_id, id=id)
    return Webhook(*row) if row else None


def secrets(db: Database, webhook_id: int, at: int) -> list[Secret]:
    """The secrets that sign a webhook's deliveries at a time, the newest first."""
    return [Secret(*row) for row in db.rows(_secrets, webhook=webhook_id, at=at)]


def needed_keys(db: Database, at: int) -> dict[str, int]:
    """How many living webhooks need each secret key, by its fingerprint, so that they can be signed."""
    return {key_id: int(count) for key_id, count in db.rows(_needed_keys, at=at)}


def signing_keys(keyring: Keyring, kept: Sequence[Secret]) -> list[bytes]:
    """The bytes of secrets; those are left out of which the secret key is not given, unless none would be left.

    Raises TokenError then.
    """
    usable = [secret for secret in kept if secret.key_id in keyring] or list(kept)
    return [secret.key(keyring) for secret in usable]


def _webhooks() -> Any:
    return WebhookRow.select(*COLUMNS).where(WebhookRow.removed_at.is_null())


@prepared
def _living(db: Database) -> Any:
    return _webhooks().order_by(WebhookRow.id)


@prepared
def _of_app(db: Database) -> Any:
    return _webhooks().where(WebhookRow.app_id == Slot("app")).order_by(WebhookRow.name)


@prepared
def _by_id(db: Database) -> Any:
    return _webhooks().where(WebhookRow.id == Slot("id"))


@prepared
def _needed_keys(db: Database) -> Any:
    query = WebhookSecretRow.select(WebhookSecretRow.key_id, fn.count(WebhookSecretRow.webhook_id.distinct()))
    query = query.join(WebhookRow, on=(WebhookRow.id == WebhookSecretRow.webhook_id))
    signs = WebhookSecretRow.expires_at.is_null() | (WebhookSecretRow.expires_at > Slot("at"))
    return query.where(WebhookRow.removed_at.is_null(), signs).group_by(WebhookSecretRow.key_id)


@prepared
def _secrets(db: Database) -> Any:
    query = WebhookSecretRow.select(*_SECRET_COLUMNS).where(WebhookSecretRow.webhook_id == Slot("webhook"))
    living = WebhookSecretRow.expires_at.is_null() | (WebhookSecretRow.expires_at > Slot("at"))
    return query.where(living).order_by(WebhookSecretRow.id.desc())
