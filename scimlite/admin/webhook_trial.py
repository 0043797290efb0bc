"""Trying a webhook: an event that says nothing is sent at once."""

from __future__ import annotations

import secrets
from functools import partial

from .. import clock, outbound
from ..apps.workspace import Workspace
from ..events import sending, types
from ..events.document import Data, Event
from ..events.retries import Verdict
from ..events.sending import Service
from ..events.webhooks import Webhook
from ..journal import Action
from .webhooks import record_act


def send(workspace: Workspace, service: Service, client: outbound.Client, webhook: Webhook) -> Verdict:
    """Sends a `feed.test` event now, whatever state the webhook is in, and returns what came back."""
    at, slug = clock.now(), workspace.app.slug
    id = f"evt_test_{secrets.token_hex(8)}"
    event = Event(id, types.TEST, clock.iso_time(at) or "", slug, None, Data(), at=at)
    verdict = sending.send(client, webhook, event, sending.seal(workspace.db, service, webhook, slug, at))
    outcome = f"answered {verdict.status}" if verdict.confirmed else verdict.error
    workspace.db.transact(partial(record_act, workspace, webhook, Action.WEBHOOK_TESTED, outcome))
    return verdict
