"""Makes, edits, enables, disables and deletes apps."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import peewee

from .. import clock, journal
from ..apps import App, AppError, app_profile, ever, every, find, get, lock, update
from ..apps.features import AppSettings, FeatureError
from ..apps.workspace import Workspace
from ..db import Database
from ..db.feed_tables import DeliveryRow, ReadingRow, SetStreamRow, WebhookRow
from ..db.operator_tables import InvitationRow, OperatorAppRow
from ..db.sync_tables import SourceLinkRow, SourceRow, SourceRunRow
from ..db.tables import (
    AppRow,
    BrakeRow,
    DepartureRow,
    MemberRow,
    PasswordRow,
    RefusalRow,
    ResourceRow,
    TallyRow,
    TokenRow,
    ValueRow,
    sought,
)
from ..db.target_tables import TargetLinkRow, TargetMemberRow, TargetRow, TargetRunRow
from ..journal import Action, Entry, Scope
from ..scim import core
from .contents import contents

__all__ = [
    "ChangedMeanwhile",
    "create",
    "delete",
    "edit",
    "ever",
    "every",
    "find",
    "get",
    "require_distinct_groups",
    "require_version",
    "set_enabled",
    "slug_of",
]

#: What goes with an app, in an order that foreign keys allow.
_CONTENTS = (MemberRow, PasswordRow, DepartureRow, BrakeRow, RefusalRow, TallyRow, ResourceRow, TokenRow)
#: A hyphen at the beginning would make an option of it on a command line.
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


#: Latin letters that Unicode does not take apart into a letter of ASCII and a mark.
_LATIN = str.maketrans(
    {
        "ß": "ss",
        "ø": "o",
        "æ": "ae",
        "œ": "oe",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ħ": "h",
        "\u0131": "i",
        "ŋ": "ng",
    }
)
_LONGEST_NAME = 200


class ChangedMeanwhile(AppError):
    """An app was changed since the operator looked at it."""

    def __init__(self) -> None:
        super().__init__("Somebody else changed this app meanwhile, so nothing was saved. This is what it is now.")


def slug_of(name: str) -> str:
    """Makes a slug of a name: `entra-id` of `Entra ID`, `orsted` of `Ørsted`; an empty text without Latin letters."""
    latin = name.lower().translate(_LATIN)
    plain = unicodedata.normalize("NFKD", latin).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-")


def create(scope: Scope, name: str, slug: str | None = None, *, profile: str = app_profile.DEFAULT) -> App:
    """Makes an app. Raises AppError when the name, slug or profile is not allowed or the slug is taken."""
    name = _checked_name(name)
    chosen = slug if slug is not None else slug_of(name)
    if not chosen and slug is None:
        raise AppError(
            f"No slug can be made of {name!r}, which has no Latin letter and no digit. Choose one, which stands "
            "in the address for good: --slug my-app"
        )
    if not _SLUG.fullmatch(chosen):
        raise AppError(f"{chosen!r} cannot be a slug: 1 to 63 of a-z, 0-9 and hyphens, and no hyphen first.")
    try:
        return scope.db.transact(partial(_create, scope, name, chosen, profile))
    except peewee.IntegrityError as error:
        if scope.db.not_unique(error, "app", "slug"):
            raise AppError(f"There is an app {chosen!r} already. Choose another slug with --slug.") from None
        raise


def _create(scope: Scope, name: str, slug: str, profile: str) -> App:
    settings = _with_features(AppSettings(), _profile_features(profile)).to_json()
    values = {"slug": slug, "name": name, "enabled": 1, "version": 1, "mapping_version": 1}
    at = clock.now()
    scope.db.execute(AppRow.insert(**values, settings=settings, profile=profile, created_at=at))
    app = get(scope.db, slug)
    chosen = "" if profile == app_profile.DEFAULT else f", profile {profile}"
    journal.record(Workspace.of(scope, app), [Entry(Action.APP_CREATED, detail=f"{name} ({slug}{chosen})")], at=at)
    return app


def _profile_features(profile: str) -> dict[str, str]:
    if profile not in app_profile.PROFILES:
        raise AppError(f"There is no profile {profile!r}. Profiles: {', '.join(app_profile.PROFILES)}.")
    return app_profile.features_of(profile)


def _with_features(settings: AppSettings, features: dict[str, str]) -> AppSettings:
    for feature, value in features.items():
        try:
            settings = settings.with_feature(feature, value)
        except FeatureError as error:
            raise AppError(str(error)) from None
    return settings


def checked_feature(name: str, text: str) -> str:
    """Returns the name of a feature as operators write it. Raises AppError for an unknown one, or for a wrong value."""
    _with_features(AppSettings(), {name: text})
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise AppError(f"An app's name has 1 to {_LONGEST_NAME} printable characters.")
    return name


def edit(
    scope: Scope,
    slug: str,
    *,
    name: str | None = None,
    profile: str | None = None,
    features: dict[str, str] | None = None,
    version: int | None = None,
) -> App:
    """Renames an app, or sets the features of a profile and then single ones.

    In: `version`, the version of the app that the operator saw. Raises AppError when there is no such profile or
    feature, or stored data contradict it, and ChangedMeanwhile when the app has another version.
    """
    scope.db.transact(partial(_edit, scope, slug, name, profile, features or {}, version))
    return get(scope.db, slug)


def require_version(app: App, version: int | None) -> None:
    """Raises ChangedMeanwhile when a locked app has not the version that the operator saw; None is any."""
    if version is not None and app.version != version:
        raise ChangedMeanwhile


def _edit(
    scope: Scope, slug: str, name: str | None, profile: str | None, features: dict[str, str], version: int | None
) -> None:
    app = lock(scope.db, slug)
    require_version(app, version)
    bundle = _profile_features(profile) if profile is not None else {}
    settings = _with_features(app.settings, bundle | features)
    chosen = profile if profile is not None else app.profile
    renamed = _checked_name(name) if name is not None else app.name
    if settings.unique_group_names != app.settings.unique_group_names:
        _switch_unique_group_names(scope.db, app, on=settings.unique_group_names)
    if settings.passwords != app.settings.passwords:
        # A password that changed while passwords were dropped is unknown: no older one may let its user in.
        scope.db.execute(PasswordRow.delete().where(PasswordRow.app_id == app.id))
    if settings.member_display != app.settings.member_display:
        scope.db.execute(MemberRow.update(display=None).where(MemberRow.app_id == app.id))
    changes = _setting_changes(app, settings, renamed, chosen)
    if changes:
        update(scope.db, app, settings=settings.to_json(), name=renamed, profile=chosen)
        journal.record(Workspace.of(scope, app), [Entry(Action.APP_EDITED, changes=changes)])


def _setting_changes(app: App, settings: AppSettings, name: str, profile: str) -> dict[str, list[Any]]:
    before = {"name": app.name, "profile": app.profile, **app.settings.spelled()}
    after = {"name": name, "profile": profile, **settings.spelled()}
    return {key: [before[key], after[key]] for key in after if before[key] != after[key]}


def require_distinct_groups(db: Database, app: App) -> None:
    """Raises AppError while two groups of an app share a name."""
    _refuse_shared(db.rows(_group_names(app)))


def _group_names(app: App) -> Any:
    """Selects compared name, name and row of each living group."""
    return (
        ValueRow.select(ValueRow.key, ResourceRow.name, ValueRow.resource_id)
        .join(ResourceRow, on=(ResourceRow.id == ValueRow.resource_id))
        .where(_names_of_groups(app), ResourceRow.deleted_at.is_null())
    )


def _names_of_groups(app: App) -> Any:
    of_groups = (ValueRow.app_id == app.id) & (ValueRow.type == core.GROUP.name)
    return of_groups & (ValueRow.path == "displayName") & sought(ValueRow)


def _refuse_shared(rows: Sequence[Sequence[Any]]) -> None:
    shared = [key for key, times in Counter(row[0] for row in rows).items() if times > 1]
    if shared:
        listed = ", ".join(sorted({row[1] for row in rows if row[0] in shared})[:10])
        raise AppError(f"unique-group-names cannot be on while groups share a name: {listed}.")


def _switch_unique_group_names(db: Database, app: App, *, on: bool) -> None:
    """Switches unique group names in the database. Raises AppError while two groups share a name."""
    if not on:
        db.execute(ValueRow.update(unique_key=None).where(_names_of_groups(app)))
        return
    rows = db.rows(_group_names(app))
    _refuse_shared(rows)
    # Imported here, because the value index takes 15 ms that most acts on apps need not.
    from ..directory.value_index import unique_key

    for key, _, resource_id in rows:
        query = ValueRow.update(unique_key=unique_key(key))
        db.execute(query.where(_names_of_groups(app), ValueRow.resource_id == resource_id))


def set_enabled(scope: Scope, slug: str, *, enabled: bool) -> App:
    """Enables an app, or disables it: then every worker refuses its tokens from the next request on."""
    scope.db.transact(partial(_set_enabled, scope, slug, enabled))
    return get(scope.db, slug)


def _set_enabled(scope: Scope, slug: str, enabled: bool) -> None:
    app = lock(scope.db, slug)
    if app.enabled != enabled:
        update(scope.db, app, enabled=int(enabled))
        action = Action.APP_ENABLED if enabled else Action.APP_DISABLED
        journal.record(Workspace.of(scope, app), [Entry(action)])


def delete(scope: Scope, slug: str) -> App:
    """Removes an app with its users, groups and tokens; the journal stays and keeps the app's name."""
    return scope.db.transact(partial(_delete, scope, slug))


