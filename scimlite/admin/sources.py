"""What an operator does with sources: adds, changes, maps, enables, disables and removes them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from .. import clock, journal
from ..apps import App
from ..apps.workspace import Workspace
from ..db import Database
from ..db.sync_tables import SourceLinkRow, SourceRow
from ..db.tables import AppRow
from ..directory import write
from ..errors import OperatorError
from ..journal import Action, Entry
from ..scim import messages
from ..suggestions import did_you_mean
from ..sync import kinds, links, secret_references, shaping, sources
from ..sync.reading import GROUP, USER
from ..sync.rules import Rules
from ..sync.sources import Source, State

_LONGEST_NAME = 100
#: What becomes of a removed source's users.
KEEP, DISABLE = "keep", "disable"


class SourceRequestError(OperatorError):
    """An operator's request cannot be carried out with this source; the text says why."""


# --- finding ------------------------------------------------------------------------------------------------------


def get(db: Database, app: App, name: str | None = None) -> Source:
    """Returns the app's source with this name; without one, the only source.

    Raises SourceRequestError, with the names that there are, when there is no such source.
    """
    listed = sources.of_app(db, app.id)
    if not listed:
        raise SourceRequestError(
            f"{app.slug} has no source. Add one: scimlite source add NAME --app {app.slug} --kind KIND"
        )
    names = ", ".join(source.name for source in listed[:10])
    if name is None:
        if len(listed) > 1:
            raise SourceRequestError(f"{app.slug} has {len(listed)} sources. Name one: {names}.")
        return listed[0]
    found = next((source for source in listed if source.name == name), None)
    if found is None:
        meant = did_you_mean(name, [source.name for source in listed])
        raise SourceRequestError(f"{app.slug} has no source {name!r}.{meant} Sources: {names}.")
    return found


# --- adding and changing ------------------------------------------------------------------------------------------


def add(
    workspace: Workspace,
    name: str,
    kind_name: str,
    options: Mapping[str, Any],
    *,
    secret: str | None = None,
    rules: Rules | None = None,
    disabled: bool = False,
) -> Source:
    """Adds a source with the usual mapping of its kind; the worker reads it from now on, unless it is `disabled`.

    In: the options of its kind; a reference to its secret. Raises SourceError and SourceRequestError when one of them
    cannot be.
    """
    kind = kinds.get(kind_name)
    db, app = workspace.db, workspace.app
    settings = sources.checked_options(kind, options)
    if kind.secret is None and secret is not None:
        raise SourceRequestError(f"A source of the kind {kind.name} has no secret.")
    if secret is not None:
        secret_references.check(secret)
    mapping = usual_mapping(app, kind_name)
    now = clock.after(app.created_at)
    values = {
        "app_id": app.id,
        "name": _checked_name(name),
        "kind": kind.name,
        "settings": _text(settings),
        "mapping": _text(mapping),
        "mapping_version": 1,
        "owned": _owned(app, mapping),
        "secret": secret,
        "rules": (rules or Rules()).to_json(),
        "state": (State.DISABLED if disabled else State.ACTIVE).value,
        "read_version": 0,
        "due_at": now,
        "failures": 0,
        "leased_until": 0,
        "created_at": now,
    }
    return db.transact(partial(_add, workspace, values))


def usual_mapping(app: App, kind_name: str) -> dict[str, dict[str, str]]:
    """The usual mapping of a kind, without rows for attributes that the app does not have."""
    types = {each.name: each for each in app.resource_types.values()}
    made: dict[str, dict[str, str]] = {}
    for type, rows in kinds.get(kind_name).mapping.items():
        made[type] = {}
        for text, expression in rows.items():
            try:
                shaping.target(types[type], text)
            except shaping.MappingError:
                continue
            made[type][text] = expression
    return made


def _add(workspace: Workspace, values: dict[str, Any]) -> Source:
    db, app = workspace.db, workspace.app
    require_free_name(db, app, values["name"])
    db.execute(SourceRow.insert(**values))
    made = get(db, app, values["name"])
    _mark_sourced(db, app)
    _record(workspace, made, Action.SOURCE_ADDED, f"{made.kind}, {_place(made)}")
    return made


