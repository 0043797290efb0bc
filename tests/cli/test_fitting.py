"""Texts fit the terminal: they wrap between words, and what people copy stays whole."""

import re

import pytest

from commands import Commands
from scimlite_cli.kit.fitting import cut, size_of, wrapped

HELD = (
    "HOLDS since 2026-11-26 20:40:01 CET: 2 users of 3 would have been deleted. Release: scimlite app release entra-id"
)


@pytest.mark.parametrize("size", range(32, 90))
def test_a_text_wraps_between_words(size):
    lines = wrapped(HELD, size)
    assert " ".join(lines) == HELD
    assert max(map(len, lines)) <= size


@pytest.mark.parametrize("whole", ["scimlite app release entra-id", "2026-11-26 20:40:01 CET"])
def test_a_command_and_a_time_stay_whole(whole):
    assert all(sum(whole in line for line in wrapped(HELD, size)) == 1 for size in range(20, 90))


def test_a_script_without_blanks_wraps_between_characters():
    lines = wrapped("この人は山田太郎という名前です。 Engineer", 12)
    assert "".join(lines) == "この人は山田太郎という名前です。Engineer"
    assert all(size_of(line) <= 12 for line in lines)


@pytest.mark.parametrize("text", ["山田太郎という人の名前", "ann@example.com and more", "é" * 30])
@pytest.mark.parametrize("size", [5, 6, 7])
def test_a_cut_text_is_no_longer_than_its_place(text, size):
    assert size_of(cut(text, size)) <= size
    assert cut(text, size).endswith("…")


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """An installation with names in several scripts, and a brake that is on."""
    commands = Commands({"SCIMLITE_STATE_DIR": str(tmp_path_factory.mktemp("fitting")), "TZ": "UTC"})
    commands("app", "create", "Пример приложения с довольно длинным именем", "--slug", "example").ok()
    commands("app", "create", "日本の会社のための接続", "--slug", "jp").ok()
    commands("app", "create", "Long", "--slug", "a-slug-that-has-to-be-cut").ok()
    return commands


ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}


@pytest.mark.parametrize(
    "look",
    ["app list", "app show jp", "app show jp --features", "db status", "report", "report --summary", "token list jp"],
)
def test_what_is_printed_is_no_wider_than_the_terminal(commands, look):
    printed = commands.process(*look.split(), COLUMNS="80", **(ASCII if "list" in look else {})).ok().out
    # A path is never broken.
    assert [line for line in printed.splitlines() if size_of(line) > 80 and "/" not in line] == []


@pytest.mark.parametrize("look", ["app list", "report"])
def test_columns_stand_below_each_other_in_ascii(commands, look):
    head, rule, *rows = commands.process(*look.split(), COLUMNS="100", **ASCII).ok().out.splitlines()
    gaps = [gap.start() for gap in re.finditer("  ", rule)]
    assert len(rows) >= 2
    assert len(gaps) >= 3
    assert all(line[gap : gap + 2] in ("  ", "") for line in (head, *rows) for gap in gaps), "\n".join(rows)
    assert any("..." in row for row in rows)
