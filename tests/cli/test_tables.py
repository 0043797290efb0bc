"""Tables fit the terminal: columns leave by their rank, names are cut, ids and times stay whole."""

import re

import pytest

from scimlite_cli.kit.layout import Layout
from scimlite_cli.kit.tables import lines
from scimlite_cli.kit.times import LocalTime

ID = "2819c223-7f76-453a-919d-413861904646"
LAYOUTS = [Layout("Name"), Layout("App", rank=2), Layout("Deleted"), Layout("How", rank=3), Layout("Id")]
ROWS = [
    ("n" * 70, "a" * 40, LocalTime("2026-11-26 20:40", "CET"), "deactivated, deprovisioned", ID),
    ("short", "b", LocalTime("2026-07-26 20:40", "CEST"), "deleted", ID),
]


@pytest.mark.parametrize("width", [60, 66, 72, 80, 100, 120, 140])
def test_a_table_is_as_wide_as_the_terminal_and_keeps_ids_and_times(width):
    printed, left_out = lines(LAYOUTS, ROWS, width)
    assert len(printed) == 2 + len(ROWS)
    assert max(map(len, printed)) <= max(width, 70)
    assert all(ID in line for line in printed[2:])
    assert "2026-11-26 20:40" in printed[2]
    assert left_out == [heading for heading in ("App", "How") if heading not in printed[0]]
    assert "How" not in printed[0] or "App" in printed[0], "the less important column goes first"


def test_a_long_name_ends_in_an_ellipsis():
    printed, _ = lines(LAYOUTS, ROWS, 80)
    assert re.match(r"n+… ", printed[2])
    assert printed[3].startswith("short ")


def test_without_a_width_everything_is_there():
    printed, left_out = lines(LAYOUTS, ROWS, None)
    assert left_out == []
    assert all(cell in printed[2] for cell in ROWS[0])


def test_the_zone_is_told_once_also_when_the_first_column_of_times_had_to_go():
    layouts = [Layout("Name"), Layout("Issued", rank=1), Layout("Expires"), Layout("Used")]
    time = LocalTime("2026-11-26 20:40", "CET")
    for width, heading in ((80, "Issued (CET)"), (50, "Expires (CET)")):
        printed, _ = lines(layouts, [("name", time, time, time)], width)
        assert heading in printed[0]
        assert printed[0].count("CET") == 1
    assert "Deleted (CET/CEST)" in lines(LAYOUTS, ROWS, None)[0][0]


@pytest.mark.parametrize("text", [f"group {ID} with a long name", "default until 2026-12-03 19:40 UTC and more"])
def test_an_id_or_a_time_within_a_text_is_not_cut(text):
    printed, _ = lines([Layout("Label"), Layout("Other")], [(text, "o" * 60)], 60)
    assert re.search(rf"{ID}|2026-12-03 19:40", printed[2])


def test_prose_wraps_between_words():
    words = "one two three four five six seven eight nine ten eleven twelve"
    printed, _ = lines([Layout("Id"), Layout("What", wraps=True)], [(ID, words)], 70)
    assert " ".join(line[38:] for line in printed[2:]) == words
    assert all(len(line) <= 70 for line in printed)


def test_wide_letters_take_two_columns():
    printed, _ = lines([Layout("Name"), Layout("Id")], [("会社" * 20, ID), ("x", ID)], 60)
    assert printed[2].index(ID) < printed[3].index(ID)


def test_an_app_fits_a_screen(site):
    slug = site.app("An app with many tokens")
    for number in range(9):
        site.ok("token", "issue", slug, "--label", f"number {number}")
    site.ok("app", "edit", slug, "--feature", "revive=on")
    printed = site.ok("app", "show", slug, columns=80)
    assert len(printed.splitlines()) < 24
    assert f"and 8 more; all in full: scimlite app show {slug} --all" in printed


@pytest.mark.parametrize("columns", [80, 120])
def test_lists_keep_ids_and_times_whole(site, columns):
    slug = site.app(f"{columns}: an app whose name is long enough to fill half of a terminal")
    user = site.user(slug, f"{'a-long-user-name' * 4}@example.com", displayName="A Long Display Name " * 3)
    site.group(slug, "A group with a long name " * 3, user)
    gone = site.user(slug, f"{'another-user-name' * 4}@example.com")
    site.delete(slug, gone)
    site.ok("token", "rotate", slug)
    for command in (
        ("token", "list", slug),
        ("user", "list", "--app", slug),
        ("user", "list", "--deleted", "--app", slug),
        ("group", "list", "--app", slug),
        ("app", "list"),
    ):
        result = site.run(*command, columns=columns)
        table = result.stdout.splitlines()
        assert max(map(len, table)) <= columns, command
        assert "Left out: " in result.stderr or columns == 120, command
        assert not re.search(r"\d{4}-\d\d-\d\d( \d?\d?:?)?…", result.stdout), command
        assert result.stdout.count("(UTC)") <= 1
    assert gone.id in site.ok("user", "list", "--deleted", "--app", slug, columns=columns)
