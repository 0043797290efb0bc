"""The features of an app: typed values, the texts that operators and the database have for them, and refused values."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import timedelta

import pytest

from scimlite.apps.features import AppSettings, FeatureError

DEFAULTS = AppSettings()
NAMES = [feature.name for feature in fields(AppSettings)]


def test_values_are_typed():
    settings = AppSettings.from_json('{"revive":"on","brake_users":"off","brake_percent":"7","brake_window":"90m"}')
    assert settings.revive is True
    assert settings.brake_users is None
    assert settings.brake_percent == 7
    assert settings.brake_window == timedelta(minutes=90)
    assert settings.create_users is True
    assert settings.patch_answer == "auto"


def test_the_database_keeps_what_differs_from_the_defaults():
    assert DEFAULTS.to_json() == "{}"
    assert AppSettings.from_json("{}") == DEFAULTS
    text = '{"delete_users":"off","passwords":"hash","brake_members":"3"}'
    assert AppSettings.from_json(text).to_json() == text
    assert AppSettings.from_json(text).with_feature("delete-users", "on").to_json() == (
        '{"passwords":"hash","brake_members":"3"}'
    )


@pytest.mark.parametrize("text", ["60m", "24h", "1d", "9999m"])
def test_a_time_is_spelled_as_it_was_written(text):
    settings = DEFAULTS.with_feature("brake-window", text)
    assert settings.spelled()["brake_window"] == text
    assert json.loads(settings.to_json()) == {"brake_window": text}
    assert AppSettings.from_json(settings.to_json()).spelled() == settings.spelled()


@pytest.mark.parametrize("name", NAMES)
def test_every_feature_takes_the_texts_that_it_names(name):
    metadata = next(feature.metadata for feature in fields(AppSettings) if feature.name == name)
    assert DEFAULTS.spelled()[name] == metadata["default"]
    for text in metadata["choices"] or (metadata["default"],):
        assert DEFAULTS.with_feature(name.replace("_", "-"), text).spelled()[name] == text


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("create-users", "true", "create-users is on or off, not 'true'."),
        ("revive", "On", "revive is off or on, not 'On'. Did you mean 'on'?"),
        ("patch-answer", "none", "patch-answer is auto or body or empty, not 'none'."),
        ("brake-users", "050", "brake-users is a number or off, not '050'."),
        ("brake-percent", "101", "brake-percent is 0 to 100 or off, not '101'."),
        ("Brake window", "8d", "Brake window is a time such as 30m, 1h or 2d, not '8d'."),
    ],
)
def test_other_texts_are_refused(name, text, problem):
    with pytest.raises(FeatureError) as refused:
        DEFAULTS.with_feature(name, text)
    assert str(refused.value) == problem


def test_an_unknown_feature_is_refused_with_the_names_of_all():
    with pytest.raises(FeatureError) as refused:
        DEFAULTS.with_feature("brakes", "on")
    assert str(refused.value).startswith(
        "There is no feature 'brakes'. Did you mean 'brake-users'? Features: create-users, "
    )
