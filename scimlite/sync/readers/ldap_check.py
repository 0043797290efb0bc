"""What `scimlite source test` looks at in a directory, step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from ..reading import GROUP, USER, Finding, Record, SourceError
from .ldap_network import look
from .ldap_session import Session


class Looked(Protocol):
    """What is looked at of a reader."""

    session: Session
    bases: list[str]
    group_bases: list[str]

    def identity(self) -> str: ...
    def everything(self) -> Iterator[Record]: ...
    def filter_of(self, type: str) -> str: ...
    def tells(self) -> tuple[bool | None, str]: ...


def steps(reader: Looked) -> Iterator[Finding]:
    """Yields name, TCP, TLS, bind, base, users, groups and changes; the last one is what failed."""
    session = reader.session
    for finding in look(session.address, session.client):
        yield finding
        if finding.ok is False:
            return
    step = "bind"
    try:
        session.connection()
        # Nobody sees what everybody may see, which is seldom all.
        yield Finding(step, None if session.account.anonymous else True, f"signed in as {session.account}")
        step = "base"
        reader.identity()
        yield Finding(step, True, "; ".join(reader.bases))
        # Everything is read once: only that shows a limit, or an entry whose id may not be read.
        step = "users"
        yield from _counted(reader)
        step = "changes"
        yield Finding(step, *reader.tells())
    except SourceError as error:
        yield Finding(step, False, str(error))


def _counted(reader: Looked) -> Iterator[Finding]:
    numbers = Counter[str]()
    fault = ""
    for record in reader.everything():
        numbers[record.type] += 1
        numbers["inactive"] += record.type == USER and not record.active
        numbers["with members"] += bool(record.members)
        if record.fault is not None:
            numbers["faults"] += 1
            fault = fault or f"{record.name}: {record.fault}"
    if not numbers[USER]:
        bases = "; ".join(reader.bases)
        raise SourceError(f"No user below {bases} matches {reader.filter_of(USER)} and may be seen by this account.")
    said = _number(numbers[USER], "user") + (
        f", {numbers['inactive']:,} of them disabled" if numbers["inactive"] else ""
    )
    yield Finding("users", True, said)
    if fault:
        yield Finding("entries", None, f"{numbers['faults']:,} cannot be taken, such as {fault}")
    if reader.group_bases:
        yield _groups(reader, numbers[GROUP], numbers["with members"])


def _groups(reader: Looked, count: int, filled: int) -> Finding:
    """The finding about groups; that none of them has a member is a right that the account lacks, or chance."""
    if not count:
        bases = "; ".join(reader.group_bases)
        return Finding("groups", None, f"no group below {bases} matches {reader.filter_of(GROUP)} and may be seen")
    if not filled:
        text = (
            f"{_number(count, 'group')}, none of which shows a member: this account may lack the right to read members"
        )
        return Finding("groups", None, text)
    return Finding("groups", True, f"{_number(count, 'group')}, {filled:,} of them with members")


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
