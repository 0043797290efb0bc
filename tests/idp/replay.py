#!/usr/bin/env python3
"""Play the conversations that real SCIM clients hold against a SCIM 2.0 service provider.

    python tests/idp/replay.py BASE_URL TOKEN [FILE.json ...]

BASE_URL is what the client would be given (Entra ID's "Tenant URL"), such as http://127.0.0.1:8000/scim/v2/entra-id.
Without files every *.json beside this script is played. One line is printed for each failed step, and
`N passed, M failed` is always the last line; the exit status is 1 when anything failed. `--json FILE` writes the
result of each step, `--trace` prints every exchange on stderr, `--help` lists the rest. It needs only Python's standard
library, and any SCIM server can be tried with it: the request goes out through http.client, so that target, headers
and body are exactly what the step says (no User-Agent, no Accept, no redirects followed).

A conversation is a list of steps:

    name, method, path                needed; the path is relative to BASE_URL
    encode    plus | percent | raw    how the query string is put on the wire:
                                      plus    form style, blank becomes "+"   (Entra)
                                      percent blank becomes "%20", the default (Okta)
                                      raw     sent as written
    headers   {name: value|null}      added to "Authorization: Bearer TOKEN" and, when there is a body,
                                      "Content-Type: application/scim+json; charset=utf-8"; null drops a header
    body      any JSON                or raw_body: text sent as it stands
    expect    {status, json}          status: a number or a list; json: a list of [path, operator, value]
    save      {variable: path}        for ${variable} in later steps
    level     must | should | tolerant
    source    where the shape or the check comes from
    teardown  true                    housekeeping: never counted, left out when its variables were never saved
    fallback_for  name                housekeeping: never counted, played only when ${name} was not saved, so that
                                      one refused create does not fail a whole file

Variables in path, headers and body: ${run} (fresh for each file), ${base}, ${token}, ${guid:x} (a GUID for each x, the
same in the whole file), and saved ones. A string that is nothing but one ${variable} keeps the saved value's type.

Paths: a.b, a[0].b, a[*].b, a[type=work].value, ['urn:…:2.0:User'].department, @header.content-type, @status,
@elapsed_ms, @body (text), @json (the whole document).
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import ssl
import sys
import time
import urllib.parse
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Json = Any
Token = tuple[str, Any]

LEVELS = ("must", "should", "tolerant")
MISSING: Any = object()

_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_TOKEN = re.compile(
    r"""\.?(?:\['(?P<quoted>[^']+)'\]|\[(?P<index>-?\d+)\]|\[(?P<all>\*)\]"""
    r"""|\[(?P<key>[^=\]]+)=(?P<value>[^\]]*)\]|(?P<name>[^.\[\]]+))"""
)


# --- variables and paths ------------------------------------------------------------------------------------------


class UnknownVariable(Exception):
    """A step needs a variable that no earlier step saved."""


class Variables(dict[str, Json]):
    """What steps saved, by name."""

    def named(self, name: str) -> Json:
        """A variable's value; one that begins with `guid:` is made when first named."""
        if name not in self and name.startswith("guid:"):
            self[name] = str(uuid.uuid4())
        if name not in self:
            raise UnknownVariable(name)
        return self[name]

    def fill(self, template: Json) -> Json:
        """The template with every ${variable} in it replaced."""
        if isinstance(template, str):
            whole = _VARIABLE.fullmatch(template)
            if whole:
                return self.named(whole.group(1))
            return _VARIABLE.sub(lambda match: str(self.named(match.group(1))), template)
        if isinstance(template, list):
            return [self.fill(each) for each in template]
        if isinstance(template, dict):
            return {self.fill(name): self.fill(value) for name, value in template.items()}
        return template


def tokens(path: str) -> list[Token]:
    """The steps of a path, in order."""
    found: list[Token] = []
    position = 0
    while position < len(path):
        match = _TOKEN.match(path, position)
        if not match or match.end() == position:
            raise ValueError(f"bad path {path!r}")
        position = match.end()
        if match["quoted"] is not None:
            found.append(("name", match["quoted"]))
        elif match["index"] is not None:
            found.append(("index", int(match["index"])))
        elif match["all"]:
            found.append(("all", None))
        elif match["key"] is not None:
            found.append(("pick", (match["key"], match["value"])))
        else:
            found.append(("name", match["name"]))
    return found


