"""What real identity providers say, played against the running service: every recorded conversation, each database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from installation import Connected, Installation
from scimlite.admin import schemas
from scimlite.apps import app_profile

HERE = Path(__file__).parent
#: Not a client's: what scim2-server asks of its storages, as requests.
CONTRACT = HERE.parent.parent / "conformance" / "storage_contract.json"
CONVERSATIONS = [*sorted(HERE.glob("*.json")), CONTRACT]

#: Steps that are not played as recorded, none of them a must, and why; any other failure is news.
DIFFERENT: dict[str, dict[str, str]] = {
    "entra-groups": {
        "group PATCH answers 204 without a body": (
            "an app answers with the resource unless it has more than 100 members; `patch-answer empty` gives 204"
        ),
    },
}
LEAST_PASSING = 0.95
#: Entries of the catalogue that an app declares before a conversation.
DECLARED = {"okta-entitlements": "okta-entitlements"}


def play(app: Connected, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run replay.py as its own command; the result of each step."""
    report = folder / "report.json"
    command = [sys.executable, str(HERE / "replay.py"), app.client.base, app.text, *arguments, "--json", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    results: list[dict[str, Any]] = json.loads(report.read_text())
    failed = sum(not each["ok"] for each in results)
    assert done.stdout.splitlines()[-1] == f"{len(results) - failed} passed, {failed} failed"
    assert done.returncode == (1 if failed else 0)
    return results


def test_conversations_are_there() -> None:
    assert len(CONVERSATIONS) == 14
    assert set(DIFFERENT) | set(DECLARED) <= {file.stem for file in CONVERSATIONS}


@pytest.mark.parametrize("file", CONVERSATIONS, ids=lambda file: file.stem)
def test_conversation(file: Path, installation: Installation, tmp_path: Path) -> None:
    app = installation.app(file.stem)
    if file.stem in DECLARED:
        schemas.add_entry(installation.scope, app.slug, DECLARED[file.stem])
    results = play(app, tmp_path, str(file))
    failed = {each["name"]: "; ".join(each["problems"]) for each in results if not each["ok"]}
    assert not [each["name"] for each in results if not each["ok"] and each["level"] == "must"], failed
    assert set(failed) == set(DIFFERENT.get(file.stem, {})), failed
    assert len(failed) <= len(results) * (1 - LEAST_PASSING), failed


def test_the_optional_step_passes_with_the_app_setting(installation: Installation, tmp_path: Path) -> None:
    app = installation.app("entra-204", patch_answer="empty")
    results = play(app, tmp_path, str(HERE / "entra-groups.json"), "--only", "group PATCH answers 204")
    assert [each["ok"] for each in results] == [True]


def test_all_conversations_in_one_app(installation: Installation, tmp_path: Path) -> None:
    """Clients share a server: what one leaves behind must not disturb the next."""
    app = installation.app("all")
    for entry in DECLARED.values():
        schemas.add_entry(installation.scope, app.slug, entry)
    results = play(app, tmp_path)
    wrong = [(each["file"], each["name"]) for each in results if not each["ok"]]
    assert wrong == [(file, name) for file, names in DIFFERENT.items() for name in names]


@pytest.mark.parametrize("profile", ["entra", "okta", "ms-reference"])
def test_a_profile_serves_its_clients(profile: str, installation: Installation, tmp_path: Path) -> None:
    app = installation.app(profile, **app_profile.features_of(profile))
    schemas.add_entry(installation.scope, app.slug, "okta-entitlements")
    client = "okta" if profile == "okta" else "entra"
    results = play(app, tmp_path, *map(str, sorted(HERE.glob(f"{client}-*.json"))))
    assert [(each["file"], each["name"], each["problems"]) for each in results if not each["ok"]] == []
