"""The suites: how each is installed, run, and read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import postman_suite
import schemathesis_suite

HERE = Path(__file__).parent
ROOT = HERE.parent
ENVIRONMENTS = ROOT / ".venv-conformance"
#: Seconds that a suite may take.
_LONGEST = 300
_INSTALLING = 600


@dataclass(frozen=True)
class Outcome:
    """What a suite found; `explained` when the notes say why for everything that did not pass."""

    suite: str
    version: str
    database: str
    passed: int
    total: int
    notes: Sequence[str] = ()
    explained: bool = False


@dataclass(frozen=True)
class Suite:
    """A suite by name: `check` gets (base URL, token, the environment's bin folder) and gives passed, total, notes."""

    name: str
    about: str
    requirements: Sequence[str]
    #: The distribution whose version is told.
    distribution: str
    check: Callable[[str, str, Path], tuple[int, int, list[str]]]
    #: Fragments of notes to why that is right.
    reasons: dict[str, str] = field(default_factory=dict)
    #: Entries of the catalogue that the app declares before.
    declares: Sequence[str] = ()
    #: The profile of the app that it runs against.
    profile: str = "default"

    def run(self, base: str, token: str, database: str) -> Outcome:
        """Install the suite if need be, run it, and explain what is known; a suite that breaks fails as a whole."""
        try:
            binaries = self._environment()
            passed, total, failed = self.check(base, token, binaries)
        except (subprocess.SubprocessError, OSError, ValueError) as error:
            return Outcome(self.name, "?", database, 0, 1, [f"could not be run: {error}"])
        notes = [self._told(each) for each in failed]
        explained = all(any(fragment in each for fragment in self.reasons) for each in failed)
        return Outcome(self.name, self._version(binaries), database, passed, total, notes, explained)

    def _told(self, failure: str) -> str:
        reason = next((why for fragment, why in self.reasons.items() if fragment in failure), None)
        return f"{failure} ({reason})" if reason else failure

    def _environment(self) -> Path:
        if not self.requirements:
            return Path(sys.executable).parent
        folder = ENVIRONMENTS / self.name
        stamp = folder / "installed"
        wanted = "\n".join(self.requirements)
        if not stamp.exists() or stamp.read_text() != wanted:
            print(f"    installing {', '.join(self.requirements)}", file=sys.stderr, flush=True)
            venv.create(folder, with_pip=True, clear=True)
            pip: list[str | Path] = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *self.requirements], check=True, timeout=_INSTALLING)
            stamp.write_text(wanted)
        return folder / "bin"

    def _version(self, binaries: Path) -> str:
        ask = f"import importlib.metadata as m; print(m.version({self.distribution!r}))"
        return _output([binaries / "python3", "-c", ask]).strip() or "?"


def _output(command: Sequence[str | Path], **env: str) -> str:
    """What a command prints, its errors included; whatever its exit code. What it leaves behind is no part of us."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    done = subprocess.run(
        command,
        cwd=ENVIRONMENTS,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    return done.stdout


def _script(name: str) -> Callable[[str, str, Path], tuple[int, int, list[str]]]:
    """A check that runs one of the scripts beside this file with the suite's own Python."""

    def check(base: str, token: str, binaries: Path) -> tuple[int, int, list[str]]:
        printed = _output([binaries / "python3", HERE / name], SCIM_BASE=base, SCIM_TOKEN=token)
        try:
            result = json.loads(printed.splitlines()[-1])
        except (json.JSONDecodeError, IndexError):
            raise ValueError(printed[-2000:]) from None
        return result["passed"], result["total"], result["failed"]

    return check


def _tester(base: str, token: str, binaries: Path) -> tuple[int, int, list[str]]:
    printed = _output(
        [binaries / "scim2", "--url", base, "test"], SCIM_CLI_HEADERS=f"Authorization: Bearer {token}", COLUMNS="200"
    )
    checks = re.findall(
        r"^(SUCCESS|ERROR|CRITICAL|DEVIATION|COMPLIANT|SKIPPED|ACCEPTABLE) (.*)$", printed, re.MULTILINE
    )
    if not checks:
        raise ValueError(printed[-2000:])
    failed = [f"{status} {name}" for status, name in checks if status not in ("SUCCESS", "COMPLIANT")]
    return len(checks) - len(failed), len(checks), failed


def _sanity(base: str, token: str, binaries: Path) -> tuple[int, int, list[str]]:
    printed = _output([binaries / "scim-sanity", "probe", base, "--i-accept-side-effects", "--token", token])
    # `28 passed, 3 skipped, 31 total`
    counted = re.findall(r"(\d+) (passed|failed|warnings|skipped|total)\b", printed)
    counts = {word: int(number) for number, word in counted}
    if "total" not in counts:
        raise ValueError(printed[-2000:])
    notes = [line.strip() for line in re.findall(r"^\s*\[(?:FAIL|SKIP|WARN)\].*$", printed, re.MULTILINE)]
    return counts.get("passed", 0), counts["total"], notes


def _replay(*files: Path) -> Callable[[str, str, Path], tuple[int, int, list[str]]]:
    """A check that plays conversations, by default those of identity providers."""

    def check(base: str, token: str, binaries: Path) -> tuple[int, int, list[str]]:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            _output([binaries / "python3", ROOT / "tests" / "idp" / "replay.py", base, token, *files, "--json", report])
            steps = json.loads(report.read_text())
        failed = [f"{each['level']}: {each['name']}" for each in steps if not each["ok"]]
        return len(steps) - len(failed), len(steps), failed

    return check