def dig(document: Json, path: list[Token]) -> Json:
    """What a path leads to, MISSING when there is nothing."""
    for place, (kind, argument) in enumerate(path):
        if kind == "name":
            document = document.get(argument, MISSING) if isinstance(document, dict) else MISSING
        elif not isinstance(document, list):
            return MISSING
        elif kind == "index":
            inside = -len(document) <= argument < len(document)
            document = document[argument] if inside else MISSING
        elif kind == "pick":
            document = next((each for each in document if _picked(each, *argument)), MISSING)
        else:
            found = [dig(each, path[place + 1 :]) for each in document]
            return [each for each in found if each is not MISSING]
        if document is MISSING:
            return MISSING
    return document


def _picked(item: Json, name: str, value: str) -> bool:
    if not isinstance(item, dict) or name not in item:
        return False
    given = item[name]
    text = json.dumps(given) if isinstance(given, bool) else str(given)
    return text.lower() == value.lower()


# --- checks -------------------------------------------------------------------------------------------------------


def _same(one: Json, other: Json) -> bool:
    return one is other if isinstance(one, bool) or isinstance(other, bool) else bool(one == other)


def _covers(big: Json, small: Json) -> bool:
    if isinstance(small, dict):
        return isinstance(big, dict) and all(name in big and _covers(big[name], small[name]) for name in small)
    return type(big) is type(small) and bool(big == small)


def _nulls(value: Json, at: str = "") -> list[str]:
    if value is None:
        return [at or "(root)"]
    if isinstance(value, dict):
        return [path for name, inner in value.items() for path in _nulls(inner, f"{at}.{name}")]
    if isinstance(value, list):
        return [path for number, inner in enumerate(value) for path in _nulls(inner, f"{at}[{number}]")]
    return []


def _has(got: Json, wanted: Json) -> bool:
    return isinstance(got, list) and any(_covers(each, wanted) for each in got)


def _of_type(got: Json, wanted: str) -> bool:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    kind = names[type(got)]
    return kind == wanted or (wanted == "number" and kind == "integer")


def _compared(test: Callable[[Any, Any], bool]) -> Callable[[Json, Json], bool]:
    def compare(got: Json, wanted: Json) -> bool:
        return not isinstance(got, bool) and isinstance(got, int | float) and test(got, wanted)

    return compare


def _sized(test: Callable[[int, int], bool]) -> Callable[[Json, Json], bool]:
    return lambda got, wanted: hasattr(got, "__len__") and test(len(got), wanted)


def _text(test: Callable[[str, str], bool]) -> Callable[[Json, Json], bool]:
    return lambda got, wanted: isinstance(got, str) and test(got, wanted)


#: What holds for a value that is there and not null.
_OPERATORS: dict[str, Callable[[Json, Json], bool]] = {
    "eq": _same,
    "ne": lambda got, wanted: not _same(got, wanted),
    "in": lambda got, wanted: any(_same(got, each) for each in wanted),
    "ieq": lambda got, wanted: str(got).lower() == str(wanted).lower(),
    "len": _sized(lambda size, wanted: size == wanted),
    "minlen": _sized(lambda size, wanted: size >= wanted),
    "maxlen": _sized(lambda size, wanted: size <= wanted),
    "contains": lambda got, wanted: isinstance(got, list | str) and wanted in got,
    "not_contains": lambda got, wanted: not isinstance(got, list | str) or wanted not in got,
    "has": _has,
    "has_not": lambda got, wanted: not _has(got, wanted),
    "type": _of_type,
    "startswith": _text(str.startswith),
    "istartswith": _text(lambda got, wanted: got.lower().startswith(wanted.lower())),
    "match": _text(lambda got, wanted: re.search(wanted, got) is not None),
    "lt": _compared(lambda got, wanted: got < wanted),
    "lte": _compared(lambda got, wanted: got <= wanted),
    "gt": _compared(lambda got, wanted: got > wanted),
    "gte": _compared(lambda got, wanted: got >= wanted),
    "no_nulls": lambda got, _: not _nulls(got),
}


def holds(got: Json, operator: str, wanted: Json) -> bool:
    """Whether an assertion holds."""
    nothing = got is MISSING or got is None
    if operator == "exists":
        return not nothing
    if operator == "absent":  # RFC 7643 section 2.5: missing, null and [] are alike
        return nothing or got == []
    if operator == "no_key":  # the key itself must not be there
        return got is MISSING
    if operator in ("empty", "not_empty"):
        return (nothing or got in ([], "", {})) is (operator == "empty")
    if operator not in _OPERATORS:
        raise ValueError(f"unknown operator {operator!r}")
    if nothing:
        return operator in ("ne", "not_contains", "has_not")
    return _OPERATORS[operator](got, wanted)


