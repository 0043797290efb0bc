"""The lines that an operator pastes into an identity provider."""

from __future__ import annotations

import shlex


def entra_block(name: str, url: str, token: str, *, label: str = "default") -> str:
    """Return the SCIM base URL and the token of an app, under the names that Entra ID gives them."""
    again = url.rsplit("/", 1)[-1] + ("" if label == "default" else f" {shlex.quote(label)}")
    return f"""
  {name} can connect now. In the Microsoft Entra admin center: Enterprise applications >
  your application > Provisioning, Provisioning Mode "Automatic", then paste

    Tenant URL    {url}
    Secret Token  {token}

  and press Test Connection. Other identity providers call them SCIM base URL and
  bearer token. Both can be shown again: scimlite token show {again}
"""
