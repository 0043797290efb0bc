"""The service as a Flask application: the SCIM endpoint, health, and the OpenAPI document."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import orjson
from flask import Flask, Response

from ..config import Settings
from ..db import Database, migration
from ..errors import ScimError, Unavailable
from ..installation import SCIM_PREFIX, Installation
from ..scim import core, openapi
from .middleware import TrustedProxies
from .scim import discovery, failures, provider
from .scim.provider import scim_blueprint


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
    blueprint = scim_blueprint(
        db, installation.keyring, base_url=settings.base_url, **dataclasses.asdict(settings.limits)
    )
    app.register_blueprint(blueprint, url_prefix=SCIM_PREFIX)
    _add_health(app, db)
    _add_openapi(app)
    # Outside the blueprint too, whatever reaches Flask is answered in SCIM's own form.
    app.register_error_handler(Exception, lambda error: provider.finish(failures.handle(error)))
    if settings.trusted_proxies:
        app.wsgi_app = TrustedProxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    return app


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