# --- the wire -----------------------------------------------------------------------------------------------------


def encoded(path: str, how: str) -> str:
    """A path with its query as the client would put it on the wire."""
    if how == "raw":
        return path.replace(" ", "%20").replace('"', "%22")
    where, _, query = path.partition("?")
    where = urllib.parse.quote(where, safe="/:@%-._~!$&'()*+,;=")
    if not query:
        return where
    quote = urllib.parse.quote_plus if how == "plus" else lambda text: urllib.parse.quote(text, safe="")
    pairs = []
    for part in query.split("&"):
        key, equals, value = part.partition("=")
        pairs.append(quote(key) + equals + quote(value))
    return f"{where}?{'&'.join(pairs)}"


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: dict[str, str]
    text: str
    milliseconds: float


class Wire:
    """One kept-alive connection to the server."""

    def __init__(self, base: str, timeout: float, insecure: bool) -> None:
        self._url = urllib.parse.urlsplit(base)
        self._timeout = timeout
        self._insecure = insecure
        self._connection: http.client.HTTPConnection | None = None

    def _open(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme != "https":
            return http.client.HTTPConnection(host, self._url.port, timeout=self._timeout)
        context = ssl.create_default_context()
        if self._insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(host, self._url.port, timeout=self._timeout, context=context)

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Answer:
        """Send a request; a connection that was closed while idle is opened again, once."""
        for attempt in (1, 2):
            fresh = self._connection is None
            if self._connection is None:
                self._connection = self._open()
            try:
                return self._exchange(self._connection, method, target, headers, body)
            except (http.client.HTTPException, OSError) as error:
                self.close()
                stale = isinstance(error, http.client.CannotSendRequest | ConnectionError)
                if fresh or attempt == 2 or not stale:
                    raise
        raise AssertionError("the second attempt returns or raises")

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> Answer:
        started = time.monotonic()
        connection.putrequest(method, self._url.path.rstrip("/") + target, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None or method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body)
        response = connection.getresponse()
        data = response.read()
        took = (time.monotonic() - started) * 1000
        got = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            self.close()
        return Answer(response.status, got, data.decode("utf-8", "replace"), took)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


# --- playing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """How one counted step went."""

    file: str
    step: int
    name: str
    level: str
    ok: bool
    problems: list[str]
    source: str | None


def _short(value: Json, longest: int = 140) -> str:
    if value is MISSING:
        return "(missing)"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= longest else text[:longest] + "…"


def _request(step: Json, names: Variables, token: str) -> tuple[str, dict[str, str], bytes | None]:
    """The target, headers and body that a step sends."""
    target = encoded(names.fill(step["path"]), step.get("encode", "percent"))
    body = None
    if "raw_body" in step:
        body = names.fill(step["raw_body"]).encode()
    elif "body" in step:
        body = json.dumps(names.fill(step["body"]), ensure_ascii=False).encode()
    headers = {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = "application/scim+json; charset=utf-8"
    for name, value in (step.get("headers") or {}).items():
        for known in [each for each in headers if each.lower() == name.lower()]:
            del headers[known]
        if value is not None:
            headers[name] = names.fill(value)
    return target, headers, body


def _value(answer: Answer, document: Json, path: str) -> Json:
    special = {"@body": answer.text, "@elapsed_ms": answer.milliseconds, "@status": answer.status, "@json": document}
    if path in special:
        return special[path]
    if path.startswith("@header."):
        return answer.headers.get(path.removeprefix("@header.").lower(), MISSING)
    return MISSING if document is MISSING else dig(document, tokens(path))


def _judged(step: Json, answer: Answer, names: Variables) -> list[str]:
    """What is wrong with an answer; saves what the step saves."""
    document, broken = MISSING, ""
    if answer.text.strip():
        try:
            document = json.loads(answer.text)
        except ValueError as error:
            broken = f" (body is not JSON: {error})"
    saved = step.get("save") or {}
    expect = step.get("expect") or {}
    wanted = expect.get("status")
    wanted = wanted if isinstance(wanted, list) or wanted is None else [wanted]
    if wanted is not None and answer.status not in wanted:
        if 200 <= answer.status < 300:
            found = {name: _value(answer, document, names.fill(path)) for name, path in saved.items()}
            names.update({name: value for name, value in found.items() if value is not MISSING and value is not None})
        said = f"; {_short(' '.join(answer.text.split()), 200)}" if answer.text.strip() else ""
        return [f"status {answer.status}, wanted {'/'.join(map(str, wanted))}{said}"]
    problems = []
    for path, operator, *rest in expect.get("json") or []:
        value = names.fill(rest[0]) if rest else None
        found = _value(answer, document, names.fill(path))
        if not holds(found, operator, value):
            right = _short(value) if rest else ""
            problems.append(f"{path} {operator} {right}, got {_short(found)}{broken}")
    for name, path in saved.items():
        found = _value(answer, document, names.fill(path))
        if found is MISSING or found is None:
            problems.append(f"cannot save ${{{name}}}: no {path}")
        else:
            names[name] = found
    return problems


def _step(step: Json, wire: Wire, names: Variables, token: str, trace: bool) -> list[str]:
    """Play one step; returns what is wrong."""
    target, headers, body = _request(step, names, token)
    try:
        answer = wire.send(step["method"], target, headers, body)
    except (http.client.HTTPException, OSError) as error:
        return [f"no answer: {type(error).__name__}: {error}"]
    if trace:
        shown = {"name": step["name"], "request": [step["method"], target, headers, (body or b"").decode()]}
        print(json.dumps({**shown, "response": asdict(answer)}, indent=1), file=sys.stderr)
    return _judged(step, answer, names)


def play(file: Path, base: str, token: str, *, wire: Wire, trace: bool = False) -> list[Result]:
    """Play one conversation; the results of its steps without the housekeeping."""
    names = Variables(run=uuid.uuid4().hex[:10], base=base.rstrip("/"), token=token)
    results = []
    for number, step in enumerate(json.loads(file.read_text(encoding="utf-8")), 1):
        if step.get("fallback_for") in names:
            continue
        try:
            problems = _step(step, wire, names, token, trace)
        except UnknownVariable as error:
            problems = [f"not played: ${{{error}}} was never saved"]
        if step.get("teardown") or step.get("fallback_for"):
            continue
        level = step.get("level", "must")
        source = step.get("source")
        results.append(Result(file.stem, number, step["name"], level, not problems, problems, source))
    return results


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="replay.py", description="Play recorded SCIM client conversations against a server."
    )
    parser.add_argument("base", help="the SCIM base URL")
    parser.add_argument("token", help="the bearer token")
    parser.add_argument("files", nargs="*", type=Path, help="conversations; all beside this script without")
    parser.add_argument("--level", choices=LEVELS, default="tolerant", help="count only steps up to this level")
    parser.add_argument("--only", default="", help="count only steps whose name contains this")
    parser.add_argument("--summary", action="store_true", help="print a line for each file before the last line")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the result of each step")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for an answer")
    parser.add_argument("--insecure", action="store_true", help="do not verify the TLS certificate")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the steps that passed as well")
    parser.add_argument("--trace", action="store_true", help="print every exchange on stderr")
    given = parser.parse_args(arguments)
    results: list[Result] = []
    wire = Wire(given.base, given.timeout, given.insecure)
    for file in given.files or sorted(Path(__file__).parent.glob("*.json")):
        results += play(file, given.base, given.token, wire=wire, trace=given.trace)
    wire.close()
    counted = LEVELS[: LEVELS.index(given.level) + 1]
    results = [each for each in results if each.level in counted and given.only in each.name]
    for each in results:
        if not each.ok:
            print(f"FAIL {each.file} #{each.step} [{each.level}] {each.name}: {'; '.join(each.problems)}")
        elif given.verbose:
            print(f"ok   {each.file} #{each.step} [{each.level}] {each.name}")
    if given.json:
        given.json.write_text(json.dumps([asdict(each) for each in results], indent=1), encoding="utf-8")
    if given.summary:
        for name in dict.fromkeys(each.file for each in results):
            mine = [each.ok for each in results if each.file == name]
            print(f"{name:32} {sum(mine):3} passed, {len(mine) - sum(mine):3} failed")
    passed = sum(each.ok for each in results)
    print(f"{passed} passed, {len(results) - passed} failed")
    return 0 if passed and passed == len(results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
