"""When an event that was not confirmed is tried again: the schedule of Standard Webhooks 1.0.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson

from .. import outbound
from ..visible_text import visible

_SECOND = 1_000_000
_HOUR = 3600
#: Seconds from the first try, and from each failed one, to the next: ten tries in 75 hours.
SCHEDULE = (0, 5, 300, 1800, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR)
#: By how much a wait is made longer or shorter, so that what failed together is not tried together.
_JITTER = 0.1
#: The longest wait that a receiver can ask for with Retry-After, in microseconds.
LONGEST_WAIT = 24 * _HOUR * _SECOND
#: Answers that say that the receiver has too much to do, or is not there.
_BUSY = (429, 502, 503, 504)
_GONE = 410
#: The answers that RFC 8935 has for a security event token.
_ACCEPTED, _REFUSED = 202, 400
#: Characters that are kept of an answer.
_KEPT = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer of a receiver means; `wait` is for how many microseconds it wants to be left alone."""

    confirmed: bool
    status: int | None = None
    #: Milliseconds that the try took.
    ms: int = 0
    error: str | None = None
    #: True when the receiver wants no more events, ever.
    gone: bool = False
    #: True when the receiver refuses this event, so that no other try would help.
    final: bool = False
    #: True when it should get fewer at once.
    busy: bool = False
    wait: int = 0


def judge(status: int, headers: Mapping[str, str], body: bytes, ms: int, now: int) -> Verdict:
    """What an answer means. Only 2xx confirms: a redirect is a failure, and 410 ends the webhook."""
    if 200 <= status < 300:
        return Verdict(True, status, ms)
    text = visible(" ".join(body[: 4 * _KEPT].decode(errors="replace").split()))[:_KEPT]
    where = f" to {visible(headers.get('location', ''))[:_KEPT]}" if 300 <= status < 400 else ""
    error = f"answered {status}{where}" + (f": {text}" if text else "")
    busy = status in _BUSY
    wait = _retry_after(headers.get("retry-after"), now) if busy else 0
    return Verdict(False, status, ms, error, gone=status == _GONE, busy=busy, wait=wait)


def judge_token(status: int, headers: Mapping[str, str], body: bytes, ms: int, now: int) -> Verdict:
    """What an answer to a security event token means: 202 confirms, and 400 with a code refuses it (RFC 8935)."""
    if status != _ACCEPTED and 200 <= status < 300:
        return Verdict(False, status, ms, f"answered {status}, where RFC 8935 has {_ACCEPTED}")
    verdict = judge(status, headers, body, ms, now)
    refusal = _refusal(body) if status == _REFUSED else None
    return replace(verdict, error=f"refused: {refusal}", final=True) if refusal else verdict


def failure(error: str, ms: int) -> Verdict:
    """What it means that no answer came."""
    return Verdict(False, None, ms, visible(error)[:_KEPT])


def next_try(attempts: int, now: int, chance: float) -> int | None:
    """When to try again after so many failed tries; None when that was the last. `chance` is between 0 and 1."""
    if attempts >= len(SCHEDULE):
        return None
    return now + int(SCHEDULE[attempts] * (1 + _JITTER * (2 * chance - 1)) * _SECOND)


def _refusal(body: bytes) -> str | None:
    """The code and description in a refusal of a token; None when it is no such refusal."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("err"), str):
        return None
    words = [said["err"], said.get("description")]
    return visible(": ".join(each for each in words if isinstance(each, str)))[:_KEPT]


def _retry_after(text: str | None, now: int) -> int:
    """For how many microseconds a receiver wants to be left alone."""
    return min(int(outbound.retry_after(text, now / _SECOND) * _SECOND), LONGEST_WAIT)
