"""What an operator lets provisioning do in an app: its features, and the one place that refuses what they forbid."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import orjson

from ..errors import BadRequest, OperatorError, Remedy
from ..scim import core
from ..scim.schema import ResourceType


class FeatureError(OperatorError):
    """There is no such feature, or it does not take that value; the text says what there is."""


def _choice(default: str, *choices: str, help: str) -> Any:
    return field(default=default, metadata={"choices": choices, "takes": " or ".join(choices), "help": help})


def _switch(default: str, help: str) -> Any:
    return _choice(default, default, "off" if default == "on" else "on", help=help)


def _amount(default: str, pattern: str, takes: str, help: str) -> Any:
    return field(default=default, metadata={"pattern": re.compile(pattern), "takes": takes, "help": help})


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What provisioning may do in an app, by feature name with underscores for blanks and hyphens."""

    create_users: str = _switch("on", "Users can be created.")
    update_users: str = _switch("on", "Users can be changed; also those that are disabled can be enabled again.")
    delete_users: str = _switch("on", "Users can be disabled and deleted.")
    delete_the_deactivated: str = _switch(
        "off",
        "Users who are deactivated or deleted in the source: deprovisioned here, to be purged after the retention "
        "time; off: disabled here, and what is deleted is kept.",
    )
    create_groups: str = _switch("on", "Groups can be created.")
    update_groups: str = _switch("on", "Groups can be changed, but for their members.")
    delete_groups: str = _switch("on", "Groups can be deleted.")
    sync_membership: str = _switch("on", "Members of groups can be set, added and removed.")
    unique_group_names: str = _switch("on", "Two groups of the app cannot have the same name (compared without case).")
    unknown_members: str = _choice(
        "skip",
        "skip",
        "refuse",
        help="Members that do not exist in the app: left out and journalled, or the request refused.",
    )
    unknown_attributes: str = _choice(
        "refuse",
        "refuse",
        "ignore",
        help="Attributes in PATCH that the schemas do not know: the request refused, or they are left out.",
    )
    patch_answer: str = _choice(
        "auto",
        "auto",
        "body",
        "empty",
        help="What PATCH answers: the resource, nothing, or the resource but for groups of over 100 members.",
    )
    revive: str = _switch(
        "off",
        "A user who is created with the externalId of exactly one deleted user, within the retention time, gets "
        "that user's id; what the user was and the memberships do not come back.",
    )
    passwords: str = _choice(
        "drop",
        "drop",
        "hash",
        help="Passwords of users: thrown away, or kept as hashes; every change deletes those that are kept.",
    )
    keep_bodies: str = _switch(
        "on", "Masked bodies of refused and failed requests are kept for 7 days, so that they can be explained."
    )
    brake_users: str = _amount(
        "50",
        r"off|0|[1-9][0-9]{0,8}",
        "a number or off",
        "The brake holds disabling and deleting when more users than this were disabled or deleted within its "
        "window, and more than its percentage.",
    )
    brake_percent: str = _amount(
        "20",
        r"off|0|[1-9][0-9]?|100",
        "0 to 100 or off",
        "The brake's share of the users who were active when its window began; with this and brake-users off there "
        "is no brake.",
    )
    brake_window: str = _amount(
        "1h", r"[1-9][0-9]{0,3}m|[1-9][0-9]?h|[1-7]d", "a time such as 30m, 1h or 2d", "How far back the brakes count."
    )
    brake_members: str = _amount(
        "off",
        r"off|0|[1-9][0-9]{0,8}",
        "a number or off",
        "The second brake holds removing members when more users than this were removed from groups within the window.",
    )

    @classmethod
    def from_json(cls, text: str) -> AppSettings:
        """Settings as the database keeps them: only what differs from the defaults."""
        return cls(**orjson.loads(text))

    def to_json(self) -> str:
        """The settings as the database keeps them."""
        defaults = asdict(AppSettings())
        changed = {name: value for name, value in asdict(self).items() if value != defaults[name]}
        return orjson.dumps(changed).decode()

    def with_feature(self, name: str, value: str) -> AppSettings:
        """The settings with one feature set; FeatureError says which features and values there are."""
        key = name.strip().lower().replace("-", "_").replace(" ", "_")
        known = {each.name: each.metadata for each in fields(self)}
        if key not in known:
            names = ", ".join(feature.replace("_", "-") for feature in known)
            raise FeatureError(f"There is no feature {name!r}. Features: {names}.")
        feature = known[key]
        taken = feature["pattern"].fullmatch(value) if "pattern" in feature else value in feature["choices"]
        if not taken:
            raise FeatureError(f"{name} is {feature['takes']}, not {value!r}.")
        return replace(self, **{key: value})


# --- what is refused ----------------------------------------------------------------------------------------------


def allow_create(settings: AppSettings, slug: str, resource_type: ResourceType, *, with_members: bool) -> None:
    """Raise BadRequest when a feature that is off forbids to create a resource, perhaps one with members."""
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
    otherwise: bool = False,
    members: bool = False,
) -> None:
    """Raise BadRequest when a feature that is off forbids a change.

    In: whether a user's `active` goes from true to false, whether anything else of the resource's own changes, and
    whether members are set, added or removed.
    """
    if deactivates:
        _require(settings, slug, "delete_users")
    if otherwise and resource_type.name == core.USER.name:
        _require(settings, slug, "update_users")
    if otherwise and resource_type.links is not None:
        _require(settings, slug, "update_groups")
    if members:
        _require(settings, slug, "sync_membership")


def allow_delete(settings: AppSettings, slug: str, resource_type: ResourceType) -> None:
    """Raise BadRequest when a feature that is off forbids to delete a resource."""
    if resource_type.name == core.USER.name:
        _require(settings, slug, "delete_users")
    if resource_type.links is not None:
        _require(settings, slug, "delete_groups")


def _require(settings: AppSettings, slug: str, feature: str) -> None:
    """400, because Entra quarantines a whole job on 401 and 403."""
    if getattr(settings, feature) != "off":
        return
    written = feature.replace("_", "-")
    raise BadRequest(
        f"The feature {written} is off for the app {slug}: its operator does not let this be done.",
        remedy=Remedy(feature=written, value="on"),
    )
