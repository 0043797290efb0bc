"""Takes secrets and personal values out of what is logged: messages of any logger, and tracebacks.

Nothing here knows which values are personal, so it keeps what the source code says, and hides the rest.
"""

from __future__ import annotations

import builtins
import dis
import logging
import os
import re
import traceback
from collections.abc import Iterator
from types import CodeType, TracebackType

from .visible_text import visible

HIDDEN = "…"

#: Tokens and other signed texts, also percent-encoded and where a line ends within them.
_TOKENS = re.compile(
    r"(?P<token>(?:s|%73)cimlite(?:_|%5f))[\w.~+/=%-]*(?:[\r\n]+[ \t]*[\w.~+/=%-]{16,}(?!\S))*"
    r"|(?<![\w-])[\w-]{16,}+\.[\w-]{16,}+(?:\.[\w-]{16,}+)?",
    re.IGNORECASE | re.ASCII,
)
_OF_A_WORD = r"[^\s@'\"<>()=,;:/]"
#: Credentials, also where they came without their header; the query of a URL, and parameters of one, to the end of the
#: line, because a malformed one has blanks; what PostgreSQL says of a row; a password in a URL; e-mail addresses, which
#: are user names.
_SECRETS = re.compile(
    r"(?P<scheme>\b(?:bearer|basic|digest|negotiate)(?:[^\w%]|%(?:25)*[0-9a-f]{2})+)\S.*"
    r"|(?P<header>authorization\b).*"
    r"|(?P<name>(?:password|passwd|secret|token|api[_-]?key|credentials?|cookie)\w{0,32}\s{0,4}(?:[:=]|%3[ad]))\s*\S.*"
    r"|(?P<query>(?<=\S)\?)(?=\S).*"
    r"|(?P<parameter>\b(?:filter|(?:excluded)?attributes|sort(?:by|order)|cursor|startid)\s{0,4}(?:=|%3d)).*"
    r"|(?P<row>\bDETAIL:|\)=\().*"
    r"|(?P<user>://)\S{1,500}@"
    rf"|(?<!{_OF_A_WORD})(?:(?!%40){_OF_A_WORD})++(?:@|%40){_OF_A_WORD}+",
    re.IGNORECASE,
)
#: A scheme whose token stands in the next line.
_SPLIT_SCHEME = re.compile(r"(\b(?:bearer|basic|digest|negotiate)\b[ \t]*:?)\s*[\r\n]\s*", re.IGNORECASE)
#: From the first quotation mark that opens something to the last one: a value may hold quotation marks itself. An
#: apostrophe within a word opens nothing.
_OPENS = r"[\"'`\u00ab\u2018\u201a\u201c\u201e\u2039\u300c\u300e]"
_CLOSES = r"[\"'`\u00bb\u2018\u2019\u201c\u201d\u203a\u300d\u300f]"
_QUOTED = re.compile(
    rf"(?<!\w)(?:[bru]{{1,2}})?(?P<open>{_OPENS})(?:.*(?P<close>{_CLOSES})(?!\w)|.*)", re.DOTALL | re.IGNORECASE
)
_TRACEBACK = "Traceback (most recent call last)"
_FRAME = re.compile(r'  File ".*", line \d+, in \S+')
_NAME = re.compile(r"[A-Za-z_][\w.]*")
#: Between an exception and its cause, and between one and what failed while it was handled.
_CHAINED = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
#: What a format puts a value for: `%s` or `{name}`.
_FORMATTED = re.compile(r"%[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]|\{[^{}]*\}")
_DIGITS = re.compile(r"\d{3,}")
#: Frames of one exception: the first and the last ones of a longer list, such as that of an endless recursion.
_FIRST_FRAMES, _LAST_FRAMES = 10, 40
_LONGEST_MESSAGE = 2000
#: Characters of a message that is no exception's; what a client sends may be longer.
_LONGEST_LINE = 8000
#: Exceptions in a chain or a group, so that a line has an end.
_MOST_EXCEPTIONS = 20
#: The interpreter's own exceptions whose message is a value, or ends in one.
_VALUES = (KeyError, StopIteration, StopAsyncIteration, SystemExit, Warning)


def redacted(text: str) -> str:
    """Returns a message without secrets and values, on one line unless it holds a traceback.

    Hidden are tokens, credentials, queries of URLs, e-mail addresses, everything in quotation marks, and in a traceback
    the text behind each exception's class. What nobody sees, or steers a terminal, is an escape.
    """
    if _TRACEBACK in text:
        before, _, rest = text.partition(_TRACEBACK)
        return f"{redacted(before.rstrip())}\n{_without_messages(_TRACEBACK + rest)}"
    if len(text) > _LONGEST_LINE:
        text = f"{text[:_LONGEST_LINE]}{HIDDEN}"
    text = _TOKENS.sub(_hidden_secret, _QUOTED.sub(_hidden_quote, text))
    # By line, so that a query hides no line behind its own.
    text = "\n".join(_SECRETS.sub(_hidden_secret, line) for line in _SPLIT_SCHEME.sub(r"\1 ", text).split("\n"))
    return visible(text)


def _hidden_quote(match: re.Match[str]) -> str:
    return f"{match['open']}{HIDDEN}{match['close'] or ''}"


def _hidden_secret(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup] if match.lastgroup else ''}{HIDDEN}{'@' if match.lastgroup == 'user' else ''}"


