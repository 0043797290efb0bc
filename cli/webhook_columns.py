"""What `scimlite webhook` shows of a webhook: a table's columns, and what its receiver verifies with."""

from __future__ import annotations

from scimlite import clock
from scimlite.admin.webhook_state import Status
from scimlite.apps.keyring import Keyring
from scimlite.visible_text import visible

from .kit.columns import Column, Columns
from .kit.context import Context
from .kit.times import iso_time, local_time, spoken_length


def columns(keyring: Keyring) -> Columns[Status]:
    """Return the columns of webhooks; which secret keys there are, the keyring knows."""
    now = clock.now()
    return Columns(
        Column("app", "App", value=lambda status: status.app.slug),
        Column("webhook", "Name", value=lambda status: status.webhook.name),
        Column("url", "URL", value=lambda status: status.webhook.url, wraps=True),
        Column("state", "State", value=lambda status: status.state),
        Column(
            "types",
            "Types",
            value=lambda status: sorted(status.webhook.chosen) or None,
            shown=lambda status: ", ".join(sorted(status.webhook.chosen)),
            rank=3,
        ),
        Column("format", value=lambda status: status.webhook.format),
        Column("session_revoked", value=lambda status: bool(status.webhook.session_revoked)),
        Column("lanes", value=lambda status: status.webhook.lanes),
        Column(
            "lag_seconds",
            "Behind",
            value=lambda status: round(status.lag(now) / 1e6, 3),
            shown=lambda status: spoken_length(status.lag(now)) if status.behind_since is not None else "",
        ),
        Column("waiting", "Waiting", value=lambda status: status.waiting, shown=lambda status: count(status.waiting)),
        Column("dead", "Given up", value=lambda status: status.dead, shown=lambda status: count(status.dead)),
        Column(
            "last_ok_at",
            "Last confirmed",
            value=lambda status: iso_time(status.webhook.last_ok_at),
            shown=lambda status: local_time(status.webhook.last_ok_at) or "never",
            rank=1,
        ),
        Column("failing_since", value=lambda status: iso_time(status.webhook.failing_since)),
        Column("last_failed_at", value=lambda status: iso_time(status.webhook.last_failed_at)),
        Column(
            "last_error",
            "Last error",
            value=lambda status: status.webhook.last_error,
            shown=lambda status: visible(status.webhook.last_error or "") if status.state != "active" else "",
            wraps=True,
            rank=2,
        ),
        Column("created_at", value=lambda status: iso_time(status.webhook.created_at)),
        Column(
            "secret_key",
            "Secret key",
            value=lambda status: status.key_id,
            shown=lambda status: _old_key(status.key_id, keyring),
        ),
        table=(
            *("App", "Name", "State", "URL", "Types", "Behind", "Waiting", "Given up", "Last confirmed", "Last error"),
            "Secret key",
        ),
    )


def _old_key(key_id: str | None, keyring: Keyring) -> str:
    """Return which secret key a webhook needs, nothing for the newest."""
    if key_id in (None, keyring.newest):
        return ""
    return f"{'old' if key_id in keyring else 'missing'} ({key_id})"


def count(number: int) -> str:
    """Return a number to show, nothing for none."""
    return f"{number:,}" if number else ""


def issuer(context: Context, slug: str) -> dict[str, str]:
    """Return what a receiver of security event tokens needs to verify them."""
    return {
        "issuer": f"{context.installation.scim_root}/{slug}",
        "jwks_uri": f"{context.settings.base_url}/.well-known/jwks.json",
    }
