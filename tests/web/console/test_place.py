"""Where the console is: nowhere, under a host name of its own, or on a port of its own."""

from __future__ import annotations

import json
from pathlib import Path

from console_client import ConsoleClient, signed_in
from postgres_server import free_port

NOTHING = "There is nothing at this URL"


def test_the_console_can_be_off(installation):
    service = installation.start(workers=1, CONSOLE="off")
    page = ConsoleClient(service.url).get("/console/").ok(404)
    assert json.loads(page.source)["status"] == "404"


def test_under_a_host_name_of_its_own(installation):
    client = ConsoleClient(installation.start(workers=1, CONSOLE="console.example.com").url)
    assert NOTHING in client.get("/console/sign-in").ok(404).source
    client.get("/healthz").ok()
    # It is the console, and wants https, because a session could be stolen on the way.
    assert "needs https" in client.get("/console/sign-in", Host="console.example.com").ok(403).words
    assert "needs https" in client.get("/console/sign-in", Host="CONSOLE.example.com:8443").ok(403).words


def test_on_a_port_of_its_own(installation):
    port = free_port()
    beside = ConsoleClient(installation.start(workers=1, CONSOLE=f"127.0.0.1:{port}").url)
    own = ConsoleClient(f"http://127.0.0.1:{port}")
    assert NOTHING in beside.get("/console/sign-in").ok(404).source
    # What a client says of the port counts for nothing.
    beside.get("/console/sign-in", Host=f"127.0.0.1:{port}").ok(404)
    own.get("/console/sign-in").ok()
    # The identity provider is given the address of the endpoint, not the console's.
    app = installation.app()
    signed_in(installation, "ann", at=own)
    page = own.get(f"/console/apps/{app.slug}/connect").ok()
    assert f"{beside.url}/scim/v2/{app.slug}" in page.words
    assert "Set SCIMLITE_BASE_URL to the address at which identity providers reach it." in page.words
    (Path(installation.env["SCIMLITE_STATE_DIR"]) / "server-url").unlink()
    page = own.get(f"/console/apps/{app.slug}/connect").ok()
    assert f"https://<address of the service>/scim/v2/{app.slug}" in page.words
    assert str(port) not in page.words
