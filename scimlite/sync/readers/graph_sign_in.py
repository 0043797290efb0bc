"""Where Microsoft Graph is, and how an application signs in there."""

from __future__ import annotations

from urllib.parse import quote

from ..reading import Opening, SourceError
from .api import Api
from .authorization import Fixed
from .signing import key_text, signed_client, thumbprint
from .tokens import Tokens, client_credentials

#: By cloud: Graph, and what gives tokens.
CLOUDS = {
    "global": ("https://graph.microsoft.com", "https://login.microsoftonline.com"),
    "us-gov": ("https://graph.microsoft.us", "https://login.microsoftonline.us"),
    "us-dod": ("https://dod-graph.microsoft.us", "https://login.microsoftonline.us"),
    "china": ("https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn"),
}


def connected(opening: Opening) -> tuple[Api, Api]:
    """The sign-in of the tenant, and Graph. Raises SourceError for options that cannot be."""
    graph, login = CLOUDS[opening.text("cloud") or "global"]
    graph, login = (opening.text("url") or graph).rstrip("/"), (opening.text("login-url") or login).rstrip("/")
    sign_in = Api(opening.client, f"{login}/{quote(opening.text('tenant') or '', safe='')}", Fixed(None))
    tokens = _tokens(opening, sign_in.url("oauth2/v2.0/token"), f"{graph}/.default")
    return sign_in, Api(opening.client, f"{graph}/v1.0", tokens)


def _tokens(opening: Opening, url: str, scope: str) -> Tokens:
    """Access tokens for the application's certificate, or its secret."""
    client_id, file = opening.text("client-id") or "", opening.text("key-file")
    if file is not None:
        key = key_text(None, file, "graph")
        return Tokens(opening.client, url, signed_client(client_id, url, scope, key, {"x5t#S256": thumbprint(key)}))
    if opening.secret is None:
        raise SourceError("Give the client secret of the application as the secret, or its certificate by --key-file.")
    return Tokens(opening.client, url, client_credentials(client_id, opening.secret, scope))
