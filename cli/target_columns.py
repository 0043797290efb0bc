"""What `scimlite target` shows of a target, of a plan and of those who were refused."""

from __future__ import annotations

from collections.abc import Mapping

from scimlite.admin.target_state import Refused, Status
from scimlite.sync.targets.previews import Planned
from scimlite.visible_text import visible

from .kit.columns import Column, Columns
from .kit.times import iso_time, local_time, spoken_length

TARGETS = Columns[Status](
    Column("app", "App", value=lambda status: status.app.slug),
    Column("target", "Name", value=lambda status: status.target.name),
    Column("url", "URL", value=lambda status: status.target.url, wraps=True),
    Column("state", "State", value=lambda status: status.state),
    Column("users", "Users", value=lambda status: status.users, shown=lambda status: f"{status.users:,}"),
    Column("groups", "Groups", value=lambda status: status.groups, shown=lambda status: f"{status.groups:,}"),
    Column(
        "refused",
        "Refused",
        value=lambda status: status.refused + status.parked,
        shown=lambda status: _number(status.refused + status.parked),
    ),
    Column("parked", value=lambda status: status.parked),
    Column(
        "last_ok_at",
        "Last good run",
        value=lambda status: iso_time(status.target.last_ok_at),
        shown=lambda status: local_time(status.target.last_ok_at) or "never",
        rank=1,
    ),
    Column("last_run_at", value=lambda status: iso_time(status.target.last_run_at)),
    Column("failing_since", value=lambda status: iso_time(status.target.failing_since)),
    Column("every_seconds", value=lambda status: status.target.every // 1_000_000),
    Column("token", value=lambda status: status.target.secret),
    Column("left_out", value=lambda status: status.target.attributes_left_out),
    Column("held", value=lambda status: status.target.hold),
    Column(
        "last_error",
        "Problem",
        value=lambda status: status.target.last_error,
        shown=lambda status: visible(problem(status)),
        wraps=True,
        rank=2,
    ),
    Column("last_run", value=lambda status: _run(status)),
    table=("App", "Name", "State", "URL", "Users", "Groups", "Refused", "Last good run", "Problem"),
)

PLAN = Columns[Planned](
    Column("act", "Act", value=lambda each: each.act),
    Column("type", "Type", value=lambda each: each.type),
    Column("name", "Name", value=lambda each: each.name, shown=lambda each: visible(each.name)),
    Column("id", value=lambda each: each.id),
    Column("attributes", "Attributes", value=lambda each: ", ".join(each.paths), wraps=True, rank=1),
    Column("members_added", value=lambda each: each.members_added),
    Column("members_removed", value=lambda each: each.members_removed),
    Column(heading="Members", shown=lambda each: _members(each)),
)

REFUSED = Columns[Refused](
    Column("type", "Type", value=lambda each: each.type),
    Column("name", "Name", value=lambda each: each.name, shown=lambda each: visible(each.name or each.id)),
    Column("id", value=lambda each: each.id),
    Column("state", "State", value=lambda each: each.state),
    Column("tries", "Tries", value=lambda each: each.tries),
    Column("retry_at", value=lambda each: iso_time(each.retry_at) if each.state == "failed" else None),
    Column(
        "reason", "Reason", value=lambda each: each.reason, shown=lambda each: visible(each.reason or ""), wraps=True
    ),
)


def problem(status: Status) -> str:
    """Return what is wrong with a target; nothing when nothing is."""
    hold = status.target.hold
    if hold is not None:
        return str(hold["reason"])
    return status.target.last_error or ""


def spelled_counts(counts: Mapping[str, int]) -> str:
    """Return what a run did, in words."""
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in sorted(counts.items()))


def spelled_run(status: Status) -> str:
    """Return how the last run ended that did something, in words."""
    run = status.run
    if run is None:
        return ""
    took = "" if run.ended_at is None else f", {spoken_length(run.ended_at - run.started_at)}"
    words = spelled_counts(run.numbers) or run.detail or ""
    return f"{local_time(run.started_at)}{took}: {run.outcome or 'under way'}" + (f" ({words})" if words else "")


def _run(status: Status) -> dict[str, object] | None:
    run = status.run
    if run is None:
        return None
    times = {"started_at": iso_time(run.started_at), "ended_at": iso_time(run.ended_at)}
    return {**times, "outcome": run.outcome, "counts": run.numbers, "detail": run.detail}


def _members(each: Planned) -> str:
    signed = [f"+{each.members_added:,}"] if each.members_added else []
    return " ".join([*signed, f"-{each.members_removed:,}"] if each.members_removed else signed)


def _number(number: int) -> str:
    return f"{number:,}" if number else ""
