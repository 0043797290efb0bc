"""The page at `/` of the service, which says what answers here."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import orjson
from flask import Response, request

from ..installation import SCIM_PREFIX
from .headers import protect

_HTML = "text/html"
_JSON = "application/json"

# The addresses are relative, so that they are right behind a proxy that serves below a path.
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>scimlite</title>
<h1>scimlite {version}</h1>
<p>This is a SCIM 2.0 endpoint: identity providers such as Microsoft Entra ID and Okta create, update, disable and
remove users and groups here. It answers at <code>{prefix}/&lt;app&gt;</code>, with a bearer token.</p>
<ul>
{console}<li><a href="healthz">healthz</a>: is it well?</li>
<li><a href="readyz">readyz</a>: should it get requests?</li>
<li><a href="openapi.json">openapi.json</a>: what it can do, for programs</li>
</ul>
<p>If you run it: <code>scimlite app create "Entra ID"</code> makes an app with a token, and
<code>scimlite --help</code> lists all commands.</p>
</html>
"""


#: What stands in the page where the console answers beside the endpoint.
_CONSOLE = '<li><a href="console/">console</a>: the pages of those who run it</li>\n'


def home(*, console: bool) -> Response:
    """Answers with a page, or with JSON when the client prefers that; needs no authentication.

    In: `console`, True when the console answers at the same address.
    """
    if request.accept_mimetypes.best_match([_HTML, _JSON], default=_HTML) == _JSON:
        response = Response(orjson.dumps(_facts()), content_type=_JSON)
    else:
        page = _PAGE.format(version=version("scimlite"), prefix=SCIM_PREFIX, console=_CONSOLE if console else "")
        response = Response(page, content_type=f"{_HTML}; charset=utf-8")
    response.headers["Vary"] = "Accept"
    response.headers["Content-Security-Policy"] = "default-src 'none'"
    return protect(response)


def _facts() -> dict[str, Any]:
    return {
        "name": "scimlite",
        "version": version("scimlite"),
        "description": "SCIM 2.0 endpoint",
        "scim": f"{SCIM_PREFIX.removeprefix('/')}/{{app}}",
        "health": "healthz",
        "openapi": "openapi.json",
    }
