"""What an operator does with webhooks: adds, changes, pauses, tests and removes them, and rotates their secrets."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import orjson

from .. import clock, journal, outbound
from ..apps import App
from ..apps.keyring import Keyring
from ..apps.workspace import Workspace
from ..db import Database, feed_order
from ..db.feed_tables import DeliveryRow, WebhookRow, WebhookSecretRow
from ..db.tables import SigningKeyRow
from ..errors import OperatorError
from ..events import epoch, sending, sets, signing, types, webhooks
from ..events.sending import Format
from ..events.webhooks import DEFAULT_LANES, MOST_LANES, State, Webhook
from ..journal import Action, Entry
from ..suggestions import did_you_mean

Network = IPv4Network | IPv6Network

#: The name of a webhook that is added without one.
DEFAULT_NAME = "default"
_LONGEST_NAME = 100


class WebhookError(OperatorError):
    """An operator's request cannot be carried out with this webhook; the text says why."""


# --- finding ------------------------------------------------------------------------------------------------------


def get(db: Database, app: App, name: str | None = None) -> Webhook:
    """Returns the app's webhook with this name; without one, the only webhook.

    Raises WebhookError, with the names that there are, when there is no such webhook.
    """
    listed = webhooks.of_app(db, app.id)
    if not listed:
        raise WebhookError(f"{app.slug} has no webhook. Add one: scimlite webhook add URL --app {app.slug}")
    names = ", ".join(webhook.name for webhook in listed[:10])
    if name is None:
        if len(listed) > 1:
            raise WebhookError(f"{app.slug} has {len(listed)} webhooks. Name one: {names}.")
        return listed[0]
    found = next((webhook for webhook in listed if webhook.name == name), None)
    if found is None:
        meant = did_you_mean(name, [webhook.name for webhook in listed])
        raise WebhookError(f"{app.slug} has no webhook {name!r}.{meant} Webhooks: {names}.")
    return found


# --- adding and changing ------------------------------------------------------------------------------------------


def add(
    workspace: Workspace,
    keyring: Keyring,
    url: str,
    *,
    name: str = DEFAULT_NAME,
    chosen: Sequence[str] = (),
    lanes: int = DEFAULT_LANES,
    format: Format = Format.STANDARD,
    session_revoked: bool = False,
    scim_root: str | None = None,
    networks: Sequence[Network] = (),
) -> tuple[Webhook, str | None]:
    """Adds a webhook that gets the app's events from now on; returns it, and the secret that its receiver needs.

    In: the types of events, all when there are none; how many are delivered at once; the format, security event tokens
    need no secret, but the URL behind which apps have their SCIM base URLs, and can say that sessions end; the networks
    that are allowed though not public. Raises WebhookError and InvalidValue when one of them cannot be, and
    OperatorError for a URL that nothing is sent to, and when tokens cannot be signed.
    """
    outbound.check_url(url, networks)
    if format is Format.SET:
        sending.Service(keyring, scim_root).issuer(workspace.app.slug)
    elif session_revoked:
        raise WebhookError("Only security event tokens say that sessions end: give --format set too.")
    values = {
        "app_id": workspace.app.id,
        "name": _checked_name(name),
        "url": url,
        "types": _types_text(chosen, format),
        "format": format.value,
        "session_revoked": int(session_revoked),
        "lanes": _checked_lanes(lanes),
        "state": State.ACTIVE.value,
        "leased_until": 0,
        "not_before": 0,
    }
    made, secret = workspace.db.transact(partial(_add, workspace, keyring, values))
    return made, signing.secret_text(secret) if secret is not None else None


def _add(workspace: Workspace, keyring: Keyring, values: dict[str, Any]) -> tuple[Webhook, bytes | None]:
    db, app = workspace.db, workspace.app
    _require_free(db, app, values["name"])
    at, place = clock.after(app.created_at), feed_order.end(db)
    where = {"epoch": epoch.current(db).epoch, "tx": place.tx, "place": place.id}
    db.execute(WebhookRow.insert(**values, **where, created_at=at, begins_at=at))
    made = get(db, app, values["name"])
    secret = _new_secret(db, keyring, made, at) if made.format == Format.STANDARD else None
    journal.record(workspace, [Entry(Action.WEBHOOK_ADDED, detail=f"webhook {made.name}: {made.url}")], at=at)
    return made, secret


