"""Takes the pictures of docs/console.md from a running service with a few people in it: `make pictures`.

It needs what the tests need: Chromium, and the packages of the extra `test`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs/pictures"
SCIMLITE = Path(sys.executable).with_name("scimlite")
sys.path.insert(0, str(ROOT / "tests/support"))

from playwright.sync_api import sync_playwright  # noqa: E402

import chromium  # noqa: E402  # it stands with the tests
from postgres_server import free_port  # noqa: E402

APP = "entra-id"
#: A picture's name, and the page that it shows; `{alice}` is the id of a user.
PAGES = {
    "apps": "/console/",
    "overview": f"/console/apps/{APP}",
    "connect": f"/console/apps/{APP}/connect",
    "mapping": f"/console/apps/{APP}/mapping",
    "features": f"/console/apps/{APP}/features",
    "users": "/console/users",
    "person": f"/console/apps/{APP}/users/{{alice}}",
    "report": "/console/report",
    "operators": "/console/operators",
}
PEOPLE = (
    ("alice", "Alice Ash", "Engineer"),
    ("bruno", "Bruno Birk", "Designer"),
    ("chidi", "Chidi Okafor", "Sales"),
    ("dana", "Dana Dolev", "Finance"),
    ("emre", "Emre Elçi", "Support"),
)


class Service:
    """A service on an empty database, with one app and a client for it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SCIMLITE_")}
        self.env["SCIMLITE_STATE_DIR"] = str(folder / "state")
        command = [SCIMLITE, "serve", "--port", str(self.port), "--workers", "1", "--first-app", "Entra ID"]
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(command, env=self.env, stdout=self.log, stderr=subprocess.STDOUT)
        self._wait()
        self.token = self.run("token", "show", APP)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        raise SystemExit("the service did not start")

    def run(self, *arguments: str) -> str:
        """What a command prints."""
        done = subprocess.run([SCIMLITE, *arguments], env=self.env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request as the identity provider would; returns the answer's body, refused or not."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/scim/v2/{APP}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            content = error.read()
        return json.loads(content) if content else None

    def stop(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()


def fill(service: Service) -> str:
    """Let an identity provider do what it does; returns the id of Alice."""
    ids = {}
    for name, display, title in PEOPLE:
        given, family = display.split()
        user = {
            "userName": f"{name}@example.com",
            "displayName": display,
            "title": title,
            "name": {"givenName": given, "familyName": family},
            "emails": [{"value": f"{name}@example.com", "type": "work", "primary": True}],
        }
        ids[name] = service.send("POST", "/Users", user)["id"]
    members = [{"value": ids[name]} for name in ("alice", "bruno")]
    service.send("POST", "/Groups", {"displayName": "Staff", "members": members})
    service.send("POST", "/Users", {"userName": "alice@example.com"})
    promoted = [{"op": "replace", "path": "title", "value": "Lead engineer"}]
    service.send("PATCH", f"/Users/{ids['alice']}", {"Operations": promoted})
    gone = [{"op": "replace", "path": "active", "value": False}]
    service.send("PATCH", f"/Users/{ids['dana']}", {"Operations": gone})
    service.send("DELETE", f"/Users/{ids['emre']}")
    return str(ids["alice"])


def main() -> None:
    """Take all pictures."""
    PICTURES.mkdir(exist_ok=True)
    program, environment = chromium.find_or_install()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        service = Service(Path(folder))
        try:
            alice = fill(service)
            link = service.run("operator", "link", "admin")
            browser = playwright.chromium.launch(
                executable_path=program, env={**os.environ, **environment}, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1200, "height": 800}, timezone_id="UTC", color_scheme="light")
            page.goto(link)
            page.click("main button")
            page.wait_for_url(f"{service.url}/console/")
            for name, path in PAGES.items():
                page.goto(service.url + path.format(alice=alice))
                page.wait_for_load_state("networkidle")
                page.screenshot(path=PICTURES / f"{name}.png")
                print(f"docs/pictures/{name}.png")
            browser.close()
        finally:
            service.stop()


if __name__ == "__main__":
    main()
