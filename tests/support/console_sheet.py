"""Serves a page with every part that the console's pages are made of, filled with hostile data, under the real CSP."""

from __future__ import annotations

import mimetypes
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scimlite import clock
from scimlite.web.console import templating
from scimlite.web.console.assets import assets

CONSOLE = Path(templating.__file__).parent
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: Names as people and attackers have them.
NAMES = (
    "Barbara Jensen",
    "مُحَمَّد عبد الله",
    "ישראל ישראלי",
    "evil\u202egnp.exe\u202c",
    "tab\tbell\x07null\x00",
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\"' onmouseover='alert(3)",
    "Wolfeschlegelsteinhausenbergerdorff" * 8,
    "山田 太郎",
    "👩‍👩‍👧 Zoë",
)
_STATES = (
    "active",
    "disabled",
    "deleted",
    "waiting",
    "refused",
    "failing",
    "expiring",
    "something else",
    "braked",
    "ok",
)
_DAY = 86_400


def environment(folder: Path) -> Environment:
    """Jinja as the console has it, with what Flask would give, and a folder of further templates."""
    found = Environment(
        loader=FileSystemLoader([folder, CONSOLE / "templates"]), autoescape=True, undefined=StrictUndefined
    )
    templating.prepare(found)
    found.globals.update(
        url_for=lambda endpoint, filename: f"/static/{filename}?v={assets()[filename].version}",
        csrf_token=lambda: 'token"<&',
        get_flashed_messages=lambda with_categories: [
            ("ok", "The app was saved."),
            ("error", "No <b>such</b> thing: evil\u202egnp"),
        ],
    )
    return found


def context(rows: int = 10, here: str = "Users") -> dict[str, Any]:
    """What the layout and the sheet need, with so many rows, and a current page of the navigation."""
    now = clock.now()
    today = now // 1_000_000 // _DAY * _DAY
    names = ("Apps", "Users", "Groups", "Report", "Operators", "Installation")
    days = [today - _DAY * back for back in range(29, -1, -1)]
    return {
        "navigation": [
            SimpleNamespace(
                endpoint=f"console.{name.lower()}", url=f"/#{name.lower()}", text=name, current=name == here
            )
            for name in names
        ],
        "operator": SimpleNamespace(name=NAMES[3], role="owner"),
        "sign_out_url": "/act",
        "account_url": "/account",
        "product": None,
        "language": None,
        "crumbs": [
            SimpleNamespace(text="Apps", url="/#apps"),
            SimpleNamespace(text=NAMES[1], url="/#app"),
            SimpleNamespace(text="Users", url=""),
        ],
        "sheet": SimpleNamespace(
            tabs=[
                SimpleNamespace(url=f"/#{name}", text=name, current=name == "Overview")
                for name in ("Overview", "Connect", "Mapping", "Features", "Schemas", "Users", "Groups", "Tokens")
            ],
            people=[
                SimpleNamespace(
                    name=NAMES[number % len(NAMES)],
                    state=_STATES[number % len(_STATES)],
                    groups=number**5,
                    days=[(number * day * 7) % 11 for day in range(14)],
                    changed=now - 1_000_000 * 7**number if number < 10 else None,
                )
                for number in range(rows)
            ],
            page=SimpleNamespace(number=2, size=50, total=100_000, previous_url="/?page=1", next_url="/?page=3"),
            # Between five hours and six for as long as tests run.
            hours_ago=now - 5 * 3_600_000_000 - 60_000_000,
            later=now + 86_400_000_000 * 90,
            url="https://scim.example.com/scim/v2/a2f6c1a2-6c1e-4a56-b1c6-2c7f0a5b9d11",
            states=_STATES,
            long="x" * 400,
            changes={
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": ["Sales", "Engineering"],
                "active": [True, False],
                "name.familyName": [None, NAMES[3]],
                "title": [NAMES[7], None],
                "emails": [[], [{"value": "b@example.com", "type": "work"}]],
            },
            chart={
                "kind": "bars",
                "x": days,
                "series": [
                    {"name": "ok", "values": [(n * 37) % 90 + 20 for n in range(30)], "tone": "ok"},
                    {"name": "refused", "values": [(n * 11) % 17 for n in range(30)], "tone": "warn"},
                    {"name": "failed", "values": [(n * 5) % 9 if n > 20 else None for n in range(30)], "tone": "bad"},
                ],
            },
        ),
    }


@contextmanager
def served(pages: dict[str, str]) -> Iterator[str]:
    """Serves pages by their paths, and the console's static files, with its CSP; gives the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            static = re.fullmatch(r"/static/([\w./-]+)", path)
            if static:
                file = CONSOLE / "static" / static[1]
                self._answer(mimetypes.guess_type(file.name)[0] or "", file.read_bytes())
            elif path in pages:
                self._answer("text/html; charset=utf-8", pages[path].encode())
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            header = self.headers.get("X-CSRF-Token", "")
            # As text: the page shows what arrived.
            self._answer("text/plain; charset=utf-8", f"{sent}\n{header}".encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests print no access log."""

        def _answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", CSP)
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
