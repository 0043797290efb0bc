"""What an operator does with targets: adds, changes, disables and removes them, and has what was parked tried again."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .. import clock, journal
from ..apps import App
from ..apps.workspace import Workspace
from ..db import Database
from ..db.target_tables import TargetLinkRow, TargetMemberRow, TargetRow, TargetRunRow
from ..journal import Action, Entry
from ..outbound.addresses import Network
from ..suggestions import did_you_mean
from ..sync import secret_references
from ..sync.targets import stored
from ..sync.targets.stored import DEFAULT_EVERY, LinkState, Options, Target, TargetError
from .target_rules import check_options, checked_every, checked_name, checked_url

# --- finding ------------------------------------------------------------------------------------------------------


def get(db: Database, app: App, name: str | None = None) -> Target:
    """Returns the app's target with this name; without one, the only target.

    Raises TargetError, with the names that there are, when there is no such target.
    """
    listed = stored.of_app(db, app.id)
    if not listed:
        raise TargetError(
            f"{app.slug} has no target. Add one: scimlite target add NAME --app {app.slug} --url URL --token-env NAME"
        )
    names = ", ".join(target.name for target in listed[:10])
    if name is None:
        if len(listed) > 1:
            raise TargetError(f"{app.slug} has {len(listed)} targets. Name one: {names}.")
        return listed[0]
    found = next((target for target in listed if target.name == name), None)
    if found is None:
        meant = did_you_mean(name, [target.name for target in listed])
        raise TargetError(f"{app.slug} has no target {name!r}.{meant} Targets: {names}.")
    return found


# --- adding and changing ------------------------------------------------------------------------------------------


def add(
    workspace: Workspace,
    name: str,
    url: str,
    secret: str | None,
    options: Options | None = None,
    *,
    keep: Kept | None = None,
    every: int = DEFAULT_EVERY,
    networks: Sequence[Network] = (),
    own_roots: Sequence[str] = (),
) -> Target:
    """Adds a target; nothing is pushed before an operator has it run for the first time.

    In: where the token is read, or the token that is to be kept; how often it is looked through without a change, in
    microseconds; the networks that are allowed though not public; the URLs behind which this installation has its apps.
    Raises TargetError for what cannot be, SecretError for a reference that is none, and OperatorError for a URL that
    nothing is sent to.
    """
    options = options or Options()
    check_options(workspace.app, options)
    values = {
        "app_id": workspace.app.id,
        "name": checked_name(name),
        "url": checked_url(url, options, networks, own_roots),
        "settings": options.to_json(),
        "mark": secrets.token_urlsafe(16),
        "every": checked_every(every),
        "enabled": 1,
        "left_out": "[]",
        "leased_until": 0,
        "not_before": 0,
    }
    _require_free(workspace.db, workspace.app, name)
    # Once all else is right, so that no token is kept for nothing.
    values["secret"] = _checked_secret(secret, keep, workspace, name)
    return workspace.db.transact(partial(_add, workspace, values))


def _add(workspace: Workspace, values: dict[str, Any]) -> Target:
    _require_free(workspace.db, workspace.app, values["name"])
    at = clock.after(workspace.app.created_at)
    workspace.db.execute(TargetRow.insert(**values, created_at=at))
    made = get(workspace.db, workspace.app, values["name"])
    journal.record(workspace, [Entry(Action.TARGET_ADDED, detail=f"target {made.name}: {made.url}")], at=at)
    return made


def edit(
    workspace: Workspace,
    target: Target,
    *,
    name: str | None = None,
    url: str | None = None,
    secret: str | None = None,
    keep: Kept | None = None,
    options: Options | None = None,
    every: int | None = None,
    networks: Sequence[Network] = (),
    own_roots: Sequence[str] = (),
    anew: bool = False,
) -> Target:
    """Changes a target, and takes it from a run that is under way; what was pushed stays known.

    In: what `add` takes; `anew`, True when another server is at the URL, so that what was pushed says nothing about it.
    Raises what `add` raises.
    """
    chosen = options or target.options
    check_options(workspace.app, chosen)
    if url is not None or options is not None:
        url = checked_url(url or target.url, chosen, networks, own_roots)
    given: dict[str, Any] = {
        "name": checked_name(name) if name is not None else target.name,
        "url": url or target.url,
        "settings": chosen.to_json(),
        "every": checked_every(every) if every is not None else target.every,
        "secret": target.secret,
    }
    if secret is not None or keep is not None:
        given["secret"] = _checked_secret(secret, keep, workspace, target.name)
    changed = {key: value for key, value in given.items() if value != getattr(target, key)}
    if changed or anew or keep is not None:
        workspace.db.transact(partial(_edit, workspace, target, changed, anew, keep is not None))
    return get(workspace.db, workspace.app, given["name"])


def _edit(workspace: Workspace, target: Target, changed: dict[str, Any], anew: bool, renewed: bool) -> None:
    db = workspace.db
    if "name" in changed:
        _require_free(db, workspace.app, changed["name"])
    # What another URL or token makes of it shows at once; what it can is asked again.
    change(db, target, **changed, not_before=0, abilities=None, left_out="[]", held=None)
    if anew:
        _forget_pushed(db, target)
    # What was refused for a reason that is gone now.
    _try_again(db, target)
    shown = {key: [getattr(target, key), value] for key, value in changed.items() if key != "settings"}
    if "settings" in changed:
        before, after = asdict(target.options), asdict(Options.from_json(changed["settings"]))
        shown |= {key: [before[key], value] for key, value in after.items() if before[key] != value}
    words = [text for told, text in ((anew, "what was pushed is forgotten"), (renewed, "another token")) if told]
    record_act(workspace, target, Action.TARGET_EDITED, ", ".join(words), changes=shown)


def disable(workspace: Workspace, target: Target) -> None:
    """Has nothing pushed until it is enabled; what changes meanwhile is pushed then."""
    if target.enabled:
        workspace.db.transact(partial(_set_enabled, workspace, target, 0, Action.TARGET_DISABLED))


def enable(workspace: Workspace, target: Target) -> None:
    """Has a target pushed to again, at once."""
    if not target.enabled:
        workspace.db.transact(partial(_set_enabled, workspace, target, 1, Action.TARGET_ENABLED))


def _set_enabled(workspace: Workspace, target: Target, enabled: int, action: Action) -> None:
    change(workspace.db, target, enabled=enabled, not_before=0)
    record_act(workspace, target, action)


def remove(workspace: Workspace, target: Target, state_dir: Path) -> None:
    """Removes a target, its kept token, and what is known about what was pushed; at the server all stays."""
    workspace.db.transact(partial(_remove, workspace, target))
    secret_references.forget(state_dir, target.secret)


def _remove(workspace: Workspace, target: Target) -> None:
    forget(workspace.db, target)
    record_act(workspace, target, Action.TARGET_REMOVED)


def forget(db: Database, target: Target) -> None:
    """Takes away a target and what is known about what was pushed, inside the caller's transaction."""
    _forget_pushed(db, target)
    db.execute(TargetRunRow.delete().where(TargetRunRow.target_id == target.id))
    change(db, target, removed_at=clock.after(target.created_at), held=None)