def _without_messages(text: str) -> str:
    """Returns a traceback that came as text with its frames and the names of its exceptions alone."""
    kept: list[str] = []
    is_named = False
    for line in text.split("\n"):
        if line.startswith((_TRACEBACK, *_CHAINED)):
            kept.append(line)
            is_named = False
        elif not is_named and _FRAME.fullmatch(line):
            kept.append(line)
        elif not is_named and (name := _NAME.match(line)) and line[name.end() : name.end() + 1] in ("", ":"):
            kept.append(name.group() if name.end() == len(line) else f"{name.group()}: {HIDDEN}")
            # What follows are further lines of the message.
            is_named = True
    return "\n".join(kept)


# --- exceptions ---------------------------------------------------------------------------------------------------


def traceback_of(error: BaseException) -> str:
    """Returns the traceback of an exception, and of those that led to it, without the values in their messages.

    It names files, lines and functions, and leaves out the lines of code, which may hold values too.
    """
    return "\n\n".join(_traceback(each, heading) for each, heading in reversed(list(_chain(error))))


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """Yields an exception and those that it comes from, the last one first, each with the sentence that leads to it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting and len(seen) < _MOST_EXCEPTIONS:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        cause = each.__cause__
        context = None if each.__suppress_context__ else each.__context__
        origin = cause or context
        sentence = _CHAINED[0 if cause else 1] if origin else ""
        yield each, sentence
        waiting += getattr(each, "exceptions", ())
        if origin is not None:
            waiting.append(origin)


def _traceback(error: BaseException, heading: str) -> str:
    frames = [
        f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}'
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    if len(frames) > _FIRST_FRAMES + _LAST_FRAMES:
        frames[_FIRST_FRAMES:-_LAST_FRAMES] = [f"  {HIDDEN}"]
    name = type(error).__qualname__
    if type(error).__module__ not in ("builtins", "__main__"):
        name = f"{type(error).__module__}.{name}"
    message = _message(error)
    lines = [heading, f"{_TRACEBACK}:", *frames, f"{name}: {message}" if message else name]
    return "\n".join(filter(None, lines))


def _message(error: BaseException) -> str:
    """Returns what can be said of an exception: the code that its source gave it, and texts of the program."""
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return f"[Errno {error.errno}] {os.strerror(error.errno)}"
    code = getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None)
    if isinstance(code, str) and _NAME.fullmatch(f"_{code}"):
        return code
    try:
        text = str(error)[:_LONGEST_MESSAGE]
    except Exception as failure:  # the method of any class
        return f"(its text cannot be made: {type(failure).__name__})"
    if not text:
        return ""
    last = _last(error.__traceback__)
    if last is not None and _is_by_the_interpreter(error, last):
        return _DIGITS.sub(HIDDEN, redacted(text))
    codes = [last.tb_frame.f_code] if last is not None else []
    for method in (type(error).__init__, type(error).__str__):
        codes += [method.__code__] if hasattr(method, "__code__") else []
    return _only_constants(text, codes)


def _last(trace: TracebackType | None) -> TracebackType | None:
    """Returns the frame in which an exception was raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _is_by_the_interpreter(error: BaseException, last: TracebackType) -> bool:
    """True for an exception that no `raise` made; its message holds values in quotation marks only, or as numbers."""
    if type(error) is not getattr(builtins, type(error).__name__, None) or isinstance(error, _VALUES):
        return False
    if type(error) is LookupError:
        # Of a codec that is not known, whose name stands in no quotation marks.
        return False
    instruction = dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]]
    return instruction not in ("RAISE_VARARGS", "RERAISE")


def _only_constants(text: str, codes: list[CodeType]) -> str:
    """Returns a text in which everything is hidden that is no text of the source code that made it."""
    pieces = {piece for code in codes for constant in code.co_consts for piece in _pieces(constant)}
    shown = [False] * len(text)
    for piece in pieces:
        start = text.find(piece)
        while start >= 0:
            shown[start : start + len(piece)] = [True] * len(piece)
            start = text.find(piece, start + 1)
    kept = "".join(char if is_shown else "\0" for char, is_shown in zip(text, shown, strict=True))
    return redacted(re.sub("\0+", HIDDEN, kept))


def _pieces(constant: object) -> list[str]:
    """Returns the parts of a text between the places for values; none for a single word, which may be a value."""
    if not isinstance(constant, str):
        return []
    return [piece for piece in _FORMATTED.split(constant) if " " in piece and piece.strip()]


# --- log records --------------------------------------------------------------------------------------------------


def redact(record: logging.LogRecord) -> None:
    """Replaces a record's message and exception by texts without secrets and values; a second call does nothing."""
    if getattr(record, "is_redacted", False):
        return
    record.is_redacted = True
    try:
        message = record.getMessage()
    except Exception as failure:  # the arguments may not fit, or be objects without a text
        message = f"A message of {record.name} cannot be made: {type(failure).__name__}"
    record.msg, record.args = redacted(message), None
    if record.exc_info and record.exc_info[1] is not None:
        record.exc_text = traceback_of(record.exc_info[1])
    elif record.exc_text:
        record.exc_text = _without_messages(record.exc_text)
    # A handler would make the text again from the exception itself.
    record.exc_info = None


class _Redacting(logging.Filter):
    """Redacts each record of a logger, whoever handles it: an application with scimlite inside has its own handlers."""

    def filter(self, record: logging.LogRecord) -> bool:
        redact(record)
        return True


#: The log of everything that is no request; its records hold neither secrets nor values.
error_log = logging.getLogger("scimlite.error")
error_log.addFilter(_Redacting("redaction"))
