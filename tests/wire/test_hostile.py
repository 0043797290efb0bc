"""Hostile input, bounded and always the same: never a fault of ours, and nothing half-stored."""

from __future__ import annotations

import json
import random
import socket
import string
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from installation import Connected, Installation
from scim_client import ENTERPRISE_URN, GROUP_URN, PATCH_URN, USER_URN, Answer, ScimClient, add_members, send_raw
from scimlite.scim import core

#: Names and texts may be as long as an index has to bear.
SETTINGS = {"MAX_BODY": str(2 * 1024 * 1024), **dict.fromkeys(("MAX_NAME", "MAX_TEXT", "MAX_DOCUMENT"), "9999999")}

#: Values that no attribute, or hardly one, can take.
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    -(2**64),
    10**30,
    1.5,
    -0.0,
    1e308,
    "",
    " ",
    "\t\n\r",
    "\u202etxet\u202c",
    "e\u0301\u0301\u0301" * 50,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "%00%ff';--\"\\",
    "x" * 20_000,
    "\uffff\ufffe\x7f\x85",
    [],
    {},
    [[]],
    [{}],
    [None],
    [None, None],
    {"": None},
    {"value": None},
    {"value": {"value": {"value": 1}}},
    [{"value": "a"}, {"value": 1}],
    [{"value": "a", "primary": True}] * 3,
    [{"type": [], "primary": "maybe"}],
    ["a", 1, None, {}],
    {"$ref": 1, "value": "x", "display": []},
    {"operation": "delete", "value": "x"},
    {str(number): number for number in range(200)},
)
#: The same without a way through Python's JSON.
ODD_TEXT = (
    b'"\\ud800"',
    b'"\\u0000"',
    b"1e999",
    b"-1e999",
    b"[" * 31 + b"]" * 31,
    b"[" * 500,
    b"1" * 5000,
    b"NaN",
    b"\xff",
)

OPERATIONS = ("add", "replace", "remove")
USER_NAMES = [attribute.name for attribute in core.USER_SCHEMA.attributes]
GROUP_NAMES = [attribute.name for attribute in core.GROUP_SCHEMA.attributes]


def random_text(source: random.Random, length: int, alphabet: str = "") -> str:
    """Text that does not compress: from the alphabet, or of characters with four bytes each."""
    if alphabet:
        return "".join(source.choices(alphabet, k=length))
    return "".join(chr(source.randrange(0x20000, 0x2A000)) for _ in range(length))


def assert_ours(answer: Answer, request: Any = None) -> Answer:
    """Whatever it was, it is answered, and with something that a client can read."""
    assert answer.status < 500, (answer.status, answer.content[:500], request)
    if answer.content and answer.headers.get("content-type") == "application/scim+json":
        json.loads(answer.content)
    if answer.status >= 400 and answer.content:
        assert len(answer.content) < 20_000
    return answer


def assert_whole(app: Connected) -> None:
    """What is listed can be read and found, what was refused is not there, and the journal says the same."""
    for endpoint, name in (("Users", "userName"), ("Groups", "displayName")):
        seen: set[str] = set()
        start = 1
        while True:
            page = app.client.find(endpoint, startIndex=start, count=1000)
            if not page["Resources"]:
                break
            for each in page["Resources"]:
                alone = app.client.get(f"/{endpoint}/{each['id']}").ok(200)
                assert alone.json == each
                if len(each[name]) < 200:
                    literal = json.dumps(each[name])
                    found = app.client.find(endpoint, filter=f'{name} eq {literal} and id eq "{each["id"]}"')
                    assert found["totalResults"] == 1, each[name]
                seen.add(each["id"])
            start += len(page["Resources"])
        assert len(seen) == page["totalResults"]


@pytest.fixture
def whole(app: Connected) -> Iterator[Connected]:
    """An app that is looked through after the test."""
    yield app
    assert_whole(app)


