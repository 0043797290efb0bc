"""Completion in the shell: the script, and the names that are offered, quickly and without a word on stderr."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commands import Commands
from typing_shell import SHELLS, TypingShell

ACME = {"id": "urn:example:Acme", "attributes": [{"name": "badge", "type": "string"}]}


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    commands = Commands({"SCIMLITE_STATE_DIR": str(tmp_path_factory.mktemp("completed"))})
    commands("app", "create", "Entra ID").ok()
    commands("app", "create", "Okta, test").ok()
    commands("token", "issue", "entra-id", "--label", "2027").ok()
    commands.run("schema", "add", "--app", "okta-test", "--to", "User", input=json.dumps(ACME))
    return commands


def offered(commands, *words, **env):
    """What is offered for the last word."""
    ran = commands.process(
        _SCIMLITE_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(("scimlite", *words)),
        COMP_CWORD=str(len(words)),
        **env,
    )
    assert ran.err == ""
    return [line.split(",", 1)[1] for line in ran.out.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["tok"], ["token"]),
        (["token", "ro"], ["rotate"]),
        (["app", "create", "--if"], ["--if-absent"]),
        (["app", "show", ""], ["entra-id", "okta-test"]),
        (["app", "show", "EN"], ["entra-id"]),
        (["user", "list", "--app", "ok"], ["okta-test"]),
        (["token", "show", "entra-id", ""], ["2027", "default"]),
        (["token", "show", "--app", "Entra-Id", "entra-id", "20"], ["2027"]),
        (["token", "show", "nowhere", ""], []),
        (["app", "edit", "entra-id", "--feature", "patch-an"], ["patch-answer="]),
        (["app", "edit", "entra-id", "--feature", "passwords="], ["passwords=drop", "passwords=hash"]),
        (["schema", "show", "--app", "okta-test", "urn:example"], ["urn:example:Acme"]),
        (["schema", "remove", "--app", "okta-test", "Gr"], ["Group"]),
        (["report", "--action", "mem"], ["member_added", "member_removed"]),
        (["schema", "diff", "ag"], ["agents", "agents-wzdk"]),
        (["schema", "add", "--app", "okta-test", "dev"], ["devices"]),
        (["schema", "catalog", ""], ["agents", "agents-wzdk", "devices", "okta-entitlements"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_names_are_offered(commands, words, names):
    assert sorted(offered(commands, *words)) == sorted(names)


@pytest.mark.parametrize(
    "env",
    [
        {"SCIMLITE_STATE_DIR": "/nowhere/at/all"},
        {"SCIMLITE_DATABASE_URL": "mysql://x"},
        {"SCIMLITE_DATABASE_URL": "postgresql://127.0.0.1:1/x", "SCIMLITE_SECRET_KEY": "k" * 32},
        {"SCIMLITE_NO_SUCH_SETTING": "x"},
    ],
    ids=lambda env: next(iter(env)),
)
def test_without_a_database_nothing_is_offered_and_nothing_is_said(commands, env):
    assert offered(commands, "app", "show", "", **env) == []


def test_no_database_is_made(tmp_path):
    commands = Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})
    assert offered(commands, "app", "show", "") == []
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(commands, shell, tmp_path):
    script = commands("completion", shell).ok().out
    assert "_SCIMLITE_COMPLETE" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_words_in_which_it_sees_several(commands, shell, tmp_path):
    script = tmp_path / "script"
    script.write_text(commands("completion", shell).ok().out)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with TypingShell(shell, script, commands.environ(PATH=path)) as typing:
        feature = "scimlite app edit entra-id --feature"
        assert typing.completed(f"{feature} passw", "ha") == f"{feature} passwords=hash"
        assert typing.completed(f"{feature} 'passwords=d") == f"{feature} passwords=drop"
        schema = "scimlite schema show --app okta-test"
        assert typing.completed(f"{schema} urn:example:A") == f"{schema} urn:example:Acme"
        assert typing.completed("scimlite token show entra-id 20") == "scimlite token show entra-id 2027"


def test_another_shell_is_answered_with_those_there_are(commands):
    assert "'bash', 'zsh', 'fish'" in commands.fails("completion", "csh", code=2)
