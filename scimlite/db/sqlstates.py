"""What PostgreSQL's error codes mean: one table, from which answers, retries and log lines follow.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html. Poolers send the same codes.
"""

from __future__ import annotations

from dataclasses import dataclass

from .troubles import Trouble


@dataclass(frozen=True, slots=True)
class State:
    """What an SQLSTATE means, and what may be done about it."""

    #: None for a fault of ours, for a constraint that refuses a value, and for a rule of the operator's own.
    trouble: Trouble | None = None
    #: What is wrong, for the log; None for the trouble's own words.
    words: str | None = None
    #: True when the connection is of no more use.
    lost: bool = False
    #: How often the same transaction may be tried in all, when COMMIT was not sent yet.
    tries: int = 1
    #: True when the server has rolled back, so that a transaction that failed in COMMIT may be tried again.
    rolled_back: bool = False
    #: True for what only a trigger, function or constraint raises that somebody has added to the database.
    own: bool = False


_MOST_TRIES = 6
#: A fault of ours.
OURS = State()
#: A rule of the operator's own.
OWN = State(own=True)
#: The deadline of a request passed: its connection is closed.
OVERDUE = State(Trouble.UNREACHABLE, lost=True)
_LOST = State(Trouble.UNREACHABLE, lost=True, tries=_MOST_TRIES)
_CONFLICT = State(Trouble.BUSY, "writers got into each other's way", tries=_MOST_TRIES, rolled_back=True)
_OTHER_SESSION = "a pooler gives this session's statements to several connections: see PgBouncer in docs/operate.md"

#: Classes that PostgreSQL itself raises for wrong SQL and wrong values: faults of ours.
_OURS = frozenset(
    code
    for line in ("02 03 0A 0B 0L 0P 0Z", "20 21 22 23 24 25 2B 2D", "34 3B 40 42 54 55 72")
    for code in line.split()
)

#: By the whole code, else by its class, which is its first two characters. What is neither here nor in _OURS was raised
#: by a trigger or function of the operator's own: P0001 is PL/pgSQL's RAISE, which takes any other code as well.
_STATES = {
    # The driver found the connection broken, or could not make one.
    "": _LOST,
    "08": _LOST,  # connection exceptions; PgBouncer's own refusals
    # A primary that became a standby. With several hosts in the URL, the next connection finds the new primary.
    "23514": OWN,  # a CHECK constraint: scimlite has none
    "23P01": OWN,  # an exclusion constraint
    "25006": State(Trouble.READ_ONLY, lost=True, tries=2),
    "25P03": State(Trouble.BUSY, "idle_in_transaction_session_timeout has ended the session", lost=True, tries=2),
    "25P04": State(Trouble.BUSY, "transaction_timeout has ended the session", lost=True),
    "26": State(Trouble.BROKEN, _OTHER_SESSION, lost=True),  # an unknown prepared statement
    "28": State(Trouble.BROKEN, "it refuses the role or its password", lost=True),
    "3D": State(Trouble.BROKEN, "there is no such database", lost=True),
    "3F": State(Trouble.BROKEN, "there is no such schema"),
    "40001": _CONFLICT,  # serialization failure
    "40P01": _CONFLICT,  # deadlock
    "40003": _LOST,  # nobody knows whether the statement was completed
    "42501": State(Trouble.BROKEN, "the role lacks a privilege"),
    "42703": State(Trouble.BROKEN, "a column is missing: see scimlite db status"),
    "42P01": State(Trouble.BROKEN, "a table is missing: see scimlite db status"),
    "42P05": State(Trouble.BROKEN, _OTHER_SESSION, lost=True),  # a prepared statement twice
    "53": State(Trouble.BUSY, "it is out of resources"),
    "53100": State(Trouble.FULL),
    "53200": State(Trouble.MEMORY),
    "53300": State(Trouble.BUSY, "it has no connection left", lost=True),
    "55006": State(Trouble.BUSY, "something that is needed is in use"),
    "55P03": State(Trouble.BUSY, "a lock was not given up within lock_timeout"),
    "57": _LOST,  # shutdown, crash, start-up, idle_session_timeout
    "57014": State(Trouble.BUSY, "a statement was cancelled, by statement_timeout or by an administrator"),
    "57P04": State(Trouble.BROKEN, "the database was dropped", lost=True),
    "58": State(Trouble.IO),
    "58P01": State(Trouble.BROKEN, "a file of the server is missing"),
    "F0": State(Trouble.BROKEN, "its configuration file is damaged"),
    "XX": State(Trouble.BROKEN),  # internal errors, damaged data, damaged indexes
}


def state_of(sqlstate: str) -> State:
    """Returns what an SQLSTATE means; the empty text is an error of the connection."""
    known = _STATES.get(sqlstate) or _STATES.get(sqlstate[:2])
    if known is not None:
        return known
    return OURS if sqlstate[:2] in _OURS else OWN
