"""Which operator somebody is who came by single sign-on: by their subject, by their name, or by what they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .. import journal
from ..apps import App
from ..apps import every as every_app
from ..db import Database
from ..db.operator_tables import OperatorRow
from ..journal import Action, Entry, Scope
from . import accounts, sessions
from .accounts import AccountError, Operator
from .roles import Role
from .single_sign_on import Identity, SignOnError

#: From the strongest role: whoever is in several groups has the best of them.
_STRONGEST = (Role.OWNER, Role.OPERATOR, Role.AUDITOR)


@dataclass(frozen=True, slots=True)
class RoleRule:
    """Whoever has this value in this claim is an operator with this role, of these apps; no slug is all apps."""

    claim: str
    value: str
    role: Role
    slugs: tuple[str, ...] = ()


def operator_of(scope: Scope, identity: Identity, rules: Sequence[RoleRule]) -> Operator:
    """Returns the operator that an identity is.

    With rules, the claims decide at each sign-in about role and apps, and an operator who is not known is added.
    Without rules, only operators who were added by hand come in: by their subject, the first time by their name.
    Raises SignOnError for somebody who may not come in; their sessions have ended then.
    """
    known = _by_subject(scope.db, identity)
    granted = _granted(identity, rules)
    if rules and granted is None:
        if known is not None:
            sessions.end_all(scope, known)
        raise SignOnError(f"{_called(identity)} is in no group that may use this console{_overage(identity)}.")
    operator = known or _adopted(scope, identity)
    if operator is not None and operator.disabled_at is not None:
        raise SignOnError(f"{operator.name} is disabled.")
    if granted is not None:
        return _as_granted(scope, identity, operator, granted)
    if operator is None:
        raise SignOnError(
            f"There is no operator called {_called(identity)}. An owner adds one: scimlite operator add NAME"
        )
    return operator


def _by_subject(db: Database, identity: Identity) -> Operator | None:
    row = db.row(
        OperatorRow.select(OperatorRow.id).where(
            OperatorRow.issuer == identity.issuer, OperatorRow.subject == identity.subject
        )
    )
    return accounts.by_id(db, row[0]) if row else None


def _adopted(scope: Scope, identity: Identity) -> Operator | None:
    """The operator with one of the names who was never bound to a subject, bound to this one from now on.

    Only a name that is an address: whoever may choose a user name at the provider could call themselves "admin".
    """
    for name in identity.names:
        if "@" not in name:
            continue
        try:
            operator = accounts.get(scope.db, name)
        except AccountError:
            continue
        if operator.subject is None:
            scope.db.transact(partial(_bind, scope, operator, identity))
            return operator
    return None


def _bind(scope: Scope, operator: Operator, identity: Identity) -> None:
    """Binds an operator to a subject. Raises SignOnError when somebody else was quicker."""
    row = OperatorRow.update(issuer=identity.issuer, subject=identity.subject)
    if not scope.db.touch(row.where(OperatorRow.id == operator.id, OperatorRow.subject.is_null())):
        raise SignOnError(f"{operator.name} belongs to somebody else at the provider.")
    changes: dict[str, list[Any]] = {"subject": [None, identity.subject], "issuer": [None, identity.issuer]}
    journal.record(scope, [Entry(Action.OPERATOR_EDITED, detail=operator.name, changes=changes)])


def _as_granted(
    scope: Scope, identity: Identity, operator: Operator | None, granted: tuple[Role, list[str] | None]
) -> Operator:
    """The operator with role and apps as the claims say, added when there was none."""
    role, slugs = granted
    apps = None if slugs is None else _apps(scope.db, slugs)
    if operator is None:
        made = accounts.add(scope, _free_name(scope.db, identity), role, apps)
        scope.db.transact(partial(_bind, scope, made, identity))
        return made
    bounds = None if apps is None else frozenset(app.id for app in apps)
    if (operator.role, operator.apps) == (role, bounds):
        return operator
    return accounts.edit(scope, operator, role=role, apps=apps, every_app=apps is None)


def _apps(db: Database, slugs: Sequence[str]) -> list[App]:
    """The apps with these slugs; one that is gone gives nothing."""
    return [app for app in every_app(db) if app.slug in slugs]


def _free_name(db: Database, identity: Identity) -> str:
    taken = {operator.name.lower() for operator in accounts.every(db)}
    for name in [*identity.names, f"{_called(identity)} {identity.subject[-8:]}"]:
        if name.lower() not in taken:
            return accounts.checked_name(name[:100])
    raise SignOnError(f"The name {_called(identity)} belongs to another operator.")


def _granted(identity: Identity, rules: Sequence[RoleRule]) -> tuple[Role, list[str] | None] | None:
    """The strongest role that the claims give, and its apps; None when they give none."""
    given = [rule for rule in rules if _has(identity.claims.get(rule.claim), rule.value)]
    for role in _STRONGEST:
        of_role = [rule for rule in given if rule.role is role]
        if of_role:
            everywhere = any(not rule.slugs for rule in of_role)
            return role, None if everywhere else sorted({slug for rule in of_role for slug in rule.slugs})
    return None


def _has(claim: Any, value: str) -> bool:
    """True when a claim is the value, or a list with it."""
    return value in ([str(each) for each in claim] if isinstance(claim, list) else [str(claim)])


def _called(identity: Identity) -> str:
    return next(iter(identity.names), identity.subject)[:100]


def _overage(identity: Identity) -> str:
    """A hint for Entra ID, which leaves out the groups of somebody who is in over 200 of them (_claim_names)."""
    return " (Entra ID left out the groups; assign app roles instead)" if "_claim_names" in identity.claims else ""
