"""A SCIM client that sends requests exactly as a test writes them, and the check of every error answer."""

from __future__ import annotations

import http.client
import json
import re
import socket
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MEDIA_TYPE = "application/scim+json"

_UNSET: Any = object()
_ERROR_KEYS = {"schemas", "status", "scimType", "detail"}


@dataclass(frozen=True)
class Answer:
    """The answer to a request; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Json:
        """The body as JSON."""
        return json.loads(self.content)

    @property
    def id(self) -> str:
        """The id of the resource in the body."""
        id: str = self.json["id"]
        return id

    @property
    def etag(self) -> str:
        """The entity tag."""
        return self.headers["etag"]

    def ok(self, status: int | None = None) -> Answer:
        """This answer; fails unless it has the status (any 2xx when none is named)."""
        right = 200 <= self.status < 300 if status is None else self.status == status
        assert right, f"{self.status}: {self.content[:2000]!r}"
        return self


@dataclass
class ScimClient:
    """One connection to one base URL; for use by one thread, which others get by `another()`."""

    base: str
    token: str | None = None
    timeout: float = 60
    headers: dict[str, str] = field(default_factory=dict)
    #: Whether a request is sent again when the server had closed its idle connection.
    again: bool = True
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def another(self, **changes: Any) -> ScimClient:
        """The same client on a connection of its own, with these fields changed."""
        settings = {"base": self.base, "token": self.token, "timeout": self.timeout, "again": self.again}
        return ScimClient(**{**settings, "headers": dict(self.headers), **changes})

    def request(
        self,
        method: str,
        path: str,
        body: Json = _UNSET,
        *,
        raw: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Send one request and read the answer.

        `path` is put behind the base URL as it is; an absolute one (`http…`) is sent alone. `body` becomes JSON;
        `raw` is sent as it is, in chunks when it is not bytes. A header of None is left out. A connection that the
        server closed while it was idle is opened again, unless `again` is false.
        """
        sent: dict[str, str] = {"Accept": MEDIA_TYPE, **self.headers}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        content: bytes | Iterable[bytes] | None = raw
        if body is not _UNSET:
            content = json.dumps(body, ensure_ascii=False).encode()
        if content is not None:
            sent["Content-Type"] = MEDIA_TYPE
        for name, value in (headers or {}).items():
            for replaced in [header for header in sent if header.lower() == name.lower()]:
                del sent[replaced]
            if value is not None:
                sent[name] = value
        target = path if path.startswith("http") else self.base + path
        return self._send(method, urllib.parse.urlsplit(target), target, content, sent)

    def _send(
        self,
        method: str,
        parts: urllib.parse.SplitResult,
        target: str,
        content: bytes | Iterable[bytes] | None,
        headers: dict[str, str],
    ) -> Answer:
        assert parts.hostname
        # Not parts.path: an empty query ("?") and doubled slashes are sent as the test wrote them.
        path = target.split(parts.netloc, 1)[1] or "/"
        chunked = content is not None and not isinstance(content, bytes)
        for last in (False, True):
            fresh = self._connection is None
            if self._connection is None:
                self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.timeout)
            try:
                self._connection.request(method, path, content, headers, encode_chunked=chunked)
                response = self._connection.getresponse()
                data = response.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.close()
                if fresh or last or chunked or not self.again:
                    raise
                continue
            if response.will_close:
                self.close()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, data)
        raise AssertionError("the second attempt returns or raises")

    @property
    def port(self) -> int | None:
        """This end's port of the open connection; None when there is none."""
        if self._connection is None or self._connection.sock is None:
            return None
        port: int = self._connection.sock.getsockname()[1]
        return port

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        # Tests make many clients; an open socket would be a warning and so an error.
        self.close()

    def get(self, path: str, **kwargs: Any) -> Answer:
        """GET."""
        return self.request("GET", path, **kwargs)

    def find(self, endpoint: str, **parameters: Any) -> Json:
        """The list response of a query that must succeed."""
        query = urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)
        return self.get(f"/{endpoint}?{query}").ok(200).json

    def post(self, path: str, body: Json = _UNSET, **kwargs: Any) -> Answer:
        """POST."""
        return self.request("POST", path, body, **kwargs)

    def put(self, path: str, body: Json = _UNSET, **kwargs: Any) -> Answer:
        """PUT."""
        return self.request("PUT", path, body, **kwargs)

    def patch(self, path: str, *operations: Json, **kwargs: Any) -> Answer:
        """PATCH with these operations."""
        return self.request("PATCH", path, {"schemas": [PATCH_URN], "Operations": list(operations)}, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Answer:
        """DELETE."""
        return self.request("DELETE", path, **kwargs)

    def user(self, name: str, **attributes: Json) -> Answer:
        """Create a user; the answer is not checked."""
        return self.post("/Users", {"schemas": [USER_URN], "userName": name, **attributes})

    def group(self, name: str, *members: str, **attributes: Json) -> Answer:
        """Create a group with these members; the answer is not checked."""
        held = {"members": [{"value": id} for id in members]} if members else {}
        return self.post("/Groups", {"schemas": [GROUP_URN], "displayName": name, **held, **attributes})

    def members(self, id: str) -> set[str]:
        """The ids of a group's members."""
        return {member["value"] for member in self.get(f"/Groups/{id}").ok(200).json.get("members", [])}


def add_members(*ids: str) -> Json:
    """The PATCH operation that adds members to a group."""
    return {"op": "add", "path": "members", "value": [{"value": id} for id in ids]}


def remove_member(id: str) -> Json:
    """The PATCH operation that removes a member from a group."""
    return {"op": "remove", "path": f'members[value eq "{id}"]'}


def send_raw(url: str, request: bytes, timeout: float = 30) -> bytes:
    """Send bytes that no HTTP library would send, and read until the server closes the connection."""
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=timeout) as connection:
        received = b""
        try:
            connection.sendall(request)
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionError:
            # The server may close before it has read everything; what it said before counts.
            pass
    return received


def assert_protected(headers: Mapping[str, str]) -> None:
    """Check the headers that every answer has; names are in lower case."""
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    # The development server of an application around the endpoint names itself.
    assert headers.get("server", "Werkzeug").startswith("Werkzeug")


def assert_scim_error(answer: Answer, status: int, scim_type: str | None = None, detail: str | None = None) -> Json:
    """Check that the answer is an error in the form of RFC 7644 with this text in `detail`; returns the body."""
    assert answer.status == status, f"{answer.status}: {answer.content[:1000]!r}"
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert_protected(answer.headers)
    body = answer.json
    assert set(body) <= _ERROR_KEYS, body
    assert body["schemas"] == [ERROR_URN]
    assert body["status"] == str(status)
    assert body.get("scimType") == scim_type, body
    request_id = answer.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", request_id)
    assert body["detail"].endswith(f" (request {request_id})"), body
    assert "Traceback" not in body["detail"]
    if detail is not None:
        assert detail in body["detail"], body
    return body