# --- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*USER_NAMES, "id", "externalId", "meta", "schemas", "unknown", ENTERPRISE_URN])
def test_any_value_in_any_attribute_of_a_user(whole: Connected, name: str) -> None:
    client = whole.client
    target = client.user("target").ok(201)
    path = f"/Users/{target.id}"
    for number, value in enumerate(ODD):
        body = {"schemas": [USER_URN], "userName": f"u{number}", name: value}
        assert_ours(client.post("/Users", body), body)
        assert_ours(client.put(path, {"userName": "target", name: value}), body)
        operation = OPERATIONS[number % 3]
        assert_ours(client.patch(path, {"op": operation, "path": name, "value": value}), (operation, name, value))
        assert_ours(client.patch(path, {"op": "replace", "value": {name: value}}), (name, value))
    for number, text in enumerate(ODD_TEXT):
        raw = b'{"userName": "t%d", "%s": %s}' % (number, name.encode(), text)
        assert_ours(client.post("/Users", raw=raw), raw[:100])


@pytest.mark.parametrize("name", [*GROUP_NAMES, "externalId", "id"])
def test_any_value_in_any_attribute_of_a_group(whole: Connected, name: str) -> None:
    client = whole.client
    target = client.group("target").ok(201)
    path = f"/Groups/{target.id}"
    for number, value in enumerate(ODD):
        body = {"schemas": [GROUP_URN], "displayName": f"g{number}", name: value}
        assert_ours(client.post("/Groups", body), body)
        assert_ours(client.put(path, {"displayName": "target", name: value}), body)
        for operation in OPERATIONS:
            assert_ours(client.patch(path, {"op": operation, "path": name, "value": value}), (operation, name, value))


def test_any_value_in_any_sub_attribute(whole: Connected) -> None:
    client = whole.client
    target = client.user("target", emails=[{"value": "a@example.com", "type": "work"}]).ok(201)
    path = f"/Users/{target.id}"
    for target_path in (
        "emails.value",
        "emails.type",
        "emails.primary",
        'emails[type eq "work"]',
        'emails[type eq "work"].value',
        'emails[type eq "new"].primary',
        "emails[primary eq true].display",
        'addresses[type eq "work"].country',
        'x509Certificates[value eq "AA=="].display',
        "name.givenName",
        "name.formatted",
        f"{ENTERPRISE_URN}:manager",
        f"{ENTERPRISE_URN}:manager.value",
        f"{ENTERPRISE_URN}:department",
        "manager",
        "groups",
        'groups[value eq "x"].display',
        "meta.version",
    ):
        for number, value in enumerate(ODD):
            body = {"op": OPERATIONS[number % 3], "path": target_path, "value": value}
            assert_ours(client.patch(path, body), body)


def test_any_value_in_a_message(whole: Connected) -> None:
    client = whole.client
    target = client.user("target").ok(201)
    path = f"/Users/{target.id}"
    right = {"op": "replace", "path": "title", "value": "x"}
    for value in ODD:
        for body in (
            value,
            {"schemas": value, "Operations": [right]},
            {"schemas": [PATCH_URN], "Operations": value},
            {"schemas": [PATCH_URN], "Operations": [value]},
            {"schemas": [PATCH_URN], "Operations": [right, value]},
            {"Operations": [{**right, "op": value}]},
            {"Operations": [{**right, "path": value}]},
            {"Operations": [{"op": "add", "value": value}]},
            {"Operations": [{"op": "remove", "path": "title", "value": value, "extra": value}]},
        ):
            assert_ours(client.request("PATCH", path, body), body)
        for method, place in (("POST", "/Users"), ("PUT", path), ("POST", "/Groups")):
            assert_ours(client.request(method, place, value), value)


