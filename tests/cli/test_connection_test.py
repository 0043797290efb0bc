"""`scimlite app test`: what works, what does not and why, and nothing left behind."""

from __future__ import annotations

import contextlib
import getpass
import http.server
import json
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from commands import Commands, Ran
from installation import Connected, Installation
from postgres_server import free_port
from scimlite.admin import apps, tokens
from scimlite.journal import report

Start = Callable[..., AbstractContextManager[int]]


@pytest.fixture
def command(installation: Installation) -> Commands:
    return Commands(installation.env)


@pytest.fixture
def run(installation: Installation, command: Commands, app: Connected) -> Callable[..., Ran]:
    """`run("--json", …)`: test the app, at the running service unless `url` says otherwise."""

    def start(*arguments: str, url: str = f"{installation.url}/scim/v2/{app.slug}", **env: str) -> Ran:
        return command("app", "test", app.slug, "--url", url, *arguments, **env)

    return start


def left_behind(app: Connected) -> tuple[int, int]:
    """How many users and groups there are."""
    return app.client.find("Users")["totalResults"], app.client.find("Groups")["totalResults"]


class TestWhatWorks:
    def test_is_told_line_by_line(self, run, app):
        ran = run().ok()
        *steps, last = ran.out.splitlines()
        assert len(steps) == 13
        assert all(re.fullmatch(r"  ok   \S.*\S +\d+ ms", step) for step in steps)
        assert last == "Everything works."
        assert ran.err.startswith(f"Testing {app.slug} at http://127.0.0.1:")
        assert "Note:" not in ran.err
        assert app.text not in ran.out + ran.err

    def test_is_told_to_programs(self, run, app, installation):
        told = run("--json").ok().json
        assert (told["ok"], told["app"], told["notes"]) == (True, app.slug, [])
        assert told["url"] == f"{installation.url}/scim/v2/{app.slug}"
        assert {step["works"] for step in told["steps"]} == {True}
        assert [step["status"] for step in told["steps"]] == [200] * 4 + [201, 200, 200, 201, 200, 200, 204, 200, 204]
        assert all(step["milliseconds"] > 0 for step in told["steps"])

    def test_leaves_nothing_but_the_journal(self, run, app, installation, command):
        run().ok()
        assert left_behind(app) == (0, 0)
        for kind in ("user", "group"):
            assert command.ok(kind, "list", "--app", app.slug, "--deleted", "--json").strip() in ("", "[]")
        assert [row.action for row in installation.journal(app, wire=False, action="purged")] == ["purged"] * 2
        rows = [row for row in installation.journal(app) if row.client == "scimlite app test"]
        assert [row.action for row in rows] == [
            "created",
            "created",
            "member_added",
            "member_removed",
            "deleted",
            "disabled",
            "deleted",
        ]
        assert {row.outcome for row in rows} == {"ok"}
        assert all((row.user or row.group).startswith("scimlite-test-") for row in rows)
        listed = [line for line in command.ok("report", "--app", app.slug).splitlines() if " scimlite-test-" in line]
        assert len(listed) == 9
        assert all(line.endswith(("by scimlite app test", f"by cli:{getpass.getuser()}")) for line in listed)

    def test_is_no_contact_of_a_client(self, run, app, command):
        run().ok()
        shown = command("app", "show", app.slug, "--json").ok().json
        assert (shown["first_contact_at"], shown["last_contact_at"]) == (None, None)
        assert shown["tokens"][0]["last_used_at"] is None
        assert command("report", "--app", app.slug, "--summary", "--json").ok().json["first_contact_at"] is None

    def test_never_trips_a_brake(self, installation, command):
        limits = {"brake-users": "0", "brake-percent": "off", "brake-members": "0"}
        app = installation.app(**limits)
        for _ in range(2):
            command("app", "test", app.slug).ok()
        assert not any(brake["holds"] for brake in command("app", "show", app.slug, "--json").json["brakes"])

    def test_of_a_brake_that_holds_names_the_command_that_explains(self, installation, command):
        app = installation.app(**{"brake-users": "0", "brake-percent": "off"})
        user = app.client.user("ann").ok(201)
        app.client.delete(f"/Users/{user.id}").ok(429)
        ran = command("app", "test", app.slug)
        assert ran.code == 1
        request_id = re.search(r"`scimlite explain ([0-9a-f]{16})` says why", ran.out)[1]
        assert f"scimlite app release {app.slug}" in command("explain", request_id).ok().out

    def test_with_the_address_that_the_service_noted_when_it_started(self, command, app, installation):
        ran = command("app", "test", app.slug).ok()
        assert f"at {installation.url}/scim/v2/{app.slug} with the token 'default'." in ran.err

    @pytest.mark.parametrize("answer", ["auto", "body", "empty"])
    def test_with_every_kind_of_patch_answer(self, installation, command, answer):
        app = installation.app(**{"patch-answer": answer})
        command("app", "test", app.slug).ok()

    def test_with_what_the_mapping_requires(self, run, app, command):
        department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
        rows = {"email": 'emails[type eq "work"].value', "familyName": "name.familyName", "department": department}
        for target, source in rows.items():
            command.ok("mapping", "set", "--app", app.slug, target, source, "--required")
        run().ok()
        assert left_behind(app) == (0, 0)

    @pytest.mark.parametrize("source", ["emails", "emails.value", 'emails[type eq "work"]', "name.formatted"])
    def test_with_every_kind_of_source(self, run, app, command, source):
        command.ok("mapping", "set", "--app", app.slug, "email", source, "--required")
        run().ok()

    def test_with_every_kind_of_filter(self, run, app, command):
        rows = {
            "mail": 'emails[type eq "work"].value',
            "home": 'emails[type eq "home" and primary eq true].value',
            "other": 'emails[not (type eq "work") and primary eq false].value',
            "shown": "emails[display pr].value",
            "mobile": 'phoneNumbers[type eq "mobile" or type eq "pager"].value',
            "inner": 'phoneNumbers[value sw "+49" and value ew "#" and value co "7"].value',
            "photo": 'photos[value co "/large/"].value',
            "role": 'roles[value gt "b" and value lt "c" and type ne "x"].value',
            "boss": 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager[value sw "m"].value',
        }
        for target, source in rows.items():
            command.ok("mapping", "set", "--app", app.slug, target, source, "--required")
        run().ok()
        assert left_behind(app) == (0, 0)

    def test_a_filter_that_selects_nothing_is_told(self, run, app, command):
        source = 'phoneNumbers[type eq "a" and type eq "b"].value'
        command.ok("mapping", "set", "--app", app.slug, "phone", source, "--required")
        ran = run()
        assert ran.code == 1
        assert 'no value of phoneNumbers was found that type eq "a" and type eq "b" selects' in ran.out

    def test_with_what_the_schemas_require(self, run, app, command, tmp_path):
        kinds = ["string", "integer", "decimal", "boolean", "dateTime", "binary", "reference"]
        attributes: list[dict[str, Any]] = [{"name": f"x{kind}", "type": kind, "required": True} for kind in kinds]
        attributes[-1]["referenceTypes"] = ["external"]
        attributes += [
            {"name": "color", "type": "string", "required": True, "canonicalValues": ["red", "green"]},
            {"name": "number", "type": "string", "required": True, "uniqueness": "server"},
            {"name": "codes", "type": "string", "required": True, "multiValued": True},
            {"name": "badge", "type": "string", "required": True, "pattern": "^[A-Z]{2}-(19|20)[0-9]{2}(/[a-f]+)?$"},
            {"name": "mac", "type": "string", "required": True, "pattern": "[0-9A-F]{2}(:[0-9A-F]{2}){5}"},
        ]
        file = tmp_path / "schema.json"
        urn = "urn:example:hr:2.0:User"
        file.write_text(json.dumps({"id": urn, "name": "HR", "attributes": attributes}))
        command.ok("schema", "add", str(file), "--app", app.slug, "--to", "User", "--required")
        for _ in range(2):
            run().ok()

    def test_with_the_strict_profile(self, run, app, command):
        command.ok("app", "edit", app.slug, "--profile", "strict")
        run().ok()

    def test_with_entras_switch_behind_the_address(self, run, app, installation):
        run(url=f"{installation.url}/scim/v2/{app.slug}/?aadOptscim062020").ok()

    def test_with_a_chosen_token(self, run, app, installation):
        row = installation.app_row(app)
        _, second = tokens.issue(installation.workspace(row), installation.keyring, label="second")
        assert "with the token 'second'" in run("--token", "second").ok().err
        assert "with the given token" in run("--token", second).ok().err

    def test_an_address_the_service_does_not_call_its_own_is_noted(self, run, app, installation):
        ran = run(url=f"http://localhost:{installation.url.rsplit(':', 1)[1]}/scim/v2/{app.slug}").ok()
        assert "Note:" not in ran.err, "without SCIMLITE_BASE_URL the service believes the client"
        named = installation.start(workers=1, BASE_URL="https://scim.example.com")
        ran = run(url=f"{named.url}/scim/v2/{app.slug}").ok()
        assert f"Note: The service calls itself https://scim.example.com/scim/v2/{app.slug}." in ran.err
        assert "SCIMLITE_BASE_URL" in ran.err


