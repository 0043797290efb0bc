"""Passwords: kept as hashes or dropped, let the right user in, and are nowhere to be read."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import argon2
import pytest
from flask import Flask

import scimlite
from installation import Connected, Installation, watch
from scim_client import ENTERPRISE_URN, PATCH_URN, USER_URN, Answer, assert_scim_error
from scimlite import deadline
from scimlite.admin import apps, tokens
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db.tables import PasswordRow, ValueRow
from scimlite.directory import passwords
from scimlite.errors import Unavailable
from scimlite.journal import Origin, Scope

#: It searches all that the database and the log hold.
OWN_SERVICE = True

SECRET = "correct-horse-Battery-7"
OTHER = "another-staple-Dyed-8"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


@pytest.fixture
def keeping(installation: Installation) -> Connected:
    """An app that keeps passwords."""
    return installation.app("keeping", passwords="hash")


def lets_in(installation: Installation, app: Connected, user: Answer, password: str) -> bool:
    return passwords.verify(installation.db, installation.app_row(app), user.id, password)


def kept(installation: Installation, app: Connected) -> list[str]:
    """The hashes that an app keeps."""
    query = PasswordRow.select(PasswordRow.hash).where(PasswordRow.app_id == installation.app_row(app).id)
    return [row[0] for row in installation.db.rows(query)]


# --- kept ---------------------------------------------------------------------------------------------------------


def test_a_password_lets_its_user_in_until_another_is_set(installation: Installation, keeping: Connected) -> None:
    client = keeping.client
    made = client.user("ann", password="first").ok(201)
    path, known = f"/Users/{made.id}", "first"
    changes = {
        "put": lambda: client.put(path, {"userName": "ann", "PassWord": "by put"}),
        "with its URN": lambda: client.put(path, {"userName": "ann", USER_URN: {"password": "with its URN"}}),
        "replace": lambda: client.patch(path, replace("password", "replace")),
        "add": lambda: client.patch(path, {"op": "add", "path": f"{USER_URN}:password", "value": "add"}),
        "without path": lambda: client.patch(path, {"op": "replace", "value": {"password": "without path"}}),
        "the last": lambda: client.patch(path, replace("password", "not this"), replace("password", "the last")),
    }
    for name, send in changes.items():
        assert lets_in(installation, keeping, made, known), known
        answer = send().ok(200)
        known, before = "by put" if name == "put" else name, known
        assert not lets_in(installation, keeping, made, before), name
        assert "password" not in answer.content.decode().lower()
    assert lets_in(installation, keeping, made, known)
    (hash,) = kept(installation, keeping)
    assert hash.startswith("$argon2id$")


def test_what_leaves_the_password_as_it_is(installation: Installation, keeping: Connected) -> None:
    made = keeping.client.user("ann", password=SECRET).ok(201)
    path = f"/Users/{made.id}"
    keeping.client.put(path, {"userName": "ann", "title": "x"}).ok(200)
    keeping.client.put(path, {"userName": "ann", "title": "y", "password": None}).ok(200)
    keeping.client.patch(path, replace("title", "z")).ok(200)
    assert lets_in(installation, keeping, made, SECRET)


def test_a_removed_password_lets_nobody_in(installation: Installation, keeping: Connected) -> None:
    made = keeping.client.user("ann", password=SECRET).ok(201)
    since, path = watch(installation, keeping), f"/Users/{made.id}"
    removed = keeping.client.patch(path, {"op": "remove", "path": "password"}).ok(200)
    assert removed.etag != made.etag
    assert kept(installation, keeping) == []
    assert not lets_in(installation, keeping, made, SECRET)
    # What is not there cannot be removed: nothing changes.
    assert keeping.client.patch(path, {"op": "remove", "path": "password"}).ok(200).content == removed.content
    (row,) = since.new()
    assert (row.action, row.changes, row.detail) == ("updated", {}, "password removed")


def test_the_same_password_again_is_a_change(installation: Installation, keeping: Connected) -> None:
    made = keeping.client.user("ann", password=SECRET, shoeSize=44).ok(201)
    since, path = watch(installation, keeping), f"/Users/{made.id}"
    (before,) = kept(installation, keeping)
    again = keeping.client.patch(path, replace("password", SECRET)).ok(200)
    assert again.etag != made.etag
    assert again.json["meta"]["lastModified"] > made.json["meta"]["lastModified"]
    assert [before] != kept(installation, keeping)
    both = keeping.client.patch(path, replace("password", OTHER), replace("title", "x")).ok(200)
    assert both.json["title"] == "x"
    first = installation.journal(keeping)[0]
    assert (first.action, first.changes, first.detail) == ("created", {}, "password set; not taken: shoeSize")
    assert [(row.action, row.changes, row.detail) for row in since.new()] == [
        ("updated", {}, "password set"),
        ("updated", {"title": [None, "x"]}, "password set"),
    ]


def test_all_of_a_request_or_nothing(installation: Installation, keeping: Connected) -> None:
    client = keeping.client
    client.user("bob").ok(201)
    made = client.user("ann", password=SECRET).ok(201)
    path = f"/Users/{made.id}"
    assert_scim_error(client.patch(path, replace("password", OTHER), replace("userName", "bob")), 409, "uniqueness")
    refused = client.put(path, {"userName": "ann", "password": OTHER}, headers={"If-Match": 'W/"7"'})
    assert_scim_error(refused, 412)
    assert_scim_error(client.user("bob", password=OTHER), 409, "uniqueness")
    long = client.patch(path, replace("title", "x"), replace("password", "x" * 1025))
    assert_scim_error(long, 400, "invalidValue", "password has 1 to 1,024 characters")
    assert client.get(path).ok(200).etag == made.etag
    assert lets_in(installation, keeping, made, SECRET)
    assert len(kept(installation, keeping)) == 1


def test_lengths(installation: Installation, keeping: Connected) -> None:
    client = keeping.client
    longest = "ß" * 1024
    made = client.user("longest", password=longest).ok(201)
    assert lets_in(installation, keeping, made, longest)
    assert not lets_in(installation, keeping, made, longest[:-1])
    assert not lets_in(installation, keeping, made, "")
    for wrong in ("", "x" * 1025):
        for answer in (
            client.user("wrong", password=wrong),
            client.put(f"/Users/{made.id}", {"userName": "longest", "password": wrong}),
            client.patch(f"/Users/{made.id}", replace("password", wrong)),
        ):
            assert_scim_error(answer, 400, "invalidValue", "password has")
    assert client.find("Users")["totalResults"] == 1


def test_letters_are_compared_as_people_type_them(installation: Installation, keeping: Connected) -> None:
    made = keeping.client.user("ann", password="Zoe\u0308\u00a0\u3000😀").ok(201)
    assert lets_in(installation, keeping, made, "Zoë  😀")
    assert not lets_in(installation, keeping, made, "zoë  😀")
    assert not lets_in(installation, keeping, made, "Zoë 😀")
    assert not lets_in(installation, keeping, made, "Zoë  \ud83d")


# --- who is not let in --------------------------------------------------------------------------------------------


def test_only_a_living_active_user_of_the_app_is_let_in(installation: Installation, keeping: Connected) -> None:
    made = keeping.client.user("ann", password=SECRET).ok(201)
    without = keeping.client.user("bob").ok(201)
    path = f"/Users/{made.id}"
    other = installation.app("other", passwords="hash")
    row = installation.app_row(keeping)
    assert not passwords.verify(installation.db, installation.app_row(other), made.id, SECRET)
    assert not passwords.verify(installation.db, row, without.id, SECRET)
    assert not passwords.verify(installation.db, row, UNKNOWN, SECRET)
    keeping.client.patch(path, replace("active", False)).ok(200)
    assert not lets_in(installation, keeping, made, SECRET)
    keeping.client.patch(path, replace("active", True)).ok(200)
    assert lets_in(installation, keeping, made, SECRET)
    keeping.client.delete(path).ok(204)
    assert not lets_in(installation, keeping, made, SECRET)
    assert kept(installation, keeping) == []


def test_who_signs_in_does_not_wait_for_good(installation: Installation, keeping: Connected) -> None:
    made = keeping.client.user("ann", password=SECRET).ok(201)
    with passwords._gate.entered(1), deadline.within(0.3), pytest.raises(Unavailable) as raised:
        passwords.verify(installation.db, installation.app_row(keeping), made.id, SECRET, most_hashes=1)
    assert int(raised.value.headers["Retry-After"]) > 0
    assert lets_in(installation, keeping, made, SECRET)


def test_as_many_sign_in_at_once_as_the_settings_say(database_url: str, tmp_path: Path) -> None:
    made = Installation.new(database_url, tmp_path, MAX_HASHES="3")
    made.stop()
    inside = scimlite.Installation.open(Settings.from_environment(made.env))
    apps.create(Scope(inside.db, Origin("tests")), "App", "app")
    gate = passwords._gate
    with gate.entered(3), gate.entered(3), deadline.within(5):
        # A third of three.
        assert not inside.verify_password("app", UNKNOWN, SECRET)
        with gate.entered(3), deadline.within(0.3), pytest.raises(Unavailable):
            inside.verify_password("app", UNKNOWN, SECRET)
    inside.db.close()


def test_passwords_of_a_circle_are_hashed_before_its_transaction(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the database meanwhile."""
    inside = scimlite.Installation.open(settings, create=True, upgrade=True)
    scope = Scope(inside.db, Origin("tests"))
    apps.create(scope, "App", "app")
    app = apps.edit(scope, "app", features={"passwords": "hash"})
    token = tokens.issue(Workspace.of(scope, app), inside.keyring)[1]
    flask = Flask("application")
    flask.register_blueprint(inside.blueprint(), url_prefix="/scim")
    begun = []

    class Watched(argon2.PasswordHasher):
        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            begun.append(inside.db.in_transaction)
            return super().hash(password, salt=salt)

    monkeypatch.setattr(argon2, "PasswordHasher", Watched)
    passwords._hasher.cache_clear()
    data = [
        {"userName": name, "password": SECRET, ENTERPRISE_URN: {"manager": {"value": f"bulkId:{other}"}}}
        for name, other in ("ab", "ba")
    ]
    operations = [{"method": "POST", "path": "/Users", "bulkId": each["userName"], "data": each} for each in data]
    headers = {"Authorization": f"Bearer {token}"}
    answer = flask.test_client().post("/scim/app/Bulk", json={"Operations": operations}, headers=headers)
    passwords._hasher.cache_clear()
    assert [each["status"] for each in answer.json["Operations"]] == ["201", "201"]
    assert begun == [False, False]
    inside.db.close()


