"""A row, or a SQLite file, that somebody holds: few requests wait for it, and the rest is told at once."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from installation import Connected, Installation, held
from scim_client import PATCH_URN, Answer, assert_scim_error
from scimlite.db.tables import ResourceRow

#: Processes, and the writes of one app that wait in each.
WORKERS, MOST = 2, 2
CHANGE = {"op": "replace", "path": "title", "value": "x"}


def told_at_once(answers: list[Future[Answer]], least: int) -> list[Answer]:
    """The answers that come long before the deadline, at least so many; each is a 503."""
    given_up = time.monotonic() + 10
    while sum(each.done() for each in answers) < least and time.monotonic() < given_up:
        time.sleep(0.1)
    found = [each.result() for each in answers if each.done()]
    for answer in found:
        assert_scim_error(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    return found


def seconds_of(request: Any, *arguments: Any) -> float:
    started = time.monotonic()
    request(*arguments).ok()
    return time.monotonic() - started


def test_one_held_resource(installation: Installation, app: Connected) -> None:
    one, two = app.client.user("held").ok(201), app.client.user("free").ok(201)
    other = installation.app()
    another = other.client.user("there").ok(201)
    rows = ResourceRow.update(version=ResourceRow.version).where(ResourceRow.uuid == one.id)
    with ThreadPoolExecutor(12) as pool:
        with held(installation, rows):
            sent = [pool.submit(app.client.another().patch, f"/Users/{one.id}", CHANGE) for _ in range(12)]
            least = 12 - WORKERS * (1 if installation.kind == "postgresql" else MOST)
            told = told_at_once(sent, least)
            assert len(told) >= least
            for client, id in ((app.client, two.id), (other.client, another.id)):
                assert max(seconds_of(client.another().get, f"/Users/{id}") for _ in range(4)) < 1
                if installation.kind == "postgresql":
                    assert max(seconds_of(client.another().patch, f"/Users/{id}", CHANGE) for _ in range(4)) < 1
        assert {each.result().status for each in sent if each.result() not in told} <= {200}
    app.client.patch(f"/Users/{one.id}", CHANGE).ok(200)


def test_all_resources_of_an_app_are_held(installation: Installation, app: Connected) -> None:
    if installation.kind == "sqlite":
        pytest.skip("SQLite is held as a whole; see above")
    users = [app.client.user(f"u{number}").ok(201).id for number in range(8)]
    key = installation.app_row(app).id
    rows = ResourceRow.update(version=ResourceRow.version).where(ResourceRow.app_id == key)
    other = installation.app()
    with ThreadPoolExecutor(8) as pool, held(installation, rows):
        sent = []
        for id in users:
            sent.append(pool.submit(app.client.another().patch, f"/Users/{id}", CHANGE))
            time.sleep(0.1)
        least = len(users) - WORKERS * MOST
        assert len(told_at_once(sent, least)) >= least
        assert max(seconds_of(app.client.another().get, f"/Users/{id}") for id in users) < 1
        assert seconds_of(other.client.another().user, "free") < 1


def test_slow_writes_wait_for_each_other(installation: Installation, app: Connected) -> None:
    """What is slow and moves keeps nobody away: large changes of one group, all at once."""
    group = app.client.group("large").ok(201)
    members = [[{"value": app.client.user(f"u{each}-{number}").ok(201).id} for number in range(3)] for each in range(8)]

    def add(values: list[dict[str, str]]) -> Answer:
        unknown = [{"value": f"unknown-{number}"} for number in range(300)]
        change = {"op": "add", "path": "members", "value": values + unknown}
        return app.client.another().patch(f"/Groups/{group.id}", change)

    with ThreadPoolExecutor(8) as pool:
        assert {answer.status for answer in pool.map(add, members)} <= {200, 204}
    assert len(app.client.members(group.id)) == 24


def test_a_bulk_request_that_could_do_nothing_is_503_as_a_whole(installation: Installation, app: Connected) -> None:
    made = app.client.user("held").ok(201)
    rows = ResourceRow.update(version=ResourceRow.version).where(ResourceRow.uuid == made.id)
    refused = {"method": "DELETE", "path": "/Users/unknown"}
    change = {"method": "PATCH", "path": f"/Users/{made.id}", "data": {"schemas": [PATCH_URN], "Operations": [CHANGE]}}
    with held(installation, rows):
        answer = app.client.post("/Bulk", {"Operations": [refused, change, change]})
    assert_scim_error(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    app.client.post("/Bulk", {"Operations": [refused, change, change]}).ok(200)


def test_what_a_bulk_request_has_done_is_told(installation: Installation, app: Connected) -> None:
    if installation.kind == "sqlite":
        pytest.skip("SQLite is held as a whole; see above")
    made = app.client.user("held").ok(201)
    rows = ResourceRow.update(version=ResourceRow.version).where(ResourceRow.uuid == made.id)
    change = {"method": "PATCH", "path": f"/Users/{made.id}", "data": {"schemas": [PATCH_URN], "Operations": [CHANGE]}}
    new = [{"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}} for name in ("a", "b")]
    with held(installation, rows):
        results = app.client.post("/Bulk", {"Operations": [new[0], change, new[1]]}).ok(200).json["Operations"]
    assert [each["status"] for each in results] == ["201", "503", "201"]