class TestWhatDoesNot:
    """Every failure says what it means and what to do; exit code 1."""

    @pytest.fixture
    def says(self, run: Callable[..., Ran]) -> Callable[..., dict[str, Any]]:
        """Run it, and look for words in what it says; returns the failed step."""

        def check(*words: str, arguments: tuple[str, ...] = (), **kwargs: str) -> dict[str, Any]:
            ran = run("--json", *arguments, **kwargs)
            assert ran.code == 1, ran
            told = ran.json
            assert told["ok"] is False
            (failed,) = [step for step in told["steps"] if step["works"] is False]
            for word in words:
                assert word in failed["meaning"] + " " + failed["advice"], failed
            ran = run(*arguments, **kwargs)
            assert ran.code == 1
            assert "  FAIL " in ran.out
            assert failed["name"] in ran.out
            assert re.search(r"1 of 13 steps did not work; \d+ that depend on them were not tried\.\n$", ran.out)
            assert "Traceback" not in ran.out + ran.err
            return failed

        return check

    def test_nobody_listens(self, says, app):
        port = free_port()
        failed = says(
            f"Nothing listens at 127.0.0.1 port {port}", "scimlite serve", url=f"http://127.0.0.1:{port}/scim/v2/app"
        )
        assert failed["name"] == "The service answers"

    def test_an_unknown_name(self, says):
        says("cannot be resolved", url="http://scimlite.invalid/scim/v2/app")

    def test_a_disabled_app(self, says, app, installation):
        apps.set_enabled(installation.scope, app.slug, enabled=False)
        failed = says("The app is disabled", f"scimlite app enable {app.slug}")
        assert (failed["name"], failed["status"]) == ("The token is accepted, and the schemas can be read", 401)

    def test_a_revoked_token(self, says, app, installation):
        tokens.revoke(installation.workspace(installation.app_row(app)), app.token)
        says("The token is revoked", f"scimlite token issue {app.slug}", arguments=("--token", "default"))

    def test_a_mistyped_token(self, says, app):
        says("mistyped, expired, revoked, or of another app", "token list", arguments=("--token", app.text[:-1]))

    def test_the_token_of_another_app(self, says, installation):
        says("of another app", arguments=("--token", installation.app("Other").text))

    def test_the_address_of_another_app(self, says, app, installation):
        says(f"does not end in /{app.slug}", url=f"{installation.url}/scim/v2/something-else")

    def test_a_service_on_another_database(self, says, app, tmp_path):
        other = Installation.new(f"sqlite:///{tmp_path / 'other.db'}", tmp_path)
        other.start(workers=1)
        try:
            says("another database or with another key", url=f"{other.url}/scim/v2/{app.slug}")
        finally:
            other.stop()

    @pytest.mark.parametrize("path", ["", "/", "/scim/v2", "/scim", "/somewhere/scim/v2/app"])
    def test_an_address_with_another_path(self, says, installation, path):
        # Without a slug, what comes next is taken for one: then it is the token that is not accepted.
        failed = says("/scim/v2/", url=installation.url + path)
        assert failed["status"] == (401 if path == "/scim/v2" else 404)

    def test_another_web_server(self, says):
        with answering(200, "text/html", b"<h1>Welcome</h1>") as port:
            says("(200, text/html) is not the SCIM endpoint", url=f"http://127.0.0.1:{port}/scim/v2/app")

    def test_a_proxy_that_redirects(self, says):
        with answering(301, "text/html", b"", Location="https://scim.example.com/scim/v2/app") as port:
            says("redirects, to https://scim.example.com", url=f"http://127.0.0.1:{port}/scim/v2/app")

    def test_a_proxy_whose_service_is_away(self, says):
        with answering(502, "text/html", b"Bad gateway") as port:
            says("the service behind it does not", "scimlite db status", url=f"http://127.0.0.1:{port}/scim/v2/app")

    def test_a_server_that_speaks_something_else(self, says):
        with accepting(lambda connection: connection.sendall(b"220 mail.example.com ESMTP\r\n")) as port:
            says("does not answer in HTTP", "https://", url=f"http://127.0.0.1:{port}/scim/v2/app")

    def test_https_where_there_is_none(self, says, app, installation):
        says("does not speak TLS", "http://", url=f"{installation.url.replace('http:', 'https:')}/scim/v2/{app.slug}")

    def test_a_server_that_never_answers(self, says, monkeypatch):
        # In the process of the command, whose patience is 30 seconds.
        from scimlite.admin import wire

        monkeypatch.setattr(wire, "_TIMEOUT", 0.3)
        done = threading.Event()
        with accepting(lambda connection: done.wait(20)) as port:
            says("does not answer within", url=f"http://127.0.0.1:{port}/scim/v2/app")
            done.set()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that signs itself, in one file with its key."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:TRUE"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


