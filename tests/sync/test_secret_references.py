"""Secrets are read by reference, and never appear in a message."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from scimlite.own_files import UntrustedPlace
from scimlite.sync import secret_references
from scimlite.sync.secret_references import SecretError

SECRET = "hunter2 with a blank"


def test_a_variable_and_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"\ufeff{SECRET}\r\n")
    assert secret_references.read(f"file:{file}", tmp_path) == SECRET
    assert secret_references.read("env:CRM_TOKEN", tmp_path, {"CRM_TOKEN": SECRET}) == SECRET
    # A reference is read at each run, so a new secret needs no other step.
    file.write_text("another")
    assert secret_references.read(f"file:{file}", tmp_path) == "another"


def test_a_kept_secret_is_for_this_user_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    reference = secret_references.keep(state, "target-hr-crm", SECRET + "\n")
    file = state / "secrets" / "target-hr-crm"
    assert reference == "kept:target-hr-crm"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert secret_references.read(reference, state) == SECRET
    secret_references.keep(state, "target-hr-crm", "newer")
    assert secret_references.read(reference, state) == "newer"
    file.chmod(0o666)
    with pytest.raises(UntrustedPlace):
        secret_references.read(reference, state)
    file.chmod(0o600)
    secret_references.forget(state, reference)
    secret_references.forget(state, reference)
    assert not file.exists()
    with pytest.raises(SecretError, match="kept:target-hr-crm: there is no "):
        secret_references.read(reference, state)


REFUSED = [
    (SECRET, "given by a reference"),
    ("kept:../secret_key", "given by a reference"),
    ("kept:", "given by a reference"),
    ("env:A B", "names no variable"),
    ("env:SCIMLITE_SECRET_KEY", "begins like the settings"),
    ("file:secret", "absolute path"),
    ("env:NOT_SET_ANYWHERE", "is not set"),
    ("env:EMPTY", "is empty"),
    ("env:LINES", "on one line"),
    ("file:/nonexistent/secret", "No such file"),
    ("file:/dev/zero", "no regular file"),
    ("file:/tmp", "cannot be read"),
]


@pytest.mark.parametrize(("reference", "problem"), REFUSED)
def test_what_cannot_be_read_is_told_by_its_reference(tmp_path: Path, reference: str, problem: str) -> None:
    environ = {"EMPTY": "\n", "LINES": f"{SECRET}\n{SECRET}"}
    with pytest.raises(SecretError, match=problem) as refused:
        secret_references.read(reference, tmp_path, environ)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "\n", "a\nb", "\x00", "x" * 70_000])
def test_what_is_no_secret_is_not_kept(tmp_path: Path, text: str) -> None:
    with pytest.raises(SecretError):
        secret_references.keep(tmp_path, "target-hr-crm", text)
    assert not list(tmp_path.iterdir())
