"""The pages of the documentation: their code blocks, commands, headings and links, and how shown output is compared."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

_FENCE = re.compile(r"^( *)```(.*)$")
#: A paragraph that ends with a file's name and a colon names the block after it: "`acme.json`:".
_FILE_NAME = re.compile(r"`([\w.-]+\.(?:json|py|csv))`:$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

#: Parts of an output that differ each time, and what stands for them when outputs are compared.
_VARYING = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"http://127\.0\.0\.1:(8000|5000)|https://scim\.example\.com", "<address>"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>"),
        (r"\bscimlite_[A-Za-z0-9_-]{16,}(\.[A-Za-z0-9_-]+)?", "<token>"),
        (r"\bscimlite-test-[0-9a-f]+", "<test>"),
        (r"\b[0-9a-f]{16}\b", "<request>"),
        (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", "<time>"),
        (r"\b\d{4}-\d\d-\d\d\b", "<date>"),
        (r"\([0-9a-f]{12}\)", "<key>"),
        (r"\bcurl/[\d.]+", "<client>"),
        (r"\b\d+ ms\b", "<n> ms"),
        (r"\b[\d.,]+ (bytes|kB|MB|GB)\b", "<size>"),
        (r"postgresql://\S+|sqlite:////?\S+", "<database>"),
        (r"─+", "─"),
        (r"[ \t]+", " "),
    )
)
_IDENTITY = re.compile(r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16})\b")


@dataclass(frozen=True)
class Shown:
    """A command that a page shows, and the lines that the page shows under it."""

    command: str
    output: tuple[str, ...]
    #: Where these lines stand in the page, for rewriting: line numbers from 0, the end excluded.
    first: int
    last: int


@dataclass(frozen=True)
class Block:
    """A fenced code block: its language, the words after that, the file it is named as, and its lines."""

    language: str
    words: tuple[str, ...]
    file: str | None
    lines: tuple[str, ...]
    #: The line number in the page, from 0, of the first line inside.
    start: int

    @property
    def text(self) -> str:
        """The text inside."""
        return "".join(f"{line}\n" for line in self.lines)

    def commands(self) -> Iterator[Shown]:
        """The commands after `$ `, each with the output shown under it."""
        at = 0
        while at < len(self.lines):
            assert self.lines[at].startswith("$ "), f"no command: {self.lines[at]!r}"
            command = self.lines[at][2:]
            at += 1
            while _unfinished(command):
                command = f"{command}\n{self.lines[at]}"
                at += 1
            first = at
            while at < len(self.lines) and not self.lines[at].startswith("$ "):
                at += 1
            yield Shown(command, self.lines[first:at], self.start + first, self.start + at)


def _unfinished(command: str) -> bool:
    """True when a shell would go on reading: after a backslash, inside quotation marks, and inside a loop."""
    if command.endswith("\\") or (command.startswith("for ") and not command.endswith("done")):
        return True
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return True
    return False


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """The path in the repository."""
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        """The Markdown."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The fenced code blocks, in order."""
        found, lines, at = [], self.text.splitlines(), 0
        while at < len(lines):
            opening = _FENCE.match(lines[at])
            if opening is None:
                at += 1
                continue
            indent, (language, *words) = len(opening[1]), (opening[2].split() or [""])
            above = next((line for line in reversed(lines[:at]) if line.strip()), "")
            named = _FILE_NAME.search(above)
            end = next(number for number in range(at + 1, len(lines)) if lines[number].strip() == "```")
            inside = tuple(line[indent:] for line in lines[at + 1 : end])
            found.append(Block(language, tuple(words), named[1] if named else None, inside, at + 1))
            at = end + 1
        return tuple(found)

    @cached_property
    def prose(self) -> str:
        """The Markdown without its code blocks."""
        inside = {
            number for block in self.blocks for number in range(block.start - 1, block.start + len(block.lines) + 1)
        }
        return "\n".join("" if number in inside else line for number, line in enumerate(self.text.splitlines()))

    @cached_property
    def anchors(self) -> frozenset[str]:
        """What a link can name after #, as GitHub makes it of headings."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return frozenset(re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings)

    @cached_property
    def links(self) -> tuple[str, ...]:
        """The targets of the links in the prose."""
        return tuple(_LINK.findall(re.sub(r"`[^`\n]*`", "", self.prose)))

    @cached_property
    def code(self) -> tuple[str, ...]:
        """What stands in backticks in the prose, line breaks as blanks."""
        return tuple(" ".join(each.split()) for each in re.findall(r"`([^`]+)`", self.prose))


PAGES = {
    page.name: page
    for page in map(
        Page,
        [
            *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
            *sorted((ROOT / "docs").glob("**/*.md")),
            ROOT / "examples" / "embedded" / "README.md",
        ],
    )
}
#: Pages that describe the project from inside or are written by a program: nobody types what stands in them.
FOR_READING = {"docs/architecture.md", "docs/performance.md", "docs/conformance.md", "docs/faults.md"}
FOR_TYPING = [name for name in PAGES if name not in FOR_READING and not name.startswith("docs/adr/")]


def canonical(line: str) -> str:
    """A line of output with a name in place of each part that differs each time, and blanks counted as one."""
    for pattern, name in _VARYING:
        line = pattern.sub(name, line)
    return line.strip()


def agrees(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """True when what a page shows is what was printed.

    In the page, a line of only `…` stands for any lines, and `…` in a line for any text. Ids, times, tokens,
    durations, sizes and the width of columns do not count.
    """
    wanted = [canonical(line) for line in shown]
    given = [canonical(line) for line in printed]
    while given and not given[-1]:
        given.pop()
    pattern = ["(?:[^\n]*\n)*?" if line == "…" else f"{_line(line)}\n" for line in wanted]
    return re.fullmatch("".join(pattern), "".join(f"{line}\n" for line in given)) is not None


def identities(shown: Sequence[str], printed: Sequence[str]) -> dict[str, str]:
    """The ids in what a page shows and those that were printed in their place, from lines that are alike."""
    found: dict[str, str] = {}
    left = list(printed)
    for line in shown:
        ids = _IDENTITY.findall(line)
        pattern = re.compile(_line(canonical(line)))
        for number, other in enumerate(left if ids else []):
            others = _IDENTITY.findall(other)
            if len(others) == len(ids) and pattern.fullmatch(canonical(other)):
                found |= zip(ids, others, strict=True)
                del left[: number + 1]
                break
    return found


def _line(line: str) -> str:
    return "[^\n]*".join(map(re.escape, line.split("…")))
