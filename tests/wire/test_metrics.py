"""Figures for Prometheus: what a scrape shows of requests, of the database and of the disk, under several workers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import databases
from installation import Connected, Installation
from postgres_server import free_port
from scimlite import clock
from scimlite.admin import apps, tokens
from scimlite.clock import DAY
from scimlite.db.tables import BrakeRow
from tcp_forwarder import Forwarder

OFF = {"op": "replace", "path": "active", "value": False}


@pytest.fixture(scope="module", params=databases.KINDS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running service whose figures are at METRICS."""
    folder = tmp_path_factory.mktemp("installation")
    with databases.upgraded_url(request.param, request, folder) as url:
        made = Installation.new(url, folder, METRICS=f"127.0.0.1:{free_port()}")
        try:
            made.start()
            yield made
        finally:
            made.stop()


def scraped(installation: Installation) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples of a scrape, by name and labels."""
    url = f"http://{installation.env['SCIMLITE_METRICS']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(installation: Installation, name: str, **labels: str) -> float | None:
    return scraped(installation).get((name, frozenset(labels.items())))


def eventually(look: Callable[[], bool], seconds: float = 40) -> None:
    """Waits until a look is true; the database is looked at every 15 seconds."""
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until
        time.sleep(0.5)


def test_requests_of_all_workers_are_counted(installation: Installation, app: Connected) -> None:
    labels = {"app": app.slug, "route": "/scim/v2/<slug>/<endpoint>", "status": "2xx"}
    for number in range(20):
        app.client.another().post("/Users", {"userName": f"user-{number}"}).ok(201)
    for _ in range(5):
        app.client.another().find("Users")
    assert value(installation, "scimlite_requests_total", method="POST", **labels) == 20
    assert value(installation, "scimlite_requests_total", method="GET", **labels) == 5
    samples = scraped(installation)
    route = {"route": labels["route"], "method": "POST"}
    assert samples["scimlite_request_seconds_count", frozenset(route.items())] >= 20
    assert 0 < samples["scimlite_request_seconds_sum", frozenset(route.items())] < 100
    for of in ("read", "write"):
        assert samples["scimlite_database_seconds_total", frozenset({"of": of}.items())] > 0
    assert samples["scimlite_threads_busy", frozenset()] == 0


def test_no_text_of_a_stranger_becomes_a_label(installation: Installation, app: Connected) -> None:
    before = value(installation, "scimlite_refused_tokens_total", cause="malformed") or 0
    installation.client("secret-of-somebody", "wrong").get("/Users").ok(401)
    installation.client(app.slug, "wrong").get("/Users").ok(401)
    installation.client("secret-of-somebody", None).get("/ServiceProviderConfig")
    app.client.request("BREW", "/Users")
    labels = {text for _, pairs in scraped(installation) for _, text in pairs}
    assert not [text for text in labels if "secret" in text or "BREW" in text]
    route = "/scim/v2/<slug>/<endpoint>"
    assert (value(installation, "scimlite_requests_total", app="-", route=route, method="GET", status="4xx") or 0) >= 2
    # A refused token is counted by its cause, whether there is such an app or not.
    assert value(installation, "scimlite_refused_tokens_total", cause="malformed") == before + 2


def test_what_keeps_the_service_from_answering_is_counted(installation: Installation) -> None:
    app = installation.app("braked")
    user = app.client.post("/Users", {"userName": "ann"}).ok(201).json
    db = installation.db
    row = {"app_id": apps.get(db, app.slug).id, "kind": "users", "tripped_at": clock.now(), "detail": "too many"}
    db.execute(BrakeRow.insert(row))
    before = value(installation, "scimlite_unavailable_total", status="429", cause="brake") or 0
    app.client.patch(f"/Users/{user['id']}", OFF).ok(429)
    assert value(installation, "scimlite_unavailable_total", status="429", cause="brake") == before + 1
    eventually(lambda: value(installation, "scimlite_brake_tripped", app=app.slug, brake="users") == 1)
    assert value(installation, "scimlite_brake_tripped", app=app.slug, brake="members") == 0


def test_apps_tokens_disk_and_database_are_looked_at(installation: Installation, app: Connected) -> None:
    app.client.find("Users")
    workspace = installation.workspace(installation.app_row(app))
    tokens.issue(workspace, installation.keyring, label="short", expires_at=clock.now() + 3 * DAY)
    eventually(lambda: value(installation, "scimlite_tokens_ending", app=app.slug) == 1)
    samples = scraped(installation)
    contact = samples["scimlite_last_contact_timestamp_seconds", frozenset({"app": app.slug}.items())]
    assert abs(contact - time.time()) < 60
    assert samples["scimlite_database_up", frozenset()] == 1
    folders = [labels for name, labels in samples if name == "scimlite_disk_free_bytes"]
    assert folders
    assert (("scimlite_wal_bytes", frozenset()) in samples) == (installation.kind == "sqlite")


def test_a_killed_worker_is_no_busy_thread_and_its_requests_remain(installation: Installation, app: Connected) -> None:
    assert installation.service is not None
    labels = {"app": app.slug, "route": "/scim/v2/<slug>/<endpoint>", "method": "GET", "status": "2xx"}
    for _ in range(3):
        app.client.another().find("Users")
    for pid in _children(installation.service.pid):
        if "exporter" not in _command(pid):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: value(installation, "scimlite_requests_total", **labels) == 3)
    app.client.another().find("Users")
    assert value(installation, "scimlite_requests_total", **labels) == 4
    assert value(installation, "scimlite_threads_busy") == 0


def test_the_exporter_is_started_again(installation: Installation) -> None:
    (pid,) = _exporters(installation)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: _exporters(installation) not in ([], [pid]))
    eventually(lambda: value(installation, "scimlite_database_up") == 1)


def test_a_database_that_gives_no_answer_is_not_up(installation: Installation) -> None:
    if installation.kind == "sqlite":
        pytest.skip("SQLite has no server that could be frozen")
    url = installation.env["SCIMLITE_DATABASE_URL"]
    metrics = f"127.0.0.1:{free_port()}"
    with Forwarder.to(url) as forwarder:
        service = installation.start(workers=1, METRICS=metrics, DATABASE_URL=forwarder.url(url))
        looked_at = replace(installation, env={**installation.env, "SCIMLITE_METRICS": metrics})
        eventually(lambda: value(looked_at, "scimlite_database_up") == 1)
        with forwarder.frozen():
            eventually(lambda: value(looked_at, "scimlite_database_up") == 0)
        eventually(lambda: value(looked_at, "scimlite_database_up") == 1)
        service.stop()


def test_only_metrics_are_there(installation: Installation) -> None:
    address = installation.env["SCIMLITE_METRICS"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://{address}/scim/v2", timeout=5)
    assert caught.value.code == 404
    with caught.value as answer:
        assert answer.headers["Server"] == "scimlite"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{installation.url}/metrics", timeout=5)
    caught.value.close()
    assert caught.value.code == 404


def test_a_port_that_is_taken_is_one_sentence_and_nothing_is_left(installation: Installation, tmp_path: Path) -> None:
    env = {**os.environ, "SCIMLITE_STATE_DIR": str(tmp_path / "state")}
    env["SCIMLITE_METRICS"] = installation.env["SCIMLITE_METRICS"]
    command = [str(Path(sys.executable).with_name("scimlite")), "serve", "--port", str(free_port())]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 1
    assert re.fullmatch(r"Error: SCIMLITE_METRICS: Port \d+ is in use.*\n", ran.stderr)
    assert not (tmp_path / "state").exists()


def _exporters(installation: Installation) -> list[int]:
    assert installation.service is not None
    return [each for each in _children(installation.service.pid) if "exporter" in _command(each)]


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(each) for each in found.stdout.split()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