def forget_tokens(db: Database, app: App, state_dir: Path) -> None:
    """Deletes the tokens that are kept for an app's targets; for an app that is going to be deleted."""
    for target in stored.of_app(db, app.id):
        secret_references.forget(state_dir, target.secret)


def retry(workspace: Workspace, target: Target) -> int:
    """Has everybody tried again whom the target refused; returns how many there are."""
    return workspace.db.transact(partial(_retry, workspace, target))


def _retry(workspace: Workspace, target: Target) -> int:
    number = _try_again(workspace.db, target)
    change(workspace.db, target, not_before=0)
    record_act(workspace, target, Action.TARGET_RETRIED, f"{number:,} tried again")
    return number


def _try_again(db: Database, target: Target) -> int:
    """Has those tried again at once whom the target refused, with all tries; returns how many there are."""
    refused = TargetLinkRow.state.in_((LinkState.PARKED.value, LinkState.FAILED.value))
    of_target = (TargetLinkRow.app_id == target.app_id) & (TargetLinkRow.target_id == target.id)
    values = {"state": LinkState.FAILED.value, "tries": 0, "retry_at": 0}
    return db.touch(TargetLinkRow.update(values).where(of_target, refused))


def change(db: Database, target: Target, **values: Any) -> None:
    """Writes columns of a target, and takes it from the process that holds it, inside the caller's transaction."""
    query = TargetRow.update(**values, holder=None, leased_until=0)
    if not db.touch(query.where(TargetRow.id == target.id, TargetRow.removed_at.is_null())):
        raise TargetError(f"The target {target.name} was removed meanwhile.")


def record_act(
    workspace: Workspace,
    target: Target,
    action: Action,
    detail: str | None = None,
    changes: dict[str, list[Any]] | None = None,
) -> None:
    """Records an operator's act in the journal, inside the caller's transaction."""
    text = f"target {target.name}" + (f": {detail}" if detail else "")
    journal.record(workspace, [Entry(action, detail=text, changes=changes)])


def _forget_pushed(db: Database, target: Target) -> None:
    for table in (TargetMemberRow, TargetLinkRow):
        db.execute(table.delete().where(table.app_id == target.app_id, table.target_id == target.id))


# --- tokens -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """A token that is to be kept in the state folder."""

    token: str = field(repr=False)
    state_dir: Path


def _checked_secret(reference: str | None, keep: Kept | None, workspace: Workspace, name: str) -> str:
    """Where a token is read; one that is to be kept is written first. Raises SecretError."""
    if keep is None:
        secret_references.check(reference or "")
        return reference or ""
    file = f"target-{workspace.app.slug}-{name}"
    others = {
        target.secret
        for target in stored.living(workspace.db)
        if (target.app_id, target.name) != (workspace.app.id, name)
    }
    # The app `a` and the target `b-c` have the same name as `a-b` and `c`.
    while f"kept:{file}" in others:
        file += "-2"
    return secret_references.keep(keep.state_dir, file, keep.token.strip())


def _require_free(db: Database, app: App, name: str) -> None:
    if any(target.name == name for target in stored.of_app(db, app.id)):
        raise TargetError(f"{app.slug} has a target {name} already: choose another name, or change it: target edit.")
