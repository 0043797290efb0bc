"""Speaks JSON with a server that is read: signs in, waits when it is asked to, tries again, says what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import orjson

from ... import deadline
from ...errors import OperatorError
from ...outbound import Answer, Client, Failed, Kind, Refused, retry_after
from ...outbound.target import parse
from ..reading import IncompleteError, SourceError
from .authorization import Authorization
from .refusals import TOO_MANY, TooLargeError, Unreachable, code_of, refusal

Json = Any

#: Seconds before each other try of a request; the last try has none behind it.
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
#: Seconds for which a request waits when the server asks for it; for longer ones the run ends.
LONGEST_WAIT = 120.0
#: Bytes of an answer.
MOST = 32_000_000
#: Numbers below are seconds from now, and those above are seconds since 1970 UTC.
_EPOCH = 1_000_000_000
_BUSY = (429, 500, 502, 503, 504)
#: Steps of a test by what failed.
_STEPS = {Kind.NAME: "name", Kind.TLS: "TLS", Kind.CONNECT: "TCP", Kind.TIMEOUT: "TCP"}


@dataclass(frozen=True, slots=True)
class Page:
    """A document that a server answered."""

    document: Json = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    #: Milliseconds that it took.
    ms: int = 0

    def list(self, name: str | None, what: str) -> list[dict[str, Json]]:
        """The objects in a list of the document, or in the document itself. Raises IncompleteError."""
        found = self.document if name is None else self.document.get(name, [])
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise IncompleteError(f"The answer for {what} is not what this kind of server sends. Nothing was done.")
        return found


class Api:
    """Requests to one server, each until it is answered, or for good."""

    def __init__(
        self,
        client: Client,
        base: str,
        authorization: Authorization,
        *,
        signs_in_with: str = "the token",
        headers: Mapping[str, str] | None = None,
        share: float = 0.0,
        most: int = MOST,
    ) -> None:
        """In: `base`, the URL before every place; `share` of the server's rate limit that is left to others."""
        self.base = base.rstrip("/")
        self.host = urlsplit(self.base).netloc
        self._client = client
        self._authorization = authorization
        self._signs_in_with = signs_in_with
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._share = share
        self._most = most
        #: False until the server answered once: a wrong URL is told at once.
        self._patient = False
        #: Until when no request is sent, by the monotonic clock.
        self._rest_until = 0.0

    def url(self, place: str, query: Mapping[str, str | int] | None = None) -> str:
        """The URL of a place below the base."""
        found = f"{self.base}/{place}" if place else self.base
        return f"{found}?{urlencode(query, quote_via=quote)}" if query else found

    def get(
        self,
        place: str,
        query: Mapping[str, str | int] | None = None,
        *,
        what: str,
        right: str = "",
        listed: bool = False,
    ) -> Page:
        """A document. In: `what` it is, for messages; `right`, what an account needs to read it; `listed`, True for
        a list. Raises AnswerError, and IncompleteError when there is no whole answer after several tries."""
        return self.follow(self.url(place, query), what=what, right=right, listed=listed)

    def follow(self, url: str, *, what: str, right: str = "", listed: bool = False) -> Page:
        """The document behind a link that the server gave. Raises like `get`, and for a link to another host."""
        url = urljoin(self.base + "/", url)
        self._require_same_place(url, what)
        answer = self._answer("GET", url, what, b"", right)
        document = self._document(answer.body, what)
        if not isinstance(document, list if listed else dict):
            raise IncompleteError(f"{self.host} answered something else than {what}. Nothing was done.")
        return Page(document, answer.headers, answer.ms)

    def pages(
        self, url: str, after: Callable[[Page], str | None], *, what: str, right: str = "", listed: bool = False
    ) -> Iterator[Page]:
        """Yields a document and those that follow it. In: `after`, the link in a document to the next one.

        Raises like `follow`, and IncompleteError when a link comes again.
        """
        seen: set[str] = set()
        link: str | None = url
        while link:
            if link in seen:
                raise IncompleteError(f"{self.host} leads in a circle through {what}. Nothing was done.")
            seen.add(link)
            page = self.follow(link, what=what, right=right, listed=listed)
            yield page
            link = after(page)

    def post_form(self, url: str, form: Mapping[str, str], *, what: str) -> dict[str, Json]:
        """What a server answers to a form, which may be sent twice. Raises AnswerError and IncompleteError."""
        answer = self._answer("POST", url, what, urlencode(form).encode(), "")
        document = self._document(answer.body, what)
        if not isinstance(document, dict):
            raise IncompleteError(f"{self.host} answered something else than {what}. Nothing was done.")
        return document

    # --- one request ----------------------------------------------------------------------------------------------

    def _answer(self, method: str, url: str, what: str, body: bytes, right: str) -> Answer:
        """An answer of success. Raises AnswerError and IncompleteError."""
        renewed = False
        for pause in (*PAUSES, None):
            try:
                answer = self._send(method, url, body)
            except Failed as error:
                self._wait(pause, 0.0, f"{self.host} did not give {what}: {error}")
                continue
            code = "" if answer.status < 400 else code_of(answer.body)
            if answer.status in _BUSY or (answer.status == 403 and code.lower() in TOO_MANY):
                self._wait(pause, _asked(answer.headers), f"{self.host} answered {answer.status} for {what}.")
                continue
            if answer.status == 401 and not renewed and self._authorization.renew():
                renewed = True
                continue
            if not 200 <= answer.status < 300:
                raise refusal(self.host, answer.status, code, answer.headers, what, right, self._signs_in_with)
            if answer.cut:
                raise TooLargeError(
                    f"{self.host} answered more than {self._most:,} bytes for {what}. Nothing was done."
                )
            self._patient = True
            self._spare(answer.headers)
            return answer
        raise IncompleteError(f"{self.host} did not give {what}. Nothing was done.")

    def _require_same_place(self, url: str, what: str) -> None:
        """Raises IncompleteError for a link to another host, which would be given what signs in."""
        try:
            there, here = parse(url), parse(self.base)
        except OperatorError as error:
            raise SourceError(str(error)) from None
        if there.place != here.place:
            raise IncompleteError(
                f"{self.host} says that {what} go on at {there.scheme}://{there.authority}, and not at "
                f"{here.scheme}://{here.authority}: {self._signs_in_with} would be sent there. Nothing was done."
            )

    def _send(self, method: str, url: str, body: bytes) -> Answer:
        """An answer of any kind. Raises Failed when another try may get one, and SourceError."""
        if not deadline.is_set():
            time.sleep(max(0.0, self._rest_until - time.monotonic()))
        headers = {**self._headers, **self._authorization.headers()}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            return self._client.send(method, url, headers=headers, body=body, most=self._most, again=True)
        except Failed as error:
            if error.kind is Kind.TLS or not self._patient:
                raise Unreachable(str(error), _STEPS.get(error.kind, "answer")) from None
            raise
        except Refused as error:
            raise Unreachable(str(error), "address") from None
        except OperatorError as error:
            # A Failed is one too: this is a URL, or a header, that cannot be sent.
            raise error if isinstance(error, SourceError) else SourceError(str(error)) from None

    def _wait(self, pause: float | None, asked: float, trouble: str) -> None:
        """Waits before another try, or raises IncompleteError when there is none."""
        if pause is None:
            raise IncompleteError(f"{trouble} It was tried {len(PAUSES) + 1} times; nothing was done.")
        seconds = max(pause, asked)
        if seconds > LONGEST_WAIT or seconds > deadline.at_most(LONGEST_WAIT):
            raise IncompleteError(f"{trouble} It asks for {seconds:,.0f} seconds of rest; the next run tries again.")
        time.sleep(seconds)

    def _spare(self, headers: Mapping[str, str]) -> None:
        """Rests until the rate limit begins anew when what is left of it is the others'."""
        limit, left = _number(headers, "x-rate-limit-limit"), _number(headers, "x-rate-limit-remaining")
        if limit is None or left is None or left >= limit * self._share:
            return
        seconds = _asked({key: value for key, value in headers.items() if key != "retry-after"})
        self._rest_until = time.monotonic() + min(seconds, LONGEST_WAIT)

    def _document(self, body: bytes, what: str) -> Json:
        if body.lstrip()[:1] == b"<":
            raise SourceError(
                f"{self.host} answered a web page in place of {what}: a proxy or a sign-in page stands before it, or "
                "the address is not that of its API."
            )
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise IncompleteError(
                f"{self.host} answered for {what} with what is no whole JSON ({len(body):,} bytes). Nothing was done."
            ) from None


