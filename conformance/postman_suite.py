"""Microsoft's Postman collection (AzureAD/SCIMReferenceCode, PostmanCollection.json), run by newman.

It is not ours to ship: `--postman PATH` says where it is. Its first folder fetches a token from an endpoint of the
reference code; it is left out, and the token of the app takes its place.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

#: The npm package, with its version.
NEWMAN = "newman@6.2.2"
_INSTALLING = 600

#: What the default profile answers otherwise than Microsoft's reference code, and why.
REASONS = {
    "Get ServiceProviderConfig": "RFC 7644 has it at /ServiceProviderConfig; `service-configuration=on` adds the other",
    "to include 'new User'": "a member is shown by its own name; `member-display=sent` shows what the client sent",
    "status code 204 but got 200": "an app answers with the resource; `patch-answer=empty` gives 204",
}


def install(folder: Path) -> Path:
    """Install newman in a folder, once; returns the folder of its programs. Raises OSError without npm."""
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != NEWMAN:
        print(f"    installing {NEWMAN}", file=sys.stderr, flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), NEWMAN]
        subprocess.run(command, check=True, timeout=_INSTALLING, stdout=subprocess.DEVNULL)
        stamp.write_text(NEWMAN)
    return folder / "node_modules" / ".bin"


def check(
    output: Callable[[Sequence[str | Path]], str], collection: Path, base: str, token: str, binaries: Path, folder: Path
) -> tuple[int, int, list[str]]:
    """Run the collection on an app without users; gives how many assertions passed, of how many, and the others."""
    whole = json.loads(collection.read_text(encoding="utf-8"))
    whole["item"] = [item for item in whole["item"] if not _fetches_token(item)]
    run, report = folder / "collection.json", folder / "report.json"
    run.write_text(json.dumps(whole), encoding="utf-8")
    address = urlsplit(base)
    variables = {
        "Protocol": address.scheme,
        "Server": address.hostname,
        "Port": f":{address.port}" if address.port else "",
        "Api": address.path.strip("/"),
        "token": token,
    }
    command: list[str | Path] = [
        binaries / "newman",
        "run",
        run,
        "--reporters",
        "json",
        "--reporter-json-export",
        report,
    ]
    for name, value in variables.items():
        command += ["--env-var", f"{name}={value}"]
    printed = output(command)
    if not report.exists():
        raise ValueError(printed[-2000:])
    result = json.loads(report.read_text(encoding="utf-8"))["run"]
    total = result["stats"]["assertions"]["total"]
    if not total:
        raise ValueError("the collection has no assertion")
    failed = [_line(failure) for failure in result["failures"]]
    return total - result["stats"]["assertions"]["failed"], total, failed


def _fetches_token(item: dict[str, Any]) -> bool:
    """True for a folder of requests that fetch a token from the reference code."""
    inner = item.get("item", [])
    return bool(inner) and all(
        each.get("request", {}).get("url", {}).get("path", [])[-1:] == ["Token"] for each in inner
    )


def _line(failure: dict[str, Any]) -> str:
    error = failure["error"]
    return f"{failure['source'].get('name', 'request')}: {error.get('test', error['name'])}: {error['message'][:200]}"
