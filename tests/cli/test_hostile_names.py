"""Names and values that would calculate in a spreadsheet, forge a row or steer a terminal."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata

import pytest

from commands import Commands
from installation import Installation

#: A value, and what a cell of CSV holds.
FORMULAS = {
    '=HYPERLINK("http://example.com","x")': '\'=HYPERLINK("http://example.com","x")',
    "+1+1": "'+1+1",
    "-2+3": "'-2+3",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\t'=1",
    "\r=1": "'\r'=1",
    "\n=1": "'\n'=1",
    "＝1": "'＝1",
    "\ufe661": "'\ufe661",
    "\u22121": "'\u22121",
    " =1": "' =1",
    "\xa0\u200b\ufeff=1": "'\xa0\u200b\ufeff=1",
    '"=1': "'\"=1",
    '" =1': "'\" =1",
    # Where a semicolon separates cells, as in a German Excel, and where the end of a line ends a row then.
    "a;=1+1": "a;'=1+1",
    'a;"@b;+c': "a;'\"@b;'+c",
    "a\t-b": "a\t'-b",
    "a\n =b": "a\n' =b",
    "=a;=b": "'=a;'=b",
    "a; b-c": "a; b-c",
    "a, -b": "a, -b",
    "a=1": "a=1",
    "'=1": "'=1",
}
ROW = "x\nforged@example.com  active"
#: C1 controls, marks that turn the direction, separators of lines, an escape sequence, a tag and a lone format sign.
UNSEEN = "a\x85b\x9b2Jc\u202ed\u2066e\u200ff\u061cg\u2028h\u2029i\x1b[2Jj\x7fk\u200bl\U000e0041m"
KEPT = "Zoë 東京 \u0646\u0627\u0645\u200c\u0647 👩\u200d💻"


@pytest.fixture(scope="module")
def hostile(installation: Installation) -> Commands:
    """The commands of an installation whose users and groups have such names."""
    app = installation.app("Hostile")
    for number, value in enumerate([*FORMULAS, ROW, UNSEEN, KEPT]):
        app.client.user(f"u{number:02}", displayName=value, title=value).ok(201)
    app.client.group(ROW).ok(201)
    app.client.group(UNSEEN).ok(201)
    app.client.get("/Users", headers={"User-Agent": "=1+1"}).ok(200)
    return Commands({**installation.env, "SCIMLITE_APP": app.slug})


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def steering(text: str) -> list[str]:
    """The characters of an output that nobody sees or that steer a terminal."""
    return [
        char
        for char in text
        if char not in "\n\u200c\u200d" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")
    ]


def test_a_formula_has_an_apostrophe_unless_it_is_for_programs(hostile: Commands) -> None:
    names = [row["display_name"] for row in rows(hostile.ok("user", "list", "--csv"))]
    assert [name for name in names if name in FORMULAS.values()] == list(FORMULAS.values())
    raw = [row["display_name"] for row in rows(hostile.ok("user", "list", "--raw", "--csv"))]
    assert [name for name in raw if name in FORMULAS] == list(FORMULAS)
    assert raw[-2:] == [UNSEEN, KEPT]


def test_no_cell_is_a_formula_where_semicolons_separate(hostile: Commands) -> None:
    """Every separator and end of a line counts, whatever stands around a text."""
    for command in (("user", "list"), ("user", "export"), ("report",)):
        cells = re.split(r"[;,\t\r\n]", hostile.ok(*command, "--csv"))
        assert [cell for cell in cells if re.match(r'[\s"\xa0\u200b\ufeff]*[=+@＝\ufe66\u2212]', cell)] == []


@pytest.mark.parametrize("command", [("user", "export"), ("report",)], ids=" ".join)
def test_no_cell_of_any_csv_is_a_formula(hostile: Commands, command: tuple[str, ...]) -> None:
    cells = [cell for row in rows(hostile.ok(*command, "--csv")) for cell in row.values()]
    assert len(cells) > 20
    assert [cell for cell in cells if cell and cell[0] in "=+-@\t\r\n＝"] == []
    raw = [cell for row in rows(hostile.ok(*command, "--csv", "--raw")) for cell in row.values()]
    assert len(raw) == len(cells)


def test_raw_is_for_csv(hostile: Commands) -> None:
    assert "--raw is for --csv" in hostile.fails("user", "list", "--raw", code=2)
    assert "--raw is for --csv" in hostile.fails("report", "--json", "--raw", code=2)


@pytest.mark.parametrize(
    "command",
    [
        ("user", "list"),
        ("group", "list"),
        ("report",),
        ("report", "--summary"),
        ("user", "show", "u11"),
        ("user", "history", "u11"),
        ("group", "show", UNSEEN),
        ("group", "show", ROW),
        ("user", "list", "--search", UNSEEN),
    ],
    ids=str,
)
def test_nothing_that_is_printed_steers_a_terminal(hostile: Commands, command: tuple[str, ...]) -> None:
    for form in ((), ("--json",)):
        ran = hostile(*command, *form).ok()
        assert steering(ran.out + ran.err) == []
        assert not any(line.startswith("forged@") for line in ran.out.splitlines())
        assert "forged@example.com" not in [line.split("  ")[0].strip() for line in ran.out.splitlines()]


def test_an_error_that_quotes_a_name_does_not_either(hostile: Commands) -> None:
    for form in ((), ("--json",)):
        ran = hostile.process("user", "show", UNSEEN, *form)
        assert ran.code == 1
        assert steering(ran.err) == []


def test_a_table_has_a_row_for_each_user(hostile: Commands) -> None:
    printed = hostile.ok("user", "list").splitlines()
    assert len(printed) == 2 + len(FORMULAS) + 3
    assert "\\nforged@example.com" in printed[-3]
    assert KEPT in printed[-1]


def test_json_means_what_is_stored(hostile: Commands) -> None:
    printed = hostile.ok("user", "list", "--json")
    names = [json.loads(line)["display_name"] for line in printed.splitlines()]
    assert names == [*FORMULAS, ROW, UNSEEN, KEPT]
    assert "\\u202e" in printed
    assert "\\u0085" in printed
    assert "\\udb40\\udc41" in printed
    assert KEPT in printed