def _delete(scope: Scope, slug: str) -> App:
    db = scope.db
    app = lock(db, slug)
    held = contents(db, app)
    resources = ResourceRow.select(ResourceRow.id).where(ResourceRow.app_id == app.id)
    # Aliases stay: the journal of a deleted app is still searched by name.
    db.execute(ValueRow.delete().where(ValueRow.resource_id.in_(resources)))
    # Receipts stay with the journal, and the webhooks for their names.
    hooks = WebhookRow.select(WebhookRow.id).where(WebhookRow.app_id == app.id)
    db.execute(DeliveryRow.delete().where(DeliveryRow.webhook_id.in_(hooks)))
    ended = {"removed_at": clock.after(app.created_at), "holder": None, "leased_until": 0}
    db.execute(WebhookRow.update(ended).where(WebhookRow.app_id == app.id, WebhookRow.removed_at.is_null()))
    # A run that is going on writes nothing more.
    db.execute(SourceRow.update(ended).where(SourceRow.app_id == app.id, SourceRow.removed_at.is_null()))
    db.execute(TargetRow.update(ended).where(TargetRow.app_id == app.id, TargetRow.removed_at.is_null()))
    synced = (SourceRunRow, SourceLinkRow, TargetLinkRow, TargetMemberRow, TargetRunRow)
    for table in (ReadingRow, SetStreamRow, *synced, *_CONTENTS, OperatorAppRow, InvitationRow):
        db.execute(table.delete().where(table.app_id == app.id))
    update(db, app, enabled=0, deleted_at=clock.after(app.created_at))
    others = f" and {held.others} other resources" if held.others else ""
    detail = f"{app.name} ({app.slug}) with {held.users} users and {held.groups} groups{others}"
    journal.record(Workspace.of(scope, app), [Entry(Action.APP_DELETED, detail=detail)])
    return app