def test_a_user_who_does_not_exist_takes_as_long(installation: Installation, keeping: Connected) -> None:
    made = keeping.client.user("ann", password=SECRET).ok(201)
    row = installation.app_row(keeping)

    def fastest(user: str) -> float:
        """The CPU of all threads, which a busy machine does not change much: hashing has threads of its own."""
        taken = []
        for _ in range(5):
            started = time.process_time()
            assert not passwords.verify(installation.db, row, user, OTHER)
            taken.append(time.process_time() - started)
        return min(taken)

    assert fastest(UNKNOWN) > fastest(made.id) / 2


def test_a_hash_of_other_parameters_is_renewed(installation: Installation, keeping: Connected) -> None:
    made = keeping.client.user("ann", password=SECRET).ok(201)
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(SECRET)
    app_id = installation.app_row(keeping).id
    installation.db.execute(PasswordRow.update(hash=weak, changed_at=5).where(PasswordRow.app_id == app_id))
    assert not lets_in(installation, keeping, made, OTHER)
    assert kept(installation, keeping) == [weak]
    assert lets_in(installation, keeping, made, SECRET)
    (renewed,) = kept(installation, keeping)
    assert not argon2.PasswordHasher().check_needs_rehash(renewed)
    assert lets_in(installation, keeping, made, SECRET)
    # The password itself did not change.
    query = PasswordRow.select(PasswordRow.changed_at).where(PasswordRow.app_id == app_id)
    assert installation.db.scalar(query) == 5


