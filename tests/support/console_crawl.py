"""Every page of the console: its routes with real ids in them, an app that has something of everything, and a crawl."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from console_client import ConsoleClient, Page
from installation import Connected, Installation
from scim_client import ENTERPRISE_URN, USER_URN
from scimlite import clock
from scimlite.admin import apps, mapping, schemas, tokens, webhooks
from scimlite.db.tables import BrakeRow
from scimlite.operators import accounts, invitations, links
from scimlite.operators.roles import Role
from scimlite.web.console.assets import assets
from scimlite.web.console.blueprint import PAGES, PREFIX
from scimlite.web.console.routing import Route

ROUTES: tuple[Route, ...] = tuple(route for routes in PAGES for route in routes.routes)
GETS = tuple(route for route in ROUTES if route.method == "GET")
POSTS = tuple(route for route in ROUTES if route.method == "POST")
_PART = re.compile(r"<(?:\w+:)?(\w+)>")
_MAP = Map([Rule(PREFIX + route.rule, endpoint=route.name, methods=[route.method]) for route in ROUTES])
#: How many pages are opened that differ in ids and values alone.
_ALIKE = 3
#: A crawl that finds more is going round in circles.
_MOST = 600


# --- an app that has something of everything --------------------------------------------------------------------------


@dataclass
class Stocked:
    """An app and what the URLs of its pages are made of."""

    app: Connected
    users: list[str]
    groups: list[str]
    deleted: str
    token_number: int
    webhook_number: int
    operator_number: int
    secret: str
    invitation_number: int
    invitation: str
    #: The id of a request that was refused.
    refused: str

    @property
    def slug(self) -> str:
        """The app in URLs."""
        return self.app.slug

    def part(self, rule: str, name: str) -> str:
        """The text for a part of a rule. KeyError for a part that is new: then `Stocked` needs another field."""
        segments = rule.split("/")
        at = next(n for n, segment in enumerate(segments) if re.fullmatch(rf"<(\w+:)?{name}>", segment))
        kind = segments[at - 1]
        known = {
            ("apps", "slug"): self.slug,
            ("users", "id"): self.users[0],
            ("groups", "id"): self.groups[0],
            ("tokens", "number"): str(self.token_number),
            ("webhooks", "number"): str(self.webhook_number),
            ("operators", "number"): str(self.operator_number),
            ("link", "secret"): self.secret,
            ("setup", "secret"): self.invitation,
            ("links", "number"): str(self.invitation_number),
            ("requests", "request_id"): self.refused,
        }
        return "disable" if name == "act" else known[(kind, name)]

    def path(self, route: Route, within: str | None = None) -> str:
        """The path of a route with this app's ids in it; `within` is the slug to use in place of the app's."""

        def put(match: re.Match[str]) -> str:
            if match[1] == "slug" and within is not None:
                return within
            return self.part(route.rule, match[1])

        return PREFIX + _PART.sub(put, route.rule)


def stock(
    installation: Installation,
    name: str,
    *,
    called: str | None = None,
    texts: Iterable[str] = (),
    label: str = "first",
    client: Mapping[str, str] | None = None,
) -> Stocked:
    """An app with users, groups, refused requests, a deleted user, a tripped brake, a declared schema and a mapping.

    In: `called`, the name, when no slug can be made of it; `texts`, what every text attribute of one user and one group
    each is; `client`, headers of its requests.
    """
    made = installation.app(name)
    name = called or name
    apps.edit(installation.scope, made.slug, name=name)
    made.client.headers.update(client or {})
    row = installation.app_row(made)
    _declare(installation, made.slug, name)
    mapping.set_row(installation.scope, made.slug, mapping.types(row)[0], "job", {"source": "title"})
    users = [_user(made, number, text) for number, text in enumerate([name, f"{name} gone", *texts])]
    groups = [_group(made, number, text, users[0]) for number, text in enumerate([f"{name} staff", *texts])]
    made.client.delete(f"/Users/{users[1]}").ok(204)
    made.client.patch(f"/Users/{users[0]}", {"op": "replace", "path": "title", "value": f"{name} chief"}).ok()
    refused = made.client.post("/Users", {"userName": f"{name} 0"}).ok(409).headers["x-request-id"]
    for text in [name, *texts]:
        wrong = quote(f'unknown eq {json.dumps(text)} and "')
        made.client.get(f"/Users?filter={wrong}").ok(400)
        made.client.post("/Users", {"userName": [text], "title": {text: text}}).ok(400)
    _trip(installation, row.id, f"{name}: too many")
    token, _ = tokens.issue(installation.workspace(row), installation.keyring, label=label)
    # Nobody is there: what it is sent waits.
    webhook, _ = webhooks.add(
        installation.workspace(row), installation.keyring, "https://hooks.invalid/", name=f"{name} hook"
    )
    operator = accounts.add(installation.scope, f"{name} op", Role.AUDITOR, [row])
    secret = links.make(installation.scope, operator)
    invitation, text = invitations.make(installation.workspace(row), installation.keyring)
    return Stocked(
        made,
        users[:1] + users[2:],
        groups,
        users[1],
        token.id,
        webhook.id,
        operator.id,
        secret,
        invitation.id,
        text,
        refused,
    )


def _trip(installation: Installation, app_id: int, detail: str) -> None:
    values = {"tripped_at": clock.now(), "detail": detail}
    row = BrakeRow.insert(app_id=app_id, kind="users", **values)
    upsert = row.on_conflict(conflict_target=[BrakeRow.app_id, BrakeRow.kind], update=values)
    installation.db.transact(lambda: installation.db.execute(upsert))


def _declare(installation: Installation, slug: str, text: str) -> None:
    attributes = [{"name": "badge", "type": "string", "description": f"{text} badge"}]
    urn = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"
    body = {"id": urn, "name": text, "description": f"{text} schema", "attributes": attributes}
    schemas.add(installation.scope, slug, body, to=["User"])


def _user(app: Connected, number: int, text: str) -> str:
    body = {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "userName": f"{text} {number}",
        "externalId": f"{text} ext {number}",
        "displayName": text,
        "nickName": text,
        "title": text,
        "userType": text,
        "name": dict.fromkeys(("formatted", "givenName", "familyName", "middleName", "honorificPrefix"), text),
        "emails": [{"value": f"{text}@example.com", "display": text, "type": "work"}],
        "addresses": [{"streetAddress": text, "locality": text, "type": "work"}],
        "roles": [{"value": text, "display": text}],
        ENTERPRISE_URN: {"department": text, "employeeNumber": f"{number}", "costCenter": text},
    }
    answer = app.client.post("/Users", body)
    if answer.status == 400:
        # No name may have this in it; everything else may.
        answer = app.client.post("/Users", {**body, "userName": f"nameless {number}"})
    return answer.ok(201).id


def _group(app: Connected, number: int, text: str, member: str) -> str:
    body = {"displayName": f"{text} {number}", "externalId": text, "members": [{"value": member, "display": text}]}
    return app.client.post("/Groups", body).ok(201).id


# --- crawling ---------------------------------------------------------------------------------------------------------


class _Links(HTMLParser):
    """Where a page leads: by GET, and to which forms by POST."""

    _BY_GET = ("href", "src", "hx-get", "data-library", "data-script", "data-style")

    def __init__(self) -> None:
        super().__init__()
        self.gets: list[str] = []
        self.posts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.gets += [found[name] for name in self._BY_GET if name in found]
        if "hx-post" in found:
            self.posts.append(found["hx-post"])
        for name in ("action", "formaction"):
            if name in found:
                by_post = found.get("method", "post" if name == "formaction" else "get").lower() == "post"
                (self.posts if by_post else self.gets).append(found[name])


@dataclass
class Crawl:
    """What was found: each page by its path and query, and each form's address with the page that it is on."""

    pages: dict[str, Page] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)
    #: Each page, and the one that leads to it.
    found_on: dict[str, str] = field(default_factory=dict)

    @property
    def documents(self) -> Iterator[tuple[str, Page]]:
        """The whole pages among them."""
        for path, page in self.pages.items():
            if page.status == 200 and "<!doctype html>" in page.source[:20].lower():
                yield path, page