def edit(
    workspace: Workspace,
    webhook: Webhook,
    *,
    name: str | None = None,
    url: str | None = None,
    chosen: Sequence[str] | None = None,
    lanes: int | None = None,
    networks: Sequence[Network] = (),
) -> Webhook:
    """Changes a webhook; it keeps its place, its secret, and what waits. Raises what `add` raises."""
    if url is not None:
        outbound.check_url(url, networks)
    called = _checked_name(name) if name is not None else webhook.name
    given = {
        "name": called,
        "url": url if url is not None else webhook.url,
        "types": _types_text(chosen, Format(webhook.format)) if chosen is not None else webhook.types,
        "lanes": _checked_lanes(lanes) if lanes is not None else webhook.lanes,
    }
    changes = {key: [getattr(webhook, key), to] for key, to in given.items() if getattr(webhook, key) != to}
    if changes:
        workspace.db.transact(partial(_edit, workspace, webhook, changes))
    return get(workspace.db, workspace.app, called)


def _edit(workspace: Workspace, webhook: Webhook, changes: dict[str, list[Any]]) -> None:
    if "name" in changes:
        _require_free(workspace.db, workspace.app, changes["name"][1])
    # What another URL, or a mended receiver, makes of the events shows at once.
    change(workspace.db, webhook, **{key: to for key, (_, to) in changes.items()}, not_before=0)
    shown = {
        key: [orjson.loads(each) if each else None for each in pair] if key == "types" else pair
        for key, pair in changes.items()
    }
    record_act(workspace, webhook, Action.WEBHOOK_EDITED, changes=shown)


def pause(workspace: Workspace, webhook: Webhook) -> None:
    """Has a webhook get nothing until it is resumed; what happens meanwhile waits in the journal."""
    if webhook.state != State.PAUSED:
        workspace.db.transact(partial(_set_state, workspace, webhook, State.PAUSED, Action.WEBHOOK_PAUSED))


def resume(workspace: Workspace, webhook: Webhook) -> None:
    """Has a webhook go on where it stopped, also one that the worker switched off; what waits is tried at once."""
    workspace.db.transact(partial(_resume, workspace, webhook))


def _resume(workspace: Workspace, webhook: Webhook) -> None:
    waiting = (DeliveryRow.webhook_id == webhook.id) & DeliveryRow.dead_at.is_null()
    workspace.db.execute(DeliveryRow.update(next_at=0).where(waiting))
    _set_state(workspace, webhook, State.ACTIVE, Action.WEBHOOK_RESUMED, failing_since=None, not_before=0)


def _set_state(workspace: Workspace, webhook: Webhook, state: State, action: Action, **values: Any) -> None:
    change(workspace.db, webhook, state=state.value, **values)
    record_act(workspace, webhook, action)


def remove(workspace: Workspace, webhook: Webhook) -> None:
    """Removes a webhook and what waits for its receiver; its receipts stay, and the report shows them."""
    workspace.db.transact(partial(_remove, workspace, webhook))


def _remove(workspace: Workspace, webhook: Webhook) -> None:
    forget(workspace.db, webhook)
    record_act(workspace, webhook, Action.WEBHOOK_REMOVED)


def forget(db: Database, webhook: Webhook) -> None:
    """Takes away a webhook and what waits for its receiver."""
    db.execute(DeliveryRow.delete().where(DeliveryRow.webhook_id == webhook.id))
    change(db, webhook, removed_at=clock.after(webhook.created_at))


def change(db: Database, webhook: Webhook, **values: Any) -> None:
    """Writes columns of a webhook, and takes it from the worker that holds it, which then begins with what is new."""
    query = WebhookRow.update(**values, holder=None, leased_until=0)
    if not db.touch(query.where(WebhookRow.id == webhook.id, WebhookRow.removed_at.is_null())):
        raise WebhookError(f"The webhook {webhook.name} was removed meanwhile.")


