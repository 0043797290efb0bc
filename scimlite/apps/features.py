"""The features of an app: what its operator lets clients do, and the checks that refuse what a feature forbids."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import cache
from operator import attrgetter
from typing import Any, Literal

import orjson

from ..errors import BadRequest, OperatorError, Remedy
from ..scim import core
from ..scim.schema import ResourceType
from ..scim.strictness import Strictness
from ..suggestions import did_you_mean


class FeatureError(OperatorError):
    """The feature does not exist, or does not take the value; the text lists the features or the values."""


# --- how operators write values -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spelling:
    """The texts that stand for a feature's values: on the command line, in the database and in the journal."""

    pattern: re.Pattern[str]
    #: Converts a text that matches the pattern to the value, and back.
    parse: Callable[[str], Any]
    write: Callable[[Any], str]


class Span(timedelta):
    """A length of time in minutes, hours or days that keeps its text: `60m` is not rewritten as `1h`."""

    text: str

    def __new__(cls, text: str) -> Span:
        """A span from a text such as 30m, 1h or 2d."""
        unit = {"m": "minutes", "h": "hours", "d": "days"}[text[-1]]
        span = super().__new__(cls, **{unit: int(text[:-1])})
        span.text = text
        return span


_ON_OFF = Spelling(re.compile("on|off"), lambda text: text == "on", lambda value: "on" if value else "off")
_SPAN = Spelling(re.compile(r"[1-9][0-9]{0,3}m|[1-9][0-9]?h|[1-7]d"), Span, attrgetter("text"))


def _number_or_off(pattern: str) -> Spelling:
    return Spelling(
        re.compile(f"off|{pattern}"),
        lambda text: None if text == "off" else int(text),
        lambda value: "off" if value is None else str(value),
    )


_COUNT = _number_or_off("0|[1-9][0-9]{0,8}")
_PERCENT = _number_or_off("0|[1-9][0-9]?|100")


def _feature(default: Any, spelling: Spelling, takes: str, help: str, choices: tuple[str, ...] = ()) -> Any:
    metadata = {"spelling": spelling, "takes": takes, "help": help, "choices": choices}
    return field(default=default, metadata={**metadata, "default": spelling.write(default)})


def _choice(*choices: str, help: str) -> Any:
    """A feature with a few values, the default first."""
    return _feature(choices[0], Spelling(re.compile("|".join(choices)), str, str), " or ".join(choices), help, choices)


def _switch(default: bool, help: str) -> Any:
    choices = ("on", "off") if default else ("off", "on")
    return _feature(default, _ON_OFF, " or ".join(choices), help, choices)


