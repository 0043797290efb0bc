"""Lanes: in whatever order tries end, each person's events go out one after the other, and the place passes none."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from scimlite.db.feed_order import Place
from scimlite.events.lanes import Lanes, Parcel
from scimlite.events.retries import LONGEST_WAIT, SCHEDULE, judge, next_try

#: What is done next: an event of a lane arrives, one is taken, a try that is under way ends well, badly, or for good,
#: time passes, what is held up is stored, all are woken.
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["take", "confirm", "fail", "give up"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["wait", "store", "wake"]), st.just(0)),
)


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=80))
def test_any_interleaving_keeps_the_order_of_each_lane(steps: list[tuple[str, int]]) -> None:  # noqa: C901  # a step a branch
    lanes = Lanes()
    now, number = 100, 0
    added: dict[int, Parcel] = {}
    gone: dict[str, list[int]] = {}
    under_way: list[Parcel] = []

    for step, which in steps:
        if step == "add":
            number += 1
            added[number] = Parcel(number, Place(0, number), f"lane-{which}")
            lanes.add(added[number])
        elif step == "take":
            taken = lanes.take(now)
            if taken is not None:
                assert taken.due_at <= now
                # No two of a lane at once, and none before those in front of it.
                assert all(other.lane != taken.lane for other in under_way)
                before = [each for each in added.values() if each.lane == taken.lane and each.id < taken.id]
                assert all(each.settled for each in before)
                under_way.append(taken)
        elif step in ("confirm", "fail", "give up") and under_way:
            parcel = under_way.pop(which % len(under_way))
            if step == "fail":
                parcel.attempts += 1
                lanes.postpone(parcel, now + 10)
            else:
                gone.setdefault(parcel.lane, []).append(parcel.id)
                lanes.settle(parcel)
        elif step == "wait":
            now += 10
        elif step == "wake":
            lanes.wake(now)
        elif step == "store":
            for parcel in list(lanes.held_up()):
                parcel.stored = True
        # What the place has passed is settled or stored: nothing is lost when the worker is killed now.
        place = lanes.passed(Place(0, number))
        assert all(each.settled or each.stored for each in added.values() if each.place <= place)
        assert lanes.sending == set(under_way)
        assert lanes.size == sum(not each.settled for each in added.values())
        heads = {each.lane: each for each in reversed(added.values()) if not each.settled}
        assert lanes.failing == sum(each.attempts > 0 for each in heads.values())

    # The receiver is well: all that is left goes, in order.
    now += 1000
    for parcel in under_way:
        lanes.postpone(parcel, now)
    while (parcel := lanes.take(now)) is not None:
        gone.setdefault(parcel.lane, []).append(parcel.id)
        lanes.settle(parcel)
    assert sorted(id for ids in gone.values() for id in ids) == sorted(added)
    assert all(ids == sorted(ids) for ids in gone.values())
    assert lanes.passed(Place(0, number)) == Place(0, number)
    assert lanes.next_due() is None


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    assert sum(SCHEDULE) == (75 * 3600 + 35 * 60 + 5)
    waits = [next_try(attempts, 0, 0.5) for attempts in range(1, 11)]
    assert waits == [seconds * 1_000_000 for seconds in SCHEDULE[1:]] + [None]
    assert [next_try(1, 0, chance) for chance in (0, 1)] == [4_500_000, 5_500_000]


def test_retry_after_is_a_number_or_a_date_and_has_an_end() -> None:
    now = 1_700_000_000_000_000
    for text, seconds in {
        "120": 120,
        "99999999999": LONGEST_WAIT // 1_000_000,
        "Tue, 14 Nov 2023 22:14:20 GMT": 60,
        "Tue, 14 Nov 2023 22:00:00 GMT": 0,
        "soon": 0,
        "-1": 0,
        "": 0,
    }.items():
        assert judge(503, {"retry-after": text}, b"", 1, now).wait == seconds * 1_000_000, text
    assert judge(500, {"retry-after": "120"}, b"", 1, now).wait == 0
