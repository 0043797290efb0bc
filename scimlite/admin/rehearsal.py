"""Acts that want an operator's confirmation, and acts that are tried without being done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from ..apps import AppError
from ..journal import Scope

T = TypeVar("T")


class ConfirmationNeeded(AppError):
    """An act would lose or leave behind something; the text says what. It is carried out when it is confirmed."""


class _RolledBack(Exception):
    """Ends the transaction of a rehearsal."""


def rehearse(scope: Scope, act: Callable[[], T]) -> T:
    """Returns what an act would return, and leaves the database as it is. Raises what the act raises."""
    results: list[T] = []

    def tried() -> None:
        results.append(act())
        raise _RolledBack

    with suppress(_RolledBack):
        scope.db.transact(tried)
    # The last one: a transaction may be tried several times.
    return results[-1]
