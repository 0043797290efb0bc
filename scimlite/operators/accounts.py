"""The operators of the console: adds, edits, disables and removes them, and says what each may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import peewee

from .. import clock, journal
from ..apps import App
from ..apps import every as every_app
from ..db import Database
from ..db.operator_tables import OperatorAppRow, OperatorRow, SessionRow, SignInLinkRow
from ..errors import OperatorError
from ..journal import Action, Entry, Scope
from ..scim.names import fold
from ..suggestions import did_you_mean
from .roles import RULES, Act, NotAllowed, Role

_LONGEST_NAME = 100


class AccountError(OperatorError):
    """There is no such operator, or the operator cannot be as asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who may use the console; times are microseconds since 1970 UTC."""

    id: int
    name: str
    role: Role
    #: The ids of the apps to which they are bound; None for all apps.
    apps: frozenset[int] | None
    has_password: bool
    #: Who they are at the provider of the single sign-on; None until they came from there.
    issuer: str | None
    subject: str | None
    created_at: int
    disabled_at: int | None
    signed_in_at: int | None

    @property
    def state(self) -> str:
        """`active` or `disabled`."""
        return "active" if self.disabled_at is None else "disabled"

    def sees(self, app_id: int) -> bool:
        """True when the operator may know of this app."""
        return self.apps is None or app_id in self.apps

    def may(self, act: Act) -> bool:
        """True when the role allows the act, in apps that the operator sees."""
        rule = RULES[act]
        return self.role in rule.roles and not (rule.unbound and self.apps is not None)

    def require(self, act: Act) -> None:
        """Raises NotAllowed unless `may(act)`."""
        if not self.may(act):
            raise NotAllowed(act, self.role, bound=self.role in RULES[act].roles)


_COLUMNS = (
    OperatorRow.id,
    OperatorRow.name,
    OperatorRow.role,
    OperatorRow.every_app,
    OperatorRow.password.is_null(False),
    OperatorRow.issuer,
    OperatorRow.subject,
    OperatorRow.created_at,
    OperatorRow.disabled_at,
    OperatorRow.signed_in_at,
)


def every(db: Database) -> list[Operator]:
    """Returns all operators by name."""
    return _operators(db)


def get(db: Database, name: str) -> Operator:
    """Returns the operator with this name, in any case. Raises AccountError, with a name that may be meant."""
    found = _operators(db, OperatorRow.name_key == fold(name.strip()))
    if found:
        return found[0]
    names = [operator.name for operator in every(db)]
    listed = f" Operators: {', '.join(names[:10])}." if names else " Add one: scimlite operator add NAME --role owner"
    raise AccountError(f"There is no operator {name!r}.{did_you_mean(name, names)}{listed}")


def by_id(db: Database, id: int) -> Operator | None:
    """Returns the operator with this number; None when there is none any more."""
    return next(iter(_operators(db, OperatorRow.id == id)), None)


def _operators(db: Database, *where: Any) -> list[Operator]:
    query = OperatorRow.select(*_COLUMNS)
    rows = db.rows((query.where(*where) if where else query).order_by(OperatorRow.name_key))
    bound: dict[int, set[int]] = {}
    if any(not row[3] for row in rows):
        pairs = OperatorAppRow.select(OperatorAppRow.operator_id, OperatorAppRow.app_id)
        for operator_id, app_id in db.rows(pairs.where(OperatorAppRow.operator_id.in_([row[0] for row in rows]))):
            bound.setdefault(operator_id, set()).add(app_id)
    return [
        Operator(
            row[0],
            row[1],
            Role.named(row[2]),
            None if row[3] else frozenset(bound.get(row[0], ())),
            bool(row[4]),
            *row[5:],
        )
        for row in rows
    ]


def add(scope: Scope, name: str, role: Role, apps: Sequence[App] | None = None) -> Operator:
    """Adds an operator; `apps` binds them to these apps, None gives them all.

    Raises AccountError when the name is taken or not allowed.
    """
    name = checked_name(name)
    try:
        return scope.db.transact(partial(_add, scope, name, role, apps))
    except peewee.IntegrityError as error:
        if scope.db.not_unique(error, "operator", "name_key"):
            raise AccountError(f"There is an operator {name!r} already.") from None
        raise


def _add(scope: Scope, name: str, role: Role, apps: Sequence[App] | None) -> Operator:
    at = clock.now()
    every = int(apps is None)
    row = OperatorRow.insert(name=name, name_key=fold(name), role=role.value, every_app=every, created_at=at)
    scope.db.execute(row)
    made = get(scope.db, name)
    _bind(scope.db, made.id, apps)
    entry = Entry(Action.OPERATOR_ADDED, detail=f"{name} as {role}{_places(apps)}")
    journal.record(scope, [entry], at=at)
    return get(scope.db, name)


def checked_name(name: str) -> str:
    """Returns a name without blanks at its ends. Raises AccountError when it cannot be an operator's."""
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise AccountError(f"An operator's name has 1 to {_LONGEST_NAME} printable characters.")
    return name