def _scim_sim(base: str, token: str, binaries: Path) -> tuple[int, int, list[str]]:
    """What scim-sim's commands say and what it shows of the directory afterwards."""
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / ".scim_config.json").write_text(json.dumps({"SCIM_BASE_URL": base, "SCIM_AUTH_TOKEN": token}))

        def sim(*words: str) -> str:
            return _output([binaries / "scim-sim", *words], HOME=home, PYTHONIOENCODING="utf-8")

        def made(*words: str) -> list[str]:
            return re.findall(r"ID: ([0-9a-f-]{36})", sim(*words))

        users = [id for _ in range(3) for id in made("add-user")]
        groups = made("create-group", "Engineering Team")
        shown = sim("show")
        steps = {
            "add-user and show": len(users) == 3 and all(id in shown for id in users),
            "create-group and show": len(groups) == 1 and groups[0] in shown,
        }
        if all(steps.values()):
            sim("add-to-group", users[0], groups[0])
            sim("add-to-group", users[1], groups[0])
            grouped, _, others = sim("show").partition("Ungrouped")
            steps["add-to-group"] = all(user in grouped and user not in others for user in users[:2])
            sim("remove-from-group", users[1], groups[0])
            grouped, _, others = sim("show").partition("Ungrouped")
            steps["remove-from-group"] = users[0] in grouped and users[1] in others
            sim("remove-user", users[2])
            steps["remove-user"] = users[2] not in sim("show")
            sim("delete-group", groups[0])
            last = sim("show")
            steps["delete-group"] = groups[0] not in last and users[0] not in last and users[1] in last
    failed = [name for name, passed in steps.items() if not passed]
    return len(steps) - len(failed), len(steps), failed


@dataclass(frozen=True)
class PostmanSuite(Suite):
    """Microsoft's Postman collection, which comes from a path of the operator's; newman needs npm."""

    def _environment(self) -> Path:
        return postman_suite.install(ENVIRONMENTS / "newman")

    def _version(self, binaries: Path) -> str:
        return postman_suite.NEWMAN


def postman(collection: Path) -> tuple[Suite, Suite]:
    """The collection against the default profile, and against the one that answers as Microsoft's reference code."""

    def check(base: str, token: str, binaries: Path) -> tuple[int, int, list[str]]:
        with tempfile.TemporaryDirectory() as folder:
            return postman_suite.check(_output, collection, base, token, binaries, Path(folder))

    about = "Microsoft's Postman collection of AzureAD/SCIMReferenceCode, run by newman"
    return (
        PostmanSuite("postman", about, (), "newman", check, postman_suite.REASONS),
        PostmanSuite(
            "postman-ms-reference",
            "the same against an app with `--profile ms-reference`",
            (),
            "newman",
            check,
            profile="ms-reference",
        ),
    )


def _schemathesis(base: str, token: str, binaries: Path) -> tuple[int, int, list[str]]:
    return schemathesis_suite.check(_output, base, token, binaries)


SUITES: tuple[Suite, ...] = (
    Suite(
        "scim2-tester",
        "checks of every endpoint, attribute and PATCH operation, through scim2-cli",
        ("scim2-cli==0.6.0", "scim2-tester==0.5.2"),
        "scim2-tester",
        _tester,
    ),
    Suite(
        "scim-sanity",
        "the probe: discovery, life cycles of users, groups, agents and agentic applications, search, errors; "
        "with `scimlite schema add agents`",
        ("scim-sanity==0.7.4",),
        "scim-sanity",
        _sanity,
        declares=("agents",),
    ),
    Suite(
        "scim2-client",
        "the Python client, which validates every answer: create, read, update, search, bulk",
        ("scim2-client[httpx2]==0.13.2",),
        "scim2-client",
        _script("scim2_client_session.py"),
    ),
    Suite(
        "canaille",
        "an identity provider that pushes its users and groups",
        (
            "canaille[oidc,scim,sqlite,server,front]==0.3.6",
            "pytest-iam==0.3.0",
            "scim2-client==0.7.5",
            "scim2-models==0.6.12",
        ),
        "canaille",
        _script("canaille_session.py"),
    ),
    Suite(
        "scim-sim",
        "a directory simulator: users and groups by its commands",
        ("scim-sim==0.2.0",),
        "scim-sim",
        _scim_sim,
    ),
    Suite(
        "schemathesis",
        "requests made from the OpenAPI document, every answer held against it; left out: "
        + "; ".join(f"{name} ({why})" for name, why in schemathesis_suite.EXCLUDED.items())
        + f"; not tried: {schemathesis_suite.NOT_TRIED}",
        ("schemathesis==4.32.5",),
        "schemathesis",
        _schemathesis,
    ),
    Suite(
        "filters-and-sorts",
        "a directory of core attributes with the answers to 150 filters and 28 sort orders, and filters to be refused; "
        "after the corpus that scim2-server's storages share",
        (),
        "scimlite",
        _script("filters_session.py"),
    ),
    Suite(
        "conversations",
        "recorded conversations of Entra ID, Okta, OneLogin, JumpCloud, Google, AWS-style clients and authentik, and "
        "Microsoft's validation for the app gallery as requests (`entra-gallery.json`); with "
        "`scimlite schema add okta-entitlements`",
        (),
        "scimlite",
        _replay(),
        {
            "group PATCH answers 204": "an app answers with the resource unless it has more than 100 members; "
            "`patch-answer empty` gives 204"
        },
        ("okta-entitlements",),
    ),
    Suite(
        "storage contract",
        "what scim2-server asks of its storages (scim2_server/testing.py), written as requests: filters, sorts, pages, "
        "cursors that stay right while resources come and go, versions, unique values",
        (),
        "scimlite",
        _replay(HERE / "storage_contract.json"),
    ),
)