def _mark_sourced(db: Database, app: App) -> None:
    """Has requests ask from now on whether a resource comes from a source."""
    db.execute(AppRow.update(sourced=1, version=AppRow.version + 1).where(AppRow.id == app.id, AppRow.sourced == 0))


def edit(
    workspace: Workspace,
    source: Source,
    *,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    secret: str | None = None,
    rules: Rules | None = None,
    accept_identity: bool = False,
) -> Source:
    """Changes a source; options that are not given stay, an empty one goes. Raises what `add` raises."""
    kind = kinds.get(source.kind)
    given = {**source.options, **(options or {})}
    settings = sources.checked_options(kind, {key: value for key, value in given.items() if value not in ("", [], ())})
    if secret is not None:
        if kind.secret is None:
            raise SourceRequestError(f"A source of the kind {kind.name} has no secret.")
        secret_references.check(secret)
    called = _checked_name(name) if name is not None else source.name
    wanted: dict[str, Any] = {
        "name": called,
        "settings": _text(settings),
        "secret": secret if secret is not None else source.secret,
        "rules": rules.to_json() if rules is not None else source.rules,
    }
    changes = {key: value for key, value in wanted.items() if getattr(source, key) != value}
    if accept_identity and source.identity is not None:
        changes["identity"] = None
    if changes:
        workspace.db.transact(partial(_edit, workspace, source, changes))
    return get(workspace.db, workspace.app, called)


def _edit(workspace: Workspace, source: Source, changes: dict[str, Any]) -> None:
    if "name" in changes:
        require_free_name(workspace.db, workspace.app, changes["name"])
    values = dict(changes)
    if changes.keys() & {"settings"}:
        values["mapping_version"] = source.mapping_version + 1
    if changes.keys() & {"settings", "identity", "rules", "secret"}:
        values |= {"due_at": clock.now(), "held": None}
    change(workspace.db, source, **values)
    said = ", ".join(sorted("another directory accepted" if key == "identity" else key for key in changes))
    _record(workspace, source, Action.SOURCE_EDITED, said)


def set_mapping(workspace: Workspace, source: Source, mapping: Mapping[str, Mapping[str, str]]) -> Source:
    """Gives a source another mapping; the next run reads everything by it. Raises MappingError."""
    owned = _owned(workspace.app, mapping)
    if mapping != source.rows:
        workspace.db.transact(partial(_set_mapping, workspace, source, mapping, owned))
    return get(workspace.db, workspace.app, source.name)


def _set_mapping(workspace: Workspace, source: Source, mapping: Mapping[str, Mapping[str, str]], owned: str) -> None:
    version = source.mapping_version + 1
    values = {"mapping": _text(mapping), "owned": owned, "mapping_version": version, "due_at": clock.now()}
    change(workspace.db, source, **values, held=None)
    before = {f"{type} {key}": text for type, rows in source.rows.items() for key, text in rows.items()}
    after = {f"{type} {key}": text for type, rows in mapping.items() for key, text in rows.items()}
    names = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    entry = Entry(
        Action.SOURCE_EDITED,
        detail=f"source {source.name}: mapping",
        changes={name: [before.get(name), after.get(name)] for name in names},
    )
    journal.record(workspace, [entry], at=clock.after(source.created_at))


def set_state(workspace: Workspace, source: Source, *, enabled: bool) -> None:
    """Enables or disables a source; a disabled one is read by nobody but `source preview`, `sync` and `test`."""
    state = State.ACTIVE if enabled else State.DISABLED
    if source.state != state:
        action = Action.SOURCE_ENABLED if state is State.ACTIVE else Action.SOURCE_DISABLED
        workspace.db.transact(partial(_set_state, workspace, source, state, action))


def _set_state(workspace: Workspace, source: Source, state: State, action: Action) -> None:
    change(workspace.db, source, state=state.value, due_at=clock.now())
    _record(workspace, source, action)


def accept(workspace: Workspace, source: Source, accepted: Mapping[str, Any]) -> None:
    """Accepts what a held run would do; the next run, which is due now, reads afresh and does up to so much.

    In: `removals` and `changes` as numbers, `identity` as True. Raises SourceRequestError when nothing is held.
    """
    if source.held is None:
        raise SourceRequestError(f"Nothing of the source {source.name} is held.")
    workspace.db.transact(partial(_accept, workspace, source, dict(accepted)))


