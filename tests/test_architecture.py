"""The rule of the house: imports go down the list of rooms, and a few libraries stay in the rooms that are for them."""

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

#: From the roof to the ground. A room imports itself and the rooms below its line, not the others of its line.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("scimlite_cli",),
    ("scimlite.web", "scimlite.worker"),
    ("scimlite.installation",),
    ("scimlite.admin",),
    ("scimlite.events", "scimlite.operators", "scimlite.sync"),
    ("scimlite.directory",),
    ("scimlite.apps",),
    ("scimlite.journal",),
    ("scimlite.scim", "scimlite.db", "scimlite.outbound"),
    ("scimlite.config",),
    ("scimlite.config_values", "scimlite.secret_keys", "scimlite.service_address"),
    ("scimlite.own_files",),
    ("scimlite.deadline",),
    ("scimlite.limits",),
    (
        "scimlite.errors",
        "scimlite.clock",
        "scimlite.obstacles",
        "scimlite.redaction",
        "scimlite.suggestions",
        "scimlite.worded",
    ),
    ("scimlite.visible_text",),
)
#: The names that applications import; each hands on what a room makes.
PUBLIC = ("scimlite", "scimlite.signals", "scimlite.passwords")

#: Library: the rooms that may import it. Libraries that are not named here are free.
LIBRARIES = {
    "argon2": {"scimlite.directory.passwords"},
    "flask": {"scimlite.web", "scimlite.web.*", "scimlite.installation"},
    "werkzeug": {"scimlite.web", "scimlite.web.*"},
    "click": {"scimlite_cli", "scimlite_cli.*"},
    "rich": {"scimlite_cli", "scimlite_cli.*"},
    "gunicorn": {"scimlite_cli.server.*"},
    "prometheus_client": {"scimlite_cli.server.meter", "scimlite_cli.server.exporter"},
    "peewee": {
        f"scimlite.{room}.*" for room in ("db", "journal", "apps", "directory", "operators", "admin", "events", "sync")
    },
    "playhouse": {"scimlite.db.*"},
    "psycopg": {"scimlite.config_values", "scimlite.db.postgresql*"},
    "sqlite3": {"scimlite.db.sqlite", "scimlite.db.sqlite_*"},
    "http": {"scimlite.admin.wire", "scimlite_cli.server.refusal", "scimlite_cli.server.exporter"},
    # Who speaks to other hosts goes through scimlite.outbound, which judges their addresses. The exceptions: the
    # connection test asks the service itself, and single sign-on the provider that a setting names.
    "h11": {"scimlite.outbound.connection"},
    "socket": {
        "scimlite.outbound.*",
        "scimlite.sync.readers.ldap_network",
        "scimlite.admin.wire",
        "scimlite.service_address",
        "scimlite_cli.kit.listener",
        "scimlite_cli.server.*",
    },
    "ssl": {"scimlite.outbound.*", "scimlite.sync.readers.ldap_network", "scimlite.admin.wire"},
    "ldap": {"scimlite.sync.readers.*"},
    # Signs requests to AWS, and sends them by connections of its own, to addresses of AWS.
    "boto3": {"scimlite.sync.readers.aws"},
    "botocore": {"scimlite.sync.readers.aws"},
    "requests": {"scimlite.operators.single_sign_on"},
    **{library: set() for library in ("urllib.request", "urllib3", "httpx", "httpcore", "aiohttp", "asyncio")},
}


#: What imports upwards, or by a public name, and why.
EXCEPTIONS = {
    # The command that serves builds the application, by its public name.
    ("scimlite_cli.server.application", "scimlite"),
    # An embedding application gets the blueprint from its installation, which loads it then.
    ("scimlite.installation", "scimlite.web.scim.provider"),
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
                # "from .directory import write" names a module, "from .write import create" something in one.
                inner = f"{base}.{alias.name}"
                yield Import(inner if inner in SOURCES or inner in LIBRARIES else base, node.lineno, late)


def floor(module: str) -> int | None:
    """The floor of a module's room, 0 at the roof; None outside the house."""
    rooms = [
        (len(room), number)
        for number, line in enumerate(FLOORS)
        for room in line
        if module == room or module.startswith(f"{room}.")
    ]
    return max(rooms)[1] if rooms else None


def room(module: str) -> str:
    """The room that a module stands in."""
    return next(name for line in FLOORS for name in line if module == name or module.startswith(f"{name}."))


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_stands_in_a_room(module):
    assert module in PUBLIC or floor(module) is not None, f"{module} is in no room: see FLOORS"


@pytest.mark.parametrize("module", sorted(set(SOURCES) - set(PUBLIC)))
def test_imports_go_down(module):
    here = floor(module)
    for found in imports(module):
        if found.target.split(".")[0] not in PACKAGES:
            continue
        if (module, found.target) in EXCEPTIONS:
            continue
        there = floor(found.target)
        assert there is not None, f"{module} line {found.line} imports {found.target}, which applications import"
        assert there > here or room(module) == room(found.target), (
            f"{module} line {found.line} imports {found.target}: imports go down the list of rooms"
        )


def test_the_wire_is_no_operator():
    for module in SOURCES:
        if module.startswith("scimlite.web.scim"):
            assert not [each for each in imports(module) if each.target.startswith("scimlite.admin")], module


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_keeps_to_its_libraries(module):
    for found in imports(module):
        # "urllib.request" is a library of its own, beside "urllib.parse".
        for library in {found.target, found.target.split(".")[0]} & set(LIBRARIES):
            assert any(fnmatchcase(module, room) for room in LIBRARIES[library]), (
                f"{module} line {found.line} imports {library}, which belongs to {sorted(LIBRARIES[library])}"
            )


def test_no_import_comes_back_to_where_it_began():
    # Also imports for types only: files that name each other are one thing in two places.
    graph = {module: {found.target for found in imports(module)} - {module} for module in SOURCES}
    # A room's face hands on what its files define; these do not import the face.
    TopologicalSorter(graph).prepare()  # raises CycleError with the modules of the circle


def test_cli_imports_itself_by_dots_only():
    # Only the installed name is known to Python, only the folder's name to the type checker.
    for module, path in SOURCES.items():
        if module.split(".")[0] == "scimlite_cli":
            text = path.read_text(encoding="utf-8")
            found = re.search(r"^\s*(?:from|import) (?:cli|scimlite_cli)\b.*", text, re.MULTILINE)
            assert not found, f"{module}: {found and found.group().strip()}"


#: Folders of tests that are about no room: stories over HTTP, recorded conversations, what several tests use.
BESIDE_THE_ROOMS = {"deploy", "wire", "idp", "support"}


def test_the_folders_of_tests_are_the_rooms():
    rooms = {room.removeprefix("scimlite.") for line in FLOORS for room in line} | {"cli"}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - BESIDE_THE_ROOMS <= rooms
