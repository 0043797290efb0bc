"""What each column of the tables of targets may hold, by itself: data, like that of `check_columns`."""

from __future__ import annotations

from typing import Any

from ..db.target_tables import TargetLinkRow, TargetMemberRow, TargetRow, TargetRunRow
from ..sync.targets.stored import LinkState, Outcome
from .check_columns import (
    COUNT,
    FLAG,
    FULL,
    KEY,
    LIST,
    OBJECT,
    PAST,
    POSITIVE,
    RANDOM,
    TIME_OR_0,
    URL,
    UUID,
    Column,
    matching,
    one_of,
)

#: By table, the columns that may not hold just any text or number.
COLUMNS: dict[Any, dict[str, Column]] = {
    TargetRow: {
        "id": KEY,
        "name": matching(r"[a-z0-9][a-z0-9-]{0,62}", "it is no name of a target"),
        "url": URL,
        "settings": OBJECT,
        "secret": matching(r"(env|file|kept):.+", "it refers to no secret"),
        "mark": RANDOM,
        "every": POSITIVE,
        "enabled": FLAG,
        "abilities": OBJECT,
        "left_out": LIST,
        "held": OBJECT,
        "leased_until": TIME_OR_0,
        "not_before": TIME_OR_0,
        **dict.fromkeys(("created_at", "last_run_at", "last_ok_at", "failing_since", "removed_at"), PAST),
    },
    TargetLinkRow: {
        "resource_id": KEY,
        "uuid": UUID,
        "type": one_of(("User", "Group"), "such a type is not pushed"),
        "remote_id": FULL,
        "version": COUNT,
        "digests": OBJECT,
        "active": FLAG,
        "state": one_of(LinkState, "there is no such state"),
        "tries": COUNT,
        "retry_at": TIME_OR_0,
        "changed_at": PAST,
    },
    TargetMemberRow: {"group_id": KEY, "member_id": KEY, "sure": FLAG},
    TargetRunRow: {
        "id": KEY,
        "started_at": PAST,
        "ended_at": PAST,
        "outcome": one_of(Outcome, "no run ends like this"),
        "counts": OBJECT,
    },
}