# --- dropped ------------------------------------------------------------------------------------------------------


def test_by_default_passwords_are_dropped(installation: Installation, app: Connected) -> None:
    made = app.client.user("ann", password=SECRET).ok(201)
    since = watch(installation, app)
    answer = app.client.patch(f"/Users/{made.id}", replace("password", OTHER)).ok(200)
    assert answer.content == made.content
    assert since.new() == []
    assert kept(installation, app) == []
    assert not lets_in(installation, app, made, SECRET)
    assert not lets_in(installation, app, made, OTHER)


def test_switching_deletes_what_is_kept(installation: Installation, keeping: Connected) -> None:
    made = keeping.client.user("ann", password=SECRET).ok(201)
    apps.edit(installation.scope, keeping.slug, features={"patch-answer": "body"})
    assert lets_in(installation, keeping, made, SECRET)
    apps.edit(installation.scope, keeping.slug, features={"passwords": "drop"})
    assert kept(installation, keeping) == []
    apps.edit(installation.scope, keeping.slug, features={"passwords": "hash"})
    assert not lets_in(installation, keeping, made, SECRET)
    keeping.client.patch(f"/Users/{made.id}", replace("password", OTHER)).ok(200)
    assert lets_in(installation, keeping, made, OTHER)


def test_an_app_goes_with_its_passwords(installation: Installation, keeping: Connected) -> None:
    keeping.client.user("ann", password=SECRET).ok(201)
    app_id = installation.app_row(keeping).id
    apps.delete(installation.scope, keeping.slug)
    assert installation.db.rows(PasswordRow.select().where(PasswordRow.app_id == app_id)) == []


