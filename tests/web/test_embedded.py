"""The example application: a real process in which an identity provider fills the users page."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import ServiceUnavailable, TooManyRequests, Unauthorized

from command_line import CommandLine
from scim_client import ScimClient, add_members, assert_scim_error
from scimlite import Installation
from scimlite.admin import apps
from scimlite.apps.keyring import TokenError
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.directory import write
from scimlite.errors import OperatorError
from scimlite.journal import Origin, Scope, tallies

ROOT = Path(__file__).parent.parent.parent
KEY = "a key for tests and never for a service"


@dataclass
class Running:
    """The example, and a client of its app."""

    url: str
    client: ScimClient
    log: Path

    def page(self, path: str = "/") -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def rows(self) -> list[list[str]]:
        """The cells of the table of users."""
        table = self.page().partition('<table id="users">')[2].partition("</table>")[0]
        return [re.findall(r"<td>(.*?)</td>", row) for row in table.split("<tr>")[2:]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def example(database_url: str, tmp_path: Path) -> Iterator[Running]:
    port, log = free_port(), tmp_path / "example.log"
    env = {
        **os.environ,
        "SCIM_DATABASE_URL": database_url,
        "SCIM_SECRET_KEY": KEY,
        "APP_DATABASE": str(tmp_path / "people.db"),
    }
    command = [sys.executable, "-m", "flask", "--app", str(ROOT / "examples" / "embedded" / "app.py"), "run"]
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--port", str(port)], env=env, stdout=output, stderr=output, cwd=tmp_path)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, log)
        commands = CommandLine(
            {
                "SCIMLITE_DATABASE_URL": database_url,
                "SCIMLITE_SECRET_KEY": KEY,
                "SCIMLITE_STATE_DIR": str(tmp_path),
                "SCIMLITE_BASE_URL": url,
            }
        )
        made = commands.json("app", "create", "Entra ID")
        yield Running(url, ScimClient(made["base_url"], made["token"]), log)
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(url: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


def test_the_users_page_shows_who_was_provisioned(example: Running) -> None:
    assert "Nobody has been provisioned yet" in example.page()
    client = example.client
    ann = client.user("ann", displayName="Ann <b>Ash</b>", emails=[{"value": "a@x.example", "type": "work"}]).ok(201).id
    bob = client.user("bob", active=False).ok(201).id
    assert example.rows() == [["Ann &lt;b&gt;Ash&lt;/b&gt;", "a@x.example", "active", ""], ["bob", "", "disabled", ""]]
    group = client.group("Sales").ok(201).id
    client.patch(f"/Groups/{group}", add_members(ann)).ok(200)
    client.patch(f"/Users/{ann}", {"op": "replace", "path": "displayName", "value": "Ann"}).ok(200)
    client.delete(f"/Users/{bob}").ok(204)
    assert example.rows() == [["Ann", "a@x.example", "active", "Sales"]]
    page = example.page()
    for event in ("user_created ann", "user_created bob", "user_updated ann", "user_deleted bob"):
        assert event in page
    assert_scim_error(client.get("/Nothing"), 404)
    with pytest.raises(urllib.error.HTTPError) as caught:
        example.page("/nothing")
    assert caught.value.read() == b"This application has no such page."
    assert "Traceback" not in example.log.read_text()


def test_an_application_keeps_to_itself(database_url: str, settings: Settings) -> None:
    """Its own rules do not reach the blueprint's answers, nor the blueprint's beyond the prefix."""
    scim = Installation(database_url, KEY)
    flask = Flask("somebody's own")
    flask.config["MAX_CONTENT_LENGTH"] = 10
    flask.config["JSON_SORT_KEYS"] = True
    flask.url_map.strict_slashes = True
    seen: list[str] = []
    flask.before_request(lambda: seen.append(request.path))

    @flask.post("/upload")
    def upload() -> str:
        return str(len(request.get_data()))

    @flask.errorhandler(404)
    def not_found(error: Exception) -> tuple[str, int]:
        return "mine", 404

    @flask.get("/gone")
    def gone() -> str:
        abort(404)

    flask.register_blueprint(scim.blueprint(), url_prefix="/a/b")
    flask.register_blueprint(scim.blueprint(name="second"), url_prefix="/other")
    client = flask.test_client()
    for path in ("/nothing", "/gone", "/a"):
        assert client.get(path).data == b"mine", path
    assert client.post("/upload", data=b"x" * 11).status_code == 413
    assert client.post("/upload", data=b"x" * 9).data == b"9"
    for prefix in ("/a/b", "/other"):
        answer = client.get(f"{prefix}/entra/Users/")
        assert (answer.status_code, answer.content_type) == (401, "application/scim+json")
        assert "X-Request-Id" in answer.headers
    assert "X-Request-Id" not in client.get("/nothing").headers
    assert seen[-2:] == ["/other/entra/Users/", "/nothing"]
    scim.db.close()


def create_ann(flask: Flask, database_url: str, stream: type[io.BytesIO] = io.BytesIO) -> None:
    """Have an identity provider create a user through somebody's own application, whose server gives such a stream."""
    commands = CommandLine(
        {"SCIMLITE_DATABASE_URL": database_url, "SCIMLITE_SECRET_KEY": KEY, "SCIMLITE_STATE_DIR": "/nonexistent"}
    )
    made = commands.json("app", "create", "Entra")
    headers = {"Authorization": f"Bearer {made['token']}"}
    body = b'{"userName": "ann@example.com"}'
    answer = flask.test_client().post(
        "/scim/v2/entra/Users",
        headers={**headers, "Content-Length": str(len(body))},
        content_type="application/json",
        input_stream=stream(body),
    )
    assert (answer.status_code, answer.json["userName"]) == (201, "ann@example.com")