def crawl(client: ConsoleClient, start: Iterable[str], alike: int = _ALIKE) -> Crawl:
    """Opens these pages and every one to which they lead, of those that differ in ids alone a few."""
    found = Crawl()
    seen: Counter[str] = Counter()
    queue = [(path, "the start") for path in start]
    while queue:
        path, origin = queue.pop(0)
        if path in found.pages or seen[_shape(path)] >= alike:
            continue
        assert len(found.pages) < _MOST, f"no end of pages: {path}"
        seen[_shape(path)] += 1
        found.pages[path] = page = client.get(path)
        found.found_on[path] = origin
        if "html" not in page.headers.get("content-type", ""):
            continue
        for link in _links(found, client.url, path, page):
            queue.append((link, path))
    return found


def _links(found: Crawl, url: str, path: str, page: Page) -> Iterator[str]:
    """The paths within the console to which a page leads; notes its forms."""
    links = _Links()
    links.feed(page.source)
    for address in links.posts:
        found.forms[_local(url, path, address) or address] = path
    for address in [*links.gets, page.location]:
        if address and (local := _local(url, path, address)):
            yield local


def _local(url: str, path: str, address: str) -> str | None:
    """The path and query of an address within the service; None for the SCIM endpoint and other places."""
    parts = urlsplit(urldefrag(urljoin(url + path, address)).url)
    if f"{parts.scheme}://{parts.netloc}" != url or not parts.path.startswith(PREFIX):
        return None
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _shape(path: str) -> str:
    """What pages have in common that show different things in the same way."""
    parts = urlsplit(path)
    if parts.path.startswith(f"{PREFIX}/static/"):
        return path
    named = route_of(parts.path) or parts.path
    keys = sorted(item.partition("=")[0] for item in parts.query.split("&") if item)
    return f"{named}?{'&'.join(keys)}"


def route_of(path: str, method: str = "GET") -> str | None:
    """The name of the route for a path; None when the console has none."""
    try:
        found: Any = _MAP.bind("localhost").match(urlsplit(path).path, method)
    except HTTPException:
        return None
    return str(found[0])


# --- what is asked of every page --------------------------------------------------------------------------------------


def weight(page: Page) -> int:
    """Bytes of a page with the style and scripts that it loads at once, as they are before compression."""
    links = _Links()
    links.feed(page.source)
    total = len(page.source.encode())
    for address in dict.fromkeys(links.gets):
        name = urlsplit(address).path.partition("/static/")[2]
        if name and "uPlot" not in name and name != "charts.js":
            total += len(assets()[name].content)
    return total + len(assets()["vendor/simple.min.css"].content)
