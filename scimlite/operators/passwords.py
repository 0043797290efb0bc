"""Passwords of operators' own, for those who want one: argon2id, like those of users."""

from __future__ import annotations

from functools import partial

from .. import journal
from ..db.operator_tables import OperatorRow
from ..directory import passwords as hashes
from ..errors import OperatorError
from ..journal import Action, Entry, Scope
from ..scim.names import fold
from . import accounts, attempts
from .accounts import AccountError, Operator

#: NIST SP 800-63B section 3.1.1.2: 15 characters where a password is the only factor, and no rules of composition.
SHORTEST = 15
_LONGEST = 200


class WrongPassword(OperatorError):
    """Name and password do not belong together; it does not say which of them is wrong."""

    def __init__(self) -> None:
        super().__init__("This name and this password do not belong together.")


def change(scope: Scope, operator: Operator, password: str | None) -> None:
    """Gives an operator a password, or takes it away. Raises AccountError for one that is too short or too plain."""
    stored = hashes.hashed(_checked(operator, password)) if password is not None else None
    scope.db.transact(partial(_change, scope, operator, stored))


def _checked(operator: Operator, password: str) -> str:
    if not SHORTEST <= len(password) <= _LONGEST:
        raise AccountError(f"A password has {SHORTEST} to {_LONGEST} characters, such as four words.")
    if len(set(password)) < 6 or fold(operator.name) == fold(password):
        raise AccountError("This password is too easy to guess.")
    return password


def _change(scope: Scope, operator: Operator, stored: str | None) -> None:
    scope.db.execute(OperatorRow.update(password=stored).where(OperatorRow.id == operator.id))
    detail = f"{operator.name}: password {'set' if stored else 'removed'}"
    journal.record(scope, [Entry(Action.OPERATOR_EDITED, detail=detail)])


def verify(scope: Scope, name: str, password: str) -> Operator:
    """Returns the operator with this name and password.

    Raises WrongPassword, after the same time whether the name or the password is wrong, and TooManyAttempts.
    """
    attempts.check(scope, name)
    row = scope.db.row(
        OperatorRow.select(OperatorRow.id, OperatorRow.password, OperatorRow.disabled_at).where(
            OperatorRow.name_key == fold(name.strip())
        )
    )
    stored = row[1] if row is not None and row[2] is None else None
    right = hashes.matches(stored, password[: _LONGEST + 1])
    operator = accounts.by_id(scope.db, row[0]) if right and row is not None else None
    if operator is None:
        known = row is not None
        attempts.fail(scope, name, f"wrong password of {name.strip()}" if known else "wrong password of nobody here")
        raise WrongPassword
    return operator