PATHS = (
    "", " ", ".", "..", "[", "]", "[]", "a[", "a]", "emails[", "emails[]", "emails[type]", "emails[type eq]",
    'emails[type eq "work"', 'emails[type eq "work"]]', 'emails[type eq "work"].', 'emails[type eq "work"].value.x',
    'emails[type eq "work"][type eq "home"]', 'emails[emails[type eq "x"]]', "name.givenName.x", "name..givenName",
    ".name", "name.", "urn:", "urn:x:y", f"{USER_URN}", f"{USER_URN}:", f"{USER_URN}:.", f"{USER_URN}:name.",
    f"{ENTERPRISE_URN}:manager.value.x", "userName[value eq \"x\"]", "emails[not (type eq \"a\")]",
    "emails[value gt 1]", 'emails[primary eq "x"].value', "emails[value pr and (value pr or value pr)].value",
    "members", "members[value eq null]", "members[value co \"\"]", "members.value", "id", "schemas", "meta", "password",
    "a" * 9000, "a." * 3000, "(" * 3000, 'emails[' * 500, "\u00e9", "title\u0000", "ti tle", "title ", " title",
    "\"title\"", "$ref", "$", "1", "-", "_", "emails[value eq 1e999]", "emails[value eq 99999999999999999999]",
    "emails[0]",
)  # fmt: skip


def test_any_path(whole: Connected) -> None:
    client = whole.client
    user, group = client.user("target").ok(201), client.group("target").ok(201)
    for path in PATHS:
        for number, value in enumerate(("x", None, {"value": "x"}, "x", [{"value": "x"}])):
            body = {"op": OPERATIONS[number % 3], "path": path, "value": value}
            assert_ours(client.patch(f"/Users/{user.id}", body), body)
            assert_ours(client.patch(f"/Groups/{group.id}", body), body)
        assert_ours(client.patch(f"/Users/{user.id}", {"op": "add", "value": {path: "x"}}), path)


def test_text_that_no_index_can_hold(installation: Installation, whole: Connected) -> None:
    """Long text of characters that take four bytes and do not compress, wherever a database keeps an index."""
    client, source = whole.client, random.Random(7)
    for length in (199, 256, 257, 700, 1000, 1001, 5000, 100_000):
        text = random_text(source, length)
        made = client.user(text, externalId=text[::-1], nickName=text, emails=[{"value": text, "type": text}]).ok(201)
        assert_ours(client.user(text.upper()))
        assert client.user(text).status == 409
        path = f"/Users/{made.id}"
        client.patch(path, {"op": "replace", "path": "userName", "value": text[1:] + "\u4e00"}).ok(200)
        client.patch(path, {"op": "replace", "path": "externalId", "value": text[1:]}).ok(200)
        group = client.group(text, made.id, externalId=text).ok(201)
        assert client.group(text).status == 409
        client.patch(f"/Groups/{group.id}", {"op": "replace", "path": "displayName", "value": text[1:]}).ok(200)
        assert_ours(client.post("/Users", {"userName": text, "active": "perhaps"}))
        assert_ours(client.patch(path, {"op": "replace", "path": text, "value": text}))
        assert_ours(client.get(f"/Users/{urllib.parse.quote(text[:300])}"))
        assert_ours(client.patch(f"/Groups/{group.id}", add_members(text)))
        if length <= 200:
            literal = json.dumps(text[1:] + "\u4e00", ensure_ascii=False)
            assert client.find("Users", filter=f"userName eq {literal}")["totalResults"] == 1
    rows = installation.journal(whole)
    assert sum(row.outcome == "refused" and row.status == 409 for row in rows) >= 16


# --- size ---------------------------------------------------------------------------------------------------------


def test_many_attributes(whole: Connected) -> None:
    many = {f"unknown{number}": number for number in range(20_000)}
    made = whole.client.user("many", **many).ok(201)
    assert len(made.content) < 1000
    assert_ours(whole.client.patch(f"/Users/{made.id}", {"op": "add", "value": many}))
    assert_ours(whole.client.put(f"/Users/{made.id}", {"userName": "many", **many}))


