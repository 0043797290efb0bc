"""Tables that fit the terminal: less important columns go first, long names end in …, ids and times stay whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from .fitting import cut, shown, wrapped
from .layout import Layout
from .times import LocalTime

_GAP = "  "
#: A name is cut to this width before a less important column goes, and to the least when none is left to go.
_COMFORTABLE = 22
_LEAST = 10
#: Texts up to this width are not worth cutting.
_SHORT = 20
#: A word that wraps in no column, up to this width.
_LONGEST_WORD = 70
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ID_OR_TIME = re.compile(rf"{_ID.pattern}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} [0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?")


@dataclass(slots=True)
class _Sized:
    """A column with its cells: the width that all of it needs, and the least it can do with."""

    layout: Layout
    heading: str
    cells: list[str]
    natural: int
    comfortable: int
    least: int

    @classmethod
    def of(cls, layout: Layout, heading: str, cells: Sequence[str]) -> _Sized:
        parts = [cell.split("\n") if layout.lines else [cell] for cell in cells]
        texts = ["\n".join(map(shown, lines)) for lines in parts]
        lines = [line for text in texts for line in text.split("\n")]
        natural = max(map(cell_len, [heading, *lines]))
        long = [line for line in lines if cell_len(line) > _SHORT and not _ID.fullmatch(line)]
        if layout.whole or not long or any(isinstance(cell, LocalTime) for cell in cells):
            return cls(layout, heading, texts, natural, natural, natural)
        if layout.wraps:
            words = (min(cell_len(word), _LONGEST_WORD) for line in lines for word in line.split())
            least = min(natural, max(cell_len(heading), _COMFORTABLE, *words))
            return cls(layout, heading, texts, natural, least, least)
        # Ids and times within a text stay whole too: it is cut behind them.
        ends = (cell_len(line[: match.end()]) + 1 for line in long for match in _ID_OR_TIME.finditer(line))
        least = min(natural, max(cell_len(heading), _LEAST, *ends))
        return cls(layout, heading, texts, natural, max(least, min(natural, _COMFORTABLE)), least)


def with_zone(headings: Sequence[str], columns: Sequence[Sequence[str]]) -> list[str]:
    """Return headings of which the first one over times names their zone, or both of a year with summer time."""
    named = list(headings)
    for number, cells in enumerate(columns):
        zones = dict.fromkeys(cell.zone for cell in cells if isinstance(cell, LocalTime))
        if zones:
            named[number] += f" ({'/'.join(zones)})"
            break
    return named


def lines(layouts: Sequence[Layout], rows: Sequence[Sequence[str]], width: int | None) -> tuple[list[str], list[str]]:
    """Return the lines of a table, head first, and the headings of the columns that had no room.

    `width` None means that there is room for all.
    """
    columns = [list(cells) for cells in zip(*rows, strict=True)]
    headings = with_zone([layout.heading for layout in layouts], columns)
    sized = [_Sized.of(*each) for each in zip(layouts, headings, columns, strict=True)]
    kept = sized if width is None else _kept(sized, width)
    if len(kept) < len(sized):
        # The zone may have gone with the first column of times.
        left_out = [column.layout.heading for column in sized if column not in kept]
        rest = [number for number, layout in enumerate(layouts) if layout.heading not in left_out]
        narrower = lines(
            [layouts[number] for number in rest], [[row[number] for number in rest] for row in rows], width
        )
        return narrower[0], left_out
    widths = [column.natural for column in kept] if width is None else _widths(kept, width)
    head = _GAP.join(set_cell_size(column.heading, size) for column, size in zip(kept, widths, strict=True))
    printed = [head, _GAP.join("─" * size for size in widths)]
    for number in range(len(rows)):
        cells = [_fitted(column, column.cells[number], size) for column, size in zip(kept, widths, strict=True)]
        for line in range(max(map(len, cells))):
            texts = [cell[line] if line < len(cell) else "" for cell in cells]
            printed.append(_GAP.join(_padded(text, size) for text, size in zip(texts, widths, strict=True)))
    return [line.rstrip() for line in printed], []


def _kept(sized: list[_Sized], width: int) -> list[_Sized]:
    kept = list(sized)
    while _total([column.comfortable for column in kept]) > width and any(column.layout.rank for column in kept):
        kept.remove(max(kept, key=lambda column: column.layout.rank))
    return kept


def _widths(kept: list[_Sized], width: int) -> list[int]:
    widths = [column.comfortable for column in kept]
    while _total(widths) > width:
        over = [number for number, column in enumerate(kept) if widths[number] > column.least]
        if not over:
            break
        widths[max(over, key=widths.__getitem__)] -= 1
    # Names get the room that is left before texts that can wrap.
    for number in sorted(range(len(kept)), key=lambda number: kept[number].layout.wraps):
        widths[number] += max(0, min(kept[number].natural - widths[number], width - _total(widths)))
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _fitted(column: _Sized, cell: str, size: int) -> list[str]:
    if column.layout.wraps:
        return [part for line in cell.split("\n") for part in wrapped(line, size)]
    return [cut(line, size) for line in cell.split("\n")]


def _padded(text: str, size: int) -> str:
    return text + " " * (size - cell_len(text))
