"""Profiles of an app: named bundles of features for a kind of client (`--profile`)."""

from __future__ import annotations

from collections.abc import Mapping

from .features import AppSettings

DEFAULT = "default"
STRICT = "strict"

#: The features of each profile that are not as in the default one, as operators write them.
PROFILES: Mapping[str, Mapping[str, str]] = {
    DEFAULT: {},
    # 204 is the answer that Entra's own reference service gives, and saves reading the group's members again; a user
    # whom Entra disables must stay visible to it, or it makes another one (Microsoft, "Tutorial: develop a SCIM
    # endpoint").
    "entra": {"patch-answer": "empty"},
    # Okta's group push names attributes of its own in PATCH, and stops at an error (Okta, "SCIM 2.0 reference").
    "okta": {"unknown-attributes": "ignore"},
    # What AzureAD/SCIMReferenceCode answers: PostmanCollection.json of that repository passes whole.
    "ms-reference": {
        "unknown-attributes": "ignore",
        "patch-answer": "empty",
        "service-configuration": "on",
        "member-display": "sent",
    },
    # draft-zollner-scim-interop-profile, sections 5.3, 6.5 and 6.6.
    STRICT: {
        "unknown-attributes": "strict",
        "require-schemas": "on",
        "patch-without-path": "off",
        "patch-elements": "off",
        "patch-replace": "whole",
        "delete-the-deactivated": "off",
    },
}
#: A choice of the operator that no profile but its own takes back.
_KEPT = frozenset({"delete-the-deactivated"})


def features_of(profile: str) -> dict[str, str]:
    """The features that a profile sets, with their values, as operators write them; none for an unknown profile.

    Those that only other profiles name are set to their defaults.
    """
    if profile not in PROFILES:
        return {}
    defaults = AppSettings().spelled()
    names = sorted({name for features in PROFILES.values() for name in features} - _KEPT)
    return {name: defaults[name.replace("-", "_")] for name in names} | dict(PROFILES[profile])


def differences(profile: str, settings: AppSettings) -> dict[str, str]:
    """The features whose values are not those of the profile, with the values that they have."""
    spelled = settings.spelled()
    wanted = features_of(profile)
    return {name: spelled[name.replace("-", "_")] for name in wanted if spelled[name.replace("-", "_")] != wanted[name]}