def test_many_values(whole: Connected) -> None:
    mails = [{"value": f"{number}@example.com", "type": "work", "primary": True} for number in range(5000)]
    started = time.monotonic()
    made = whole.client.user("many", emails=mails).ok(201)
    assert len(made.json["emails"]) == 5000
    assert sum(each.get("primary", False) for each in made.json["emails"]) == 1
    path = f"/Users/{made.id}"
    whole.client.patch(path, {"op": "add", "path": "emails", "value": mails[:500]}).ok(200)
    whole.client.patch(path, {"op": "remove", "path": "emails", "value": mails[:500]}).ok(200)
    whole.client.patch(path, {"op": "replace", "path": 'emails[type eq "work"].display', "value": "x"}).ok(200)
    assert time.monotonic() - started < 30


def test_many_operations(whole: Connected) -> None:
    made = whole.client.user("many").ok(201)
    started = time.monotonic()
    operations = [{"op": "replace", "path": "title", "value": str(number)} for number in range(1000)]
    changed = whole.client.patch(f"/Users/{made.id}", *operations).ok(200)
    assert (changed.json["title"], changed.etag) == ("999", 'W/"2"')
    for number in (1001, 20_000):
        refused = whole.client.patch(f"/Users/{made.id}", *(operations[0],) * number)
        assert (refused.status, "1000" in refused.json["detail"]) == (400, True)
    group = whole.client.group("many").ok(201)
    operations = [add_members(made.id) for _ in range(1000)]
    whole.client.patch(f"/Groups/{group.id}", *operations).ok(200)
    operations = [{"op": "remove", "path": f'members[value eq "{number}"]'} for number in range(1000)]
    whole.client.patch(f"/Groups/{group.id}", *operations).ok(200)
    operations = [{"op": "remove", "path": f'members[display co "{number}"]'} for number in range(300)]
    assert_ours(whole.client.patch(f"/Groups/{group.id}", *operations))
    assert time.monotonic() - started < 60


def test_ten_thousand_members_in_one_patch(installation: Installation, whole: Connected) -> None:
    client = whole.client
    real = [client.user(f"u{number}").ok(201).id for number in range(300)]
    unknown = [str(uuid.UUID(int=number)) for number in range(9700)]
    group = client.group("large").ok(201)
    started = time.monotonic()
    assert client.patch(f"/Groups/{group.id}", add_members(*unknown, *real)).status == 204
    assert time.monotonic() - started < 20
    assert client.members(group.id) == set(real)
    assert len(installation.journal(whole, action="member_added")) == 10_000
    assert client.put(f"/Groups/{group.id}", {"displayName": "large"}).ok(200).json.get("members", []) == []
    strict = installation.app(unknown_members="refuse")
    group = strict.client.group("large").ok(201)
    answer = strict.client.patch(f"/Groups/{group.id}", add_members(*unknown))
    assert answer.status == 400
    assert len(answer.content) < 2000


def test_long_queries(whole: Connected) -> None:
    client = whole.client
    client.user("u").ok(201)
    for query in (
        "filter=" + "%20or%20".join(['title%20eq%20"x"'.replace('"', "%22")] * 100),
        "filter=" + "%20and%20".join(["emails%5Bvalue%20co%20%22x%22%5D"] * 60),
        "filter=" + "not%20(" * 19 + "title%20pr" + ")" * 19,
        "filter=" + "(" * 500 + "title%20pr" + ")" * 500,
        "filter=userName%20co%20%22" + "%25_" * 1000 + "%22",
        "attributes=" + ",".join(["userName"] * 500),
        "attributes=" + "a," * 3000,
        "excludedAttributes=" + "." * 3000,
        "sortBy=" + "a" * 5000,
        "startIndex=" + "9" * 19,
        "startIndex=" + "9" * 4000,
        "startIndex=-" + "9" * 18,
        "count=" + "9" * 19,
        "count=-1",
        "startIndex=%D9%A1&count=%D9%A1",
        "&".join(f"a{number}=1" for number in range(1000)),
        "filter=" + "%F0%9F%98%80" * 500,
        "=&=&&&;;;",
        "%00=%00",
        "filter[]=1&filter[a]=2",
        "filter=meta.created%20gt%20%229999-99-99T99:99:99Z%22",
        "filter=meta.created%20gt%20%220001-01-01T00:00:00%2B23:59%22",
        "filter=meta.lastModified%20lt%20%229999-12-31T23:59:59-23:59%22",
        "filter=active%20gt%20true",
        "filter=userName%20eq%20" + "9" * 4000,
        "filter=userName%20eq%201e999",
        "filter=userName%20gt%20null",
        "filter=schemas%20co%20%22%22",
    ):
        started = time.monotonic()
        assert_ours(client.get(f"/Users?{query}"), query[:200])
        assert_ours(client.get(f"/Groups?{query}"), query[:200])
        assert time.monotonic() - started < 20, query[:200]


