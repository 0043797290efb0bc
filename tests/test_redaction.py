"""What is logged holds no secret and no value, whatever the message and the exception say."""

from __future__ import annotations

import logging
import sqlite3
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scimlite.redaction import error_log, redact, redacted, traceback_of

TOKEN = "scimlite_" + "A" * 22 + "." + "B" * 43
#: What stands for a person's value; it is made at run time, so that no source code has it.
ALICE = "".join(["al", "ice", "-", "ash"])


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (f"Invalid HTTP Header: 'Authorization Bearer {TOKEN}'", "Invalid HTTP Header: '…'"),
        (f"got {TOKEN}, and more", "got scimlite_…, and more"),
        (f"header Bearer {TOKEN} refused", "header Bearer …"),
        ("bearer%20c2VjcmV0 refused", "bearer%20…"),
        ("Authorization: Basic YTpi YTpi", "Authorization…"),
        ("HTTP_AUTHORIZATION=c2VjcmV0", "HTTP_AUTHORIZATION…"),
        ("Basic YTpi", "Basic …"),
        ("Bearer token: c2VjcmV0", "Bearer …"),
        ("Bearer\r\n c2VjcmV0 refused", "Bearer …"),
        ("bearer%2509c2VjcmV0", "bearer%2509…"),
        ("bearer+c2VjcmV0, bearer,c2VjcmV0", "bearer+…"),
        (TOKEN.replace("_", "%5F"), "scimlite%5F…"),
        (TOKEN.replace("s", "%73", 1), "%73cimlite_…"),
        (TOKEN.upper(), "SCIMLITE_…"),
        (f"{TOKEN[:40]}\r\n  {TOKEN[40:]} and more", "scimlite_… and more"),
        (f"got {TOKEN.removeprefix('scimlite_')}", "got …"),
        ("Cookie: session=c2VjcmV0; a=b", "Cookie:…"),
        ("access_token = c2VjcmV0", "access_token =…"),
        ("client_secret%3Dc2VjcmV0", "client_secret%3D…"),
        ("PGPASSWORD=c2VjcmV0 psql", "PGPASSWORD=…"),
        ("X-Api-Key: c2VjcmV0", "X-Api-Key:…"),
        ("host=db password='c2VjcmV0'", "host=db password=…"),
        ("GET /scim/v2/a/Users?filter=userName eq x&count=1 HTTP/1.1", "GET /scim/v2/a/Users?…"),
        ("filter=userName eq x", "filter=…"),
        ("filter%3DuserName%20eq%20x", "filter%3D…"),
        ("GET /Users?alice HTTP/1.1", "GET /Users?…"),
        ("what now? nothing", None),
        ("""HTTP Version: 'eq "alice" HTTP/1.1'""", "HTTP Version: '…'"),
        ("""Line '"alice" it's alice' was bad""", "Line '…' was bad"),
        ("an open 'alice\nand alice", "an open '…"),
        ("don't know b'alice' or “alice”", "don't know '…”"),
        ("no user alice@example.com here", "no user … here"),
        ("mail to alice@localhost", "mail to …"),
        ("mail to alice%40example.com", "mail to …"),
        ("nobody is called „alice“, `alice`, ‹alice› or 「alice」 here", "nobody is called „…」 here"),
        ("duplicate key (unique_key)=(alice) already exists", "duplicate key (unique_key)=(…"),
        ("violated\nDETAIL:  Failing row contains (1, alice).", "violated\\nDETAIL:…"),
        ("postgresql://ann:secret@db.example.com/scim", "postgresql://…@db.example.com/scim"),
        ("postgresql://ann:se/cr@et@db.example.com/scim", "postgresql://…@db.example.com/scim"),
        ("one\n2026-11-26 12:00:00,000 INFO forged", "one\\n2026-11-26 12:00:00,000 INFO forged"),
        ("\x1b[2J\u202e\u2028\x85", "\\x1b[2J\\u202e\\u2028\\x85"),
        ("a\u200bb\ufeff\xad\U000e0041", "a\\u200bb\\ufeff\\xad\\U000e0041"),
        ("Listening at: http://127.0.0.1:8000 (123)", "Listening at: http://127.0.0.1:8000 (123)"),
        ("Worker (pid:1) was sent SIGKILL! Perhaps out of memory?", None),
        ("request=0123456789abcdef failed", None),
    ],
)
def test_messages(message: str, shown: str | None) -> None:
    assert redacted(message) == (message if shown is None else shown)


class Quoting(Exception):
    def __init__(self, user: str) -> None:
        super().__init__(f"there is no seat for {user} in this plane")


