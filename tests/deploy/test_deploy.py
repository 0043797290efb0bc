"""The files of deploy/: what they run works, what they set exists, and the tools that read them take them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate as kubernetes
import pytest
import yaml

from live_service import LiveService
from pages import ROOT
from scimlite.config import VARIABLES

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
BIN = Path(sys.executable).parent


def tool(name: str) -> str:
    """The path of a tool that is no Python package; skips where there is none."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:{BIN}")
    if path is None:
        pytest.skip(f"NOT CHECKED: {name} is not installed here")
    return path


def checked(*command: str | Path, **options: Any) -> str:
    """The output of a command that must succeed."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def test_every_setting_exists() -> None:
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    assert len(files) >= 12
    for path in files:
        for name in re.findall(r"SCIMLITE_[A-Z_]+", path.read_text()):
            assert name in VARIABLES, f"{path.name}: {name}"


# --- systemd ------------------------------------------------------------------------------------------------------


def lines(unit: str, key: str) -> list[str]:
    """The values of a key of a unit, continued lines joined."""
    text = (DEPLOY / "systemd" / unit).read_text().replace("\\\n", "")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def command_of(unit: str) -> list[str]:
    """The command of a unit as systemd runs it, with the program of this environment."""
    (text,) = lines(unit, "ExecStart")
    text = text.replace("/opt/scimlite/bin/scimlite", str(BIN / "scimlite"))
    return [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(text)]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    for unit in UNITS:
        # verify looks for the program, which stands somewhere else here.
        text = unit.read_text().replace("/opt/scimlite/bin/scimlite", str(BIN / "scimlite"))
        (tmp_path / unit.name).write_text(text)
    said = checked(analyze, "verify", *(tmp_path / unit.name for unit in UNITS))
    assert "scimlite" not in said, said
    if "--offline" in checked(analyze, "--help"):
        report = checked(analyze, "security", "--offline=true", tmp_path / "scimlite.service")
        exposure = re.search(r"exposure level for \S+ ([\d.]+)", report)
        assert exposure is not None
        assert float(exposure[1]) < 2, report[-200:]


def test_the_units_start_the_service_with_credentials_and_back_it_up(tmp_path: Path) -> None:
    state = tmp_path / "state"
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "secret_key").write_text("k" * 40 + "\n")
    (credentials / "secret_key").chmod(0o400)
    (credentials / "database_url").write_text(f"sqlite:///{state}/scimlite.db\n")
    text = (DEPLOY / "systemd" / "scimlite.service").read_text()
    shown = re.search(r"^#Environment=(SCIMLITE_SECRET_KEY_FILE=\S+) (SCIMLITE_DATABASE_URL_FILE=\S+)$", text, re.M)
    assert shown is not None
    environ = dict(each.replace("%d", str(credentials)).split("=", 1) for each in shown.groups())
    (state_dir,) = lines("scimlite.service", "Environment")
    assert state_dir == "SCIMLITE_STATE_DIR=%S/scimlite"
    environ["SCIMLITE_STATE_DIR"] = str(state)
    assert command_of("scimlite.service")[1:] == ["serve", "--workers", "4"]
    _assert_is_command(command_of("scimlite-worker.service")[1:])
    # Type=notify: systemd waits for this message.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(10)
        service = LiveService.start(
            {**environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}, workers=1, threads=2, folder=tmp_path
        )
        try:
            assert notified.recv(1000).startswith(b"READY=1")
            probes = {get["path"] for get in _probes()}
            assert probes == {"/livez", "/readyz"}
            for path in (*probes, "/healthz"):
                with urllib.request.urlopen(f"{service.url}{path}", timeout=5) as answer:
                    assert answer.status == 200
            command = command_of("scimlite-backup.service")
            kept, old = state / "backups" / "scimlite-1.db", state / "backups" / "scimlite-0.db"
            kept.parent.mkdir()
            for path, days in ((kept, 3), (old, 30)):
                path.touch()
                checked("touch", "-d", f"{days} days ago", path)
            base = {name: value for name, value in os.environ.items() if not name.startswith("SCIMLITE_")}
            checked(*command, env={**base, **environ, "STATE_DIRECTORY": str(state)})
        finally:
            service.stop()
        assert service.process.returncode == 0
    (copy,) = set(kept.parent.iterdir()) - {kept}
    assert re.fullmatch(r"scimlite-\d{8}T\d{6}Z\.db", copy.name)
    url = tmp_path / "url of the copy"
    url.write_text(f"sqlite:///{copy}")
    status = checked(BIN / "scimlite", "db", "status", env={**base, **environ, "SCIMLITE_DATABASE_URL_FILE": str(url)})
    assert "up to date" in status


# --- containers ---------------------------------------------------------------------------------------------------


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert checked(tool("hadolint"), "--no-color", DEPLOY / "Dockerfile") == ""


def test_the_image_gets_all_that_the_package_needs(tmp_path: Path) -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    taken = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = {word for line in re.findall(r"^COPY (?!--)(.*) \S+$", dockerfile, re.M) for word in line.split()}
    assert copied == set(taken)
    for name in taken:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "."]
    checked(*pip, "--wheel-dir", "wheels", cwd=tmp_path)
    assert list((tmp_path / "wheels").glob("scimlite-*.whl"))


def test_compose_takes_its_file() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    text = json.dumps(compose)
    compose_spec.PyCompose.from_json(text)
    services = compose["services"]
    assert set(services) == {"caddy", "scimlite", "worker", "upgrade", "postgres"}
    for name in ("scimlite", "worker", "upgrade"):
        _assert_is_command(services[name]["command"])
    with pytest.raises(Exception, match="restrat"):
        compose_spec.PyCompose.from_json(text.replace('"restart"', '"restrat"'))


def test_caddy_takes_its_file(tmp_path: Path) -> None:
    caddy = tool("caddy")
    text = (DEPLOY / "Caddyfile").read_text()
    assert "request_buffers" in text
    version = re.search(r"v?(\d+)\.(\d+)", checked(caddy, "version"))
    if version and (int(version[1]), int(version[2])) < (2, 7):
        # The name before Caddy 2.7.
        text = re.sub(r"request_buffers \S+", "buffer_requests", text)
    (tmp_path / "Caddyfile").write_text(text)
    environ = {**os.environ, "PUBLIC_HOST": "scim.example.com", "HOME": str(tmp_path)}
    said = checked(caddy, "validate", "--config", "Caddyfile", "--adapter", "caddyfile", cwd=tmp_path, env=environ)
    assert "Valid configuration" in said


# --- Kubernetes ---------------------------------------------------------------------------------------------------


def _resources() -> list[dict[str, Any]]:
    """What the kustomization lists, and the backup."""
    folder = DEPLOY / "kubernetes"
    (kustomization,) = documents(folder / "kustomization.yaml")
    names = kustomization["resources"]
    assert {*names, "kustomization.yaml", "backup.yaml"} == {path.name for path in folder.iterdir()}
    return [each for name in (*names, "backup.yaml") for each in documents(folder / name)]


def _containers(value: Any) -> Iterator[dict[str, Any]]:
    """All containers in resources."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("containers", "initContainers"):
                yield from inner
            else:
                yield from _containers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _containers(inner)


def _probes() -> list[dict[str, Any]]:
    found = [
        probe["httpGet"]
        for container in _containers(_resources())
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
        if (probe := container.get(name))
    ]
    assert len(found) == 3
    return found


def _assert_is_command(arguments: list[str]) -> None:
    assert "Usage" in checked(BIN / "scimlite", *arguments, "--help")


def test_kubernetes_takes_every_resource() -> None:
    made = _resources()
    if kubectl := shutil.which("kubectl"):
        made += yaml.safe_load_all(checked(kubectl, "kustomize", DEPLOY / "kubernetes"))
    version = kubernetes.latest_version()
    for resource in made:
        kubernetes.validate(resource, version, strict=True)
    deployment = next(each for each in made if each["kind"] == "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    spec["terminationGracePeriod"] = 1
    with pytest.raises(kubernetes.ValidationError):
        kubernetes.validate(deployment, version, strict=True)


def test_containers_of_kubernetes_run_commands_that_exist_and_no_root() -> None:
    containers = list(_containers(_resources()))
    assert len(containers) == 4
    for container in containers:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        if container["image"] == "scimlite":
            _assert_is_command(container["args"])
