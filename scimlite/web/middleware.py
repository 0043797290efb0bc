"""What wraps every request before Flask sees it: the proxies in front, and doubled slashes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_SLASHES = re.compile("/{2,}")


class TidySlashes:
    """Folds the doubled slashes behind an app's slug, as clients make them of a base URL that ends in a slash.

    All other paths stay as they are, those above and beside the URL prefix of the endpoint too.
    """

    def __init__(self, app: WsgiApp, prefix: str) -> None:
        self._app = app
        self._prefix = f"{prefix}/"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass a request on."""
        path = environ.get("PATH_INFO", "")
        if "//" in path and path.startswith(self._prefix):
            slug, slash, rest = path.removeprefix(self._prefix).partition("/")
            if slug:
                environ["PATH_INFO"] = self._prefix + slug + _SLASHES.sub("/", slash + rest)
        return self._app(environ, start_response)


class TrustedProxies:
    """Believes X-Forwarded-For, -Proto, -Host and -Prefix only when they come from an address the operator named."""

    def __init__(self, app: WsgiApp, networks: Iterable[Any]) -> None:
        self._plain = app
        self._fixed = ProxyFix(app, x_for=1, x_proto=1, x_host=1, x_prefix=1)
        self._networks = tuple(networks)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass a request on, with the client's own address where a trusted proxy says it."""
        try:
            address = ipaddress.ip_address(environ.get("REMOTE_ADDR", ""))
        except ValueError:
            return self._plain(environ, start_response)
        trusted = any(address in network for network in self._networks)
        return (self._fixed if trusted else self._plain)(environ, start_response)
