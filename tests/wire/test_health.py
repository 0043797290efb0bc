"""/livez, /readyz and /healthz: always an answer within two seconds, whatever happens to threads and database."""

from __future__ import annotations

import signal
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import peewee
import pytest

from databases import empty_database
from installation import Connected, Installation, held
from scim_client import Answer, ScimClient, assert_protected, assert_scim_error, send_raw
from scimlite import create_app
from scimlite.config import Settings
from scimlite.db import migration
from tcp_forwarder import Forwarder

#: It starts services that stop while others look.
OWN_SERVICE = True

PATHS = ("/livez", "/readyz", "/healthz")


def ask(url: str, path: str) -> Answer:
    """The answer, which has to come within two seconds."""
    started = time.monotonic()
    answer = ScimClient(url, timeout=10).get(path)
    assert time.monotonic() - started < 2, path
    return answer


def test_all_is_well(installation: Installation) -> None:
    for path, status in zip(PATHS, ("alive", "ready", "ok"), strict=True):
        answer = ask(installation.url, path).ok(200)
        assert (answer.headers["content-type"], answer.json) == ("application/json", {"status": status})
        assert ScimClient(installation.url).request("HEAD", path).status == 200
        assert_scim_error(ScimClient(installation.url).post(path, {}), 405)


def test_every_answer_is_kept_by_nobody(installation: Installation, app: Connected) -> None:
    made = app.client.user("u").ok(201)
    service = ScimClient(installation.url)
    answers = [service.get(path) for path in (*PATHS, "/", "/openapi.json", "/nothing", "/scim/v2/unknown/Users")]
    answers += [app.client.get(path) for path in ("/Users", "/Schemas", "/Nothing", f"/Users/{made.id}")]
    answers += [app.client.get(f"/Users/{made.id}", headers={"If-None-Match": made.etag}), made]
    answers += [app.client.patch(f"/Users/{made.id}", {"op": "x"}), app.client.delete(f"/Users/{made.id}")]
    assert {answer.status for answer in answers} >= {200, 201, 204, 304, 400, 401, 404}
    for answer in answers:
        assert_protected(answer.headers)
    answers = [
        service.request(method, path) for path in (*PATHS, "/", "/openapi.json") for method in ("HEAD", "OPTIONS")
    ]
    answers += [app.client.request("OPTIONS", "/Users"), service.request("TRACE", "/")]
    assert {answer.status for answer in answers} == {200, 405}
    for answer in answers:
        assert_protected(answer.headers)
    unknown_coding = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip"
    for malformed in (b"nonsense", b"GET /" + b"a" * 9000 + b" HTTP/1.1", unknown_coding):
        head = send_raw(installation.url, malformed + b"\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")[0].decode()
        assert_protected({name.lower(): text for name, text in (line.split(": ") for line in head.split("\r\n")[1:])})


def test_under_another_server(installation: Installation) -> None:
    application = create_app(Settings.from_environment(installation.env))
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            for path in PATHS:
                ask(f"http://127.0.0.1:{server.server_port}", path).ok(200)
        finally:
            server.shutdown()


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def test_a_frozen_postgresql(postgres_url: str, tmp_path: Path) -> None:
    with empty_database(postgres_url) as url, Forwarder.to(url) as forwarder:
        installation = Installation.new(url, tmp_path)
        try:
            service = installation.start(DATABASE_URL=forwarder.url(url), workers=1)
            ask(service.url, "/readyz").ok(200)
            with forwarder.frozen():
                for _ in range(2):
                    assert ask(service.url, "/livez").json == {"status": "alive"}
                    answer = ask(service.url, "/readyz")
                    assert (answer.status, set(answer.json["reasons"])) == (503, {"database"})
                    assert "no answer for" in answer.json["reasons"]["database"]
                    assert_scim_error(ask(service.url, "/healthz"), 503)
            until = time.monotonic() + 10
            while ask(service.url, "/readyz").status != 200:
                assert time.monotonic() < until
        finally:
            installation.stop()


