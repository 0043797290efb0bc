"""What the scripts share that run inside a suite's own environment: named steps, counted. Standard library only."""

from __future__ import annotations

import json
import os
import traceback
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

BASE = os.environ["SCIM_BASE"]
TOKEN = os.environ["SCIM_TOKEN"]

_results: dict[str, str | None] = {}


def step(name: str, work: Callable[[], Any]) -> Any:
    """Do something; it passes when it raises nothing and does not return False. Gives what it gave."""
    try:
        result = work()
        _results[name] = "is not so" if result is False else None
        return result
    except Exception as error:
        _results[name] = f"{type(error).__name__}: {error}"
        traceback.print_exc()
        return None


def report() -> None:
    """Print the result as the last line."""
    failed = [f"{name}: {problem}" for name, problem in _results.items() if problem is not None]
    print(json.dumps({"passed": len(_results) - len(failed), "total": len(_results), "failed": failed}))


def find(endpoint: str, text: str) -> list[dict[str, Any]]:
    """What a filter finds on the service, asked without the client that is tested."""
    query = urllib.parse.urlencode({"filter": text})
    request = urllib.request.Request(f"{BASE}/{endpoint}?{query}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["Resources"]
    return found