def _accept(workspace: Workspace, source: Source, accepted: dict[str, Any]) -> None:
    change(workspace.db, source, accepted=_text(accepted), due_at=clock.now())
    record_acceptance(workspace, source, accepted)


def record_acceptance(workspace: Workspace, source: Source, accepted: Mapping[str, Any]) -> None:
    """Records in the journal what an operator accepted, in the caller's transaction."""
    said = ", ".join(
        f"{key} up to {value:,}" if key != "identity" else "another directory" for key, value in accepted.items()
    )
    _record(workspace, source, Action.SOURCE_ACCEPTED, said)


# --- removing -----------------------------------------------------------------------------------------------------


def remove(workspace: Workspace, source: Source, *, users: str, state_dir: Path) -> int:
    """Removes a source; its users and groups stay as they are, or its users are disabled first.

    In: `users`, KEEP or DISABLE. Returns how many users were disabled. What the app's features and brakes say holds for
    them. Raises ScimError when one of them cannot be disabled; the source stays then.
    """
    disabled = 0
    if users == DISABLE:
        resource_type = next(each for each in workspace.app.resource_types.values() if each.name == USER)
        body = messages.patch_of("replace", "active", False)
        for link in links.of_source(workspace.db, workspace.app.id, source.id).values():
            if link.active and link.uuid is not None:
                write.patch(workspace, resource_type, link.uuid, body)
                disabled += 1
    workspace.db.transact(partial(_remove, workspace, source))
    if source.secret is not None:
        secret_references.forget(state_dir, source.secret)
    return disabled


def _remove(workspace: Workspace, source: Source) -> None:
    db, app = workspace.db, workspace.app
    own = (SourceLinkRow.app_id == app.id) & (SourceLinkRow.source_id == source.id)
    db.execute(SourceLinkRow.delete().where(own))
    change(db, source, removed_at=clock.after(source.created_at), secret=None)
    _record(workspace, source, Action.SOURCE_REMOVED)


def forget_secrets(db: Database, app: App, state_dir: Path) -> None:
    """Deletes the secrets that are kept for an app's sources; for an app that is going to be deleted."""
    for source in sources.of_app(db, app.id):
        if source.secret is not None:
            secret_references.forget(state_dir, source.secret)


def change(db: Database, source: Source, **values: Any) -> None:
    """Writes columns of a source, and takes it from the process that runs it, which then writes nothing more."""
    query = SourceRow.update(**values, holder=None, leased_until=0)
    if not db.touch(query.where(SourceRow.id == source.id, SourceRow.removed_at.is_null())):
        raise SourceRequestError(f"The source {source.name} was removed meanwhile.")


# --- what may be given --------------------------------------------------------------------------------------------


def _owned(app: App, mapping: Mapping[str, Mapping[str, str]]) -> str:
    """What a source owns of its resources, as it is stored. Raises MappingError when the mapping cannot be."""
    compiled = shaping.compile_mapping(app.resource_types.values(), mapping)
    if USER not in compiled and GROUP not in compiled:
        raise SourceRequestError("A mapping has rows for User, Group or both.")
    return _text({type: each.owned_paths for type, each in compiled.items()})


def _record(workspace: Workspace, source: Source, action: Action, more: str | None = None) -> None:
    detail = f"source {source.name}" + (f": {more}" if more else "")
    journal.record(workspace, [Entry(action, detail=detail)], at=clock.after(source.created_at))


def _place(source: Source) -> str:
    options = source.options
    place = next((options[name] for name in ("url", "file", "store", "region") if options.get(name)), "")
    return str(place)


def _text(data: Any) -> str:
    return orjson.dumps(data).decode()


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise SourceRequestError(f"A source's name has 1 to {_LONGEST_NAME} printable characters.")
    return name


def require_free_name(db: Database, app: App, name: str) -> None:
    """Raises SourceRequestError when the app has a source of this name."""
    if any(source.name == name for source in sources.of_app(db, app.id)):
        raise SourceRequestError(f"{app.slug} has a source {name!r} already. Choose another name.")
