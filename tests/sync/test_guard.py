"""The guard, beside a short model of what it promises; both are pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scimlite.directory.brake_limits import Limits
from scimlite.sync.guard import Acceptance, Facts, judge
from scimlite.sync.rules import Rules

HOUR = 3_600_000_000
numbers = st.integers(0, 400)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    users, groups = draw(numbers), draw(st.integers(0, 30))
    found = draw(st.integers(0, users))
    return Facts(
        active=draw(st.integers(0, users)),
        linked={"User": users, "Group": groups},
        found={"User": found, "Group": draw(st.integers(0, groups))},
        read=draw(numbers),
        refused=draw(st.integers(0, 50)),
        removals=draw(st.integers(0, users)),
        members_removed=draw(numbers),
        halved=tuple(draw(st.sampled_from([(), ("Staff",)]))),
        groups_removed=draw(st.integers(0, groups)),
        changes={"title": draw(st.integers(0, users))},
        new_mapping=draw(st.booleans()),
        identity="dc=a",
        former=draw(st.sampled_from([None, "dc=a", "dc=b"])),
        whole=draw(st.booleans()),
    )


limits = st.builds(Limits, st.none() | st.integers(0, 60), st.none() | st.integers(0, 100), st.just(HOUR))
members = st.builds(Limits, st.none() | st.integers(0, 60), st.none(), st.just(HOUR))
accepted = st.builds(Acceptance, st.none() | numbers, st.none() | numbers, st.booleans())


def held(facts: Facts, rules: Rules, users: Limits, members: Limits, accepted: Acceptance) -> set[str | None]:
    """What the guard holds for, as its documentation says it."""
    made: set[str | None] = set()
    if facts.former not in (None, facts.identity) and not accepted.identity:
        made.add("identity")
    going = facts.removals + facts.groups_removed + facts.members_removed
    if accepted.removals is None or going > accepted.removals:
        for type, linked in facts.linked.items() if facts.whole else ():
            absent = linked - facts.found[type]
            if (absent == linked > 0 and (type == "User" or linked > 3)) or (absent > 3 and absent * 10 > linked):
                made.add("removals")
        over_number = users.number is None or facts.removals > users.number
        over_share = users.percent is None or facts.removals * 100 > users.percent * facts.active
        if users.on and facts.removals and over_number and over_share:
            made.add("removals")
        if facts.halved or (members.number is not None and facts.members_removed > members.number):
            made.add("removals")
    if facts.whole and facts.refused > 3 and facts.refused * 10 > facts.read:
        made.add(None)
    linked, most = facts.linked["User"], facts.changes["title"]
    many = linked > 100 and most * 2 > linked and not facts.new_mapping
    if many and (accepted.changes is None or most > accepted.changes):
        made.add("changes")
    return made


@given(facts(), limits, members, accepted)
def test_it_holds_for_what_it_promises_and_for_nothing_else(
    facts: Facts, users: Limits, members: Limits, accepted: Acceptance
) -> None:
    holds = judge(facts, Rules(), users, members, accepted)
    assert {hold.accepts for hold in holds} == held(facts, Rules(), users, members, accepted)


@given(facts(), limits, members)
def test_what_is_held_is_accepted_by_its_own_numbers(facts: Facts, users: Limits, members: Limits) -> None:
    holds = judge(facts, Rules(), users, members, Acceptance())
    given = {hold.accepts: hold.number for hold in holds}
    exact = Acceptance(given.get("removals"), given.get("changes"), "identity" in given)
    assert [hold for hold in judge(facts, Rules(), users, members, exact) if hold.accepts is not None] == []
    if given.get("removals"):
        fewer = Acceptance(given["removals"] - 1, exact.changes, exact.identity)
        assert "removals" in {hold.accepts for hold in judge(facts, Rules(), users, members, fewer)}
