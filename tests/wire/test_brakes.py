"""Brakes: exact under parallel clients, for what they are about and nothing else, until they are released."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from installation import OPERATOR, Connected, Installation, watch
from scim_client import Answer, ScimClient, add_members, assert_scim_error, remove_member
from scimlite.admin import apps
from scimlite.db.tables import DepartureRow, ResourceRow
from scimlite.directory import brakes

#: A request that waits longer for a thread is refused without an entry.
SETTINGS = {"QUEUE_TIMEOUT": "60"}
OFF = {"op": "replace", "path": "active", "value": False}
ON = {"op": "replace", "path": "active", "value": True}
HOUR = 3_600_000_000


@pytest.fixture
def make(installation: Installation) -> Callable[..., Connected]:
    """An app with brakes and so many users who have been active for two hours."""

    def made(users: int, **features: str) -> Connected:
        app = installation.app("braked", **features)
        app.client.post(
            "/Bulk",
            {
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                "Operations": [
                    {"method": "POST", "path": "/Users", "bulkId": f"{n}", "data": {"userName": f"user-{n}"}}
                    for n in range(users)
                ],
            },
        ).ok(200)
        age(installation, app)
        return app

    return made


def age(installation: Installation, app: Connected) -> None:
    """Let two hours pass for the users who are active."""
    query = ResourceRow.update(active_since=ResourceRow.active_since - 2 * HOUR)
    installation.db.execute(query.where(ResourceRow.app_id == installation.app_row(app).id))


def ids(app: Connected) -> list[str]:
    return [each["id"] for each in app.client.find("Users", count=1000, attributes="id")["Resources"]]


def together(app: Connected, tasks: list[Callable[[ScimClient], Answer]]) -> Counter[int]:
    """Eight clients at once; how often each status came back."""
    mine = threading.local()

    def run(task: Callable[[ScimClient], Answer]) -> int:
        if not hasattr(mine, "client"):
            mine.client = app.client.another()
        return task(mine.client).status

    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(run, tasks))


def held(answer: Answer) -> None:
    assert_scim_error(answer, 429, detail="held for the app")
    assert int(answer.headers["retry-after"]) > 0


def disabling(id: str) -> list[Callable[[ScimClient], Answer]]:
    """Each way in which a user is taken away."""
    return [
        lambda client: client.patch(f"/Users/{id}", OFF),
        lambda client: client.put(f"/Users/{id}", {"userName": id, "active": False}),
        lambda client: client.delete(f"/Users/{id}"),
    ]


def test_eight_clients_get_no_more_through_than_the_limit(
    installation: Installation, make: Callable[..., Connected]
) -> None:
    app = make(60, brake_users="10", brake_percent="15")
    tasks = [disabling(id)[number % 3] for number, id in enumerate(ids(app))]
    statuses = together(app, tasks)
    assert sum(count for status, count in statuses.items() if status < 300) == 10
    active = app.client.find("Users", filter="active eq true", count=0)["totalResults"]
    assert active == 50
    rows = [row.action for row in installation.journal(app) if row.action == "brake_tripped"]
    assert rows == ["brake_tripped"]
    # On a machine that is slow, some are told to come again, before anybody looks at the brake.
    assert statuses[429] + statuses[503] == 50
    assert sum(row.status == 429 for row in installation.journal(app)) == statuses[429] > 0


def test_the_share_counts_too(make: Callable[..., Connected]) -> None:
    """More than the number, but not more than the share: 20 % of 60 are 12."""
    app = make(60, brake_users="5", brake_percent="20")
    statuses = together(app, [lambda client, id=id: client.delete(f"/Users/{id}") for id in ids(app)])
    assert statuses == {204: 12, 429: 48}


@pytest.mark.parametrize(
    ("features", "through"),
    [
        ({"brake_users": "off", "brake_percent": "10"}, 2),
        ({"brake_users": "3", "brake_percent": "off"}, 3),
        ({"brake_users": "0", "brake_percent": "0"}, 0),
        ({"brake_users": "off", "brake_percent": "off"}, 20),
        ({}, 20),
    ],
)
def test_each_limit_can_be_off(make: Callable[..., Connected], features: dict[str, str], through: int) -> None:
    app = make(20, **features)
    answers = [app.client.delete(f"/Users/{id}").status for id in ids(app)]
    assert answers == [204] * through + [429] * (20 - through)


def test_what_is_held_and_what_goes_on(installation: Installation, make: Callable[..., Connected]) -> None:
    app = make(12, brake_users="2", brake_percent="10")
    client, all_ids = app.client, ids(app)
    group = client.group("group", all_ids[0], all_ids[1]).ok(201).id
    for id in all_ids[:2]:
        client.patch(f"/Users/{id}", OFF).ok(200)
    for send in disabling(all_ids[2]):
        held(send(client))
    # Those too who are disabled already.
    held(client.delete(f"/Users/{all_ids[0]}"))
    bulk = {"method": "DELETE", "path": f"/Users/{all_ids[3]}"}
    answer = client.post(
        "/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [bulk]}
    )
    assert answer.ok(200).json["Operations"][0]["status"] == "429"
    assert client.get(f"/Users/{all_ids[2]}").ok(200).json["active"] is True
    client.user("new").ok(201)
    client.patch(f"/Users/{all_ids[2]}", {"op": "replace", "path": "title", "value": "x"}).ok(200)
    client.patch(f"/Users/{all_ids[0]}", ON).ok(200)
    client.patch(f"/Groups/{group}", remove_member(all_ids[0])).ok(200)
    client.delete(f"/Groups/{group}").ok(204)
    # Switching the limits off lets through, but does not release.
    apps.edit(installation.scope, app.slug, features={"brake-users": "off", "brake-percent": "off"})
    client.delete(f"/Users/{all_ids[4]}").ok(204)


def test_a_release_lets_through_and_counts_from_zero(
    installation: Installation, make: Callable[..., Connected]
) -> None:
    app = make(20, brake_users="3", brake_percent="10")
    all_ids = ids(app)
    assert [app.client.delete(f"/Users/{id}").status for id in all_ids[:5]] == [204] * 3 + [429] * 2
    since = watch(installation, app)
    assert brakes.release(installation.scope, app.slug) == ["users"]
    assert [app.client.delete(f"/Users/{id}").status for id in all_ids[3:9]] == [204] * 3 + [429] * 3
    assert [row.action for row in since.new()][3] == "brake_tripped"
    released = [row for row in installation.journal(app, wire=False) if row.action == "released"]
    assert [row.client for row in released] == [OPERATOR.client]
    assert brakes.release(installation.scope, app.slug) == ["users"]
    assert brakes.release(installation.scope, app.slug) == []


def test_people_are_counted_and_not_requests(make: Callable[..., Connected]) -> None:
    app = make(20, brake_users="3", brake_percent="10")
    all_ids = ids(app)
    for _ in range(4):
        app.client.patch(f"/Users/{all_ids[0]}", OFF).ok(200)
        app.client.patch(f"/Users/{all_ids[0]}", ON).ok(200)
    # Somebody who was disabled counts once, also when he is enabled again or deleted.
    app.client.patch(f"/Users/{all_ids[0]}", OFF).ok(200)
    app.client.delete(f"/Users/{all_ids[0]}").ok(204)
    assert [app.client.delete(f"/Users/{id}").status for id in all_ids[1:5]] == [204] * 2 + [429] * 2


def test_newcomers_are_counted_by_themselves(make: Callable[..., Connected]) -> None:
    """Two of each are within the limits: of those who were here when the window began, and of those who came later."""
    app = make(10, brake_users="2", brake_percent="10")
    new = [app.client.user(f"new-{n}").ok(201).id for n in range(8)]
    old = [id for id in ids(app) if id not in new]
    assert [app.client.delete(f"/Users/{id}").status for id in (*new[:2], *old[:3])] == [204] * 4 + [429]


def test_a_filter_that_takes_an_import_away_again_is_held(installation: Installation) -> None:
    app = installation.app("imported", brake_users="5", brake_percent="20")
    new = [app.client.user(f"new-{n}").ok(201).id for n in range(40)]
    # 20 % of all 40 who are active now are 8.
    assert together(app, [disabling(id)[n % 3] for n, id in enumerate(new)])[429] == 32
    (tripped,) = [row for row in installation.journal(app) if row.action == "brake_tripped"]
    assert "9 users who are new in it, of 40 active, would have been disabled or deleted" in (tripped.detail or "")
    brakes.release(installation.scope, app.slug)
    users = brakes.every(installation.db, installation.app_row(app))[0]
    assert (users.newcomers, users.active_now, users.can_trip) == (0, 32, True)


def test_the_window_moves_on(installation: Installation, make: Callable[..., Connected]) -> None:
    app = make(20, brake_users="3", brake_percent="10", brake_window="30m")
    all_ids = ids(app)
    assert {app.client.delete(f"/Users/{id}").status for id in all_ids[:3]} == {204}
    rows = DepartureRow.app_id == installation.app_row(app).id
    installation.db.execute(DepartureRow.update(at=DepartureRow.at - HOUR).where(rows))
    assert [app.client.delete(f"/Users/{id}").status for id in all_ids[3:7]] == [204] * 3 + [429]


def test_apps_have_brakes_of_their_own(installation: Installation, make: Callable[..., Connected]) -> None:
    app, other = make(10, brake_users="1", brake_percent="1"), make(10, brake_users="1", brake_percent="1")
    assert [app.client.delete(f"/Users/{id}").status for id in ids(app)[:2]] == [204, 429]
    assert [other.client.delete(f"/Users/{id}").status for id in ids(other)[:2]] == [204, 429]
    brakes.release(installation.scope, app.slug)
    app.client.delete(f"/Users/{ids(app)[0]}").ok(204)
    held(other.client.delete(f"/Users/{ids(other)[0]}"))


def test_the_deprovisioned_count(make: Callable[..., Connected]) -> None:
    app = make(10, brake_users="2", brake_percent="1", delete_the_deactivated="on")
    all_ids = ids(app)
    assert [app.client.patch(f"/Users/{id}", OFF).status for id in all_ids[:3]] == [204, 204, 429]
    app.client.get(f"/Users/{all_ids[2]}").ok(200)


# --- members ------------------------------------------------------------------------------------------------------


def removals(group: str, all_ids: list[str]) -> dict[str, Callable[[ScimClient], Answer]]:
    """Each way in which members are taken out of a group."""
    keep: list[Any] = [{"value": id} for id in all_ids[5:]]
    return {
        "one": lambda client: client.patch(f"/Groups/{group}", remove_member(all_ids[4])),
        "all": lambda client: client.patch(f"/Groups/{group}", {"op": "remove", "path": "members"}),
        "replace": lambda client: client.patch(f"/Groups/{group}", {"op": "replace", "path": "members", "value": keep}),
        "put": lambda client: client.put(f"/Groups/{group}", {"displayName": "group", "members": keep}),
        "delete": lambda client: client.delete(f"/Groups/{group}"),
    }


def test_members_have_a_brake_of_their_own(installation: Installation, make: Callable[..., Connected]) -> None:
    app = make(12, brake_members="3")
    client, all_ids = app.client, ids(app)
    group, other = client.group("group", *all_ids).ok(201).id, client.group("other", *all_ids[:2]).ok(201).id
    for id in all_ids[:2]:
        client.patch(f"/Groups/{group}", remove_member(id)).ok(200)
        client.patch(f"/Groups/{other}", remove_member(id)).ok(200)
    # People are counted: two so far. Too many at once are refused whole.
    held(client.patch(f"/Groups/{group}", *(remove_member(id) for id in all_ids[2:6])))
    assert client.members(group) == set(all_ids[2:])
    for name, send in removals(group, all_ids).items():
        held(send(client))
        assert client.members(group) == set(all_ids[2:]), name
    client.patch(f"/Groups/{group}", add_members(all_ids[0])).ok(200)
    client.patch(f"/Groups/{group}", {"op": "replace", "path": "displayName", "value": "renamed"}).ok(200)
    client.delete(f"/Users/{all_ids[9]}").ok(204)
    assert brakes.release(installation.scope, app.slug) == ["members"]
    client.patch(f"/Groups/{group}", remove_member(all_ids[4])).ok(200)


@pytest.mark.parametrize("way", ["all", "put", "delete"])
def test_members_are_safe_from_one_large_request(make: Callable[..., Connected], way: str) -> None:
    app = make(12, brake_members="3")
    all_ids = ids(app)
    group = app.client.group("group", *all_ids).ok(201).id
    held(removals(group, all_ids)[way](app.client))
    assert app.client.members(group) == set(all_ids)


def test_eight_clients_remove_no_more_members_than_the_limit(make: Callable[..., Connected]) -> None:
    app = make(40, brake_members="7")
    all_ids = ids(app)
    groups = [app.client.group(f"group {n}", *all_ids).ok(201).id for n in range(2)]
    tasks: list[Callable[[ScimClient], Answer]] = [
        lambda client, id=id, group=group: client.patch(f"/Groups/{group}", remove_member(id))
        for id in all_ids
        for group in groups
    ]
    together(app, tasks)
    lost = {id for group in groups for id in set(all_ids) - app.client.members(group)}
    assert len(lost) == 7
