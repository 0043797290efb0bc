"""What `scimlite source` shows of a source and of its runs: columns, and numbers in words."""

from __future__ import annotations

from collections.abc import Mapping

from scimlite.admin.source_state import Status
from scimlite.sync.history import Run
from scimlite.visible_text import visible

from .kit.columns import Column, Columns
from .kit.times import iso_time, local_time, spoken_length

#: Numbers of a run in the order in which they are told, with their words.
_WORDS = {
    "users": "{} users read",
    "groups": "{} groups read",
    "create": "{} created",
    "adopt": "{} adopted",
    "change": "{} changed",
    "enable": "{} enabled",
    "disable": "{} disabled",
    "leave": "{} left",
    "miss": "{} missing",
    "tie": "{} with other managers or members",
    "members_added": "{} memberships added",
    "members_removed": "{} memberships removed",
    "refused": "{} refused",
    "clashing": "{} with a name that another one has",
    "unchanged": "{} unchanged",
}


def numbers_text(numbers: Mapping[str, int]) -> str:
    """Return the numbers of a run in words."""
    told = [words.format(f"{numbers[name]:,}") for name, words in _WORDS.items() if numbers.get(name)]
    return ", ".join(told) or "nothing"


COLUMNS = Columns[Status](
    Column("app", "App", value=lambda status: status.app.slug),
    Column("source", "Name", value=lambda status: status.source.name),
    Column("kind", "Kind", value=lambda status: status.source.kind),
    Column("state", "State", value=lambda status: status.state),
    Column(
        "why",
        "Why",
        value=lambda status: status.why,
        shown=lambda status: visible(status.why or ""),
        wraps=True,
        rank=1,
    ),
    Column("users", "Users", value=lambda status: status.users, shown=lambda status: f"{status.users:,}"),
    Column("groups", "Groups", value=lambda status: status.groups, shown=lambda status: f"{status.groups:,}"),
    Column("refused", "Refused", value=lambda status: status.refused, shown=lambda status: _some(status.refused)),
    Column("missing", "Missing", value=lambda status: status.missing, shown=lambda status: _some(status.missing)),
    Column(
        "last_ok_at",
        "Last good run",
        value=lambda status: iso_time(status.source.last_ok_at),
        shown=lambda status: local_time(status.source.last_ok_at) or "never",
        rank=2,
    ),
    Column("last_full_at", value=lambda status: iso_time(status.source.last_full_at)),
    Column(
        "next_at",
        "Next run",
        value=lambda status: iso_time(status.source.due_at) if status.source.state == "active" else None,
        shown=lambda status: local_time(status.source.due_at) if status.source.state == "active" else "",
        rank=3,
    ),
    Column("holds", value=lambda status: (status.source.holding or {}).get("holds", [])),
    table=("App", "Name", "Kind", "State", "Users", "Groups", "Refused", "Missing", "Last good run", "Next run", "Why"),
)

RUNS = Columns[Run](
    Column(
        "started_at",
        "Began",
        value=lambda run: iso_time(run.started_at),
        shown=lambda run: local_time(run.started_at),
    ),
    Column(
        "ended_at",
        "Took",
        value=lambda run: iso_time(run.ended_at),
        shown=lambda run: spoken_length(run.ended_at - run.started_at) if run.ended_at else "",
    ),
    Column("kind", "Read", value=lambda run: run.kind),
    Column("outcome", "Outcome", value=lambda run: run.outcome),
    Column(
        "counts",
        "What was done",
        value=lambda run: run.numbers,
        shown=lambda run: visible(run.detail) if run.detail else numbers_text(run.numbers),
        wraps=True,
    ),
    Column("detail", value=lambda run: run.detail),
    Column("request_id", value=lambda run: run.request_id),
)


def _some(number: int) -> str:
    return f"{number:,}" if number else ""
