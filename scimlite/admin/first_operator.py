"""The first operator of the console, whom an installation begins with."""

from __future__ import annotations

from ..journal import Scope
from ..operators import accounts, links
from ..operators.roles import Role

#: What the first operator is called.
NAME = "admin"


def first_link(scope: Scope) -> str | None:
    """Returns the secret of a sign-in link for the first operator, who is added when there is nobody yet.

    None once somebody has signed in: then an operator asks for a link (`scimlite operator link`).
    """
    operators = accounts.every(scope.db)
    if any(operator.signed_in_at is not None for operator in operators):
        return None
    owner = next((each for each in operators if each.role is Role.OWNER and each.disabled_at is None), None)
    if owner is None and operators:
        return None
    return links.make(scope, owner or accounts.add(scope, NAME, Role.OWNER))