class TestTls:
    @pytest.fixture
    def port(self, certificate: Path, installation: Installation) -> Iterator[int]:
        """A TLS proxy in front of the service."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
        service = int(installation.url.rsplit(":", 1)[1])

        def relay(accepted: socket.socket) -> None:
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(accepted, server_side=True) as outer,
                socket.create_connection(("127.0.0.1", service)) as inner,
            ):
                back = threading.Thread(target=copy, args=(inner, outer))
                back.start()
                copy(outer, inner)
                back.join()

        def copy(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)

        with accepting(relay) as port:
            yield port

    def test_a_trusted_certificate_is_checked_and_works(self, command, app, certificate, port):
        url = f"https://localhost:{port}/scim/v2/{app.slug}"
        trusted = {"SSL_CERT_FILE": str(certificate / "certificate.pem")}
        ran = command("app", "test", app.slug, "--url", url, **trusted).ok()
        assert ran.out.endswith("Everything works.\n")
        # The proxy sends no X-Forwarded-Proto, so that the service believes it is reached by http.
        assert "Note: The service calls itself http://localhost" in ran.err

    def test_an_untrusted_one_is_refused(self, command, app, port):
        ran = command("app", "test", app.slug, "--url", f"https://localhost:{port}/scim/v2/{app.slug}")
        assert ran.code == 1
        assert "The certificate of localhost port" in ran.out
        assert "self-signed" in ran.out
        assert "public authorities" in ran.out

    def test_one_of_another_name_is_refused(self, command, app, certificate, port):
        trusted = {"SSL_CERT_FILE": str(certificate / "certificate.pem")}
        ran = command("app", "test", app.slug, "--url", f"https://127.0.0.1:{port}/scim/v2/{app.slug}", **trusted)
        assert ran.code == 1
        assert "certificate is not valid for '127.0.0.1'" in ran.out


class TestCleanUp:
    """What was created is removed, wherever it stopped."""

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/Users/"),
            ("GET", "/Users?filter=userName%20eq%20%22scimlite-test"),
            ("POST", "/Users"),
            ("POST", "/Groups"),
            ("PATCH", "/Groups/"),
            ("GET", "/Groups/"),
            ("PATCH", "/Users/"),
        ],
    )
    def test_after_a_failure_on_the_way(self, run, app, installation, method, path):
        # The answer is lost once, after the service has done what was asked.
        with losing_one_answer(installation, method, f"/scim/v2/{app.slug}{path}") as (port, lost):
            ran = run("--json", url=f"http://127.0.0.1:{port}/scim/v2/{app.slug}")
        assert lost.is_set()
        assert ran.code == 1
        assert ran.json["notes"] == [] or "calls itself" in ran.json["notes"][0]
        assert left_behind(app) == (0, 0)

    def test_also_when_the_service_is_out_of_reach(self, run, app, installation):
        with losing_one_answer(installation, "PATCH", f"/scim/v2/{app.slug}/Users/", for_ever=True) as (port, _):
            ran = run(url=f"http://127.0.0.1:{port}/scim/v2/{app.slug}")
        assert ran.code == 1
        assert "may still be in" not in ran.err
        assert left_behind(app) == (0, 0)

    def test_of_what_the_service_may_not_delete(self, run, app, command):
        command.ok("app", "edit", app.slug, "--feature", "delete-users=off", "--feature", "delete-groups=off")
        ran = run().ok()
        assert ran.out.count("  off  ") == 3
        assert f"scimlite app edit {app.slug} --feature delete-users=on" in ran.out
        assert ran.out.endswith("Everything works that the features of the app allow.\n")
        assert left_behind(app) == (0, 0)

    def test_other_users_and_groups_are_left_alone(self, run, app):
        alice = app.client.user("alice").ok().id
        app.client.group("Engineering", alice).ok()
        run().ok()
        assert left_behind(app) == (1, 1)


class TestUsage:
    @pytest.mark.parametrize(
        "url",
        [
            "scim.example.com/scim/v2/app",
            "ftp://scim.example.com/",
            "http://",
            "http://a:b/",
            "http://a..b/scim/v2/app",
            f"http://{'a' * 64}.example/",
            "http://a b/",
            "http://a.example/scim v2/app",
            "http://a.example/scim/v2/ä",
            "http://a.example/%zz",
            "http://ann:secret@a.example/scim/v2/app",
        ],
    )
    def test_an_address_that_is_none(self, run, url):
        ran = run(url=url)
        assert (ran.code, ran.out) == (2, "")
        assert "such as https://scim.example.com/scim/v2/entra-id" in ran.err

    def test_an_unknown_app(self, command):
        ran = command("app", "test", "no-such-app")
        assert (ran.code, ran.out) == (1, "")
        assert "There is no app 'no-such-app'" in ran.err

    def test_an_app_without_tokens(self, run, app, installation):
        tokens.revoke(installation.workspace(installation.app_row(app)), app.token)
        ran = run()
        assert (ran.code, ran.out) == (1, "")
        assert f"scimlite token issue {app.slug}" in ran.err

    def test_a_label_that_does_not_exist(self, run):
        ran = run("--token", "nothing like it")
        assert (ran.code, ran.out) == (1, "")
        assert "'default'" in ran.err

    @pytest.mark.parametrize("form", ["Bearer {}", " {}\n", '"{}"', "Authorization: Bearer {}"])
    def test_a_token_that_was_copied_with_more(self, run, app, form):
        run("--token", form.format(app.text)).ok()

    @pytest.mark.parametrize("token", ["scimlite_ä", "scimlite_a\nb"])
    def test_a_token_that_cannot_be_sent(self, run, token):
        ran = run("--token", token)
        assert (ran.code, ran.out) == (1, "")
        assert "a character that no token has" in ran.err

    def test_help_has_an_example(self, command):
        assert "scimlite app test entra-id" in command("app", "test", "--help").ok().out

    def test_looking_at_the_token_is_journalled(self, run, app, installation):
        run().ok()
        shown = installation.journal(app, wire=False, action="token_shown")
        assert [row.detail for row in shown] == ["token default"]
        assert report.latest_id(installation.db) > 0


# --- servers that are not ours ------------------------------------------------------------------------------------


@contextmanager
def accepting(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port whose connections are each given to a function in a thread of its own, then closed."""
    listener = socket.create_server(("127.0.0.1", 0))

    def handle(connection: socket.socket) -> None:
        with connection:
            serve(connection)

    def accept() -> None:
        handlers = []
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                break
            handlers.append(threading.Thread(target=handle, args=(connection,)))
            handlers[-1].start()
        for handler in handlers:
            handler.join()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()