class Textless(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def raising(error: BaseException) -> Callable[[], Any]:
    def raise_it() -> None:
        raise error

    return raise_it


def formatted() -> None:
    raise RuntimeError(f"no mail to {ALICE} could be sent")


def older_format() -> None:
    raise RuntimeError("no mail to %s could be sent, %d times" % (ALICE, 3))  # noqa: UP031


@pytest.mark.parametrize(
    ("act", "last_line"),
    [
        (formatted, "RuntimeError: no mail to … could be sent"),
        (older_format, "RuntimeError: no mail to … could be sent, … times"),
        (raising(ValueError(ALICE)), "ValueError: …"),
        (raising(ValueError({"userName": ALICE})), "ValueError: …"),
        (raising(KeyError(ALICE)), "KeyError: …"),
        (raising(Quoting(ALICE)), "test_redaction.Quoting: there is no seat for … in this plane"),
        (raising(Textless()), "test_redaction.Textless: (its text cannot be made: ZeroDivisionError)"),
        (raising(AssertionError()), "AssertionError"),
        (lambda: {}[ALICE], "KeyError: …"),
        (lambda: {}[701984], "KeyError: …"),
        (lambda: int(ALICE), "ValueError: invalid literal for int() with base 10: '…'"),
        (lambda: [].index(701984), "ValueError: … is not in list"),
        (lambda: b"a".decode(ALICE), "LookupError: …"),
        (lambda: next(iter(())), "StopIteration"),
        (lambda: ALICE + 1, 'TypeError: can only concatenate str (not "…") to str'),
        (lambda: Path(f"/nonexistent/{ALICE}").read_text(), "FileNotFoundError: [Errno 2] No such file or directory"),
        (lambda: ALICE.encode() + b"\xff".decode(), None),
        (lambda: sqlite3.connect(":memory:").execute(f"SELECT '{ALICE}' FROM x"), "OperationalError: SQLITE_ERROR"),
    ],
)
def test_exceptions(act: Callable[[], Any], last_line: str | None) -> None:
    with pytest.raises(BaseException) as caught:
        act()
    text = traceback_of(caught.value)
    assert ALICE not in text
    assert "701984" not in text
    assert text.startswith("Traceback (most recent call last):\n")
    assert "test_redaction.py" in text
    if last_line is not None:
        assert text.splitlines()[-1].endswith(last_line)


def chained() -> None:
    try:
        try:
            int(ALICE)
        except ValueError as error:
            raise KeyError(ALICE) from error
    except KeyError:
        raise ExceptionGroup(ALICE, [ValueError(ALICE), TypeError(ALICE)])  # noqa: B904  # a context, not a cause


def test_chains_and_groups() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        chained()
    text = traceback_of(caught.value)
    assert ALICE not in text
    names = [line.split(":")[0] for line in text.splitlines() if line.endswith(": …") or "Invalid" in line]
    assert names == ["ValueError", "TypeError", "KeyError", "ExceptionGroup"]
    assert "The above exception was the direct cause of the following exception:\nTraceback" in text
    assert "During handling of the above exception, another exception occurred:\nTraceback" in text


def test_an_endless_recursion_has_an_end() -> None:
    def recurse() -> None:
        recurse()

    with pytest.raises(RecursionError) as caught:
        recurse()
    text = traceback_of(caught.value)
    assert text.count("\n") < 60
    assert text.endswith("RecursionError: maximum recursion depth exceeded")


def test_a_traceback_within_a_message() -> None:
    try:
        raise ValueError(f"one\n  File {ALICE}\n{ALICE}\n    {ALICE}")
    except ValueError:
        shown = redacted(f"It failed for {ALICE!r}:\n{traceback.format_exc()}")
    assert ALICE not in shown
    assert shown.splitlines()[:2] == ["It failed for '…':", "Traceback (most recent call last):"]
    assert shown.splitlines()[-1] == "ValueError: …"


def test_a_record_without_a_message() -> None:
    record = logging.LogRecord("a", logging.ERROR, "", 0, "%d %s", (ALICE,), None)
    redact(record)
    assert record.getMessage() == "A message of a cannot be made: TypeError"


def test_handlers_of_an_application_get_no_exception(caplog: pytest.LogCaptureFixture) -> None:
    try:
        int(ALICE)
    except ValueError:
        error_log.exception("request=%s failed: %r", "0123456789abcdef", ALICE)
    assert ALICE not in caplog.text
    assert "request=0123456789abcdef failed: '…'" in caplog.text
    assert "ValueError: invalid literal" in caplog.text
    assert [record.exc_info for record in caplog.records] == [None]
