"""The features of an app in the operator's words: in groups, beside its profile, and what a change would mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from peewee import fn

from ..apps import App, AppError, app_profile
from ..apps.features import AppSettings
from ..db import Database
from ..db.tables import PasswordRow, ResourceRow
from ..scim import core
from . import apps
from .contents import people_of


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature with its value; `of_profile` is the value that the app's profile has."""

    #: As operators write it, with hyphens.
    name: str
    label: str
    help: str
    #: What it takes, in words, and its values when they are few.
    takes: str
    choices: tuple[str, ...]
    value: str
    of_profile: str

    @property
    def is_switch(self) -> bool:
        """True when it is on or off."""
        return set(self.choices) == {"on", "off"}

    @property
    def changed(self) -> bool:
        """True when the value is not the profile's."""
        return self.value != self.of_profile


@dataclass(frozen=True, slots=True)
class Section:
    """Features that belong together."""

    title: str
    about: str
    features: list[Feature]


@dataclass(frozen=True, slots=True)
class Change:
    """A feature that would change, and what that means now; `meaning` is empty when the feature's help says it all."""

    name: str
    label: str
    before: str
    after: str
    meaning: str


#: Users whom the page of the features counts.
_MOST = 10_000


class WrongFeatures(AppError):
    """Some values cannot be set; `problems` says why, by the name of the feature."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = problems

    @property
    def about_none(self) -> str:
        """What is wrong with names that are no features."""
        return " ".join(text for name, text in self.problems.items() if _key(name) not in _LABELS)


#: Title, sentence, and the label of each feature by its field.
SECTIONS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    (
        "What may happen",
        "What the identity provider may do here. Anything beyond it is refused, and the report says so.",
        {
            "create_users": "Create users",
            "update_users": "Update users",
            "delete_users": "Disable and delete users",
            "create_groups": "Create groups",
            "update_groups": "Update groups",
            "delete_groups": "Delete groups",
            "sync_membership": "Add and remove members",
            "sourced_users": "Change users and groups of a source",
        },
    ),
    (
        "When people leave",
        "What becomes of users whom the identity provider deactivates or deletes.",
        {"delete_the_deactivated": "Delete the deactivated users", "revive": "Give returning users their old id"},
    ),
    (
        "Brakes",
        "What stops a mistake in the identity provider before everybody is locked out.",
        {
            "brake_users": "Most users who leave",
            "brake_percent": "Most users who leave, in percent",
            "brake_window": "Counted within",
            "brake_members": "Most users who are taken out of groups",
        },
    ),
    (
        "What is accepted",
        "How exact the identity provider has to be.",
        {
            "unknown_attributes": "Attributes that no schema has",
            "unknown_members": "Members who do not exist",
            "unique_group_names": "Group names are unique",
            "require_schemas": "Schemas have to be named",
            "patch_without_path": "PATCH without a path",
            "patch_elements": "PATCH of selected items",
            "patch_replace": "PATCH that replaces",
        },
    ),
    (
        "What is answered and kept",
        "What the identity provider gets back, and what stays here.",
        {
            "patch_answer": "Answer to PATCH",
            "member_display": "Names of members",
            "service_configuration": "/serviceConfiguration",
            "security_events": "Security events are announced",
            "passwords": "Passwords",
            "keep_bodies": "Keep refused requests",
        },
    ),
)
_LABELS = {name: label for _, _, labels in SECTIONS for name, label in labels.items()}


def sections(app: App, values: Mapping[str, str] | None = None) -> list[Section]:
    """Returns all features in groups. In: `values` in place of those of the app, by names with hyphens."""
    shown = current(app) | dict(values or {})
    of_profile = {_name(key): text for key, text in AppSettings().spelled().items()}
    of_profile |= app_profile.features_of(app.profile)
    metadata = {_name(field.name): field.metadata for field in fields(AppSettings)}

    def feature(key: str, label: str) -> Feature:
        name = _name(key)
        about = metadata[name]
        return Feature(name, label, about["help"], about["takes"], about["choices"], shown[name], of_profile[name])

    return [
        Section(title, about, [feature(key, label) for key, label in labels.items()])
        for title, about, labels in SECTIONS
    ]


def current(app: App) -> dict[str, str]:
    """Returns the values of an app's features, by names with hyphens."""
    return {_name(key): text for key, text in app.settings.spelled().items()}


