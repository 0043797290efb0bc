"""Many clients at once against two processes of four threads: nothing is lost, nothing is done twice, nothing fails."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from installation import Connected, Installation
from scim_client import Answer, ScimClient, add_members, assert_scim_error, remove_member

#: It kills workers.
OWN_SERVICE = True

CLIENTS = 8


def together(app: Connected, tasks: Iterable[Callable[[ScimClient], Answer]]) -> list[Answer]:
    """Run every task, eight at a time, each thread with a connection of its own; the answers in order."""
    mine = threading.local()

    def run(task: Callable[[ScimClient], Answer]) -> Answer:
        if not hasattr(mine, "client"):
            mine.client = app.client.another()
        return task(mine.client)

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(run, tasks))
    for answer in answers:
        assert answer.status < 500, answer
    return answers


def statuses(answers: Iterable[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def users(app: Connected, number: int) -> list[str]:
    """New users' ids."""
    tasks = [lambda client, n=n: client.user(f"user-{n}") for n in range(number)]
    return [answer.ok(201).id for answer in together(app, tasks)]


def test_one_name_is_given_once(app: Connected) -> None:
    for number in range(5):
        tasks = [lambda client, n=number: client.user(f"same-{n}".upper() if n % 2 else f"same-{n}")] * 16
        answers = together(app, tasks)
        assert statuses(answers) == {201: 1, 409: 15}
        for answer in answers:
            if answer.status == 409:
                assert_scim_error(answer, 409, "uniqueness", "userName")
    assert app.client.find("Users", count=0)["totalResults"] == 5


def test_one_group_name_is_given_once(app: Connected) -> None:
    answers = together(app, [lambda client: client.group("Same name")] * 16)
    assert statuses(answers) == {201: 1, 409: 15}
    assert app.client.find("Groups", count=0)["totalResults"] == 1


def test_one_name_is_given_once_whichever_way_it_is_taken(app: Connected) -> None:
    """POST, PUT and PATCH all want it, and somebody deletes its holder meanwhile."""
    ids = users(app, 6)
    rename = {"op": "replace", "path": "userName", "value": "wanted"}
    for _ in range(5):
        tasks: list[Callable[[ScimClient], Answer]] = [lambda client: client.user("Wanted")]
        tasks += [lambda client, id=id: client.patch(f"/Users/{id}", rename) for id in ids[:3]]
        tasks += [lambda client, id=id: client.put(f"/Users/{id}", {"userName": "WANTED"}) for id in ids[3:]]
        answers = together(app, tasks)
        assert set(statuses(answers)) <= {200, 201, 409}
        holders = app.client.find("Users", filter='userName eq "wanted"')
        assert holders["totalResults"] == 1
        assert sum(answer.status < 300 for answer in answers) == 1
        holder = holders["Resources"][0]["id"]
        if holder in ids:
            app.client.put(f"/Users/{holder}", {"userName": holder}).ok(200)
        else:
            app.client.delete(f"/Users/{holder}").ok(204)


def test_members_added_at_once_all_arrive(app: Connected) -> None:
    ids = users(app, 48)
    group = app.client.group("g").ok(201)
    path = f"/Groups/{group.id}"
    answers = together(app, [lambda client, id=id: client.patch(path, add_members(id)) for id in ids])
    assert statuses(answers) == {200: 48}
    assert app.client.members(group.id) == set(ids)
    # Each had an effect, so each was a version of its own.
    assert len({answer.etag for answer in answers}) == 48
    assert app.client.get(path).etag == 'W/"49"'
    answers = together(app, [lambda client, id=id: client.patch(path, remove_member(id)) for id in ids[:40]])
    assert statuses(answers) == {200: 40}
    assert app.client.members(group.id) == set(ids[40:])


def test_the_same_member_added_at_once_is_added_once(installation: Installation, app: Connected) -> None:
    (id,) = users(app, 1)
    group = app.client.group("g").ok(201)
    path = f"/Groups/{group.id}"
    answers = together(app, [lambda client: client.patch(path, add_members(id))] * 16)
    assert statuses(answers) == {200: 16}
    assert app.client.get(path).etag == 'W/"2"'
    assert [row.action for row in installation.journal(app)].count("member_added") == 1
    together(app, [lambda client: client.patch(path, remove_member(id))] * 16)
    assert app.client.get(path).etag == 'W/"3"'
    assert [row.action for row in installation.journal(app)].count("member_removed") == 1


