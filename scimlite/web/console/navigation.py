"""The ways between pages: the main navigation, and the tabs of an app's pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app, request, url_for

from ...operators.roles import Act
from .texts import _, later
from .visit import Visit


@dataclass(frozen=True, slots=True)
class Place:
    """A way to a page; `key` is the letter to type after `g` for one of the main navigation."""

    endpoint: str
    text: str
    url: str
    current: bool
    key: str = ""


#: The main navigation: endpoint, letter, words, and the act that allows it.
_MAIN = (
    ("apps", "a", later("Apps"), Act.LOOK),
    ("users", "u", later("Users"), Act.LOOK),
    ("groups", "p", later("Groups"), Act.LOOK),
    ("report", "r", later("Report"), Act.LOOK),
    ("operators", "o", later("Operators"), Act.MANAGE_OPERATORS),
    ("installation", "i", later("Installation"), Act.SEE_INSTALLATION),
)
#: The tabs of an app: endpoint, words, and the act that allows it.
_TABS = (
    ("app_overview", later("Overview"), Act.LOOK),
    ("app_connect", later("Connect"), Act.LOOK),
    ("app_mapping", later("Mapping"), Act.LOOK),
    ("app_features", later("Features"), Act.LOOK),
    ("app_schemas", later("Schemas"), Act.LOOK),
    ("app_tokens", later("Tokens"), Act.REVOKE_TOKEN),
    ("app_webhooks", later("Webhooks"), Act.LOOK),
    ("app_settings", later("Settings"), Act.EDIT_APP),
)


def main(visit: Visit) -> list[Place]:
    """Returns the main navigation, without what the operator's role does not allow."""
    if visit.session is None:
        return []
    return [
        Place(endpoint, _(text), url_for(f"console.{endpoint}"), _is_current(endpoint), key)
        for endpoint, key, text, act in _MAIN
        if visit.desk.may(act) and exists(endpoint)
    ]


def tabs(visit: Visit) -> list[Place]:
    """Returns the tabs of the app in the URL; none on other pages."""
    if visit.named_app is None:
        return []
    slug = visit.named_app.slug
    urls = {endpoint: url_for(f"console.{endpoint}", slug=slug) for endpoint, _, _ in _TABS if exists(endpoint)}
    # What a form answers with is at an address below the page that it is on.
    current = max(
        (url for url in urls.values() if f"{request.script_root}{request.path}/".startswith(f"{url}/")),
        key=len,
        default="",
    )
    return [
        Place(endpoint, _(text), urls[endpoint], urls[endpoint] == current)
        for endpoint, text, act in _TABS
        if endpoint in urls and visit.desk.may(act)
    ]


def way(endpoint: str, **values: Any) -> str | None:
    """Returns the URL of a page; None when there is no such page."""
    return url_for(f"console.{endpoint}", **values) if exists(endpoint) else None


def exists(endpoint: str) -> bool:
    """True when the console has a page with this endpoint."""
    return f"console.{endpoint}" in current_app.view_functions


def _is_current(endpoint: str) -> bool:
    return request.endpoint == f"console.{endpoint}"