def test_another_schema(installation: Installation) -> None:
    class Applied(installation.db.peewee.Model):  # type: ignore[misc]  # made by Peewee
        name = peewee.CharField()

        class Meta:
            table_name = migration.TABLE

    last = Applied.select(Applied.name).order_by(Applied.name.desc()).limit(1).scalar()
    for change, back, word in (("9999_later", last, "newer"), (f"{last}_", last, last)):
        Applied.update(name=change).where(Applied.name == last).execute()
        try:
            answer = ask(installation.url, "/readyz")
            ask(installation.url, "/healthz").ok(200)
        finally:
            Applied.update(name=back).where(Applied.name == change).execute()
            installation.db.close()
        assert (answer.status, set(answer.json["reasons"])) == (503, {"schema"})
        assert word in answer.json["reasons"]["schema"]
    ask(installation.url, "/readyz").ok(200)


# --- SIGTERM ------------------------------------------------------------------------------------------------------


class Loader(threading.Thread):
    """A client that sends one request after the other until the service refuses connections."""

    def __init__(self, client: ScimClient, *, kept: bool) -> None:
        super().__init__()
        self._client = client
        self._kept = kept
        self.answers: list[Answer] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while True:
                self.answers.append(self._client.get("/Users?count=1").ok(200))
                if not self._kept:
                    self._client.close()
        except ConnectionRefusedError:
            pass
        except Exception as error:
            self.error = error


def test_a_stop_cuts_no_request(installation: Installation, app: Connected) -> None:
    service = installation.start(workers=2, DRAIN_SECONDS="1")
    client = installation.client(app.slug, app.text, service.url)
    idle = client.another()
    idle.get("/Users?count=1").ok(200)
    loaders = [Loader(client.another(), kept=number % 2 == 0) for number in range(8)]
    for loader in loaders:
        loader.start()
    time.sleep(0.5)
    service.process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    answer = ask(service.url, "/readyz")
    while answer.status == 200:
        assert time.monotonic() - told < 0.8
        answer = ask(service.url, "/readyz")
    assert answer.headers["connection"] == "close"
    assert answer.json["reasons"] == {"draining": "The service is about to stop."}
    # A kept-alive connection has its last answer.
    assert idle.get("/Users?count=1").ok(200).headers["connection"] == "close"
    for loader in loaders:
        loader.join(15)
        assert (loader.is_alive(), loader.error) == (False, None)
        assert loader.answers[-1].headers["connection"] == "close"
    assert service.process.wait(10) == 0
    assert 0.9 < time.monotonic() - told < 6


def test_health_and_the_stop_while_all_threads_are_at_work(installation: Installation, app: Connected) -> None:
    """What runs, and what waits for a thread, is answered after the stop."""
    service = installation.start(workers=1, threads=1)
    client = installation.client(app.slug, app.text, service.url)
    made = client.user("held").ok(201)
    client.close()
    change = {"op": "add", "path": "title", "value": "x"}
    with ThreadPoolExecutor(6) as pool:
        with held(installation):
            sent = [pool.submit(client.another().patch, f"/Users/{made.id}", change) for _ in range(6)]
            time.sleep(0.3)
            for path in PATHS:
                started = time.monotonic()
                ask(service.url, path).ok(200)
                assert time.monotonic() - started < 1
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        assert {each.result().status for each in sent} == {200}
    assert service.process.wait(10) == 0


def test_a_silent_connection_ends_soon_after_the_stop(installation: Installation, app: Connected) -> None:
    service = installation.start(workers=1)
    parts = urllib.parse.urlsplit(service.url)
    client = installation.client(app.slug, app.text, service.url)
    client.get("/Users?count=1").ok(200)
    service.process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    time.sleep(1)
    # What it says in this time is answered.
    assert client.get("/Users?count=1").ok(200).headers["connection"] == "close"
    with pytest.raises(ConnectionRefusedError):
        ScimClient(f"http://{parts.netloc}").get("/livez")
    assert service.process.wait(10) == 0
    assert time.monotonic() - told < 4
