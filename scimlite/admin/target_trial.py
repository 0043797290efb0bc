"""Trying a target: each step is told as it is taken, and the act is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ..apps.workspace import Workspace
from ..errors import OperatorError
from ..journal import Action
from ..sync import secret_references
from ..sync.reading import Finding
from ..sync.targets import loops, trials
from ..sync.targets.remote import Remote
from ..sync.targets.runs import Means
from ..sync.targets.stored import Target
from .targets import record_act


def check(workspace: Workspace, means: Means, target: Target, *, write: bool = False) -> Iterator[Finding]:
    """Yields what was found, step by step; `write` has a user made there, and removed."""
    last: Finding | None = None
    for last in _check(workspace, means, target, write=write):
        yield last
    outcome = "it can be used" if last is None or last.ok is not False else f"{last.step}: {last.text}"
    workspace.db.transact(partial(record_act, workspace, target, Action.TARGET_TESTED, outcome))


def _check(workspace: Workspace, means: Means, target: Target, *, write: bool) -> Iterator[Finding]:
    try:
        token = secret_references.read(target.secret, means.state_dir).strip()
        loops.check(workspace.db, target, means.own_roots)
    except OperatorError as error:
        yield Finding("settings", False, str(error))
        return
    mark = None if target.options.same_installation else target.mark
    remote = Remote(means.client, target.url, token, mark, name=f"{workspace.app.slug}/{target.name}")
    yield from trials.check(remote, write=write)
