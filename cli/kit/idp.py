"""The lines that an operator pastes into an identity provider, under the names of its own fields."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from scimlite.admin.wording import visible

from .address import Address

#: Columns of the text around the two values; those are never wrapped, so that they can be copied.
_WIDTH = 80


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Where an identity provider takes the SCIM base URL and the bearer token; docs/connect-*.md has the sources."""

    #: What `--idp` takes.
    key: str
    title: str
    #: A regular expression for the names of apps that are meant for it.
    named: str
    #: The way to its form.
    place: str
    url_field: str
    token_field: str
    #: What to do once both are pasted.
    then: str
    #: False for one that can reach an address of the own network without https.
    is_remote: bool = True


_OTHER = IdentityProvider(
    "other",
    "The identity provider",
    r"$^",
    "In the provisioning settings of the identity provider",
    "SCIM base URL",
    "Bearer token",
    "and test the connection. Entra ID calls them Tenant URL and Secret Token.",
)
_PROVIDERS = (
    IdentityProvider(
        "entra",
        "Entra ID",
        r"entra|azure|microsoft|\baad\b",
        "In the Microsoft Entra admin center: Enterprise applications > "
        'your application > Provisioning, Provisioning Mode "Automatic"',
        "Tenant URL",
        "Secret Token",
        "and press Test Connection.",
    ),
    IdentityProvider(
        "okta",
        "Okta",
        r"\bokta|auth0",
        "In the Okta admin console: Applications > your application > "
        'Provisioning > Integration, Authentication Mode "HTTP Header"',
        "SCIM connector base URL",
        "Authorization",
        'with "userName" as Unique identifier field for users, and press Test Connector Configuration. Apps of the '
        'catalogue call them "Base URL" and "API Token".',
    ),
    IdentityProvider(
        "onelogin",
        "OneLogin",
        r"one ?login",
        "In OneLogin: Applications > your application > Configuration",
        "SCIM Base URL",
        "SCIM Bearer Token",
        "and press Enable under API Status.",
    ),
    IdentityProvider(
        "jumpcloud",
        "JumpCloud",
        r"jump ?cloud",
        "In JumpCloud: SSO Applications > your application > Identity Management, SCIM 2.0",
        "Base URL",
        "Token Key",
        "and press Test Connection, then Activate.",
    ),
    IdentityProvider(
        "google",
        "Google Workspace",
        r"\bgoogle|g ?suite",
        "In the Google Admin console: Apps > Web and mobile apps > your application > Configure autoprovisioning",
        "Endpoint URL",
        "Access token",
        "and map at least userName.",
    ),
    IdentityProvider(
        "ping",
        "Ping",
        r"\bping",
        'In the SCIM connection of PingOne or PingFederate: SCIM Version 2.0, Authentication Method "OAuth 2 Bearer '
        'Token"',
        "SCIM URL (PingOne: SCIM Base URL)",
        "Access Token",
        "with userName as Unique User Identifier.",
    ),
    IdentityProvider(
        "keycloak",
        "Keycloak",
        r"keycloak",
        "In Keycloak: User federation > Add provider > scim, authentication mode Bearer",
        "SCIM 2.0 endpoint",
        "Auth password/token",
        "and save.",
        is_remote=False,
    ),
    IdentityProvider(
        "authentik",
        "authentik",
        r"authentik",
        "In authentik: Applications > Providers > your SCIM provider",
        "URL",
        "Token",
        "and enter it under Backchannel providers of your application.",
        is_remote=False,
    ),
    _OTHER,
)


def idp_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The `--idp` option of commands that print what to paste into an identity provider."""
    return click.option(
        "--idp",
        type=click.Choice([provider.key for provider in _PROVIDERS]),
        help="Name the fields as this identity provider does.  [guessed from the app's profile and name]",
    )(command)


def identity_provider(key: str | None, *names: str) -> IdentityProvider:
    """Return the identity provider with this key; without a key, the one that the profile and names of an
    app suggest."""
    if key is not None:
        return next(provider for provider in _PROVIDERS if provider.key == key)
    return next(
        (provider for name in names for provider in _PROVIDERS if re.search(provider.named, name, re.IGNORECASE)),
        _OTHER,
    )


def connection_block(
    provider: IdentityProvider,
    name: str,
    slug: str,
    address: Address,
    token: str | None,
    *,
    label: str = "default",
    lead: str = "",
) -> str:
    """Return the SCIM base URL and the token of an app, under the names that its identity provider gives them.

    In: the app's name and slug, and its base URL as an address; `token`, None when it is not to be shown; `lead`, a
    sentence in place of the one that says whether the app can be connected.
    """
    again = "scimlite token show " + slug + ("" if label == "default" else f" {shlex.quote(label)}")
    if not lead:
        runs = address.listening is not False
        lead = f"{visible(name)} can connect {'now' if runs else 'once the service runs (scimlite serve)'}."
    width = max(len(provider.url_field), len(provider.token_field)) + 2
    lines = [f"    {provider.url_field:<{width}}{address.url}{address.remark}"]
    if token is None:
        return "\n".join(["", f"  {lead}", "", *lines, "", f"  The token is shown by: {again}", ""])
    lines.append(f"    {provider.token_field:<{width}}{token}")
    lead, place, after = (_filled(text) for text in (lead, f"{provider.place}, paste", provider.then))
    return "\n".join(["", lead, place, "", *lines, "", after, f"  Both can be shown again: {again}", ""])


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")
