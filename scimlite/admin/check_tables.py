"""Reads whole tables in chunks, each in one state, and compares each row with itself and with what it refers to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import peewee

from .. import clock
from ..db import inspection, tables
from ..db.feed_tables import (
    DeliveryRow,
    FeedRow,
    ReadingRow,
    ReceiptRow,
    SetStreamRow,
    WebhookRow,
    WebhookSecretRow,
)
from ..db.operator_tables import (
    InvitationRow,
    OperatorAppRow,
    OperatorRow,
    SessionRow,
    SignInAttemptRow,
    SignInLinkRow,
)
from ..db.sync_tables import SourceLinkRow, SourceRow, SourceRunRow
from ..db.target_tables import TARGET_TABLES
from . import check_rows, check_values
from .check_findings import Kind
from .check_rows import Facts
from .check_run import ROWS, Run

T = TypeVar("T")

#: Refused requests hold bodies of up to 64 kB.
_WITH_BODIES = 200

#: Of the installation, and of apps: the tables that need no look at other rows but `facts`.
OF_INSTALLATION: tuple[tuple[Any, Kind], ...] = (
    (tables.SigningKeyRow, Kind.TOKENS),
    (OperatorRow, Kind.OPERATORS),
    (OperatorAppRow, Kind.OPERATORS),
    (SignInLinkRow, Kind.OPERATORS),
    (SessionRow, Kind.OPERATORS),
    (SignInAttemptRow, Kind.OPERATORS),
    (FeedRow, Kind.FEED),
    (WebhookSecretRow, Kind.FEED),
    (DeliveryRow, Kind.FEED),
    (ReceiptRow, Kind.FEED),
)
OF_APPS: tuple[tuple[Any, Kind], ...] = (
    (tables.RefusalRow, Kind.REFUSALS),
    (InvitationRow, Kind.INVITATIONS),
    (ReadingRow, Kind.FEED),
    (SetStreamRow, Kind.FEED),
    (WebhookRow, Kind.FEED),
    (SourceRow, Kind.SOURCES),
    (SourceLinkRow, Kind.SOURCES),
    (SourceRunRow, Kind.SOURCES),
    *((table, Kind.TARGETS) for table in TARGET_TABLES),
)


def chunks(run: Run, model: Any, gather: Callable[[list[Any]], T], size: int = ROWS) -> Iterator[tuple[list[Any], T]]:
    """Reads a table, narrowed to the one app if there is one, in the order of its key.

    Yields the rows of each chunk, with what `gather` has read about them in the same state of the database.
    """
    key = model._meta.primary_key
    names = key.field_names if isinstance(key, peewee.CompositeKey) else (key.column_name,)
    fields = [getattr(model, name) for name in names]
    query = model.select(*check_values.columns(model)).order_by(*fields).limit(size)
    if "app_id" in model._meta.fields:
        query = run.narrowed(query, model.app_id)
    record = check_values.record(model)
    after: list[Any] | None = None
    while True:
        with inspection.one_state(run.db):
            rest = query if after is None else query.where(peewee.Tuple(*fields) > peewee.Tuple(*after))
            rows = [record._make(row) for row in run.db.rows(rest)]
            gathered = gather(rows)
        if not rows:
            return
        yield rows, gathered
        after = [getattr(rows[-1], name) for name in names]


def judge(run: Run, model: Any, kind: Kind, row: Any, facts: Facts) -> bool:
    """Adds what is wrong with a row by itself; returns False when one of its columns holds what it cannot hold."""
    faults = list(check_values.faults(model, row, facts.now))
    sound = not faults
    if sound and model in check_rows.RELATIONS:
        faults = list(check_rows.RELATIONS[model](row, facts))
    if faults:
        place = check_values.place(model, row, _slug(model, row, facts, {column for column, _ in faults}))
        for column, words in faults:
            run.found(kind, f"{place}: {column}: {words}")
    return sound


def _slug(model: Any, row: Any, facts: Facts, wrong: Collection[str]) -> str:
    """The slug of a row's app; a slug that is wrong is not repeated."""
    app = row.id if model is tables.AppRow else getattr(row, "app_id", None)
    if app is None or "slug" in wrong:
        return "the installation"
    return facts.slugs.get(app, "no app")


def facts(run: Run) -> Facts:
    """What rows refer to, as it is now."""
    db = run.db
    app, operator, token = tables.AppRow, OperatorRow, tables.TokenRow
    apps = db.rows(app.select(app.id, app.slug, app.version))
    known = db.rows(operator.select(operator.id, operator.disabled_at, operator.every_app))
    return Facts(
        clock.now(),
        {id: str(slug) for id, slug, _ in apps},
        {id: version for id, _, version in apps},
        {row[0] for row in db.rows(tables.SigningKeyRow.select(tables.SigningKeyRow.fingerprint))},
        run.keys,
        {id for id, disabled_at, _ in known if disabled_at is not None},
        {id for id, _, every in known if every},
        dict(db.rows(token.select(token.id, token.app_id))),
    )


def plain(run: Run, listed: Sequence[tuple[Any, Kind]]) -> Iterator[int]:
    """Compares the rows of tables that need no look at other rows but `facts`."""
    for model, kind in listed:
        size = _WITH_BODIES if model is tables.RefusalRow else ROWS
        for rows, known in chunks(run, model, lambda rows: facts(run), size):
            for row in rows:
                judge(run, model, kind, row, known)
            yield 0


def of_apps(run: Run) -> Iterator[int]:
    """The tables of apps that need no look at other rows but `facts`."""
    yield from plain(run, OF_APPS)


def installation(run: Run) -> Iterator[int]:
    """The tables that belong to no app, and what has to be in them."""
    yield from plain(run, OF_INSTALLATION)
    row = OperatorRow
    roles = run.db.rows(row.select(row.role, row.every_app, row.disabled_at))
    if roles and ("owner", 1, None) not in roles:
        run.found(Kind.OPERATORS, "operator: role: there is no owner of all apps who is not disabled")
    if not run.db.scalar(FeedRow.select(peewee.fn.count(FeedRow.id))):
        run.found(Kind.FEED, "feed: id: the one row is missing")
