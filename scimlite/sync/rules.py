"""The rules of a source's runs: how often, what becomes of leavers, who is adopted, and when a run is held."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import orjson

from ..errors import OperatorError
from ..suggestions import did_you_mean

_MINUTE = 60
#: Seconds between two full runs without another choice, by how many entries the last one had.
_SMALL, _EVERY_SMALL, _EVERY_LARGE = 10_000, 60 * _MINUTE, 360 * _MINUTE
#: Seconds between two runs that read what changed, where the source can tell.
EVERY_DELTA = 5 * _MINUTE

LEAVERS = ("disable", "delete", "ignore")
MATCHES = ("none", "userName", "externalId", "emails.work")


class RuleError(OperatorError):
    """A rule does not take a value; the text names the rule."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a source; operators write a name with hyphens in place of underscores."""

    #: Seconds between two runs that read everything; None: an hour, above 10,000 entries six.
    every: int | None = None
    #: What becomes of who is not in the source any more.
    leavers: str = "disable"
    #: How many full runs in a row must not find somebody before that.
    missing_after: int = 2
    #: By what existing users are adopted, who are not linked to any source.
    match: str = "none"
    #: True when disabled users are adopted too.
    match_disabled: bool = False
    #: A run is held when it reads fewer than this percentage of those that are linked.
    hold_below: int = 90
    #: A run is held when more than this percentage of the entries is refused.
    hold_refused: int = 10
    #: A run is held when one attribute would change for more than this percentage, where there are over 100 users.
    hold_changes: int = 50

    @classmethod
    def from_json(cls, text: str) -> Rules:
        """The rules from the database."""
        known = {part.name for part in fields(cls)}
        return cls(**{name: value for name, value in orjson.loads(text).items() if name in known})

    def to_json(self) -> str:
        """The JSON object that `from_json` reads: what differs from the default."""
        usual = asdict(Rules())
        return orjson.dumps({name: value for name, value in asdict(self).items() if value != usual[name]}).decode()

    def with_(self, **given: Any) -> Rules:
        """The rules with some of them changed; None leaves one as it is. Raises RuleError."""
        made = replace(self, **{name: value for name, value in given.items() if value is not None})
        _one_of("leavers", made.leavers, LEAVERS)
        _one_of("match", made.match, MATCHES)
        _within("missing-after", made.missing_after, 1, 9)
        for name in ("hold_below", "hold_refused", "hold_changes"):
            _within(name.replace("_", "-"), getattr(made, name), 0, 100)
        if made.every is not None:
            _within("every", made.every, _MINUTE, 7 * 24 * 60 * _MINUTE)
        return made

    def seconds_between(self, entries: int) -> int:
        """Seconds between two full runs, when the last one had so many entries."""
        return self.every or (_EVERY_SMALL if entries < _SMALL else _EVERY_LARGE)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RuleError(f"{name} is {', '.join(choices)}, not {value!r}.{did_you_mean(value, choices)}")


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise RuleError(f"{name} is a number from {least:,} to {most:,}, not {value:,}.")