def test_the_service_says_truthfully_whether_passwords_can_be_changed(
    installation: Installation, app: Connected, keeping: Connected
) -> None:
    for slug, supported in ((app.slug, False), (keeping.slug, True), ("no-such-app", False)):
        config = installation.client(slug, None).get("/ServiceProviderConfig").ok(200).json
        assert config["changePassword"] == {"supported": supported}, slug


# --- nowhere to be read -------------------------------------------------------------------------------------------


def test_the_clear_text_is_nowhere(installation: Installation, keeping: Connected) -> None:
    client = keeping.client
    made = client.user("ann", password=SECRET).ok(201)
    path, nested = f"/Users/{made.id}", {USER_URN: {"password": SECRET}}
    answers = [
        made,
        client.put(path, {"userName": "ann", "password": SECRET, "title": "a"}).ok(200),
        client.put(path, {"userName": "ann", **nested}).ok(200),
        client.patch(path, replace("password", SECRET), replace("title", "b")).ok(200),
        client.patch(path, {"op": "add", "value": {"password": SECRET, "title": "c"}}).ok(200),
        client.patch(path, {"op": "remove", "path": "password", "value": SECRET}).ok(400),
        client.patch(path, replace("password", SECRET)).ok(200),
        client.get(f"{path}?attributes=password,title").ok(200),
        client.get("/Users?attributes=password").ok(200),
        # Refused, each with the secret in another place.
        client.user("ann", password=SECRET),
        client.user("x", password=SECRET * 50),
        client.user("x", password={"value": SECRET}),
        client.user("x", password=[SECRET, SECRET]),
        client.user("x", password=SECRET, active="perhaps"),
        client.put(path, {"password": SECRET}),
        client.put(f"/Users/{UNKNOWN}", {"userName": "ann", "password": SECRET}),
        client.put(path, {"userName": "ann", "password": SECRET}, headers={"If-Match": 'W/"99"'}),
        client.patch(path, replace("password", SECRET * 50)),
        client.patch(path, replace("password", [SECRET, SECRET])),
        client.patch(path, replace("password.value", SECRET)),
        client.patch(path, replace("password", SECRET), replace("nothing", SECRET)),
        client.patch(f"/Users/{UNKNOWN}", replace("password", SECRET)),
        client.request("PATCH", path, {"schemas": [PATCH_URN], "Operations": [SECRET]}),
        client.post("/Users", raw=b'{"userName": "y", "password": "' + SECRET.encode()),
        client.post("/Users", raw=json.dumps({"password": SECRET}).encode(), headers={"Content-Type": "text/plain"}),
        client.get(f"/Users?filter=password%20eq%20%22{SECRET}%22"),
        client.get("/Users?sortBy=password"),
    ]
    assert [answer.status for answer in answers[9:] if answer.status < 400] == []
    assert [answer.status for answer in answers if answer.status >= 500] == []
    (hash,) = kept(installation, keeping)
    seen = b"".join(answer.content + repr(answer.headers).encode() for answer in answers)
    places = {
        "answers": seen,
        "log": installation.log().encode(),
        "journal": repr(installation.journal(keeping, wire=False)).encode(),
    }
    for place, content in {**places, "database": installation.stored()}.items():
        assert SECRET.encode() not in content, place
    for place, content in places.items():
        assert hash.encode() not in content, place
        assert b"$argon2" not in content, place
    assert hash.encode() in installation.stored(), "the search would not find a password either"
    paths = ValueRow.select(ValueRow.path).where(ValueRow.path.contains("password"))
    assert installation.db.rows(paths) == []


@pytest.mark.parametrize(
    "asked", ['password eq "x"', "password pr", 'not (password eq "x")', f'{USER_URN}:password sw "c"']
)
def test_a_password_cannot_be_guessed_by_asking(keeping: Connected, asked: str) -> None:
    keeping.client.user("ann", password=SECRET).ok(201)
    quoted = asked.replace(" ", "%20").replace('"', "%22")
    assert_scim_error(keeping.client.get(f"/Users?filter={quoted}"), 400, "invalidFilter")