def of_profile(app: App, profile: str) -> dict[str, str]:
    """Returns the features that a profile would set to another value than the app has. Raises AppError."""
    if profile not in app_profile.PROFILES:
        raise AppError(f"There is no profile {profile!r}. Profiles: {', '.join(app_profile.PROFILES)}.")
    now = current(app)
    return {name: text for name, text in app_profile.features_of(profile).items() if now[name] != text}


def review(db: Database, app: App, wanted: Mapping[str, str]) -> list[Change]:
    """Returns what would change, and changes nothing. Raises WrongFeatures, also when stored data contradict it."""
    problems: dict[str, str] = {}
    for name, text in wanted.items():
        try:
            apps.checked_feature(name, text)
        except AppError as error:
            problems[name] = str(error)
    now = current(app)
    changed = {name: text for name, text in wanted.items() if now.get(name) != text}
    if changed.get("unique-group-names") == "on":
        try:
            apps.require_distinct_groups(db, app)
        except AppError as error:
            problems["unique-group-names"] = str(error)
    if problems:
        raise WrongFeatures(problems)
    then = now | changed
    return [
        Change(name, _LABELS[_key(name)], now[name], text, _meaning(db, app, name, text, then))
        for name, text in changed.items()
    ]


def _meaning(db: Database, app: App, name: str, text: str, then: Mapping[str, str]) -> str:
    """Returns what a change means for the people who are there at this moment."""
    if name == "delete-the-deactivated":
        return meaning_of_leaving(db, app, deletes=text == "on")
    if name == "delete-users" and text == "off":
        active, _ = _users(db, app)
        return f"Nobody can be disabled or deleted any more. Users who would keep their access: {active:,}."
    if name == "passwords":
        kept = int(db.scalar(PasswordRow.select(fn.count(PasswordRow.resource_id)).where(PasswordRow.app_id == app.id)))
        return f"The password hashes that are kept are deleted: {kept:,}." if kept else ""
    if name == "member-display":
        return "What was sent as the names of members is forgotten."
    if name in ("brake-users", "brake-percent") and {then["brake-users"], then["brake-percent"]} == {"off"}:
        active, _ = _users(db, app)
        return f"There is no brake any more. Active users whom a mistake could disable: {active:,}."
    return ""


def meaning_of_leaving(db: Database, app: App, *, deletes: bool) -> str:
    """Returns what "Delete the deactivated users" means for the people who are there at this moment."""
    active, disabled = _users(db, app)
    return _leaving(deletes, f"{active:,}", f"{disabled:,}")


def meaning_of_leaving_now(db: Database, app: App) -> str:
    """Returns what it means as it is set; only the first 10,000 users are counted, so that many cost no more."""
    query = ResourceRow.select(ResourceRow.active).where(
        ResourceRow.app_id == app.id, ResourceRow.type == core.USER.name, ResourceRow.deleted_at.is_null()
    )
    states = [row[0] for row in db.rows(query.limit(_MOST + 1))]
    more = "more than " if len(states) > _MOST else ""
    active, disabled = (f"{more}{count:,}" for count in (states.count(1), states.count(0)))
    return _leaving(app.settings.delete_the_deactivated, active, disabled)


def _leaving(deletes: bool, active: str, disabled: str) -> str:
    now = f"Active users at this moment: {active}. "
    if deletes:
        return (
            "A user whom the identity provider deactivates is deleted here, to be purged after the retention time. "
            f"{now}Users who are disabled already stay disabled: {disabled}."
        )
    return (
        "A user whom the identity provider deactivates is disabled here, and gets everything back when it activates "
        f"them again. {now}Users who were deleted before stay deleted."
    )


def _users(db: Database, app: App) -> tuple[int, int]:
    """Returns how many active and how many disabled users there are."""
    users, disabled, _ = people_of(db, [app.id])[app.id]
    return users - disabled, disabled


def as_options(changes: Iterable[Change]) -> str:
    """Returns the options of `scimlite app edit` that make the changes."""
    return " ".join(f"--feature {change.name}={change.after}" for change in changes)


def _name(key: str) -> str:
    return key.replace("_", "-")


def _key(name: str) -> str:
    return name.replace("-", "_")
