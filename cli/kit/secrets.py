"""Options that say where a secret is: a variable, a file, or what is typed, which is kept in a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from scimlite.sync import secret_references

from .context import Context

_Command = Callable[..., Any]


def secret_options(what: str) -> Callable[[_Command], _Command]:
    """The options `--secret-env`, `--secret-file` and `--secret-stdin`; the command gets them as `secret`."""

    def decorate(command: _Command) -> _Command:
        @wraps(command)
        def run(*args: Any, secret_env: str | None, secret_file: Path | None, secret_stdin: bool, **values: Any) -> Any:
            given = {"env": secret_env, "file": secret_file, "stdin": secret_stdin}
            return command(*args, secret={key: value for key, value in given.items() if value}, **values)

        for option in (
            click.option(
                "--secret-stdin",
                "--password-stdin",
                is_flag=True,
                help=f"{what}: read from stdin, kept in a file for this user alone.",
            ),
            click.option(
                "--secret-file",
                "--password-file",
                type=click.Path(path_type=Path, dir_okay=False),
                metavar="FILE",
                help=f"{what}: a file, read at each run.",
            ),
            click.option(
                "--secret-env",
                "--password-env",
                metavar="NAME",
                help=f"{what}: a variable of the environment, read at each run.",
            ),
        ):
            run = option(run)
        return run

    return decorate


def secret_reference(context: Context, given: dict[str, Any], name: str) -> str | None:
    """Return the reference to the secret that the options name; None without one.

    In: `name`, under which one from stdin is kept. Raises SecretError, and UsageError for two of them.
    """
    if len(given) > 1:
        raise click.UsageError("Give one of --secret-env, --secret-file and --secret-stdin.")
    reference = None
    if "env" in given:
        reference = f"env:{given['env']}"
    elif "file" in given:
        reference = f"file:{given['file'].absolute()}"
    elif "stdin" in given:
        text = click.prompt("Secret", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
        safe = "".join(each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in name)
        return secret_references.keep(context.settings.state_dir, safe, text)
    if reference is not None:
        secret_references.read(reference, context.settings.state_dir)
    return reference
