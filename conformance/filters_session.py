"""The corpus of filters and sort orders (tests/directory/search/cases/corpus.json), asked over HTTP."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

from session import BASE, TOKEN, report, step

CORPUS = Path(__file__).parent.parent / "tests" / "directory" / "search" / "cases" / "corpus.json"
SCHEMAS = "urn:ietf:params:scim:schemas:core:2.0:"

_ids: dict[str, str] = {}


def main() -> None:
    """Create the directory, ask each query, and be refused where a filter is wrong."""
    corpus = json.loads(CORPUS.read_text("utf-8"))
    for user in corpus["users"]:
        step(f"create {user['userName']}", partial(_create, "Users", "User", user))
    for group in corpus["groups"]:
        members = {"members": [{"value": _ids[name]} for name in group.get("members", ())]}
        step(f"create {group['displayName']}", partial(_create, "Groups", "Group", {**group, **members}))
    for case in corpus["filters"]:
        step(case["filter"], partial(_finds, case, filter=_filled(case["filter"])))
    for case in corpus["sorts"]:
        order = "descending" if case["descending"] else "ascending"
        step(f"by {case['by']}, {order}", partial(_finds, case, sortBy=case["by"], sortOrder=order))
    for case in corpus["refused"]:
        step(f"refused: {case['filter']}", partial(_is_refused, case))
    report()


def _filled(text: str) -> str:
    """A text with ids in its places, such as `«oskar.id»`."""
    return re.sub("«(.+?)\\.id»", lambda match: _ids[match[1]], text)


def _create(endpoint: str, type: str, body: dict[str, Any]) -> None:
    filled = json.loads(_filled(json.dumps({"schemas": [SCHEMAS + type], **body}, ensure_ascii=False)))
    made = _ask("POST", f"/{endpoint}", filled)
    _ids[body.get("userName") or body["displayName"]] = made["id"]


def _finds(case: dict[str, Any], **parameters: str) -> bool:
    listed = _ask("GET", f"/{case['endpoint']}?{urllib.parse.urlencode(parameters)}")
    names = [each.get("userName") or each["displayName"] for each in listed["Resources"]]
    return bool(names == case["found"] and listed["totalResults"] == len(names))


def _is_refused(case: dict[str, Any]) -> bool:
    try:
        _ask("GET", f"/{case['endpoint']}?{urllib.parse.urlencode({'filter': case['filter']})}")
    except urllib.error.HTTPError as error:
        with error:
            return error.code == 400 and json.load(error)["scimType"] == "invalidFilter"
    return False


def _ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/scim+json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