# --- noise --------------------------------------------------------------------------------------------------------


def test_random_bytes_as_bodies(whole: Connected) -> None:
    client, source = whole.client, random.Random(1)
    made = client.user("target").ok(201)
    for _ in range(60):
        raw = source.randbytes(source.randrange(200))
        for method, path in (
            ("POST", "/Users"),
            ("POST", "/Groups"),
            ("PUT", f"/Users/{made.id}"),
            ("PATCH", f"/Users/{made.id}"),
        ):
            assert assert_ours(client.request(method, path, raw=raw), raw).status == 400


def test_bodies_with_some_bytes_changed(whole: Connected) -> None:
    client, source = whole.client, random.Random(2)
    made = client.user("target").ok(201)
    user = {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "userName": "mutant",
        "active": True,
        "name": {"givenName": "G"},
        "emails": [{"value": "a@example.com", "type": "work", "primary": True}],
        ENTERPRISE_URN: {"department": "d", "manager": {"value": "x"}},
    }
    change = {
        "Operations": [
            {"op": "add", "path": 'emails[type eq "work"].value', "value": "x"},
            {"op": "remove", "path": "title"},
        ]
    }
    for number in range(250):
        whole_body = json.dumps(user if number % 2 else change).encode()
        raw = bytearray(whole_body)
        for _ in range(source.randrange(1, 4)):
            place = source.randrange(len(raw))
            match source.randrange(3):
                case 0:
                    raw[place] = source.randrange(256)
                case 1:
                    del raw[place : place + source.randrange(1, 9)]
                case _:
                    raw[place:place] = raw[: source.randrange(1, 30)]
        method, path = ("POST", "/Users") if number % 2 else ("PATCH", f"/Users/{made.id}")
        assert_ours(client.request(method, path, raw=bytes(raw)), bytes(raw))


def test_filters_with_some_characters_changed(whole: Connected) -> None:
    client, source = whole.client, random.Random(3)
    client.user("target", emails=[{"value": "a@example.com", "type": "work"}]).ok(201)
    right = (
        'userName eq "target" and (emails[type eq "work" and value co "@example"] or not (title pr))',
        f'{ENTERPRISE_URN}:manager.value eq "x" or meta.lastModified ge "2020-01-01T00:00:00Z"',
        'active eq true and name.familyName sw "a" and externalId ne null',
    )
    alphabet = '()[]". :\\,eqandornot019%_*-\u00e9\u0000\U0001f600'
    for number in range(250):
        text = list(source.choice(right))
        for _ in range(source.randrange(1, 5)):
            place = source.randrange(len(text))
            text[place : place + source.randrange(3)] = source.choices(alphabet, k=source.randrange(3))
        query = urllib.parse.quote("".join(text), safe="")
        name = ("filter", "sortBy", "attributes", "excludedAttributes")[number % 4 if number % 3 == 0 else 0]
        assert_ours(client.get(f"/Users?{name}={query}"), "".join(text))


