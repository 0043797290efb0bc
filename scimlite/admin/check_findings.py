"""What `check` finds: a closed list of kinds, and the count and first examples of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..worded import Worded

#: Examples that are kept of each kind.
MOST_EXAMPLES = 5


class Kind(Worded):
    """What is wrong, with its words; the text is the name that programs get."""

    DATABASE = "database", "faults that the database's own check finds"
    UNREADABLE = "unreadable", "parts that could not be read to their end"
    APPS = "apps", "apps with columns that cannot be, or whose settings, declarations or mapping cannot be read"
    DOCUMENTS = "documents", "documents that are no resources of their type"
    COLUMNS = "columns", "columns that differ from the document"
    VALUES = "values", "resources whose value rows differ from the document"
    UNIQUE_KEYS = "unique-keys", "resources whose unique keys differ from the document"
    PROFILES = "profiles", "profiles that their mapping does not make"
    TIMES = "times", "times that cannot be"
    TOMBSTONES = "tombstones", "deleted resources that are not as a deletion leaves them"
    PASSWORDS = "passwords", "passwords that are no hash of a living user's"
    NAMES = "names", "users whom the report does not find by their present names"
    MEMBERS = "members", "memberships without both ends, across apps, or of types that cannot be members"
    JOURNAL = "journal", "entries of the report that cannot be, or are missing"
    TALLIES = "tallies", "counts of things that are not counted, or of days that cannot be"
    BRAKES = "brakes", "brakes and departures that do not fit the users of their app"
    TOKENS = "tokens", "tokens that are malformed, or signed with an unknown secret key"
    REFUSALS = "refusals", "refused requests that are not as they were kept"
    OPERATORS = "operators", "operators, and links and sessions of operators, that cannot be"
    INVITATIONS = "invitations", "set-up links that cannot be"
    FEED = "feed", "webhooks, deliveries and places in the feed that cannot be"
    SOURCES = "sources", "sources, and their links and runs, that cannot be"
    TARGETS = "targets", "targets, and what is known about those that were pushed, that cannot be"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, in words; personal values are no part of it, ids are."""

    kind: Kind
    text: str


@dataclass(slots=True)
class Finding:
    """How often one kind of thing is wrong, with the first examples."""

    kind: Kind
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Findings:
    """The findings so far, by kind, in the order of `Kind`."""

    def __init__(self) -> None:
        self._by_kind: dict[Kind, Finding] = {}

    def add(self, problem: Problem) -> None:
        """Counts a problem, and keeps it as an example if it is one of the first."""
        finding = self._by_kind.setdefault(problem.kind, Finding(problem.kind))
        finding.count += 1
        if len(finding.examples) < MOST_EXAMPLES:
            finding.examples.append(problem.text)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._by_kind[kind] for kind in Kind if kind in self._by_kind)

    def __len__(self) -> int:
        return len(self._by_kind)
