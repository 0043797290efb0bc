"""The service as a Flask application, and the blueprint for applications that have one already."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

import orjson
from flask import Blueprint, Flask, Response
from werkzeug.middleware.proxy_fix import ProxyFix

from ..apps.keyring import Keyring
from ..clock import DAY
from ..config import Settings
from ..db import Database, migration
from ..errors import ScimError, Unavailable
from ..installation import SCIM_PREFIX, Installation
from ..scim import core, openapi
from .scim import bulk, discovery, me, provider, resources, search
from .scim.provider import Service

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Service(Flask):
    """Flask for functions of which none is async: it need not look at each one at every call."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """The whole service: `<base>/scim/v2/<app slug>/…` and `/healthz`.

    Settings come from SCIMLITE_* variables unless given. Raises ConfigError when they are wrong, StartupError
    when the database is not at this version's schema or the secret key does not fit its tokens.
    """
    settings = settings or Settings.from_environment()
    installation = Installation.open(settings)
    installation.check_keys()
    db = installation.db
    # A connection that was opened before gunicorn forks must not be shared by its workers.
    db.close()
    app = _Service("scimlite", static_folder=None)
    app.url_map.strict_slashes = False
    app.register_blueprint(
        scim_blueprint(
            db,
            installation.keyring,
            base_url=settings.base_url,
            max_body=settings.max_body,
            max_results=settings.max_results,
            default_count=settings.default_count,
            max_operations=settings.max_operations,
            retention=settings.retention,
        ),
        url_prefix=SCIM_PREFIX,
    )
    _add_health(app, db)
    _add_openapi(app)
    # Outside the blueprint too, whatever reaches Flask is answered in SCIM's own form.
    app.register_error_handler(Exception, lambda error: provider.finish(provider.handle(error)))
    if settings.trusted_proxies:
        app.wsgi_app = _TrustedProxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    return app


def scim_blueprint(
    db: Database,
    keyring: Keyring,
    *,
    name: str = "scim",
    base_url: str | None = None,
    max_body: int = 16 * 1024 * 1024,
    max_results: int = 1000,
    default_count: int = 100,
    max_operations: int = 1000,
    retention: int = 30 * DAY,
) -> Blueprint:
    """The SCIM endpoint as a blueprint; it touches nothing outside the URL prefix it is registered under.

    `retention` is how long a deleted user can be revived, in microseconds.
    """
    service = Service(db, keyring, base_url, max_body, max_results, default_count, max_operations, retention)
    blueprint = Blueprint(name, __name__)
    provider.register(blueprint, service)
    discovery.add_routes(blueprint, service)
    search.add_routes(blueprint, service)
    me.add_routes(blueprint, service)
    bulk.add_routes(blueprint, service)
    resources.add_routes(blueprint, service)
    return blueprint


def _add_health(app: Flask, db: Database) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        """200 when the database answers, 503 otherwise; needs no authentication."""
        try:
            migration.ping(db)
        except ScimError:
            raise Unavailable("The database does not answer.") from None
        return app.response_class(orjson.dumps({"status": "ok"}), content_type="application/json")


def _add_openapi(app: Flask) -> None:
    @app.get("/openapi.json")
    def openapi_document() -> Response:
        """What every app starts with, as an OpenAPI document; needs no authentication."""
        slug = {"default": "entra-id", "description": "The app's slug."}
        servers = [{"url": f"{SCIM_PREFIX}/{{slug}}", "variables": {"slug": slug}}]
        document = openapi.document(core.RESOURCE_TYPES.values(), servers, version("scimlite"))
        return discovery.openapi_response(document)


class _TrustedProxies:
    """Believes X-Forwarded-For, -Proto, -Host and -Prefix only when they come from an address the operator named."""

    def __init__(self, app: WsgiApp, networks: Iterable[Any]) -> None:
        self._plain = app
        self._fixed = ProxyFix(app, x_for=1, x_proto=1, x_host=1, x_prefix=1)
        self._networks = tuple(networks)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            address = ipaddress.ip_address(environ.get("REMOTE_ADDR", ""))
        except ValueError:
            return self._plain(environ, start_response)
        trusted = any(address in network for network in self._networks)
        return (self._fixed if trusted else self._plain)(environ, start_response)
