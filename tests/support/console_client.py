"""A browser without a screen for the console: cookies, forms with their hidden fields, and redirects that are told."""

from __future__ import annotations

import html
import http.client
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from installation import Installation
from scimlite.operators import accounts, links
from scimlite.operators.roles import Role

_CSRF = re.compile(r'<meta name="csrf" content="([^"]*)"')
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """An answer of the console; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    source: str

    @property
    def words(self) -> str:
        """The text that a person reads, with single blanks."""
        return " ".join(html.unescape(_TAGS.sub(" ", self.source)).split())

    @property
    def location(self) -> str:
        """Where the answer leads."""
        return self.headers.get("location") or self.headers.get("hx-redirect", "")

    def ok(self, status: int = 200) -> Page:
        """This page; fails unless it has the status."""
        assert self.status == status, f"{self.status}: {self.words[:500]}"
        return self


@dataclass
class ConsoleClient:
    """One browser at the console of a service; paths are below the service's address."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Page:
        """Open a page; its CSRF token is used by the next `post`."""
        return self.send("GET", path, headers=headers)

    def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Page:
        """Send a form as a page of this console would."""
        body = urllib.parse.urlencode({"csrf_token": self.csrf, **(fields or {})})
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.url, **headers}
        return self.send("POST", path, body, headers=sent)

    def follow(self, page: Page) -> Page:
        """Open the page to which an answer leads."""
        assert page.location, page.status
        return self.get(page.location)

    def send(self, method: str, path: str, body: str | None = None, *, headers: Mapping[str, str]) -> Page:
        """Send any request, with the cookies of this browser."""
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(self.url, path))
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, body, {**(cookies if self.cookies else {}), **self.headers, **named})
            response = connection.getresponse()
            content = response.read().decode()
            for cookie in response.headers.get_all("Set-Cookie") or []:
                name, _, value = cookie.partition(";")[0].partition("=")
                if "Max-Age=0" in cookie:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = value
        finally:
            connection.close()
        found = _CSRF.search(content)
        if found:
            self.csrf = found[1]
        return Page(response.status, {name.lower(): value for name, value in response.headers.items()}, content)


def signed_in(
    installation: Installation, name: str, role: Role = Role.OWNER, *slugs: str, at: ConsoleClient | None = None
) -> ConsoleClient:
    """A browser, `at` if given, in which a new operator, bound to these apps if any are named, has just signed in."""
    from scimlite.admin import apps

    bound = [apps.get(installation.db, slug) for slug in slugs] or None
    operator = accounts.add(installation.scope, name, role, bound)
    client = at or ConsoleClient(installation.url)
    path = f"/console/link/{links.make(installation.scope, operator)}"
    client.get(path).ok()
    client.post(path).ok(303)
    return client
