"""WSGI middleware in front of Flask: trusted proxies and doubled slashes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_SLASHES = re.compile("/{2,}")


class TidySlashes:
    """Replaces doubled slashes behind an app's slug by single ones.

    A client sends doubled slashes when the base URL that it was given ends in a slash. Every other path stays
    unchanged: paths outside the URL prefix of the endpoint, and doubled slashes between the prefix and the slug.
    """

    def __init__(self, app: WsgiApp, prefix: str) -> None:
        self._app = app
        self._prefix = f"{prefix}/"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Calls the wrapped application with the tidied path."""
        path = environ.get("PATH_INFO", "")
        if "//" in path and path.startswith(self._prefix):
            slug, slash, rest = path.removeprefix(self._prefix).partition("/")
            if slug:
                environ["PATH_INFO"] = self._prefix + slug + _SLASHES.sub("/", slash + rest)
        return self._app(environ, start_response)


class TrustedProxies:
    """Applies X-Forwarded-For, -Proto, -Host and -Prefix when the request comes from a trusted proxy.

    In: `networks`, the addresses of the trusted proxies (SCIMLITE_TRUSTED_PROXIES). The headers of any other sender
    are ignored.
    """

    def __init__(self, app: WsgiApp, networks: Iterable[Any]) -> None:
        self._app = app
        self._forwarded_app = ProxyFix(app, x_for=1, x_proto=1, x_host=1, x_prefix=1)
        self._networks = tuple(networks)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Calls the wrapped application, with the client's own address when a trusted proxy forwards it."""
        try:
            address = ipaddress.ip_address(environ.get("REMOTE_ADDR", ""))
        except ValueError:
            return self._app(environ, start_response)
        trusted = any(address in network for network in self._networks)
        return (self._forwarded_app if trusted else self._app)(environ, start_response)
