"""Judges the state of an installation: what an operator should be told about before a client is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import clock
from ..clock import DAY
from . import figures, source_state, target_state
from .figures import MOST_ENTRIES, AppFigures
from .tokens import Token
from .webhook_state import Status

_HOUR = DAY // 24
#: How far a webhook may be behind; a receiver that is restarted is no matter.
_LONGEST_LAG = _HOUR // 4
#: Fewer refused entries in a day are somebody's typing errors, whatever their share is.
_FEWEST_REFUSED = 10


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on something is to be told; times are microseconds, shares are from 0 to 1."""

    #: The longest time without a request of an app's client; None when that is no matter.
    contact: int | None = DAY
    #: The largest share of refused and failed entries in a day.
    refusals: float = 0.1
    #: How long before its end a token is told about, and how long after it when its client has no other.
    tokens: int = 14 * DAY
    #: The smallest free share of a disk.
    disk: float = 0.05
    #: The oldest that the last backup may be; None when that is no matter.
    backup: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `topic` is a word for programs, `text` a sentence without its end."""

    topic: str
    #: The slug of the app; None for the whole installation.
    app: str | None
    fine: bool
    text: str


def judge(
    apps: Sequence[AppFigures], folders: Sequence[Path], backup_at: int | None, thresholds: Thresholds
) -> list[Finding]:
    """Returns what was looked at, the installation first, then each app.

    In: the figures of the apps; the folders whose disks must have room; when the last backup was made, None when it is
    not known.
    """
    now = clock.now()
    found = [each for folder in dict.fromkeys(folders) for each in _disk(folder, thresholds.disk)]
    if thresholds.backup is not None:
        found.append(_backup(backup_at, now, thresholds.backup))
    for app in apps:
        if app.app.enabled:
            found += [_contact(app, now, thresholds.contact)] if thresholds.contact is not None else []
            found += [*_brakes(app, now), _refusals(app, thresholds.refusals), *_tokens(app, now, thresholds.tokens)]
            found += [_webhook(status, now) for status in app.webhooks]
            found += [_target(status, now) for status in app.targets]
            found += [_source(status, now) for status in app.sources]
    return found


def _disk(folder: Path, least: float) -> list[Finding]:
    room = figures.space(folder)
    if room is None:
        # PostgreSQL needs no folder here.
        return []
    text = f"{room.share:.0%} of the disk of {folder} is free, {room.free / 1e9:,.1f} GB"
    return [Finding("disk", None, room.share >= least, text)]


def _backup(at: int | None, now: int, oldest: int) -> Finding:
    if at is None:
        return Finding("backup", None, False, "No backup was ever made with `scimlite db backup`")
    return Finding("backup", None, now - at <= oldest, f"The last backup was made {_age(now - at)} ago")


def _contact(figures: AppFigures, now: int, longest: int) -> Finding:
    slug, last = figures.app.slug, figures.last_contact
    if last is None:
        # Somebody is still setting it up.
        return Finding("contact", slug, True, "No client was ever accepted")
    return Finding("contact", slug, now - last <= longest, f"A client was last accepted {_age(now - last)} ago")


def _brakes(figures: AppFigures, now: int) -> list[Finding]:
    slug = figures.app.slug
    if not figures.tripped:
        return [Finding("brake", slug, True, "No brake holds")]
    return [
        Finding("brake", slug, False, f"The brake on {each.kind} holds since {_age(now - each.at)}: {each.reason}")
        for each in figures.tripped
    ]


def _refusals(figures: AppFigures, most: float) -> Finding:
    refused, entries = figures.refused, figures.entries
    fine = refused < _FEWEST_REFUSED or refused <= most * entries
    newest = "the newest " if entries == MOST_ENTRIES else ""
    text = f"{refused:,} of {newest}{entries:,} entries of the last 24 hours are refused or failed"
    return Finding("refusals", figures.app.slug, fine, text)


def _tokens(figures: AppFigures, now: int, ahead: int) -> list[Finding]:
    slug = figures.app.slug
    if not figures.tokens and figures.sources:
        return [Finding("token", slug, True, "No token is active, and its users come from a source")]
    if not figures.tokens:
        return [Finding("token", slug, False, "No token is active: no client can be accepted")]
    needed = [
        f"The token '{token.label}' ends in {_age((token.expires_at or now) - now)}"
        for token in figures.tokens
        if _ends(token, now + ahead) and not _replaced(token, figures.tokens)
    ] + [
        f"The token '{token.label}' ended {_age(now - (token.expires_at or now))} ago, and its client has used no other"
        for token in figures.expired
        if token.last_used_at and not _ends(token, now - ahead) and not _replaced(token, figures.tokens)
    ]
    if not needed:
        return [Finding("token", slug, True, f"No token that is needed ends within {_age(ahead)}")]
    return [Finding("token", slug, False, text) for text in needed]


def _webhook(status: Status, now: int) -> Finding:
    slug, webhook = status.app.slug, status.webhook
    name = f"The webhook '{webhook.name}'"
    if status.state == "off":
        text = f"{name} was switched off: {webhook.last_error}"
    elif status.state == "paused":
        return Finding("webhook", slug, True, f"{name} is paused")
    elif status.dead:
        text = f"{name} has {status.dead:,} events that were given up: {webhook.last_error}"
    elif status.state == "failing" and now - (webhook.failing_since or now) > _LONGEST_LAG:
        text = f"{name} has failed for {_age(now - (webhook.failing_since or now))}: {webhook.last_error}"
    elif status.lag(now) > _LONGEST_LAG:
        text = f"{name} is {_age(status.lag(now))} behind: {webhook.last_error or 'does `scimlite work` run?'}"
    else:
        return Finding("webhook", slug, True, f"{name} is up to date")
    return Finding("webhook", slug, False, text)


def _target(status: target_state.Status, now: int) -> Finding:
    slug, target = status.app.slug, status.target
    name, state = f"The target '{target.name}'", status.state
    failing_for = now - (target.failing_since or now)
    if target.hold is not None and state == "held":
        text = f"{name} is held: {target.hold['reason']}"
    elif state == "failing" and failing_for > _LONGEST_LAG:
        text = f"{name} has failed for {_age(failing_for)}: {target.last_error}"
    elif state == "late":
        since = _age(now - (target.last_ok_at or target.created_at))
        text = f"{name} had its last good run {since} ago: does `scimlite work` run?"
    elif status.parked:
        text = f"{name} refuses {status.parked:,} users or groups, which are not tried again: scimlite target status"
    else:
        return Finding("target", slug, True, f"{name} is {'disabled' if state == 'disabled' else 'up to date'}")
    return Finding("target", slug, False, text)


def _source(status: source_state.Status, now: int) -> Finding:
    slug, source = status.app.slug, status.source
    name = f"The source '{source.name}'"
    since = _age(now - (source.last_ok_at or source.created_at))
    if status.state == "held":
        text = f"{name} is held: {status.why}"
    elif status.state == "failing" and now - (source.last_ok_at or source.created_at) > _LONGEST_LAG:
        text = f"{name} has failed for {since}: {status.why}"
    elif status.state == "late":
        text = f"{name} had its last good run {since} ago: does `scimlite work` run?"
    else:
        return Finding("source", slug, True, f"{name} is {'disabled' if status.state == 'disabled' else 'up to date'}")
    return Finding("source", slug, False, text)


def _ends(token: Token, before: int) -> bool:
    return token.expires_at is not None and token.expires_at <= before


def _replaced(token: Token, others: Sequence[Token]) -> bool:
    """True when a token that lasts longer is in use by now, so that the client does not need this one any more."""
    return any(
        other.subject == token.subject
        and other.issued_at >= token.issued_at
        and (other.expires_at is None or (token.expires_at is not None and other.expires_at > token.expires_at))
        and (other.last_used_at or 0) >= (token.last_used_at or 1)
        for other in others
        if other.id != token.id
    )


def _age(length: int) -> str:
    """A length of time in words; whole days from two days on."""
    hours = max(length, 0) // _HOUR
    if hours < 1:
        minutes = max(length, 0) // (_HOUR // 60)
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "1 hour" if hours == 1 else f"{hours} hours"
    return f"{hours // 24} days"
