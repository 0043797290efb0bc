"""The service as a Flask application: the SCIM endpoint, the console, health and the OpenAPI document."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import orjson
from flask import Flask, Request, Response, request
from flask.sessions import NullSession, SessionInterface

from ..apps.keyring import Keyring
from ..config import Settings
from ..config_values import ConsolePlace
from ..errors import NotImplementedHere
from ..events import epoch, set_keys
from ..events.set_keys import MissingExtraError
from ..installation import API_PREFIX, SCIM_PREFIX, Installation
from ..scim import core, openapi
from .api.blueprint import api_blueprint
from .console.blueprint import add_console
from .console.texts import Languages
from .console.visit import Console
from .headers import protect
from .health import Health, add_health
from .home import home
from .middleware import TrustedProxies
from .scim import discovery, failures, provider
from .scim.call import Service
from .scim.provider import scim_blueprint


class _SyncFlask(Flask):
    """Flask for synchronous functions only: it skips the check for coroutine functions at each call."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


class _NoSessions(SessionInterface):
    """The same empty session of Flask for every request: clients have tokens, and the console its own sessions."""

    _session = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._session


def create_app(settings: Settings | None = None) -> Flask:
    """Returns the whole service: `<base>/scim/v2/<app slug>/…`, `/console/`, health and `/openapi.json`.

    In: `settings`, by default those of the SCIMLITE_* variables. Raises ConfigError when a setting is wrong,
    StartupError when the database does not have this version's schema or the secret key does not fit its tokens.
    """
    settings = settings or Settings.from_environment()
    installation = Installation.open(settings)
    installation.check_keys()
    db = installation.db
    epoch.settle(db)
    # gunicorn forks after this: its workers must not share a connection.
    db.close()
    app = _SyncFlask("scimlite", static_folder=None)
    # For what `serve` does beside requests.
    app.extensions["scimlite"] = installation
    app.url_map.strict_slashes = False
    # Flask's own answer to OPTIONS would lack the headers of every answer.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    blueprint = scim_blueprint(
        db, installation.keyring, base_url=settings.base_url, **dataclasses.asdict(settings.limits)
    )
    app.register_blueprint(blueprint, url_prefix=SCIM_PREFIX)
    service = Service(db, installation.keyring, settings.base_url, settings.limits)
    app.register_blueprint(api_blueprint(service), url_prefix=API_PREFIX)
    beside = settings.console == ConsolePlace()
    app.add_url_rule("/", "home", partial(home, console=beside))
    if settings.console is not None:
        languages = Languages(settings.console_language)
        add_console(app, Console(settings, db, installation.keyring, languages))
    # The server says there that it is about to stop.
    health = app.extensions["scimlite.health"] = Health(db)
    add_health(app, health)
    _add_openapi(app)
    _add_key_set(app, installation.keyring)
    app.session_interface = _NoSessions()
    app.before_request(_check_host)
    # An error outside the blueprint is answered in SCIM's form too.
    app.register_error_handler(Exception, lambda error: provider.finish_request(failures.error_response(error)))
    if settings.trusted_proxies:
        app.wsgi_app = TrustedProxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    return app


def _check_host() -> None:
    """Raises BadRequest for a Host header that is no host."""
    # The request itself: each attribute of Flask's stand-in for it costs three calls.
    this_request = request._get_current_object()  # type: ignore[attr-defined]  # a proxy's own method
    provider.check_host(this_request.environ.get("HTTP_HOST"))


def _add_openapi(app: Flask) -> None:
    @app.get("/openapi.json")
    def openapi_document() -> Response:
        """Answers with the OpenAPI document of an app without declared types; needs no authentication."""
        slug = {"default": "entra-id", "description": "The app's slug."}
        servers = [{"url": f"{SCIM_PREFIX}/{{slug}}", "variables": {"slug": slug}}]
        document = openapi.document(core.RESOURCE_TYPES.values(), servers, version("scimlite"))
        return protect(discovery.openapi_response(document))


def _add_key_set(app: Flask, keyring: Keyring) -> None:
    @app.get("/.well-known/jwks.json")
    def key_set() -> Response:
        """Answers with the keys that verify security event tokens (RFC 7517); needs no authentication."""
        try:
            body = orjson.dumps(set_keys.key_set(keyring))
        except MissingExtraError as error:
            raise NotImplementedHere(str(error)) from None
        return protect(Response(body, content_type="application/jwk-set+json"))
