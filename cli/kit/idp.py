"""The lines that an operator pastes into an identity provider, under the names of its own fields."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable
from typing import Any

import click

from scimlite.admin.identity_providers import PROVIDERS, IdentityProvider
from scimlite.service_address import Address
from scimlite.visible_text import visible

from .options import Choice

#: Columns of the text around the two values; those are never wrapped, so that they can be copied.
_WIDTH = 80


def idp_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The `--idp` option of commands that print what to paste into an identity provider."""
    return click.option(
        "--idp",
        type=Choice([provider.key for provider in PROVIDERS]),
        help="Name the fields as this identity provider does.  [guessed from the app's profile and name]",
    )(command)


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
