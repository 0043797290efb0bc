"""One try to send an event to a webhook's receiver, signed as the webhook's format wants it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit

from .. import clock, outbound
from ..apps.keyring import Keyring, TokenError
from ..db import Database
from ..errors import OperatorError
from . import retries, set_keys, sets, signing, webhooks
from .document import Event, to_json
from .retries import Verdict
from .sets import Issuer
from .webhooks import Webhook


class Format(StrEnum):
    """What a webhook's receiver gets."""

    STANDARD = "standard"
    SET = "set"


@dataclass(frozen=True, slots=True)
class Service:
    """What is the same for all webhooks: the secret keys, and the URL behind which apps have their SCIM base URLs."""

    keyring: Keyring
    #: None when no setting says at which address the service is reached.
    scim_root: str | None

    def issuer(self, slug: str) -> Issuer:
        """What issues an app's security event tokens.

        Raises OperatorError when the service's address is not set, or the packages that sign are missing.
        """
        set_keys.check_installed()
        if self.scim_root is None:
            raise OperatorError("A security event token names its issuer: set SCIMLITE_BASE_URL")
        return Issuer(self.keyring, f"{self.scim_root}/{slug}")


@dataclass(frozen=True, slots=True)
class Seal:
    """What signs a webhook's events: secrets, or the issuer of tokens; or why nothing does."""

    keys: list[bytes]
    issuer: Issuer | None = None
    obstacle: str | None = None


def seal(db: Database, service: Service, webhook: Webhook, slug: str, at: int) -> Seal:
    """What signs the events of an app's webhook at a time."""
    try:
        if webhook.format == Format.SET:
            return Seal([], service.issuer(slug))
        return Seal(webhooks.signing_keys(service.keyring, webhooks.secrets(db, webhook.id, at)))
    except TokenError:
        return Seal([], obstacle="the secret key that signs is not given; see `scimlite webhook list`")
    except OperatorError as error:
        return Seal([], obstacle=str(error))


def send(client: outbound.Client, webhook: Webhook, event: Event, by: Seal) -> Verdict:
    """Sends an event to a webhook's receiver, signed by a seal, and returns what its answer means."""
    if by.obstacle is not None:
        return retries.failure(f"not sent: {by.obstacle}", 0)
    began = time.monotonic()
    headers, body = _message(webhook, event, by)
    try:
        # Once more on a new connection where a kept one turns out to be closed: the id tells a receiver of both.
        answer = client.send("POST", webhook.url, headers=headers, body=body, again=True)
    except OperatorError as error:
        return retries.failure(str(error), int((time.monotonic() - began) * 1000))
    judge = retries.judge if by.issuer is None else retries.judge_token
    return judge(answer.status, answer.headers, answer.body, answer.ms, clock.now())


def audience(url: str) -> str:
    """The receiver's name in tokens: the webhook's URL without a query, which may hold a secret."""
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))


def _message(webhook: Webhook, event: Event, by: Seal) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a request."""
    if by.issuer is None:
        body = to_json(event)
        return {"content-type": "application/json", **signing.headers(by.keys, event.id, int(time.time()), body)}, body
    token = by.issuer.token(event, audience(webhook.url), session_revoked=bool(webhook.session_revoked))
    return {"content-type": sets.MEDIA_TYPE, "accept": "application/json"}, token.encode()
