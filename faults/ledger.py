"""What was acknowledged, refused or left without an answer, and the comparison of it with what the service holds."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Verdict(Enum):
    """What an answer says about a write."""

    DONE = "done"
    REFUSED = "refused"
    #: No answer came, or one that leaves it open.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class State:
    """A user: the turn that wrote its values, and the names of the groups that hold it."""

    turn: int
    groups: frozenset[str] = frozenset()


@dataclass
class Account:
    """A user as the answers let it be. A state of None is a user that is not there."""

    #: The states that the user may have: one, unless a write has an unknown outcome.
    possible: set[State | None] = field(default_factory=lambda: {None})
    #: The states that a write which was refused would have given.
    refused: set[State | None] = field(default_factory=set)
    id: str | None = None

    @property
    def certain(self) -> bool:
        """True when the state is known."""
        return len(self.possible) == 1


@dataclass(frozen=True)
class Finding:
    """Something that must not be: its kind (`lost`, `half-done`, `twin`, `answer`) and a sentence."""

    kind: str
    text: str


class Ledger:
    """Every write and its answer, entered before the writer sends the next; for use by many threads."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.acknowledged = 0
        #: How often an answer in trouble came, by status; what was no answer is named.
        self.trouble: Counter[str] = Counter()
        #: The longest time that a client waited, in seconds.
        self.longest = 0.0
        self.findings: list[Finding] = []
        self._lock = threading.Lock()

    def enter(self, name: str, state: State | None, verdict: Verdict, *, id: str | None = None) -> None:
        """Enter the outcome of a write that gives a user this state; `id` is that of a new one."""
        with self._lock:
            account = self.accounts.setdefault(name, Account())
            if verdict is Verdict.DONE:
                self.acknowledged += 1
                account.possible = {state}
                account.id = id or account.id
            elif verdict is Verdict.UNKNOWN:
                account.possible.add(state)
            else:
                account.refused.add(state)

    def took(self, seconds: float) -> None:
        """Enter how long a client waited."""
        with self._lock:
            self.longest = max(self.longest, seconds)

    def trouble_came(self, label: str) -> None:
        """Count an answer in trouble."""
        with self._lock:
            self.trouble[label] += 1

    def find(self, kind: str, text: str) -> None:
        """Enter something that must not be."""
        with self._lock:
            self.findings.append(Finding(kind, text))

    def compare(self, users: Iterable[Mapping[str, Any]], groups: Mapping[str, Iterable[str]]) -> None:
        """Enter every difference between the ledger and what is there.

        In: the users as SCIM shows them, with the three attributes that each write changes together; the members' ids
        of each group, by the group's name.
        """
        users = list(users)
        held = {name: set(members) for name, members in groups.items()}
        ids = {user["id"] for user in users}
        for group, members in held.items():
            for strange in members - ids:
                self.find("half-done", f"{group} holds {strange}, which is no user")
        there: dict[str, tuple[str, State]] = {}
        for user in users:
            name = user["userName"]
            if name.casefold() in there:
                self.find("twin", f"{name} is there twice")
            if len({user.get(attribute) for attribute in ("title", "nickName", "displayName")}) > 1:
                self.find("half-done", f"{name} has values of several writes: {user}")
            state = State(int(user["title"]), frozenset(group for group in held if user["id"] in held[group]))
            there.setdefault(name.casefold(), (user["id"], state))
        for name, account in self.accounts.items():
            self._judge(name, account, *there.pop(name.casefold(), (None, None)))
        for name in there:
            self.find("half-done", f"{name} is there, and nobody wrote it")

    def _judge(self, name: str, account: Account, id: str | None, state: State | None) -> None:
        if state in account.possible:
            if account.id is not None and id is not None and id != account.id:
                self.find("lost", f"{name} is {id}, and was acknowledged as {account.id}")
        elif state in account.refused:
            self.find("half-done", f"{name} is {state}, which was refused; acknowledged: {account.possible}")
        else:
            self.find("lost", f"{name} is {state}, and was acknowledged as {account.possible}")