# --- secrets ------------------------------------------------------------------------------------------------------


def show_secret(workspace: Workspace, keyring: Keyring, webhook: Webhook) -> str:
    """Returns the secret that signs a webhook's deliveries, and records in the journal that it was shown.

    Raises TokenError when the secret key is not given that it is made from, and WebhookError when there is no secret.
    """
    _require_secret(webhook)
    newest = webhooks.secrets(workspace.db, webhook.id, clock.now())[0]
    text = signing.secret_text(newest.key(keyring))
    workspace.db.transact(partial(record_act, workspace, webhook, Action.WEBHOOK_SECRET_SHOWN))
    return text


def rotate(workspace: Workspace, keyring: Keyring, webhook: Webhook, *, overlap: int) -> str:
    """Makes another secret, and returns it; for `overlap` microseconds the former ones sign too.

    Raises WebhookError when the webhook has none.
    """
    _require_secret(webhook)
    return signing.secret_text(workspace.db.transact(partial(_rotate, workspace, keyring, webhook, overlap)))


def _rotate(workspace: Workspace, keyring: Keyring, webhook: Webhook, overlap: int) -> bytes:
    db, at = workspace.db, clock.after(webhook.created_at)
    former = (WebhookSecretRow.webhook_id == webhook.id) & WebhookSecretRow.expires_at.is_null()
    db.execute(WebhookSecretRow.update(expires_at=at + overlap).where(former))
    secret = _new_secret(db, keyring, webhook, at)
    change(db, webhook)
    record_act(workspace, webhook, Action.WEBHOOK_ROTATED)
    return secret


def _require_secret(webhook: Webhook) -> None:
    if webhook.format == Format.SET:
        raise WebhookError(
            f"The webhook {webhook.name} has no secret: its receiver verifies security event tokens with the keys at "
            "/.well-known/jwks.json of the service."
        )


def _new_secret(db: Database, keyring: Keyring, webhook: Webhook, at: int) -> bytes:
    secret_id = base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()
    db.execute(SigningKeyRow.insert(fingerprint=keyring.newest, first_used_at=at).on_conflict_ignore())
    row = {"webhook_id": webhook.id, "secret_id": secret_id, "key_id": keyring.newest, "created_at": at}
    db.execute(WebhookSecretRow.insert(**row))
    return signing.secret(keyring, secret_id, keyring.newest)


def record_act(
    workspace: Workspace,
    webhook: Webhook,
    action: Action,
    more: str | None = None,
    changes: dict[str, list[Any]] | None = None,
) -> None:
    """Records an act of the operator with a webhook, in words and changes."""
    detail = f"webhook {webhook.name}" + (f": {more}" if more else "")
    journal.record(workspace, [Entry(action, detail=detail, changes=changes)], at=clock.after(webhook.created_at))


# --- what may be given --------------------------------------------------------------------------------------------


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise WebhookError(f"A webhook's name has 1 to {_LONGEST_NAME} printable characters.")
    return name


def _checked_lanes(lanes: int) -> int:
    if not 1 <= lanes <= MOST_LANES:
        raise WebhookError(f"--lanes is a number from 1 to {MOST_LANES}, not {lanes}.")
    return lanes


def _types_text(chosen: Sequence[str], format: Format) -> str | None:
    """The types as they are stored: of security event tokens always those that there are, for the others make none."""
    wanted = types.chosen(chosen)
    if format is Format.SET:
        without = sorted(wanted - sets.TYPES)
        if without:
            raise WebhookError(f"There is no security event token for {without[0]}; RFC 9967 has no such event.")
        wanted = wanted or sets.TYPES
    return orjson.dumps([name for name in types.TYPES if name in wanted]).decode() if wanted else None


def _require_free(db: Database, app: App, name: str) -> None:
    if any(webhook.name == name for webhook in webhooks.of_app(db, app.id)):
        raise WebhookError(f"{app.slug} has a webhook {name!r} already. Choose another name.")
