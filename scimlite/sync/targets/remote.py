"""Requests to a target: what is tried again, for how long it is left alone, and what an answer means.

Threads of a run share a Remote. It touches no database.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from ... import outbound
from ...errors import OperatorError
from ...visible_text import visible
from .loops import MARK_HEADER

_MEDIA_TYPE = "application/scim+json"
#: Answers that say that the target has too much to do, is broken, or is not there: another try may succeed.
_TROUBLE = (429, 500, 502, 503, 504)
#: Seconds before each other try of a request.
PAUSES = (0.5, 1.0, 2.0)
#: Seconds for which a run waits when the target asks to be left alone; for longer ones the run ends.
_LONGEST_WAIT = 60.0
#: Seconds for which a request is tried again and again while the target is busy.
_LONGEST_BUSY = 300.0
_BUSY = 429
#: Bytes of an answer that are read: of a list, and of anything else.
_MOST_OF_LIST, _MOST = 64_000_000, 1_000_000
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
#: Characters kept of what a target says.
_KEPT = 200


class StoppedError(OperatorError):
    """The target takes no more from this run: the token is refused, or it wants to be left alone for long.

    `wait` is for how many seconds.
    """

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class TroubleError(OperatorError):
    """A request got no useful answer: nobody knows whether it was carried out.

    `busy` is True when it was not, because the target has too much to do: it is no fault of the request.
    """

    def __init__(self, reason: str, *, busy: bool = False) -> None:
        super().__init__(reason)
        self.busy = busy


class Patience:
    """How often one request is tried, and for how long a busy target is waited for."""

    def __init__(self, pauses: Sequence[float]) -> None:
        self._pauses = iter(pauses)
        self._busy_until = time.monotonic() + _LONGEST_BUSY

    def pause_after(self, error: TroubleError) -> float:
        """For how many seconds to wait before another try. Raises the error, or StoppedError, when there is none."""
        if error.busy:
            if time.monotonic() >= self._busy_until:
                raise StoppedError(f"{error}, for minutes", _LONGEST_WAIT)
            return 0.0
        pause = next(self._pauses, None)
        if pause is None:
            raise error
        return pause


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `body` is None when it is no JSON object."""

    status: int
    body: dict[str, Any] | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    #: Milliseconds that it took.
    ms: int = 0
    #: True when the body had more bytes than were asked for.
    cut: bool = False

    @property
    def fine(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    @property
    def scim_type(self) -> str:
        """The kind of error, in small letters."""
        found = (self.body or {}).get("scimType")
        return found.lower() if isinstance(found, str) else ""

    @property
    def reason(self) -> str:
        """What the target answered, in words."""
        said = [self.body.get(name) for name in ("scimType", "detail")] if self.body else []
        words = ": ".join(each for each in said if isinstance(each, str) and each)
        return f"answered {self.status}" + (f": {visible(' '.join(words.split()))[:_KEPT]}" if words else "")


class Remote:
    """A target's SCIM endpoint. `base` has no slash at its end."""

    def __init__(
        self,
        client: outbound.Client,
        base: str,
        token: str,
        mark: str | None,
        *,
        name: str = "",
        pauses: Sequence[float] = PAUSES,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """In: `mark`, None for a target in the same installation; `stopping` ends waits early."""
        self.base = base
        self._client = client
        self._headers = {
            "authorization": f"Bearer {token}",
            "accept": f"{_MEDIA_TYPE}, application/json",
            "user-agent": f"scimlite target {name}".strip(),
            **({MARK_HEADER: mark} if mark else {}),
        }
        #: Seconds before each other try.
        self.pauses = tuple(pauses)
        self._stopping = stopping
        self._lock = Lock()
        #: Nothing is sent before this time, by `time.monotonic`.
        self._quiet_until = 0.0

    @property
    def stopping(self) -> bool:
        """True once the process is to end."""
        return self._stopping()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Reads a resource or a list. Raises StoppedError and TroubleError."""
        whole = f"{path}?{urlencode(query, quote_via=quote)}" if query else path
        return self.send("GET", whole, most=_MOST_OF_LIST)

    def send(self, method: str, path: str, body: Any = None, *, most: int = _MOST) -> Reply:
        """Sends a request that does no harm twice, a few times if need be. Raises StoppedError and TroubleError."""
        patience = Patience(self.pauses)
        while True:
            try:
                return self.once(method, path, body, most=most)
            except TroubleError as error:
                self.rest(error, patience)

    def rest(self, error: TroubleError, patience: Patience) -> None:
        """Waits before another try of a request. Raises the error, or StoppedError, when there is to be none."""
        if self._stopping():
            raise error
        self.pause(patience.pause_after(error))

    def once(self, method: str, path: str, body: Any = None, *, most: int = _MOST) -> Reply:
        """Sends a request once. Raises StoppedError; TroubleError when another try may succeed."""
        self._wait()
        try:
            reply = self.plainly(method, path, body, most=most)
        except outbound.Refused as error:
            raise StoppedError(str(error)) from None
        except outbound.Failed as error:
            raise TroubleError(str(error)) from None
        if reply.cut and method == "GET":
            raise TroubleError(f"an answer has more than {most:,} bytes")
        if 300 <= reply.status < 400:
            raise StoppedError(f"the target {reply.reason}: it sends to another address, which is not followed")
        if reply.fine and "html" in reply.headers.get("content-type", ""):
            # A page to sign in, or of a proxy: nothing was carried out.
            raise StoppedError(f"what is at the URL {reply.reason} with a web page: it is no SCIM server")
        if reply.status in (401, 403):
            raise StoppedError(f"the target refuses the token: it {reply.reason}")
        if reply.status in _TROUBLE:
            wait = retry_after(reply.headers.get("retry-after"), time.time())
            busy = reply.status == _BUSY or wait > 0
            self._be_quiet(wait or float(reply.status == _BUSY), reply)
            raise TroubleError(f"the target {reply.reason}", busy=busy)
        return reply

    def plainly(self, method: str, path: str, body: Any = None, *, most: int = _MOST) -> Reply:
        """Sends a request once, and returns whatever is answered. Raises the errors of the client."""
        headers, content = dict(self._headers), b""
        if body is not None:
            content = orjson.dumps(body)
            headers["content-type"] = _MEDIA_TYPE
        again = method != "POST"
        answer = self._client.send(method, self.base + path, headers=headers, body=content, most=most, again=again)
        return Reply(answer.status, _object(answer.body), answer.headers, answer.ms, answer.cut)

    def _be_quiet(self, seconds: float, reply: Reply) -> None:
        if seconds > _LONGEST_WAIT:
            raise StoppedError(f"the target {reply.reason}, and wants to be left alone", seconds)
        with self._lock:
            self._quiet_until = max(self._quiet_until, time.monotonic() + seconds)

    def _wait(self) -> None:
        """Waits as long as the target wants to be left alone."""
        while (left := self._quiet_until - time.monotonic()) > 0:
            if self._stopping():
                raise StoppedError("the run was stopped")
            time.sleep(min(left, 0.2))

    def pause(self, seconds: float) -> None:
        """Waits about so long before another try, unless the run is to stop."""
        until = time.monotonic() + seconds * random.uniform(0.7, 1.3)
        while not self._stopping() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))


def retry_after(text: str | None, now: float) -> float:
    """For how many seconds a target wants to be left alone: seconds or a date (RFC 9110 section 10.2.3).

    Some servers send parts of a second.
    """
    text = (text or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