def _bind(db: Database, operator_id: int, apps: Sequence[App] | None) -> None:
    db.execute(OperatorAppRow.delete().where(OperatorAppRow.operator_id == operator_id))
    for app_id in sorted({app.id for app in apps or ()}):
        db.execute(OperatorAppRow.insert(operator_id=operator_id, app_id=app_id))


def _places(apps: Sequence[App] | None) -> str:
    if apps is None:
        return ""
    return f" of {', '.join(sorted(app.slug for app in apps)) or 'no app'}"


def edit(
    scope: Scope,
    operator: Operator,
    *,
    name: str | None = None,
    role: Role | None = None,
    apps: Sequence[App] | None = None,
    every_app: bool = False,
) -> Operator:
    """Renames an operator, or gives them another role or other apps; `every_app` frees them of their bounds.

    Raises AccountError when the name is taken, or when nobody who may manage operators would be left.
    """
    name = operator.name if name is None else checked_name(name)
    role = role or operator.role
    try:
        scope.db.transact(partial(_edit, scope, operator.id, name, role, apps, every_app))
    except peewee.IntegrityError as error:
        if scope.db.not_unique(error, "operator", "name_key"):
            raise AccountError(f"There is an operator {name!r} already.") from None
        raise
    return get(scope.db, name)


def _edit(scope: Scope, id: int, name: str, role: Role, apps: Sequence[App] | None, every: bool) -> None:
    operator = _locked(scope.db, id)
    before = _described(scope.db, operator)
    bounds = None if every else operator.apps if apps is None else frozenset(app.id for app in apps)
    row = OperatorRow.update(name=name, name_key=fold(name), role=role.value, every_app=int(bounds is None))
    scope.db.execute(row.where(OperatorRow.id == id))
    if bounds != operator.apps:
        _bind(scope.db, id, apps if bounds is not None else None)
    _keep_an_owner(scope.db)
    after = _described(scope.db, _locked(scope.db, id))
    changes = {key: [before[key], after[key]] for key in after if before[key] != after[key]}
    if changes:
        detail = None if name == operator.name else operator.name
        journal.record(scope, [Entry(Action.OPERATOR_EDITED, detail=detail or name, changes=changes)])


def _described(db: Database, operator: Operator) -> dict[str, Any]:
    slugs = None if operator.apps is None else [app.slug for app in every_app(db) if app.id in operator.apps]
    return {"name": operator.name, "role": operator.role.value, "apps": "all" if slugs is None else slugs}


def _locked(db: Database, id: int) -> Operator:
    """Returns the operator, whose row nobody else changes until the transaction ends; the owners' too."""
    rows = OperatorRow.select(OperatorRow.id).order_by(OperatorRow.id)
    db.rows(db.locking(rows))
    operator = by_id(db, id)
    if operator is None:
        raise AccountError("This operator has been removed.")
    return operator


def _keep_an_owner(db: Database) -> None:
    """Raises AccountError when the operators are many and none of them may manage them.

    Without any operator the commands are the way in, as at the beginning.
    """
    operators = every(db)
    if operators and not any(each.may(Act.MANAGE_OPERATORS) and each.disabled_at is None for each in operators):
        raise AccountError("An owner of all apps who is not disabled has to remain.")


def set_enabled(scope: Scope, operator: Operator, *, enabled: bool) -> Operator:
    """Lets an operator sign in again, or disables them and ends their sessions.

    Raises AccountError when nobody who may manage operators would be left.
    """
    scope.db.transact(partial(_set_enabled, scope, operator.id, enabled))
    return get(scope.db, operator.name)


def _set_enabled(scope: Scope, id: int, enabled: bool) -> None:
    operator = _locked(scope.db, id)
    if (operator.disabled_at is None) == enabled:
        return
    disabled_at = None if enabled else clock.after(operator.created_at)
    scope.db.execute(OperatorRow.update(disabled_at=disabled_at).where(OperatorRow.id == id))
    if not enabled:
        _keep_an_owner(scope.db)
        _forget_ways_in(scope.db, id)
    action = Action.OPERATOR_ENABLED if enabled else Action.OPERATOR_DISABLED
    journal.record(scope, [Entry(action, detail=operator.name)])


def _forget_ways_in(db: Database, id: int) -> None:
    """Ends the sessions of an operator, and the links that would begin one."""
    for table in (SessionRow, SignInLinkRow):
        db.execute(table.delete().where(table.operator_id == id))


def remove(scope: Scope, operator: Operator) -> None:
    """Removes an operator; the journal keeps what they did under their name.

    Raises AccountError when nobody who may manage operators would be left.
    """
    scope.db.transact(partial(_remove, scope, operator.id))


def _remove(scope: Scope, id: int) -> None:
    operator = _locked(scope.db, id)
    _forget_ways_in(scope.db, id)
    scope.db.execute(OperatorAppRow.delete().where(OperatorAppRow.operator_id == id))
    scope.db.execute(OperatorRow.delete().where(OperatorRow.id == id))
    _keep_an_owner(scope.db)
    journal.record(scope, [Entry(Action.OPERATOR_REMOVED, detail=operator.name)])