# --- the features -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The features of an app; operators write a name with hyphens in place of underscores."""

    create_users: bool = _switch(True, "Users can be created.")
    update_users: bool = _switch(True, "Users can be changed, and disabled users can be enabled again.")
    delete_users: bool = _switch(True, "Users can be disabled and deleted.")
    delete_the_deactivated: bool = _switch(
        False,
        "on: users who are deactivated or deleted in the source are deprovisioned here, to be purged after the "
        "retention time; off: deactivated users are disabled, deleted users are hidden and kept.",
    )
    create_groups: bool = _switch(True, "Groups can be created.")
    update_groups: bool = _switch(True, "Groups can be changed, except for their members.")
    delete_groups: bool = _switch(True, "Groups can be deleted.")
    sync_membership: bool = _switch(True, "Members of groups can be set, added and removed.")
    unique_group_names: bool = _switch(True, "Two groups of the app cannot have the same name (compared without case).")
    unknown_members: Literal["skip", "refuse"] = _choice(
        "skip",
        "refuse",
        help="Members that do not exist in the app: skip leaves them out and records them in the journal, refuse "
        "refuses the request.",
    )
    unknown_attributes: Literal["refuse", "ignore", "strict"] = _choice(
        "refuse",
        "ignore",
        "strict",
        help="Attributes that no schema has: refuse refuses them in PATCH, ignore leaves them out; both leave them out "
        "in POST and PUT; strict refuses them everywhere, and schemas that the app does not have.",
    )
    require_schemas: bool = _switch(False, "Requests without `schemas`, or with a wrong one, are refused.")
    patch_without_path: bool = _switch(True, "PATCH operations may have no path.")
    patch_elements: bool = _switch(
        True,
        'PATCH paths may select whole items, such as emails[type eq "work"], several of them, and by more than eq; '
        "members can always be removed.",
    )
    patch_replace: Literal["merge", "whole"] = _choice(
        "merge",
        "whole",
        help="What a PATCH that replaces an attribute with sub-attributes, such as name, does with those that it does "
        "not name: merge keeps them, whole removes them.",
    )
    patch_answer: Literal["auto", "body", "empty"] = _choice(
        "auto",
        "body",
        "empty",
        help="The answer to PATCH: body is the resource, empty is nothing, auto is the resource except for groups of "
        "over 100 members.",
    )
    member_display: Literal["current", "sent"] = _choice(
        "current",
        "sent",
        help="The `display` of a group's members: current is the member's name, sent what the client sent when "
        "it added the member.",
    )
    service_configuration: bool = _switch(
        False, "/serviceConfiguration answers like /ServiceProviderConfig, as in Microsoft's reference code."
    )
    security_events: bool = _switch(
        False,
        "/ServiceProviderConfig lists the security event tokens (RFC 9967) that the application gets, which strict "
        "clients refuse as an unknown attribute.",
    )
    sourced_users: Literal["source", "shared"] = _choice(
        "source",
        "shared",
        help="Users and groups that come from a source: source refuses what clients would change of the attributes "
        "that the source gives, and their deletion, and writes again what others changed; shared lets clients change "
        "them, and the source writes only what changed there.",
    )
    revive: bool = _switch(
        False,
        "A user who is created with the externalId of exactly one deleted user, within the retention time, gets "
        "that user's id; the old attributes and memberships do not come back.",
    )
    passwords: Literal["drop", "hash"] = _choice(
        "drop",
        "hash",
        help="Passwords of users: drop discards them, hash keeps a hash; every change of this feature deletes the "
        "hashes.",
    )
    keep_bodies: bool = _switch(
        True, "Masked bodies of refused and failed requests are kept for 7 days, so that they can be explained."
    )
    brake_users: int | None = _feature(
        50,
        _COUNT,
        "a number or off",
        "The brake stops disabling and deleting when more users than this were disabled or deleted within the brake "
        "window, and more than the brake percentage.",
    )
    brake_percent: int | None = _feature(
        20,
        _PERCENT,
        "0 to 100 or off",
        "The brake's share of the users who were active when its window began, and for those who came later of all "
        "active users; when this and brake-users are off, there is no brake.",
    )
    brake_window: timedelta = _feature(  # noqa: RUF009  # a Span cannot be changed
        Span("1h"), _SPAN, "a time such as 30m, 1h or 2d", "The time before now for which the brakes count."
    )
    brake_members: int | None = _feature(
        None,
        _COUNT,
        "a number or off",
        "The second brake stops removing members when more users than this were removed from groups within the window.",
    )

    @property
    def strictness(self) -> Strictness | None:
        """What is refused beyond the RFCs; None when nothing is."""
        strictness = Strictness(
            unknown=self.unknown_attributes == "strict",
            schemas=self.require_schemas,
            pathless=not self.patch_without_path,
            elements=not self.patch_elements,
        )
        return None if strictness == Strictness() else strictness

    @classmethod
    def from_json(cls, text: str) -> AppSettings:
        """The settings from the database's JSON object: texts by field name, without those that are the default."""
        spellings = _spellings()
        return cls(**{name: spellings[name].parse(value) for name, value in orjson.loads(text).items()})

    def to_json(self) -> str:
        """The JSON object that `from_json` reads."""
        defaults = _DEFAULTS.spelled()
        changed = {name: text for name, text in self.spelled().items() if text != defaults[name]}
        return orjson.dumps(changed).decode()

    def spelled(self) -> dict[str, str]:
        """The values as operators write them, by field name."""
        return {name: spelling.write(getattr(self, name)) for name, spelling in _spellings().items()}

    def with_feature(self, name: str, text: str) -> AppSettings:
        """The settings with one feature set; FeatureError says which features and values there are."""
        key = name.strip().lower().replace("-", "_").replace(" ", "_")
        features = {feature.name: feature.metadata for feature in fields(self)}
        if key not in features:
            names = [feature.replace("_", "-") for feature in features]
            meant = did_you_mean(key.replace("_", "-"), names)
            raise FeatureError(f"There is no feature {name!r}.{meant} Features: {', '.join(names)}.")
        spelling: Spelling = features[key]["spelling"]
        if not spelling.pattern.fullmatch(text):
            meant = did_you_mean(text, features[key]["choices"])
            raise FeatureError(f"{name} is {features[key]['takes']}, not {text!r}.{meant}")
        return replace(self, **{key: spelling.parse(text)})


@cache
def _spellings() -> dict[str, Spelling]:
    return {feature.name: feature.metadata["spelling"] for feature in fields(AppSettings)}


_DEFAULTS = AppSettings()


# --- checks -------------------------------------------------------------------------------------------------------


def allow_create(settings: AppSettings, slug: str, resource_type: ResourceType, *, with_members: bool) -> None:
    """Raises BadRequest when a feature forbids to create a resource of this type, `with_members` or without."""
    if resource_type.name == core.USER.name:
        _require(settings, slug, "create_users")
    if resource_type.links is not None:
        _require(settings, slug, "create_groups")
        if with_members:
            _require(settings, slug, "sync_membership")


def allow_change(
    settings: AppSettings,
    slug: str,
    resource_type: ResourceType,
    *,
    deactivates: bool = False,
    edits: bool = False,
    members: bool = False,
) -> None:
    """Raises BadRequest when a feature forbids a change.

    In: `deactivates`, true when a user's `active` becomes false; `edits`, true when another attribute of the resource
    changes; `members`, true when members are set, added or removed.
    """
    if deactivates:
        _require(settings, slug, "delete_users")
    if edits and resource_type.name == core.USER.name:
        _require(settings, slug, "update_users")
    if edits and resource_type.links is not None:
        _require(settings, slug, "update_groups")
    if members:
        _require(settings, slug, "sync_membership")


def allow_delete(settings: AppSettings, slug: str, resource_type: ResourceType) -> None:
    """Raises BadRequest when a feature forbids to delete a resource of this type."""
    if resource_type.name == core.USER.name:
        _require(settings, slug, "delete_users")
    if resource_type.links is not None:
        _require(settings, slug, "delete_groups")


def _require(settings: AppSettings, slug: str, key: str) -> None:
    """Raises BadRequest when a feature is off: 400, because Entra quarantines a whole job on 401 and 403."""
    if getattr(settings, key):
        return
    name = key.replace("_", "-")
    raise BadRequest(
        f"The feature {name} is off for the app {slug}: its operator does not allow this.",
        remedy=Remedy(feature=name, value="on"),
    )
