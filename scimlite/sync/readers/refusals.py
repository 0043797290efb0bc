"""What a server that is read refuses, in words: with its status and its short code, and nothing else of its answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import orjson

from ..reading import Finding, IncompleteError, SourceError

#: Short codes of errors, such as `E0000006` and `Authorization_RequestDenied`; nothing else of a body is repeated.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{1,40}")
#: Codes of 403 that stand for 429.
TOO_MANY = frozenset(("ratelimitexceeded", "userratelimitexceeded", "quotaexceeded"))


class AnswerError(SourceError):
    """The server refuses a request; `status` says how, `code` is its short code of the error, if it has one."""

    def __init__(self, text: str, status: int, code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class TooLargeError(IncompleteError):
    """An answer has more bytes than are read."""


class Unreachable(SourceError):
    """The server cannot be reached; `step` is the step of a test that failed."""

    def __init__(self, text: str, step: str) -> None:
        super().__init__(text)
        self.step = step


def refusal(
    host: str, status: int, code: str, headers: Mapping[str, str], what: str, right: str, signs_in_with: str
) -> AnswerError:
    """What an answer other than success means, in words."""
    said = f"{status}, {code}" if code else str(status)
    if status == 401:
        text = f"{host} does not accept {signs_in_with} ({said}): it is wrong, or has expired."
    elif status == 403:
        needs = f" It needs {right}." if right else ""
        text = f"{host} does not let this account read {what} ({said}).{needs}"
    elif status == 404:
        text = f"{host} has no {what.removeprefix('the ')} ({said}): look whether the address is right."
    elif 300 <= status < 400:
        place = urlsplit(headers.get("location", "")).hostname
        where = f", at {place}" if place and place.isascii() else ""
        text = f"{host} sends to another address for {what} ({said}){where}: give that one, if it is right."
    else:
        text = f"{host} does not give {what} ({said})."
    return AnswerError(text, status, code)


def findings(steps: Iterator[Finding], host: str) -> Iterator[Finding]:
    """Yields the steps of a test up to the first that fails, which an error may say."""
    reached = False
    try:
        for step in steps:
            if not reached:
                reached = True
                yield Finding("connection", True, f"{host} answers")
            yield step
            if step.ok is False:
                return
    except Unreachable as error:
        yield Finding(error.step, False, str(error))
    except SourceError as error:
        if not reached and isinstance(error, AnswerError):
            yield Finding("connection", True, f"{host} answers")
        status = error.status if isinstance(error, AnswerError) else 0
        yield Finding({401: "sign-in", 403: "rights"}.get(status, "answer"), False, str(error))


def code_of(body: bytes) -> str:
    """The short code in an error's document."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(said, dict):
        return ""
    numbers = said.get("error_codes")
    if isinstance(numbers, list) and numbers and type(numbers[0]) is int:
        return f"AADSTS{numbers[0]}"
    error = said.get("error")
    inner = error if isinstance(error, dict) else {}
    errors = inner.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    for value in (said.get("errorCode"), said.get("scimType"), first.get("reason"), inner.get("code"), error):
        if isinstance(value, str) and _CODE.fullmatch(value):
            return value
    return ""
