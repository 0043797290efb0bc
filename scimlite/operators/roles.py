"""What an operator may do: roles, acts, and the table of which role may do which act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..errors import OperatorError
from ..worded import Worded


class Role(Worded):
    """What an operator is for; each may be bound to some apps, and then sees no other."""

    OWNER = "owner", "does everything, also with operators"
    OPERATOR = "operator", "runs apps: settings, tokens, users"
    AUDITOR = "auditor", "looks at apps, users and the report, and changes nothing"


class Act(StrEnum):
    """An act at the console; the value completes the sentence "An auditor may not …"."""

    #: Apps with settings, mapping, features and schemas; users and groups; the report.
    LOOK = "look at this"
    #: Requests that were refused, with their masked bodies.
    SEE_REQUESTS = "see what was sent"
    CREATE_APP = "add apps"
    EDIT_APP = "change the settings of an app"
    DELETE_APP = "delete apps"
    RELEASE_BRAKE = "release a brake"
    SHOW_TOKEN = "see tokens"
    ISSUE_TOKEN = "issue tokens"
    REVOKE_TOKEN = "revoke tokens"
    #: It sends what happens to people to whoever is at the URL.
    ADD_WEBHOOK = "add webhooks"
    INVITE = "make set-up links"
    RESTORE = "restore users and groups"
    EXPORT_PERSON = "export what is kept about a person"
    ERASE = "erase a person"
    SEE_INSTALLATION = "look at the installation"
    MANAGE_OPERATORS = "manage operators"
    OWN_ACCOUNT = "change how you sign in"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do an act."""

    roles: frozenset[Role]
    #: True for an act that shows or destroys what matters: the operator has to have signed in minutes ago.
    fresh: bool = False
    #: True for an act that is about no single app: an operator who is bound to apps may not do it.
    unbound: bool = False


_ALL = frozenset(Role)
_RUNNERS = frozenset((Role.OWNER, Role.OPERATOR))
_OWNERS = frozenset((Role.OWNER,))

RULES: Mapping[Act, Rule] = {
    Act.LOOK: Rule(_ALL),
    Act.SEE_REQUESTS: Rule(_RUNNERS),
    Act.CREATE_APP: Rule(_RUNNERS, unbound=True),
    Act.EDIT_APP: Rule(_RUNNERS),
    Act.DELETE_APP: Rule(_RUNNERS, fresh=True),
    Act.RELEASE_BRAKE: Rule(_RUNNERS),
    Act.SHOW_TOKEN: Rule(_RUNNERS, fresh=True),
    Act.ISSUE_TOKEN: Rule(_RUNNERS, fresh=True),
    Act.REVOKE_TOKEN: Rule(_RUNNERS),
    Act.ADD_WEBHOOK: Rule(_RUNNERS, fresh=True),
    Act.INVITE: Rule(_RUNNERS, fresh=True),
    Act.RESTORE: Rule(_RUNNERS),
    Act.EXPORT_PERSON: Rule(_RUNNERS),
    Act.ERASE: Rule(_RUNNERS, fresh=True),
    Act.SEE_INSTALLATION: Rule(_ALL, unbound=True),
    Act.MANAGE_OPERATORS: Rule(_OWNERS, fresh=True, unbound=True),
    Act.OWN_ACCOUNT: Rule(_ALL, fresh=True),
}


class NotAllowed(OperatorError):
    """The operator's role, or the apps to which they are bound, do not allow the act."""

    def __init__(self, act: Act, role: Role, *, bound: bool = False) -> None:
        who = "An operator who is bound to apps" if bound else f"An {role}"
        super().__init__(f"{who} may not {act}.")
        self.act = act


class NotFresh(OperatorError):
    """The act needs a sign-in of the last minutes."""

    def __init__(self, act: Act) -> None:
        super().__init__(f"To {act}, show again that it is you.")
        self.act = act
