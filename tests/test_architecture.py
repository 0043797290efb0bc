"""Who may import whom: protocol no storage, storage no HTTP, and the two front doors not each other."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Import name: folder.
PACKAGES = {"scimlite": "scimlite", "scimlite_cli": "cli"}

PROTOCOL = {"scimlite.errors", "scimlite.scim", "scimlite.scim.*"}
# What is behind "scimlite.db" is its own affair.
STORAGE = {"scimlite.db", "scimlite.models"}
SERVICE = {"scimlite.config", "scimlite.db", "scimlite.migration", "scimlite.startup"}
FUNCTIONS = {
    "scimlite.apps",
    "scimlite.brakes",
    "scimlite.conditions",
    "scimlite.conversion",
    "scimlite.directory",
    "scimlite.features",
    "scimlite.index",
    "scimlite.journal",
    "scimlite.links",
    "scimlite.mapping",
    "scimlite.passwords",
    "scimlite.erasure",
    "scimlite.profiles",
    "scimlite.refusals",
    "scimlite.remapping",
    "scimlite.signals",
    "scimlite.resources",
    "scimlite.schemas",
    "scimlite.search",
    "scimlite.selection",
    "scimlite.shapes",
    "scimlite.sorting",
    "scimlite.store",
    "scimlite.subjects",
    "scimlite.summary",
    "scimlite.tombstones",
    "scimlite.pruning",
    "scimlite.tokens",
    "scimlite.cursors",
}
HTTP = {
    "scimlite.provider",
    "scimlite.endpoints",
    "scimlite.me",
    "scimlite.operations",
    "scimlite.queries",
    "scimlite.views",
    "scimlite.bulk",
    "scimlite.discovery",
    "scimlite.service",
}

# Module: what it may import of this project. A pattern speaks for the modules that no other entry names.
MAY_IMPORT = {
    "scimlite": {"scimlite.embedding", "scimlite.service"},
    "scimlite.embedding": {
        "scimlite.apps",
        "scimlite.db",
        "scimlite.migration",
        "scimlite.profiles",
        "scimlite.scim.*",
        "scimlite.service",
        "scimlite.startup",
        "scimlite.tokens",
    },
    "scimlite.signals": PROTOCOL | STORAGE | {"scimlite.apps", "scimlite.journal", "scimlite.profiles"},
    "scimlite.config": {"scimlite.errors"},
    "scimlite.errors": set(),
    # What operators read about errors.
    "scimlite.remedies": {"scimlite.errors"},
    "scimlite.db": {"scimlite.db.*"},
    "scimlite.db.*": {"scimlite.db.*", "scimlite.errors"},
    "scimlite.models": {"scimlite.db", "scimlite.errors"},
    "scimlite.migration": {"scimlite.db", "scimlite.errors"},
    # A migration describes the tables of its own day; today's models would change what it did.
    "scimlite.migrations": set(),
    "scimlite.migrations.*": set(),
    "scimlite.scim": PROTOCOL,
    "scimlite.scim.*": PROTOCOL,
    "scimlite.mapping": PROTOCOL,
    "scimlite.shapes": PROTOCOL,
    "scimlite.conditions": PROTOCOL | STORAGE | {"scimlite.shapes"},
    "scimlite.sorting": PROTOCOL | STORAGE | {"scimlite.conditions"},
    "scimlite.search": PROTOCOL | STORAGE | {"scimlite.conditions", "scimlite.shapes", "scimlite.sorting"},
    "scimlite.selection": PROTOCOL | STORAGE,
    "scimlite.journal": PROTOCOL | STORAGE | {"scimlite.selection"},
    "scimlite.summary": PROTOCOL | STORAGE | {"scimlite.journal", "scimlite.selection"},
    "scimlite.pruning": PROTOCOL | STORAGE | {"scimlite.journal"},
    "scimlite.features": PROTOCOL,
    "scimlite.apps": PROTOCOL | STORAGE | {"scimlite.features", "scimlite.journal", "scimlite.mapping"},
    "scimlite.conversion": PROTOCOL | STORAGE | {"scimlite.apps", "scimlite.index", "scimlite.journal"},
    "scimlite.schemas": PROTOCOL
    | STORAGE
    | {"scimlite.apps", "scimlite.conversion", "scimlite.journal", "scimlite.mapping"},
    "scimlite.profiles": PROTOCOL | STORAGE | {"scimlite.apps", "scimlite.links", "scimlite.mapping"},
    "scimlite.remapping": PROTOCOL
    | STORAGE
    | {"scimlite.apps", "scimlite.journal", "scimlite.mapping", "scimlite.profiles"},
    "scimlite.refusals": PROTOCOL | STORAGE | {"scimlite.apps", "scimlite.config", "scimlite.journal"},
    "scimlite.erasure": PROTOCOL | STORAGE | {"scimlite.apps", "scimlite.journal"},
    "scimlite.tokens": PROTOCOL
    | STORAGE
    | {"scimlite.apps", "scimlite.config", "scimlite.journal", "scimlite.refusals"},
    "scimlite.cursors": PROTOCOL
    | STORAGE
    | {"scimlite.apps", "scimlite.resources", "scimlite.search", "scimlite.tokens"},
    "scimlite.links": PROTOCOL | STORAGE | {"scimlite.apps", "scimlite.journal", "scimlite.search"},
    "scimlite.resources": PROTOCOL | STORAGE | {"scimlite.apps", "scimlite.links", "scimlite.search"},
    "scimlite.passwords": PROTOCOL | STORAGE | {"scimlite.apps", "scimlite.journal"},
    "scimlite.brakes": PROTOCOL | STORAGE | {"scimlite.apps", "scimlite.features", "scimlite.journal"},
    "scimlite.index": PROTOCOL | STORAGE | {"scimlite.apps"},
    "scimlite.subjects": PROTOCOL | STORAGE | {"scimlite.apps", "scimlite.journal"},
    "scimlite.tombstones": PROTOCOL
    | STORAGE
    | {
        "scimlite.apps",
        "scimlite.features",
        "scimlite.index",
        "scimlite.journal",
        "scimlite.links",
        "scimlite.passwords",
        "scimlite.resources",
        "scimlite.signals",
        "scimlite.subjects",
    },
    "scimlite.store": PROTOCOL | STORAGE | (FUNCTIONS - {"scimlite.store"}),
    "scimlite.directory": PROTOCOL
    | STORAGE
    | {
        "scimlite.apps",
        "scimlite.conditions",
        "scimlite.journal",
        "scimlite.links",
    },
    "scimlite.startup": {
        "scimlite.config",
        "scimlite.db",
        "scimlite.errors",
        "scimlite.migration",
        "scimlite.tokens",
    },
    # Bytes for a client, out of what the store gave; the HTTP around them is for the views.
    "scimlite.rendering": PROTOCOL | {"scimlite.links", "scimlite.resources"},
    "scimlite.provider": PROTOCOL | FUNCTIONS | SERVICE,
    "scimlite.endpoints": PROTOCOL | {"scimlite.provider"},
    "scimlite.queries": PROTOCOL | FUNCTIONS | {"scimlite.endpoints", "scimlite.provider", "scimlite.rendering"},
    "scimlite.operations": PROTOCOL | FUNCTIONS | {"scimlite.provider"},
    "scimlite.views": PROTOCOL
    | FUNCTIONS
    | {
        "scimlite.endpoints",
        "scimlite.operations",
        "scimlite.provider",
        "scimlite.queries",
        "scimlite.rendering",
    },
    "scimlite.me": PROTOCOL | {"scimlite.provider", "scimlite.views"},
    "scimlite.discovery": PROTOCOL | {"scimlite.apps", "scimlite.endpoints", "scimlite.provider"},
    "scimlite.bulk": PROTOCOL
    | {
        "scimlite.endpoints",
        "scimlite.journal",
        "scimlite.operations",
        "scimlite.provider",
        "scimlite.refusals",
        "scimlite.rendering",
    },
    "scimlite.service": PROTOCOL | FUNCTIONS | SERVICE | HTTP,
    "scimlite_cli": set(),
    "scimlite_cli.*": PROTOCOL | FUNCTIONS | SERVICE | {"scimlite.remedies", "scimlite.rendering", "scimlite_cli.*"},
    # The one command that needs the application: it builds what it serves.
    "scimlite_cli.serve": PROTOCOL | FUNCTIONS | SERVICE | {"scimlite_cli.*", "scimlite"},
}

# Library: the modules that may import it. Libraries that are not named here are free.
LIBRARIES = {
    "argon2": {"scimlite.passwords"},
    "flask": HTTP | {"scimlite.embedding"},
    "werkzeug": HTTP,
    "click": {"scimlite_cli.*"},
    "rich": {"scimlite_cli.*"},
    "gunicorn": {"scimlite_cli.serve"},
    "peewee": STORAGE
    | {"scimlite.db.*"}
    | (FUNCTIONS - {"scimlite.mapping"})
    | {"scimlite.migration", "scimlite.migrations.*"},
    "playhouse": STORAGE | {"scimlite.migration", "scimlite.migrations.*"},
    "psycopg": {"scimlite.config", "scimlite.db.postgresql"},
    "sqlite3": {"scimlite.db.sqlite"},
}


@dataclass(frozen=True)
class Import:
    """One imported module, and where: a late import stands inside a function or is for types only."""

    target: str
    line: int
    late: bool


def sources() -> Iterator[tuple[str, Path]]:
    for package, folder in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join((package, *parts)).removesuffix(".__init__"), path


SOURCES = dict(sources())


def imports(module: str) -> Iterator[Import]:
    path = SOURCES[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # What a single leading dot stands for.
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        late = node not in tree.body
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, late)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                # "from . import store" names a module, "from .store import create" something in one.
                inner = f"{base}.{alias.name}"
                yield Import(inner if inner in SOURCES else base, node.lineno, late)


def entry(module: str) -> set[str] | None:
    if module in MAY_IMPORT:
        return MAY_IMPORT[module]
    return next((MAY_IMPORT[key] for key in MAY_IMPORT if fnmatchcase(module, key)), None)


def is_one_of(module: str, patterns: set[str]) -> bool:
    return any(fnmatchcase(module, pattern) for pattern in patterns)


@pytest.mark.parametrize("module", SOURCES)
def test_the_table_knows_the_module(module):
    assert entry(module) is not None, (
        f"{module} is new: decide what it may import and say so in MAY_IMPORT of {Path(__file__).name}"
    )


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_imports_what_the_table_allows(module):
    allowed = entry(module) or set()
    for found in imports(module):
        if found.target.split(".")[0] in PACKAGES and found.target != module:
            assert is_one_of(found.target, allowed), (
                f"{module} line {found.line} imports {found.target}; it may import {sorted(allowed)}"
            )


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_keeps_to_its_libraries(module):
    for found in imports(module):
        library = found.target.split(".")[0]
        if library in LIBRARIES:
            assert is_one_of(module, LIBRARIES[library]), (
                f"{module} line {found.line} imports {library}, which belongs to {sorted(LIBRARIES[library])}"
            )


def test_no_import_comes_back_to_where_it_began():
    graph = {module: {found.target for found in imports(module) if not found.late} - {module} for module in SOURCES}
    TopologicalSorter(graph).prepare()  # raises CycleError with the modules of the circle


def test_cli_imports_itself_by_dots_only():
    # Only the installed name is known to Python, only the folder's name to the type checker.
    for module, path in SOURCES.items():
        if module.split(".")[0] == "scimlite_cli":
            text = path.read_text(encoding="utf-8")
            found = re.search(r"^\s*(?:from|import) (?:cli|scimlite_cli)\b.*", text, re.MULTILINE)
            assert not found, f"{module}: {found and found.group().strip()}"