def test_random_urls(installation: Installation, whole: Connected) -> None:
    client, source = whole.client, random.Random(4)
    for _ in range(120):
        noise = urllib.parse.quote_from_bytes(source.randbytes(source.randrange(1, 40)), safe="/?&=:")
        for path in (f"/{noise}", f"/Users/{noise}", f"/Groups/{noise}", f"/Schemas/{noise}", f"/Users?{noise}"):
            assert_ours(client.request(source.choice(("GET", "DELETE", "HEAD")), path), path)
    for path in ("/../../etc/passwd", "/Users/..%2f..%2fetc", "/Users/;a=b", "/Users/{id}", "/Users/%s%n", "/" * 5000):
        assert_ours(client.get(path), path)


# --- HTTP ---------------------------------------------------------------------------------------------------------


def test_odd_headers(installation: Installation, whole: Connected) -> None:
    client, source = whole.client, random.Random(5)
    made = client.user("target").ok(201)
    printable = string.printable[:95]
    names = ["If-Match", "If-None-Match", "Accept", "User-Agent", "X-Request-Id", "ADSCIMVersion", "Authorization"]
    names += ["Cookie", "Range", "Accept-Encoding", "X-Forwarded-For", "X-Forwarded-Host", "X-HTTP-Method-Override"]
    names += ["If-Modified-Since", "Content-Encoding", "Content-Language", "Origin", "Referer", "Forwarded"]
    values = ["", '"', 'W/"', "*, *", "\xff\xfe", ",", "a" * 8000, "DELETE", "bytes=0-0", "gzip", "0" * 5000]
    for name in names:
        for value in [*values, *(random_text(source, 40, printable).strip() for _ in range(3))]:
            for method, path in (("GET", f"/Users/{made.id}"), ("PATCH", f"/Users/{made.id}"), ("GET", "/Users")):
                body = {"Operations": [{"op": "add", "path": "title", "value": "x"}]} if method == "PATCH" else None
                raw = json.dumps(body).encode() if body else None
                assert_ours(client.request(method, path, raw=raw, headers={name: value}), (name, value))
    for value in (
        "",
        ";",
        "application/json;charset=utf-16",
        "application/json; a" * 200,
        "\xff",
        "application/",
        "/json",
    ):
        assert_ours(client.post("/Users", {"userName": "u"}, headers={"Content-Type": value}), value)
    assert client.find("Users", count=0)["totalResults"] <= 3


def _raw(app: Connected, *lines: str, body: bytes = b"") -> bytes:
    """An answer's first line to a request with the token, written out by hand."""
    parts = urllib.parse.urlsplit(app.client.base)
    head = [f"{lines[0].replace('BASE', parts.path)}", f"Host: {parts.netloc}", f"Authorization: Bearer {app.text}"]
    request = "\r\n".join([*head, *lines[1:], "", ""]).encode("latin-1")
    return send_raw(app.client.base, request + body).split(b"\r\n", 1)[0]


def test_malformed_requests(whole: Connected) -> None:
    body = b'{"userName": "smuggled"}'
    length = f"Content-Length: {len(body)}"
    close, json_type = "Connection: close", "Content-Type: application/scim+json"
    post = "POST BASE/Users HTTP/1.1"
    for lines, sent in (
        ((post, close, "Content-Length: -1"), body),
        ((post, close, "Content-Length: abc"), body),
        ((post, close, "Content-Length: 1e3"), body),
        ((post, close, f"Content-Length: {2**70}"), body),
        ((post, close, length, "Content-Length: 3"), body),
        ((post, close, length, "Transfer-Encoding: chunked"), b"0\r\n\r\n"),
        ((post, close, "Transfer-Encoding: chunked, chunked"), b"0\r\n\r\n"),
        ((post, close, "Transfer-Encoding: gzip"), body),
        ((post, close, "Transfer-Encoding: chunked"), b"zz\r\nabc\r\n0\r\n\r\n"),
        ((post, close, "Transfer-Encoding: chunked"), b"-5\r\nabc\r\n0\r\n\r\n"),
        ((post, close, "A" * 10_000 + ": x", length), body),
        ((post, close, *[f"X-{number}: x" for number in range(200)], length), body),
        ((post, close, "No colon here", length), body),
        ((post, close, "Bad name : x", length), body),
        ((post, close, "X: a\0b", length), body),
        (("POST BASE/Users HTTP/9.9", close, length), body),
        (("POST BASE/Us\0ers HTTP/1.1", close, length), body),
        (("POST  BASE/Users  HTTP/1.1", close, length), body),
    ):
        first = _raw(whole, *lines, json_type, body=sent)
        # A request that ended early may be cut off without an answer; a wrong one is told so.
        assert first == b"" or first.split(b" ")[1].startswith(b"4"), (lines, first)
    assert whole.client.find("Users", count=0)["totalResults"] == 0
    assert _raw(whole, post, close, length, json_type, "Expect: 100-continue", body=body).split(b" ")[1] in (
        b"100",
        b"201",
    )


