"""Every error has one form, whatever went wrong and wherever: RFC 7644 section 3.12 and nothing else."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from installation import Connected, Installation
from postgres_server import empty_database
from scim_client import USER_URN, Answer, ScimClient, add_members, assert_scim_error, send_raw
from scimlite import clock, scim_blueprint
from scimlite.admin import apps, tokens
from scimlite.apps.keyring import Keyring
from tcp_forwarder import Forwarder

MAX_BODY = 64 * 1024
SETTINGS = {"MAX_BODY": str(MAX_BODY), "BUSY_TIMEOUT": "0.5"}

UNKNOWN = "00000000-0000-4000-8000-000000000000"


# --- 400: the body ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "scim_type", "detail"),
    [
        (b'{"userName": "a",\n  oops}', "invalidSyntax", "line 2, column 3"),
        (b'{"userName": "a"', "invalidSyntax", "line 1"),
        (b"", "invalidSyntax", "empty"),
        (b" \r\n\t ", "invalidSyntax", "empty"),
        (b"[]", "invalidSyntax", "JSON object"),
        (b"null", "invalidSyntax", "JSON object"),
        (b"7", "invalidSyntax", "JSON object"),
        (b'"text"', "invalidSyntax", "JSON object"),
        (b'{"userName": "\xff\xfe"}', "invalidSyntax", "not JSON"),
        (b'{"userName": "\xc3"}', "invalidSyntax", "not JSON"),
        ('{"userName": "é"}'.encode("utf-16"), "invalidSyntax", "not JSON"),
        (b'{"userName": "a\\u0000b"}', "invalidValue", "NUL"),
        (b'{"userName": "a", "unknown": {"\\u0000": 1}}', "invalidValue", "NUL"),
        (b'{"userName": "a\x00b"}', "invalidSyntax", "not JSON"),
        (b'{"userName": "a\\ud800b"}', "invalidSyntax", "not JSON"),
        (b'{"userName": "a\\udc00\\ud800"}', "invalidSyntax", "not JSON"),
        (b'{"userName": NaN}', "invalidSyntax", "not JSON"),
        (b'{"userName": "a", "x": 1e999}', None, None),
        (b'{"userName": "a", "x": ' + b"[" * 32 + b"]" * 32 + b"}", "invalidSyntax", "deeper than 32"),
        (b'{"x": ' * 100 + b"1" + b"}" * 100, "invalidSyntax", "deeper than 32"),
        (b"[" * 30_000, "invalidSyntax", None),
        (b'{"userName": "a", "USERNAME": "b"}', "invalidSyntax", "twice"),
        (b"{}", "invalidValue", "userName"),
        (b'{"userName": ""}', "invalidValue", "userName"),
        (b'{"userName": true}', "invalidValue", "userName takes a string"),
        (b'{"userName": "a", "schemas": 7}', "invalidValue", "schemas"),
    ],
)
def test_bodies_that_cannot_be_stored(app: Connected, raw: bytes, scim_type: str | None, detail: str | None) -> None:
    answer = app.client.post("/Users", raw=raw)
    if scim_type is None:
        # What is no number of JSON's may be refused or be an unknown attribute's; it is no fault of ours.
        assert answer.status in (201, 400)
        return
    assert_scim_error(answer, 400, scim_type, detail)
    assert app.client.find("Users")["totalResults"] == 0


def test_a_text_that_only_looks_like_nul_is_stored(app: Connected) -> None:
    made = app.client.user("backslash\\u0000", nickName="\\\\u0000").ok(201)
    assert app.client.get(f"/Users/{made.id}").json["userName"] == "backslash\\u0000"


@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_every_write_checks_its_body(app: Connected, endpoint: str, method: str) -> None:
    client = app.client
    made = (client.user("u") if endpoint == "Users" else client.group("g")).ok(201)
    path = f"/{endpoint}" if method == "POST" else f"/{endpoint}/{made.id}"
    for raw in (b"", b"{", b"[]", b'"x"', b'{"a":"\\ud800"}', b'{"a":' * 40 + b"1" + b"}" * 40):
        assert_scim_error(client.request(method, path, raw=raw), 400, "invalidSyntax")
    assert_scim_error(client.request(method, path, raw=b'{"a":"\\u0000"}'), 400, "invalidValue", "NUL")
    assert client.get(f"/{endpoint}/{made.id}").etag == made.etag


@pytest.mark.parametrize(
    ("query", "scim_type", "detail"),
    [
        ("filter=userName%20xx%20%22a%22", "invalidFilter", ""),
        ("filter=nothing%20eq%20%22a%22", "invalidFilter", "nothing"),
        ("filter=userName%20eq%20%22%00%22", "invalidValue", "NUL"),
        ("filter=" + "%28" * 200, "invalidFilter", ""),
        ("filter=userName%20eq%20%22" + "a" * 7000 + "%22%20and", "invalidFilter", ""),
        ("count=ten", "invalidValue", "count"),
        ("startIndex=1.5", "invalidValue", "startIndex"),
        ("count=1&count=2", "invalidValue", "count"),
        ("sortOrder=up", "invalidValue", "sortOrder"),
        ("sortBy=nothing", "invalidPath", "nothing"),
        ("attributes=userName&excludedAttributes=emails", "invalidValue", "together"),
        ("attributes=%5B", "invalidPath", ""),
    ],
)
def test_queries_that_cannot_be_answered(app: Connected, query: str, scim_type: str | None, detail: str) -> None:
    assert_scim_error(app.client.get(f"/Users?{query}"), 400, scim_type, detail)


def test_a_detail_is_bounded(app: Connected) -> None:
    long = "x" * 6000
    answers = [
        app.client.get(f"/{long}"),
        app.client.get(f"/Users/{long}"),
        app.client.get(f"/Schemas/{long}"),
        app.client.get(f"/Users?count={long}"),
        app.client.post("/Users", raw=b"{}", headers={"Content-Type": f"text/{long}"}),
    ]
    assert [answer.status for answer in answers] == [404, 404, 404, 400, 415]
    assert all(len(answer.content) < 1000 for answer in answers)


# --- 401 ----------------------------------------------------------------------------------------------------------


def _without_request_id(answer: Answer) -> bytes:
    return answer.content.replace(answer.headers["x-request-id"].encode(), b"-")


def test_401_is_one_answer_whatever_the_reason(installation: Installation, app: Connected) -> None:
    other = installation.app("other")
    disabled = installation.app("disabled")
    apps.set_enabled(installation.scope, disabled.slug, enabled=False)
    deleted = installation.app("deleted")
    apps.delete(installation.scope, deleted.slug)
    row = installation.app_row(app)
    revoked, revoked_text = tokens.issue(installation.workspace(row), installation.keyring, label="revoked")
    tokens.revoke(installation.workspace(row), revoked)
    past = clock.now() - 1_000_000
    _, expired = tokens.issue(installation.workspace(row), installation.keyring, label="past", expires_at=past)
    foreign = Keyring(["another key that this installation does not have"])
    forged = foreign.sign(app.token.token_id, foreign.newest)
    never_issued = installation.keyring.sign("A" * 22, installation.keyring.newest)
    body, signature = app.text.rsplit(".", 1)
    headers = {
        "missing": None,
        "empty": "",
        "no token": "Bearer",
        "blank token": "Bearer  ",
        "another scheme": "Basic dXNlcjpwYXNzd29yZA==",
        "no scheme": app.text,
        "garbage": "Bearer garbage",
        "non-token": "Bearer non-token",
        "not ASCII": "Bearer scimlite_\xe9\xff.\xe9",
        "very long": "Bearer scimlite_" + "a" * 5000,
        "wrong signature": f"Bearer {body}.{'A' * len(signature)}",
        "cut short": f"Bearer {app.text[:-1]}",
        "without prefix": f"Bearer {app.text.removeprefix('scimlite_')}",
        "upper case": f"Bearer {app.text.upper()}",
        "signed with another key": f"Bearer {forged}",
        "never issued": f"Bearer {never_issued}",
        "another app's": f"Bearer {other.text}",
        "revoked": f"Bearer {revoked_text}",
        "expired": f"Bearer {expired}",
    }
    anonymous = installation.client(app.slug, None)
    answers = {reason: anonymous.get("/Users", headers={"Authorization": given}) for reason, given in headers.items()}
    answers["disabled app"] = disabled.client.get("/Users")
    answers["deleted app"] = deleted.client.get("/Users")
    answers["unknown slug"] = installation.client("no-such-app", app.text).get("/Users")
    answers["unknown slug, no token"] = installation.client("no-such-app", None).get("/Users")
    expected = _without_request_id(answers["missing"])
    for reason, answer in answers.items():
        assert_scim_error(answer, 401)
        assert _without_request_id(answer) == expected, reason
        assert answer.headers["www-authenticate"] == 'Bearer realm="scimlite"', reason
    app.client.get("/Users").ok(200)
    app.client.get("/Users", headers={"Authorization": f"bearer   {app.text}"}).ok(200)


def test_without_a_token_nothing_can_be_learnt_about_routes(installation: Installation, app: Connected) -> None:
    made = app.client.user("somebody").ok(201)
    anonymous = installation.client(app.slug, None)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        for path in ("/Users", f"/Users/{made.id}", f"/Users/{UNKNOWN}", "/Nothing", "/", "/Schemas", "/a/b/c", ""):
            assert_scim_error(anonymous.request(method, path, raw=b"{broken"), 401)


def test_the_login_comes_before_a_large_body(installation: Installation, app: Connected) -> None:
    anonymous = installation.client(app.slug, None)
    assert_scim_error(anonymous.post("/Users", raw=b" " * (MAX_BODY - 10)), 401)


# --- 404 and 405 --------------------------------------------------------------------------------------------------


def test_404_for_what_is_not_there(app: Connected) -> None:
    client = app.client
    group = client.group("a group").ok(201)
    for path in (f"/Users/{UNKNOWN}", "/Users/not-a-uuid", "/Users/%00", f"/Users/{group.id}"):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            body = {"userName": "x", "Operations": [{"op": "replace", "path": "title", "value": "x"}]}
            assert_scim_error(client.request(method, path, body), 404)
    for path in ("/Nothing", "/nothing", "/Nothing/7", "/Users/1/2", "/a/b/c/d", "/%00", "/Users/7/.search"):
        assert_scim_error(client.get(path), 404)
    assert_scim_error(client.get("/Nothing"), 404, detail="/Nothing")
    deleted = client.user("gone").ok(201)
    client.delete(f"/Users/{deleted.id}").ok(204)
    assert_scim_error(client.delete(f"/Users/{deleted.id}"), 404)
    assert_scim_error(client.get(f"/Users/{deleted.id}"), 404)


def test_404_is_per_app(installation: Installation, app: Connected) -> None:
    other = installation.app("other")
    theirs = other.client.user("theirs").ok(201)
    body = {"userName": "x", "Operations": [{"op": "replace", "path": "title", "value": "x"}]}
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert_scim_error(app.client.request(method, f"/Users/{theirs.id}", body), 404)
    assert other.client.get(f"/Users/{theirs.id}").ok(200).etag == theirs.etag


@pytest.mark.parametrize("path", ["/scim", "/scim/v2", "/scim/v2/", "/nothing", "/scim/v1/x/Users", "/healthz/x"])
def test_urls_outside_the_apps_are_scim_errors_too(installation: Installation, path: str) -> None:
    bare = ScimClient(installation.url)
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        assert bare.request(method, path).status in (401, 404), path
        assert_scim_error(bare.request(method, path), bare.request(method, path).status)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/Users", "GET, HEAD, POST"),
        ("/Users/{id}", "GET, HEAD, PUT, PATCH, DELETE"),
        ("/Groups", "GET, HEAD, POST"),
        ("/Groups/" + UNKNOWN, "GET, HEAD, PUT, PATCH, DELETE"),
        ("/Schemas", "GET, HEAD"),
        ("/Schemas/" + USER_URN, "GET, HEAD"),
        ("/ResourceTypes", "GET, HEAD"),
        ("/ResourceTypes/User", "GET, HEAD"),
        ("/ServiceProviderConfig", "GET, HEAD"),
    ],
)
def test_405_says_what_is_allowed(app: Connected, path: str, allowed: str) -> None:
    path = path.format(id=app.client.user("u").ok(201).id)
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
    for method in sorted(methods - set(allowed.split(", "))):
        answer = app.client.request(method, path, raw=b"{}")
        assert_scim_error(answer, 405, detail=method)
        assert set(answer.headers["allow"].split(", ")) == set(allowed.split(", ")), method


def test_501_for_a_method_that_nobody_knows(installation: Installation, app: Connected) -> None:
    for method in ("PROPFIND", "SEARCH", "X" * 20):
        assert_scim_error(app.client.request(method, "/Users"), 501, detail=method)
        assert_scim_error(ScimClient(installation.url).request(method, "/healthz"), 501)


def test_405_for_healthz(installation: Installation) -> None:
    answer = ScimClient(installation.url).post("/healthz", {})
    assert_scim_error(answer, 405)
    assert "GET" in answer.headers["allow"]


# --- 409 and 412 --------------------------------------------------------------------------------------------------


def test_409_names_the_attribute(app: Connected) -> None:
    client = app.client
    first = client.user("Ada@example.com").ok(201)
    second = client.user("grace@example.com").ok(201)
    assert_scim_error(client.user("ADA@EXAMPLE.COM"), 409, "uniqueness", "userName")
    assert_scim_error(client.put(f"/Users/{second.id}", {"userName": "ada@example.com"}), 409, "uniqueness", "userName")
    rename = {"op": "replace", "path": "userName", "value": "ada@example.COM"}
    assert_scim_error(client.patch(f"/Users/{second.id}", rename), 409, "uniqueness", "userName")
    assert client.get(f"/Users/{second.id}").etag == second.etag
    client.patch(f"/Users/{first.id}", rename).ok(200)
    one, two = client.group("Sales").ok(201), client.group("Tours").ok(201)
    assert_scim_error(client.group("sales"), 409, "uniqueness", "displayName")
    rename = {"op": "replace", "path": "displayName", "value": "SALES"}
    assert_scim_error(client.patch(f"/Groups/{two.id}", rename), 409, "uniqueness", "displayName")
    client.delete(f"/Groups/{one.id}").ok(204)
    client.patch(f"/Groups/{two.id}", rename).ok(200)


def test_409_for_long_names(app: Connected) -> None:
    name = "ä" * 2000
    app.client.user(name + "1").ok(201)
    app.client.user(name + "2").ok(201)
    assert_scim_error(app.client.user(name.upper() + "1"), 409, "uniqueness", "userName")


def test_409_is_per_app(installation: Installation, app: Connected) -> None:
    app.client.user("ada").ok(201)
    installation.app("other").client.user("ada").ok(201)


def test_412_when_somebody_else_was_first(app: Connected) -> None:
    client = app.client
    made = client.user("u").ok(201)
    client.patch(f"/Users/{made.id}", {"op": "replace", "path": "title", "value": "x"}).ok(200)
    stale = {"If-Match": made.etag}
    change = {"op": "replace", "path": "title", "value": "y"}
    assert_scim_error(client.patch(f"/Users/{made.id}", change, headers=stale), 412, detail='W/"2"')
    assert_scim_error(client.put(f"/Users/{made.id}", {"userName": "u"}, headers=stale), 412)
    assert_scim_error(client.delete(f"/Users/{made.id}", headers=stale), 412)
    assert client.get(f"/Users/{made.id}").ok(200).etag == 'W/"2"'


# --- 413 and 415 --------------------------------------------------------------------------------------------------


def _padded(size: int) -> bytes:
    start, end = b'{"userName": "padded", "nickName": "', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


def test_413_by_the_byte(app: Connected) -> None:
    app.client.post("/Users", raw=_padded(MAX_BODY)).ok(201)
    assert_scim_error(app.client.post("/Users", raw=_padded(MAX_BODY + 1)), 413)
    assert_scim_error(app.client.post("/Users", raw=_padded(MAX_BODY + 1)), 413)
    assert app.client.find("Users", count=0)["totalResults"] == 1


def test_413_without_a_content_length(app: Connected) -> None:
    def chunked(size: int) -> Iterator[bytes]:
        body = _padded(size)
        yield from (body[at : at + 5000] for at in range(0, size, 5000))

    assert_scim_error(app.client.post("/Users", raw=chunked(MAX_BODY + 1)), 413)
    assert_scim_error(app.client.another().post("/Users", raw=chunked(MAX_BODY * 2)), 413)
    app.client.another().post("/Users", raw=chunked(MAX_BODY)).ok(201)


def test_413_on_every_write(app: Connected) -> None:
    made = app.client.user("u").ok(201)
    for method, path in (("PUT", f"/Users/{made.id}"), ("PATCH", f"/Users/{made.id}"), ("POST", "/Groups")):
        assert_scim_error(app.client.request(method, path, raw=_padded(MAX_BODY + 1)), 413)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data; boundary=x", "x"],
)
def test_415_for_what_is_not_json(app: Connected, content_type: str) -> None:
    client = app.client
    made = client.user("u").ok(201)
    headers = {"Content-Type": content_type}
    body = {"userName": "v", "Operations": [{"op": "replace", "path": "title", "value": "x"}]}
    assert_scim_error(client.post("/Users", body, headers=headers), 415, detail="application/scim+json")
    assert_scim_error(client.put(f"/Users/{made.id}", body, headers=headers), 415)
    assert_scim_error(client.request("PATCH", f"/Users/{made.id}", body, headers=headers), 415)
    client.get("/Users", headers=headers).ok(200)
    client.get(f"/Users/{made.id}", headers=headers).ok(200)
    client.delete(f"/Users/{made.id}", headers=headers).ok(204)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/scim+json",
        "application/json",
        "APPLICATION/JSON; Charset=UTF-8",
        "application/scim+json;charset=utf-8",
        None,
    ],
)
def test_json_by_any_name_or_none(app: Connected, content_type: str | None) -> None:
    body = json.dumps({"userName": "u"}).encode()
    app.client.post("/Users", raw=body, headers={"Content-Type": content_type}).ok(201)


# --- 503 ----------------------------------------------------------------------------------------------------------


def _assert_unavailable(answer: Answer) -> None:
    assert_scim_error(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1


@contextmanager
def _write_lock(installation: Installation) -> Iterator[None]:
    path = installation.env["SCIMLITE_DATABASE_URL"].removeprefix("sqlite:///")
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


@contextmanager
def _stopped_writer(installation: Installation) -> Iterator[None]:
    """A process of ours that is stopped in the middle of a write, and goes on with it afterwards."""
    program = """if True:
        import sys
        from scimlite.db import open_database
        def work():
            print("begun", flush=True)
            sys.stdin.read()
        open_database(sys.argv[1]).transact(work)
        """
    command = [sys.executable, "-c", program, installation.env["SCIMLITE_DATABASE_URL"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)
            process.communicate(timeout=20)
    assert process.returncode == 0


HELD = pytest.mark.parametrize("held", [_write_lock, _stopped_writer])
Held = Callable[[Installation], AbstractContextManager[None]]


@HELD
def test_503_while_sqlite_is_locked(installation: Installation, app: Connected, held: Held) -> None:
    if installation.kind != "sqlite":
        pytest.skip("PostgreSQL locks rows; see below")
    made = app.client.user("before").ok(201)
    unused = installation.app("unused")
    with held(installation):
        _assert_unavailable(app.client.user("during"))
        _assert_unavailable(app.client.patch(f"/Users/{made.id}", {"op": "add", "path": "title", "value": "x"}))
        _assert_unavailable(app.client.delete(f"/Users/{made.id}"))
        # More at once than the server has threads: every one is answered.
        with ThreadPoolExecutor(12) as pool:
            for answer in pool.map(lambda number: app.client.another().user(f"during{number}"), range(12)):
                _assert_unavailable(answer)
        # Readers do not wait for writers, not even one whose token was never used before.
        app.client.get(f"/Users/{made.id}").ok(200)
        unused.client.get("/Users").ok(200)
        assert_scim_error(installation.client(app.slug, unused.text).get("/Users"), 401)
        ScimClient(installation.url).get("/healthz").ok(200)
    app.client.user("during").ok(201)
    assert app.client.get(f"/Users/{made.id}").etag == made.etag
    assert app.client.find("Users")["totalResults"] == 2


@HELD
def test_a_bulk_request_does_not_wait_for_each_operation(
    installation: Installation, app: Connected, held: Held
) -> None:
    if installation.kind != "sqlite":
        pytest.skip("PostgreSQL locks rows: other operations may succeed")
    users = [
        {"method": "POST", "path": "/Users", "bulkId": str(number), "data": {"userName": str(number)}}
        for number in range(100)
    ]
    started = time.perf_counter()
    with held(installation):
        # None of them could be done, so it is the answer as a whole that says so.
        _assert_unavailable(app.client.post("/Bulk", {"Operations": users}))
    assert time.perf_counter() - started < 20
    assert app.client.find("Users")["totalResults"] == 0


def test_503_while_postgresql_holds_the_row(installation: Installation, app: Connected) -> None:
    if installation.kind != "postgresql":
        pytest.skip("SQLite locks as a whole; see above")
    made = app.client.user("held").ok(201)

    def hold() -> None:
        # `touch` waits until the rows are locked; `execute` would let it travel with what comes next.
        installation.db.touch(_lock_all(installation))
        _assert_unavailable(app.client.patch(f"/Users/{made.id}", {"op": "add", "path": "title", "value": "x"}))
        app.client.get(f"/Users/{made.id}").ok(200)

    installation.db.transact(hold)
    app.client.patch(f"/Users/{made.id}", {"op": "add", "path": "title", "value": "x"}).ok(200)


def _lock_all(installation: Installation) -> Any:
    from scimlite.db.tables import ResourceRow

    return ResourceRow.update(version=ResourceRow.version)


def test_503_while_postgresql_cannot_be_reached(postgres_url: str, tmp_path: Path) -> None:
    with empty_database(postgres_url) as url, Forwarder.to(url) as forwarder:
        installation = Installation.new(url, tmp_path)
        try:
            service = installation.start(DATABASE_URL=forwarder.url(url))
            client = installation.app().client
            health = ScimClient(installation.url)
            made = client.user("before").ok(201)
            for _ in range(2):
                _outage(forwarder, client, health, made)
            assert service.process.poll() is None
            password = url.split("@", 1)[0].rsplit(":", 1)[1]
            assert password not in installation.log()
        finally:
            installation.stop()


def _outage(forwarder: Forwarder, client: ScimClient, health: ScimClient, made: Answer) -> None:
    """Every connection breaks and none can be made; afterwards everything works again without a restart."""
    forwarder.cut()
    answers = [
        lambda: client.get(f"/Users/{made.id}"),
        lambda: client.get("/Users"),
        lambda: client.user("during"),
        lambda: client.patch(f"/Users/{made.id}", {"op": "replace", "path": "title", "value": "x"}),
        lambda: client.group("during"),
        lambda: health.get("/healthz"),
    ]
    started = time.monotonic()
    for ask in answers * 2:
        _assert_unavailable(ask())
    assert time.monotonic() - started < 20
    assert_scim_error(client.another(token="garbage").get("/Users"), 401)
    forwarder.mend()
    _all_well(lambda: client.another().get(f"/Users/{made.id}"))
    _all_well(lambda: health.another().get("/healthz"))
    assert client.find("Users")["totalResults"] == 1
    # A write on a connection that broke meanwhile is not answered with an error either.
    forwarder.cut()
    forwarder.mend()
    client.patch(f"/Users/{made.id}", {"op": "replace", "path": "nickName", "value": str(time.time())}).ok(200)


def _all_well(ask: Callable[[], Answer]) -> None:
    """Each thread of each worker has a connection of its own; asked often enough, all were."""
    for _ in range(30):
        ask().ok(200)


def test_healthz(installation: Installation) -> None:
    answer = ScimClient(installation.url).get("/healthz").ok(200)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"status": "ok"}


# --- HEAD, and what gunicorn answers itself -----------------------------------------------------------------------


def test_head_is_get_without_a_body(installation: Installation, app: Connected) -> None:
    made = app.client.user("u").ok(201)
    for path in ("/Users", f"/Users/{made.id}", "/Schemas", "/ServiceProviderConfig", f"/Users/{UNKNOWN}", "/Nothing"):
        get, head = app.client.get(path), app.client.request("HEAD", path)
        assert head.status == get.status
        assert head.content == b""
        for name in ("content-type", "content-length", "etag", "location"):
            assert head.headers.get(name) == get.headers.get(name)
    assert installation.client(app.slug, None).request("HEAD", "/Users").status == 401
    assert ScimClient(installation.url).request("HEAD", "/healthz").status == 200


@pytest.mark.parametrize(
    "request_line", [b"GET /scim/v2/x/Users HTTP/1.1", b"get / HTTP/1.1", b"NONSENSE", b"GET http://[ HTTP/1.1"]
)
def test_malformed_http_is_refused(installation: Installation, request_line: bytes) -> None:
    answer = send_raw(installation.url, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ", 2)[1][:1] == b"4"
    # The answer, its header and the lines of the log have one id.
    head, _, body = answer.partition(b"\r\n\r\n")
    found = re.search(rb"X-Request-Id: ([0-9a-f]{16})", head)
    assert found is not None
    id = found[1].decode()
    ScimClient(installation.url).get("/healthz").ok(200)
    assert re.search(rf"request={id} app=\S+ method=\S+ route=\S+ status=4", installation.log())
    if body.startswith(b'{"schemas":["urn:ietf') and b"not a request that the server takes" in body:
        assert f"(request {id})".encode() in body
        assert f"WARNING request={id} is no request of HTTP: " in installation.log()


# --- inside somebody else's application ---------------------------------------------------------------------------


def _their_application(installation: Installation) -> Flask:
    theirs = Flask("theirs")
    theirs.register_blueprint(scim_blueprint(installation.db, installation.keyring), url_prefix="/api/scim")

    @theirs.get("/")
    def home() -> str:
        return "home"

    @theirs.get("/broken")
    def broken() -> str:
        raise LookupError("theirs")

    @theirs.get("/api/other/<path:rest>")
    def other(rest: str) -> str:
        return rest

    @theirs.errorhandler(404)
    def lost(error: Exception) -> tuple[str, int]:
        return "their own page", 404

    @theirs.errorhandler(LookupError)
    def failed(error: Exception) -> tuple[str, int]:
        return "their own failure", 500

    return theirs


def test_a_blueprint_touches_only_its_own_urls(installation: Installation, app: Connected) -> None:
    client = _their_application(installation).test_client()
    for path in ("/nothing", "/api", "/api/", "/api/nothing", "/api/scimmer/x", "/static/x"):
        page = client.get(path)
        assert (page.status_code, page.text) == (404, "their own page"), path
        assert "X-Request-Id" not in page.headers
    assert client.get("/").text == "home"
    assert client.get("/broken").text == "their own failure"
    assert client.get("/api/other/a//b").status_code in (200, 308)
    assert client.post("/").status_code == 405
    assert client.post("/").mimetype == "text/html"
    assert client.options("/").status_code == 200


def test_a_blueprint_answers_in_scim_below_its_prefix(installation: Installation, app: Connected) -> None:
    client = _their_application(installation).test_client()
    base = f"/api/scim/{app.slug}"
    headers = {"Authorization": f"Bearer {app.text}"}

    def ask(method: str, path: str, **kwargs: Any) -> Answer:
        answer = client.open(base + path, method=method, headers=headers, **kwargs)
        return Answer(answer.status_code, {name.lower(): value for name, value in answer.headers}, answer.data)

    made = ask("POST", "/Users", json={"userName": "embedded"}).ok(201)
    assert made.headers["location"] == f"http://localhost{base}/Users/{made.id}"
    assert made.json["meta"]["location"] == made.headers["location"]
    assert ask("GET", "//Users").ok(200).json["totalResults"] == 1
    assert_scim_error(ask("GET", "/Nothing"), 404)
    assert_scim_error(ask("GET", "/a/b/c"), 404)
    assert_scim_error(ask("GET", f"/Users/{UNKNOWN}"), 404)
    assert_scim_error(ask("DELETE", "/Users"), 405)
    headers.clear()
    assert_scim_error(ask("GET", "/Users"), 401)
    assert_scim_error(ask("GET", "/Nothing"), 401)
    ask("GET", "/ServiceProviderConfig").ok(200)
    group = installation.client(app.slug, app.text).group("embedded", made.id).ok(201)
    assert app.client.patch(f"/Groups/{group.id}", add_members(made.id)).ok(200).etag == group.etag
