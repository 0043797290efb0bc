"""What is installed: a wheel holds every source file, and nothing but them."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Import name: folder.
PACKAGES = {"scimlite": "scimlite", "scimlite_cli": "cli"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy: it leaves nothing in the sources and finds no older build there."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ("setup.cfg", "pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, copy)
    for folder in PACKAGES.values():
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("wheel")
    # The backend of the test extra, so that the test needs no network.
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--wheel-dir", str(target)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", ".", *options],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _is_seen(path):
    """Whether a file is a template of the console, its texts, or something that the browser loads."""
    return path.is_file() and {"static", "templates", "translations"}.intersection(part.name for part in path.parents)


def test_the_wheel_holds_exactly_the_sources(names):
    sources = {
        f"{package}/{path.relative_to(ROOT / folder)}"
        for package, folder in PACKAGES.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".json") or path.name == "py.typed" or _is_seen(path)
    }
    installed = {name for name in names if ".dist-info/" not in name}
    assert installed == sources, (
        "setup.cfg and the folders differ: list a new package under [options] packages, a file that is no "
        "module under [options.package_data]"
    )


def test_both_packages_declare_their_types(names):
    assert {"scimlite/py.typed", "scimlite_cli/py.typed"} <= names


def test_the_wheel_says_what_it_is(wheel, names):
    (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    (commands,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    with zipfile.ZipFile(wheel) as archive:
        head = archive.read(metadata).decode().splitlines()
        scripts = archive.read(commands).decode()
    assert "Name: scimlite" in head
    assert "License-Expression: Apache-2.0" in head
    assert "Requires-Python: >=3.11" in head
    assert "scimlite = scimlite_cli.main:main" in scripts
