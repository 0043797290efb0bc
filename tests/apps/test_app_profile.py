"""Profiles of an app: bundles of features, and how an app differs from its own."""

from __future__ import annotations

import pytest

from scimlite.apps import app_profile
from scimlite.apps.features import AppSettings


def settings(profile: str) -> AppSettings:
    made = AppSettings()
    for name, value in app_profile.features_of(profile).items():
        made = made.with_feature(name, value)
    return made


@pytest.mark.parametrize("profile", app_profile.PROFILES)
def test_a_profile_sets_back_what_others_set(profile: str) -> None:
    assert app_profile.features_of(profile).keys() >= app_profile.features_of("default").keys()
    assert app_profile.differences(profile, settings(profile)) == {}


def test_the_default_profile_is_the_defaults() -> None:
    assert settings("default") == AppSettings()


def test_what_deactivating_means_is_taken_back_by_the_strict_profile_alone() -> None:
    naming = [name for name in app_profile.PROFILES if "delete-the-deactivated" in app_profile.features_of(name)]
    assert naming == ["strict"]


def test_a_profile_differs_from_every_other_one() -> None:
    bundles = [tuple(app_profile.features_of(profile).items()) for profile in app_profile.PROFILES]
    assert len(set(bundles)) == len(bundles)


def test_what_differs_is_named_with_its_value() -> None:
    changed = settings("strict").with_feature("patch-answer", "body").with_feature("brake-users", "5")
    assert app_profile.differences("strict", changed) == {"patch-answer": "body"}


def test_a_profile_of_a_newer_version_sets_nothing() -> None:
    assert app_profile.features_of("of-tomorrow") == {}
    assert app_profile.differences("of-tomorrow", AppSettings()) == {}
