"""WSGI middleware in front of Flask: trusted proxies and doubled slashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from . import client_address

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class TidySlashes:
    """Replaces doubled slashes behind an app's slug by single ones, where no route takes the URL as it is.

    A client sends doubled slashes when the base URL that it was given ends in a slash. All other URLs stay unchanged,
    those of an application around the endpoint too.
    """

    def __init__(self, flask: Flask, not_found: str) -> None:
        """In: the application, and its Flask endpoint for URLs of the blueprint that no other route takes."""
        self._app = flask.wsgi_app
        self._url_map = flask.url_map
        self._not_found = not_found

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Calls the wrapped application with the tidied path."""
        path = environ.get("PATH_INFO", "")
        if "//" in path:
            environ["PATH_INFO"] = self._tidied(environ, path)
        return self._app(environ, start_response)

    def _tidied(self, environ: dict[str, Any], path: str) -> str:
        try:
            endpoint, arguments = self._url_map.bind_to_environ(environ).match()
        except HTTPException:
            return path
        # As in the path: one character for each byte (PEP 3333).
        rest = arguments.get("rest", "").encode().decode("latin-1")
        tidy = "/".join(part for part in rest.split("/") if part)
        return path.removesuffix(rest) + tidy if endpoint == self._not_found and tidy else path


class TrustedProxies:
    """Applies X-Forwarded-For, -Proto, -Host and -Prefix when the request comes from a trusted proxy.

    In: `networks`, the addresses of the trusted proxies (SCIMLITE_TRUSTED_PROXIES). The headers of any other sender
    are ignored.
    """

    def __init__(self, app: WsgiApp, networks: Iterable[Any]) -> None:
        self._app = app
        # The client's address is not the last one of X-Forwarded-For when there are several proxies.
        self._forwarded_app = ProxyFix(app, x_for=0, x_proto=1, x_host=1, x_prefix=1)
        self._networks = tuple(networks)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Calls the wrapped application, with the client's own address when a trusted proxy forwards it."""
        remote = environ.get("REMOTE_ADDR", "")
        if not client_address.is_in(client_address.parsed(remote), self._networks):
            return self._app(environ, start_response)
        header = environ.get("HTTP_X_FORWARDED_FOR")
        if header:
            environ["REMOTE_ADDR"] = client_address.forwarded(header, self._networks, remote)
        return self._forwarded_app(environ, start_response)