def test_adding_and_removing_at_once_ends_as_the_journal_says(installation: Installation, app: Connected) -> None:
    ids = users(app, 4)
    group = app.client.group("g").ok(201)
    path = f"/Groups/{group.id}"
    tasks: list[Callable[[ScimClient], Answer]] = []
    for _ in range(6):
        tasks += [lambda client, id=id: client.patch(path, add_members(id)) for id in ids]
        tasks += [lambda client, id=id: client.patch(path, remove_member(id)) for id in ids]
    assert statuses(together(app, tasks)) == {200: 48}
    change = {"member_added": 1, "member_removed": -1}
    told: Counter[str] = Counter()
    for row in installation.journal(app):
        if row.action in change and row.user_id:
            told[row.user_id] += change[row.action]
            assert told[row.user_id] in (0, 1)
    assert app.client.members(group.id) == {id for id in ids if told[id] == 1}


def test_changes_of_different_attributes_all_take_effect(app: Connected) -> None:
    (id,) = users(app, 1)
    names = ["title", "nickName", "userType", "locale", "timezone", "preferredLanguage", "displayName", "externalId"]
    names += ["name.givenName", "name.familyName", "name.middleName", "name.formatted"]
    for turn in range(4):
        tasks = [
            lambda client, name=name, turn=turn: client.patch(
                f"/Users/{id}", {"op": "replace", "path": name, "value": f"{name} {turn}"}
            )
            for name in names
        ]
        assert statuses(together(app, tasks)) == {200: len(names)}
    found = app.client.get(f"/Users/{id}").ok(200)
    for name in names:
        value: Any = found.json
        for part in name.split("."):
            value = value[part]
        assert value == f"{name} 3"
    assert found.etag == f'W/"{1 + 4 * len(names)}"'


def test_values_of_one_attribute_added_at_once_all_arrive(app: Connected) -> None:
    (id,) = users(app, 1)
    tasks = [
        lambda client, n=n: client.patch(
            f"/Users/{id}", {"op": "add", "path": "emails", "value": [{"value": f"{n}@example.com", "type": str(n)}]}
        )
        for n in range(24)
    ]
    assert statuses(together(app, tasks)) == {200: 24}
    mails = {each["value"] for each in app.client.get(f"/Users/{id}").json["emails"]}
    assert mails == {f"{n}@example.com" for n in range(24)}
    for n in (0, 23):
        assert app.client.find("Users", filter=f'emails.value eq "{n}@example.com"')["totalResults"] == 1


def test_of_those_who_saw_one_version_one_wins(installation: Installation, app: Connected) -> None:
    (id,) = users(app, 1)
    for turn in range(1, 6):
        headers = {"If-Match": f'W/"{turn}"'}
        tasks: list[Callable[[ScimClient], Answer]] = [
            lambda client, n=n, turn=turn, headers=headers: client.patch(
                f"/Users/{id}", {"op": "replace", "path": "title", "value": f"{turn}-{n}"}, headers=headers
            )
            for n in range(12)
        ]
        answers = together(app, tasks)
        assert statuses(answers) == {200: 1, 412: 11}
        (winner,) = [answer for answer in answers if answer.status == 200]
        found = app.client.get(f"/Users/{id}")
        assert found.etag == winner.etag == f'W/"{turn + 1}"'
        assert found.json["title"] == winner.json["title"]
    headers = {"If-Match": 'W/"6"'}
    answers = together(app, [lambda client: client.delete(f"/Users/{id}", headers=headers)] * 8)
    assert statuses(answers) == {204: 1, 404: 7}
    assert [row.action for row in installation.journal(app)].count("deleted") == 1


def test_groups_that_share_members_do_not_block_each_other(app: Connected) -> None:
    """The same users go into many groups in opposite orders: a deadlock is ours to try again, not the client's."""
    ids = users(app, 20)
    groups = [app.client.group(f"g{number}").ok(201).id for number in range(6)]
    tasks: list[Callable[[ScimClient], Answer]] = []
    for turn in range(4):
        for group in groups if turn % 2 else reversed(groups):
            some = ids[turn::2] if turn % 2 else ids[::-1]
            tasks.append(lambda client, group=group, some=some: client.patch(f"/Groups/{group}", add_members(*some)))
            some = ids[:10] if turn % 2 else ids[9::-1]
            removals = [remove_member(id) for id in some]
            tasks.append(lambda client, group=group, all=removals: client.patch(f"/Groups/{group}", *all))
    title = {"op": "add", "path": "title", "value": "x"}
    tasks += [lambda client, id=id: client.patch(f"/Users/{id}", title) for id in ids]
    assert statuses(together(app, tasks)) == {200: len(tasks)}
    tasks = [lambda client, group=group: client.patch(f"/Groups/{group}", add_members(*ids)) for group in groups]
    assert statuses(together(app, tasks)) == {200: 6}
    for group in groups:
        assert app.client.members(group) == set(ids)