def once(pages: Iterable[Page], name: str | None, what: str, key: str = "id") -> Iterator[dict[str, Json]]:
    """Yields the objects of all pages. Raises IncompleteError for one without a key, or with one that came before.

    In: `name`, the part of a document that is the list; None for documents that are lists.
    """
    seen: set[str] = set()
    for page in pages:
        for each in page.list(name, what):
            found = key_of(each, what, key)
            if found in seen:
                raise IncompleteError(
                    f"{found} came twice among {what}, so its pages cannot be trusted. Nothing was done."
                )
            seen.add(found)
            yield each


def _asked(headers: Mapping[str, str]) -> float:
    """The seconds for which a server wants to be left alone."""
    now = time.time()
    reset = _number(headers, "x-rate-limit-reset")
    # Their clock, not ours, says when the limit begins anew.
    since = time_there(headers)
    asked = retry_after(headers.get("retry-after"), now)
    if reset is None:
        return asked
    return max(asked, reset - since + 1 if reset > _EPOCH else float(reset))


def key_of(entry: Json, what: str, name: str = "id") -> str:
    """The key of an object of a list. Raises IncompleteError when it has none."""
    found = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(found, str) or not found:
        raise IncompleteError(f"One of {what} has no {name}. Nothing was done.")
    return found


def time_there(headers: Mapping[str, str]) -> float:
    """The time by a server's own clock, in seconds since 1970 UTC; by ours when it does not say."""
    return retry_after(headers.get("date"), 0.0) or time.time()


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 15 else None
