"""OpenID providers for tests: a real one in a process of its own, and one whose tokens a test writes."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from postgres_server import free_port


@dataclass
class OpenIdProvider:
    """The package oidc-provider-mock as a server; starting it again gives it another key."""

    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(self.port), "--host", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{self.issuer}/.well-known/openid-configuration", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the OpenID provider did not start")

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=20)

    def knows(self, subject: str, **claims: Any) -> None:
        """Set what it tells about somebody."""
        url = f"{self.issuer}/users/{urllib.parse.quote(subject)}"
        body = json.dumps(claims).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="PUT")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def sign_in(self, url: str, subject: str) -> str:
        """Sign somebody in at the authorization URL; returns the address that the browser is sent to."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        try:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            body = urllib.parse.urlencode({"sub": subject})
            connection.request("POST", f"{parts.path}?{parts.query}", body, form)
            answer = connection.getresponse()
            assert answer.status == 302, answer.read()
            return str(answer.headers["Location"])
        finally:
            connection.close()


@dataclass
class HandmadeProvider:
    """A provider whose ID token and discovery document a test writes."""

    issuer: str
    key: RSAKey
    discovery: dict[str, Any]
    #: What the token endpoint answers as ID token.
    token: str = ""
    userinfo: dict[str, Any] = field(default_factory=dict)

    def sign(self, claims: Mapping[str, Any], *, alg: str = "RS256", secret: str | None = None) -> None:
        """Have it answer with this token."""
        if alg == "none":
            # joserfc will not make such a token.
            parts = [json.dumps(part).encode() for part in ({"alg": "none"}, dict(claims))]
            self.token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."
            return
        key = OctKey.import_key(secret) if secret else self.key
        self.token = jwt.encode({"alg": alg}, dict(claims), key, algorithms=[alg])


@contextmanager
def handmade() -> Iterator[HandmadeProvider]:
    """A provider in a thread of the test."""
    made: HandmadeProvider

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            if self.path == "/jwks":
                self._answer({"keys": [made.key.as_dict(private=False)]})
            elif self.path == "/userinfo":
                self._answer(made.userinfo)
            else:
                self._answer(made.discovery)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer({"access_token": "a", "token_type": "Bearer", "id_token": made.token})

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = f"http://127.0.0.1:{server.server_port}"
    discovery = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
    }
    made = HandmadeProvider(issuer, RSAKey.generate_key(2048), discovery)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