def test_groups_that_hold_each_other(app: Connected) -> None:
    """Two groups become each other's members at once, again and again: the classic deadlock."""
    first, second = app.client.group("first").ok(201).id, app.client.group("second").ok(201).id
    tasks: list[Callable[[ScimClient], Answer]] = []
    for _ in range(10):
        for one, other in ((first, second), (second, first)):
            tasks.append(lambda client, one=one, other=other: client.patch(f"/Groups/{one}", add_members(other)))
            tasks.append(lambda client, one=one, other=other: client.patch(f"/Groups/{one}", remove_member(other)))
    assert statuses(together(app, tasks)) == {200: 40}
    for one, other in ((first, second), (second, first)):
        app.client.patch(f"/Groups/{one}", add_members(other)).ok(200)
        assert app.client.members(one) == {other}


def test_users_deleted_while_they_are_added(app: Connected) -> None:
    ids = users(app, 16)
    group = app.client.group("g").ok(201).id
    tasks: list[Callable[[ScimClient], Answer]] = []
    for id in ids:
        tasks.append(lambda client, id=id: client.patch(f"/Groups/{group}", add_members(id)))
        tasks.append(lambda client, id=id: client.delete(f"/Users/{id}"))
    assert statuses(together(app, tasks)) == {200: 16, 204: 16}
    assert app.client.members(group) == set()
    assert app.client.find("Users", count=0)["totalResults"] == 0


def test_lists_while_writing_hold_what_they_count(app: Connected) -> None:
    tasks: list[Callable[[ScimClient], Answer]] = []
    for number in range(40):
        tasks.append(lambda client, n=number: client.user(f"u{n}"))
        tasks.append(lambda client: client.get("/Users?count=1000"))
    answers = together(app, tasks)
    assert statuses(answers) == {201: 40, 200: 40}
    for answer in answers:
        if answer.status == 200:
            body = answer.json
            assert body["totalResults"] == body["itemsPerPage"] == len(body["Resources"])


def test_many_apps_at_once(installation: Installation) -> None:
    """What one app caches or locks is not another's: the same names everywhere, and everyone finds only their own."""
    apps = [installation.app(f"tenant {number}") for number in range(4)]
    tasks: list[Callable[[ScimClient], Answer]] = []
    for number in range(20):
        for app in apps:
            named = f"user-{number}"
            tasks.append(lambda client, app=app, n=named: app.client.another().user(n, title=app.slug))
    assert statuses(together(apps[0], tasks)) == {201: 80}
    for app in apps:
        found = app.client.find("Users", count=1000)
        assert found["totalResults"] == 20
        assert {each["title"] for each in found["Resources"]} == {app.slug}


def test_a_killed_worker_loses_nothing_acknowledged(installation: Installation, tmp_path: Path) -> None:
    service = installation.start()
    app = installation.app("kill")
    client = installation.client(app.slug, app.text, service.url)
    acknowledged: list[tuple[str, str]] = []
    broken = []
    stop = threading.Event()
    lock = threading.Lock()

    def load(number: int) -> None:
        mine, turn = client.another(), 0
        while not stop.is_set():
            turn += 1
            try:
                answer = mine.user(f"k-{number}-{turn}")
            except (http.client.HTTPException, OSError) as error:
                mine.close()
                broken.append(error)
                continue
            with lock:
                if answer.status == 201:
                    acknowledged.append((answer.id, answer.json["userName"]))
                elif answer.status != 409:  # a request that was sent again after it had been done
                    broken.append(AssertionError(answer))

    threads = [threading.Thread(target=load, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    killed = 0
    for _ in range(3):
        time.sleep(0.5)
        os.kill(_workers(service.pid)[0], signal.SIGKILL)
        killed += 1
    time.sleep(0.7)
    stop.set()
    for thread in threads:
        thread.join(30)
    assert killed == 3
    assert not [error for error in broken if isinstance(error, AssertionError)]
    assert len(acknowledged) > 50
    # Read through the other service, which was not killed.
    found: dict[str, str] = {}
    start = 1
    while page := app.client.find("Users", startIndex=start, count=1000, attributes="userName")["Resources"]:
        found.update({each["id"]: each["userName"] for each in page})
        start += len(page)
    for id, name in acknowledged:
        assert found[id] == name
    created = {row.user_id for row in installation.journal(app, action="created", outcome="ok")}
    assert created == set(found)
    service.stop()


def _workers(arbiter: int) -> list[int]:
    children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()
    assert children
    return [int(child) for child in children]