def test_clients_that_go_away(whole: Connected) -> None:
    """A body that never comes whole is never stored, and costs others nothing.

    Whole is what JSON says: a last chunk that is missing behind a whole object takes nothing away from it.
    """
    parts = urllib.parse.urlsplit(whole.client.base)
    assert parts.hostname
    body = b'{"userName": "half"}'
    head = f"POST {parts.path}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {whole.text}\r\n".encode()
    for rest in (
        b"Content-Length: 1000\r\n\r\n" + body,
        b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body,
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body[:5],
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body,
        b"Content-Le",
        b"",
    ):
        for _ in range(3):
            with socket.create_connection((parts.hostname, parts.port or 80), timeout=5) as connection:
                connection.sendall(head + rest)
    whole.client.user("after").ok(201)
    time.sleep(0.3)
    names = {each["userName"] for each in whole.client.find("Users")["Resources"]}
    assert names == {"after"}


def test_slow_clients_do_not_stop_the_others(whole: Connected) -> None:
    """Fewer than there are threads; a reverse proxy shields from more."""
    parts = urllib.parse.urlsplit(whole.client.base)
    assert parts.hostname
    head = f"POST {parts.path}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {whole.text}\r\n"
    head += "Content-Length: 9\r\n\r\n"
    slow = [socket.create_connection((parts.hostname, parts.port or 80), timeout=5) for _ in range(6)]
    idle = [socket.create_connection((parts.hostname, parts.port or 80), timeout=5) for _ in range(50)]
    try:
        for connection in slow[:2]:
            connection.sendall(head.encode())
        started = time.monotonic()
        for number in range(20):
            whole.client.another().user(f"u{number}").ok(201)
        assert time.monotonic() - started < 20
    finally:
        for connection in (*slow, *idle):
            connection.close()


def test_pipelined_requests(whole: Connected) -> None:
    parts = urllib.parse.urlsplit(whole.client.base)
    one = f"GET {parts.path}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {whole.text}\r\n"
    answer = send_raw(whole.client.base, (f"{one}\r\n{one}Connection: close\r\n\r\n").encode())
    assert answer.count(b"HTTP/1.1 200 OK") == 2


def test_the_service_is_well_after_all_this(installation: Installation) -> None:
    ScimClient(installation.url).get("/healthz").ok(200)
    assert "could not be journalled" not in installation.log()
    assert "WORKER TIMEOUT" not in installation.log()


# --- what is no request -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /scim/v2/x/Users?filter=" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /scim/v2/x/Users HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET /scim/v2/x/Users HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
    ],
    ids=["long line", "long header", "no header", "nonsense"],
)
def test_what_is_no_request_is_refused_in_scim_too(
    installation: Installation, request_head: bytes, status: int
) -> None:
    head, _, body = send_raw(installation.url, request_head).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Content-Type: application/scim+json" in head
    error = json.loads(body)
    assert (error["status"], set(error)) == (str(status), {"schemas", "status", "detail"})
    assert "a" * 20 not in error["detail"]
