"""Times as operators type them."""

import time
from datetime import UTC, datetime

import click
import pytest
from click.testing import CliRunner

from scimlite_cli.kit.times import DEADLINE, DURATION, MOMENT, deadline, duration, moment

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


#: A Monday in winter, 13:30 in Berlin.
NOW = at("2026-11-23T12:30:00+00:00")


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("45s", 45 * SECOND),
        ("30m", HOUR // 2),
        ("2h", 2 * HOUR),
        ("7d", 7 * DAY),
        ("2w", 14 * DAY),
        ("0d", 0),
        (" 2H ", 2 * HOUR),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text, length):
    assert duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "2", "h", "-2h", "+2h", "2 h", "1.5h", "2h30m", "2y", "٢h", "9999999999d", "99999w", "2h\n3"]
)
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError, match="such as"):
        duration(text)


def test_a_moment_counts_back():
    assert moment("2h", NOW) == NOW - 2 * HOUR


def test_a_deadline_counts_on():
    assert deadline("90d", NOW) == NOW + 90 * DAY


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("today", "2026-11-23T00:00:00+01:00"),
        ("yesterday", "2026-11-22T00:00:00+01:00"),
        ("Yesterday", "2026-11-22T00:00:00+01:00"),
        ("2026-11-01", "2026-11-01T00:00:00+01:00"),
        # The zone that holds then, not the one that holds now.
        ("2026-07-01", "2026-07-01T00:00:00+02:00"),
        ("2026-07-01T08:00", "2026-07-01T08:00:00+02:00"),
        ("2026-11-01T08:00:30", "2026-11-01T08:00:30+01:00"),
        ("2026-11-01 08:00", "2026-11-01T08:00:00+01:00"),
        ("2026-11-01T08:00Z", "2026-11-01T08:00:00+00:00"),
        ("2026-11-01t08:00z", "2026-11-01T08:00:00+00:00"),
        ("2026-11-01T08:00-05:00", "2026-11-01T08:00:00-05:00"),
        ("2026-11-01T08:00:00+0530", "2026-11-01T08:00:00+05:30"),
    ],
)
def test_a_moment_on_the_calendar_is_local_unless_it_names_a_zone(text, then):
    assert moment(text, NOW) == at(then)


def test_what_the_json_output_prints_can_be_given_back():
    assert moment("2026-11-01T08:00:00.123456Z", NOW) == at("2026-11-01T08:00:00+00:00") + 123_456


def test_today_follows_the_local_calendar():
    # Half past midnight in Berlin; still the day before in UTC.
    assert moment("today", at("2026-11-22T23:30:00+00:00")) == at("2026-11-23T00:00:00+01:00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026",
        "2026-11",
        "2026-02-31",
        "2026-13-01",
        "01.11.2026",
        "2026-11-01T25:00",
        "2026-11-01T08",
        "08:00",
        "2026-W45-1",
        "2026-11-01T08:00+25:00",
        "0000-01-01",
        "last week",
    ],
)
def test_anything_else_is_no_moment(text):
    with pytest.raises(ValueError, match="such as 2h, 7d, yesterday, 2026-11-01"):
        moment(text, NOW)


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23", "2020-01-01", "0d", "2026-11-23T13:30"])
def test_a_deadline_is_still_to_come(text):
    with pytest.raises(ValueError, match="has passed"):
        deadline(text, NOW)


def test_a_deadline_on_the_calendar_begins_its_day():
    assert deadline("2027-01-31", NOW) == at("2027-01-31T00:00:00+01:00")


@pytest.mark.parametrize(
    ("kind", "bad", "example"), [(MOMENT, "soon", "2026-11-01"), (DURATION, "long", "7d"), (DEADLINE, "never", "90d")]
)
def test_a_bad_option_is_a_usage_error_with_an_example(kind, bad, example):
    @click.command()
    @click.option("--when", type=kind)
    def command(when):
        click.echo(when)

    refused = CliRunner().invoke(command, ["--when", bad])
    assert refused.exit_code == 2
    assert repr(bad) in refused.stderr
    assert example in refused.stderr


def test_an_option_is_read_against_the_clock():
    @click.command()
    @click.option("--since", type=MOMENT)
    @click.option("--overlap", type=DURATION, default="7d")
    @click.option("--expires", type=DEADLINE)
    def command(since, overlap, expires):
        click.echo(f"{since} {overlap} {expires}")

    before = int(datetime.now(UTC).timestamp()) * SECOND
    since, overlap, expires = map(int, CliRunner().invoke(command, ["--since", "1h", "--expires", "1h"]).stdout.split())
    assert abs(since - (before - HOUR)) < 60 * SECOND
    assert overlap == 7 * DAY
    assert abs(expires - (before + HOUR)) < 60 * SECOND