@contextmanager
def answering(status: int, content_type: str, body: bytes, **headers: str) -> Iterator[int]:
    """A web server that has one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def losing_one_answer(
    installation: Installation, method: str, path: str, *, for_ever: bool = False
) -> Iterator[tuple[int, threading.Event]]:
    """A proxy to the service that passes every answer on but the first to requests of this method and path.

    With `for_ever` it passes nothing on from then on.
    """
    lost = threading.Event()
    service = int(installation.url.rsplit(":", 1)[1])

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection.makefile("rb") as reader:
            while head := _head(reader):
                if lost.is_set() and for_ever:
                    return
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                body = reader.read(int(length[1])) if length else b""
                answer = _ask(service, head, body)
                if head.startswith(f"{method} {path}".encode()) and not lost.is_set():
                    lost.set()
                    return
                connection.sendall(answer)

    with accepting(serve) as port:
        yield port, lost


def _head(reader: Any) -> bytes:
    lines = []
    while (line := reader.readline()) not in (b"\r\n", b""):
        lines.append(line)
    return b"".join(lines)


def _ask(port: int, head: bytes, body: bytes) -> bytes:
    """Send one request to the service and return its whole answer."""
    with socket.create_connection(("127.0.0.1", port)) as upstream:
        upstream.sendall(head + b"Connection: close\r\n\r\n" + body)
        received = b""
        while data := upstream.recv(65536):
            received += data
    return received.replace(b"Connection: close\r\n", b"").replace(b"connection: close\r\n", b"")