def test_a_larger_body_than_the_applications_own_limit_passes(database_url: str) -> None:
    scim = Installation(database_url, KEY)
    flask = Flask("somebody's own")
    flask.config["MAX_CONTENT_LENGTH"] = 10
    flask.register_blueprint(scim.blueprint(), url_prefix="/scim/v2")
    create_ann(flask, database_url)
    assert [each.values["userName"] for each in scim.users("entra")] == ["ann@example.com"]
    scim.db.close()


def test_an_application_may_look_at_a_body_first(database_url: str) -> None:
    scim = Installation(database_url, KEY)
    flask = Flask("one that keeps what came")
    seen: list[bytes] = []
    flask.before_request(lambda: seen.append(request.get_data()))
    flask.register_blueprint(scim.blueprint(), url_prefix="/scim/v2")
    create_ann(flask, database_url)
    assert json.loads(seen[0]) == {"userName": "ann@example.com"}
    scim.db.close()


def test_what_a_client_needs_is_counted(database_url: str) -> None:
    scim = Installation(database_url, KEY)
    flask = Flask("somebody's own")
    flask.register_blueprint(scim.blueprint(), url_prefix="/scim/v2")
    create_ann(flask, database_url)
    tallies.write_all()
    app = apps.get(scim.db, "entra")
    assert tallies.last_week(scim.db, app.id, tallies.Kind.LENIENCY) == {"missing-schemas": 1}
    scim.db.close()


def test_a_body_that_a_server_gives_in_pieces_is_read_whole(database_url: str) -> None:
    class Pieces(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size, 7) if size is not None and size > 0 else size)

    scim = Installation(database_url, KEY)
    flask = Flask("one behind a server that does not wait for all")
    flask.register_blueprint(scim.blueprint(), url_prefix="/scim/v2")
    create_ann(flask, database_url, Pieces)
    scim.db.close()


def test_the_installation_checks_passwords(database_url: str) -> None:
    scim = Installation(database_url, KEY)
    apps.create(Scope(scim.db, Origin("test")), "Entra", "entra")
    apps.edit(Scope(scim.db, Origin("test")), "entra", features={"passwords": "hash"})
    workspace = Workspace(scim.db, Origin("test"), apps.get(scim.db, "entra"))
    users = workspace.app.resource_types["Users"]
    id = write.create(workspace, users, {"userName": "ann", "password": "correct horse"}).resource.id
    assert scim.verify_password("entra", id, "correct horse")
    assert not scim.verify_password("entra", id, "a guess")
    assert not scim.verify_password("entra", "nobody", "correct horse")
    assert [user.values["userName"] for user in scim.users("entra")] == ["ann"]
    with pytest.raises(apps.AppError, match="There is no app 'other'"):
        scim.verify_password("other", id, "correct horse")
    scim.db.close()


def test_an_installation_needs_a_key_and_writes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TokenError, match="no secret key"):
        Installation("sqlite:///a.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (("",), "a key of 0 bytes"),
        (("k",), "a key of 1 bytes"),
        (("k" * 31,), "a key of 31 bytes"),
        ((KEY, ""), "number 2 of 2"),
        ((f"{KEY},k",), "number 2 of 2"),
        ((None,), "A secret key is a text"),
        ((KEY.encode(),), "A secret key is a text"),
    ],
)
def test_a_key_that_could_be_guessed_is_refused(tmp_path: Path, keys: tuple[Any, ...], problem: str) -> None:
    with pytest.raises(OperatorError, match=problem) as refused:
        Installation(f"sqlite:///{tmp_path / 'a.db'}", *keys)
    assert KEY not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_keys_in_one_text_are_those_of_the_commands(tmp_path: Path) -> None:
    scim = Installation(f"sqlite:///{tmp_path / 'a.db'}", f"{KEY}, {KEY[::-1]}")
    assert scim.settings.secret_keys == (KEY, KEY[::-1])
    scim.db.close()


@pytest.mark.parametrize("within", [True, False], ids=["for the blueprint", "for all of the application"])
def test_an_application_s_own_errors_keep_their_status(tmp_path: Path, within: bool) -> None:
    scim = Installation(f"sqlite:///{tmp_path / 'a.db'}", KEY)
    flask = Flask("application")
    blueprint = scim.blueprint()
    errors: list[Any] = []

    def refuse() -> None:
        if isinstance(errors[0], Exception):
            raise errors[0]
        abort(errors[0])

    (blueprint if within else flask).before_request(refuse)
    flask.register_blueprint(blueprint, url_prefix="/scim")
    client = flask.test_client()
    challenge = WWWAuthenticate("basic", {"realm": "own"})
    for error, status in (
        (401, 401),
        (Unauthorized("Sign in first.", www_authenticate=challenge), 401),
        (403, 403),
        (TooManyRequests("Not so fast.", retry_after=7), 429),
        (ServiceUnavailable(retry_after=9), 503),
        (418, 418),
        (413, 413),
        (502, 502),
        (404, 404),
        (400, 400),
        (500, 500),
    ):
        errors[:] = [error]
        answer = client.get("/scim/entra/Users")
        assert answer.status_code == status, error
        body = answer.get_json(force=True)
        assert (body["status"], body["schemas"]) == (str(status), ["urn:ietf:params:scim:api:messages:2.0:Error"])
        assert answer.content_type.startswith("application/scim+json")
        if isinstance(error, TooManyRequests):
            assert answer.headers["Retry-After"] == "7"
            assert body["detail"].startswith("Not so fast. (request ")
        if isinstance(error, Unauthorized):
            assert answer.headers["WWW-Authenticate"] == "Basic realm=own"
    errors[:] = [flask.response_class("closed today", 451)]
    answer = client.get("/scim/entra/Users")
    assert (answer.status_code, answer.text) == (451, "closed today")
    assert client.get("/elsewhere").status_code == (404 if within else 451)
    scim.db.close()


@pytest.mark.parametrize("host", ["a b", "user@example.com", "a/b", ""])
def test_a_host_that_is_none_is_refused(tmp_path: Path, host: str) -> None:
    scim = Installation(f"sqlite:///{tmp_path / 'a.db'}", KEY)
    flask = Flask("application")
    flask.register_blueprint(scim.blueprint(), url_prefix="/scim")
    answer = flask.test_client().get("/scim/entra/ServiceProviderConfig", headers={"Host": host})
    assert answer.status_code == 400
    scim.db.close()
