"""The `scimlite` command: its list of commands, and the form of its error messages."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from .kit.groups import Program
from .kit.streams import prepare

#: Command, which is also the name of its module, to its purpose. A module is imported when its command is used, so
#: that `scimlite --help` needs neither Flask nor the database.
_COMMANDS = {
    "app": "Add, change and remove apps: connections from identity providers.",
    "token": "Issue, show, rotate and revoke the bearer tokens of an app.",
    "user": "List users and show one with groups and history.",
    "group": "List groups and show one with its members.",
    "webhook": "Push the changes of an app to the application behind it.",
    "source": "Read a directory into an app: LDAP, Active Directory, a file, another server.",
    "target": "Push an app's users and groups to another SCIM server.",
    "reconcile": "Say who is missing here or there, compared with a source, a file or another server.",
    "schema": "Declare attributes and resource types of an app's own.",
    "mapping": "Set which attributes the application reads, and under which names.",
    "operator": "Say who may use the console, and sign them in.",
    "report": "Show what was provisioned, refused or failed, when, and by which client.",
    "events": "Show what the application is told, as it is told.",
    "explain": "Explain why a request was refused, and how to get it accepted.",
    "journal": "Delete old entries of the report.",
    "purge": "Remove for good the users and groups that were deleted long ago.",
    "serve": "Run the service.",
    "work": "Deliver events to webhooks, read sources, and push to targets.",
    "check": "Say whether something needs you, for cron and monitoring.",
    "db": "Upgrade, inspect, check, back up and restore the database.",
    "completion": "Print the script that completes commands and names in a shell.",
}

#: In the environment when a shell asks what it can complete (Click's name).
_COMPLETE = "_SCIMLITE_COMPLETE"

#: Exit code of a command that was called or configured wrongly; one that failed exits with 1.
_USAGE = 2


class _Misconfigured(click.ClickException):
    """A setting that is wrong."""

    exit_code = _USAGE


class _Lazy(Program):
    """A group that imports the module of a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f".{cmd_name}", __package__)
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            message = _message(error)
            if message is None:
                raise
            raise message from None


def _message(error: Exception) -> click.ClickException | None:
    """Return an error of this project as one of Click's, with the right exit code; None for any other error."""
    from scimlite.errors import ConfigError, OperatorError, RefusedByRule, ScimError, Unavailable

    if isinstance(error, ConfigError):
        return _Misconfigured(str(error))
    if isinstance(error, OperatorError):
        return click.ClickException(_readable(str(error)))
    if isinstance(error, Unavailable) and error.reason is not None:
        return click.ClickException(_readable(f"The database cannot be used: {error.reason}."))
    if isinstance(error, RefusedByRule):
        return click.ClickException(_readable(f"A rule of the database refuses this ({error.rule}): {error.reason}"))
    if isinstance(error, ScimError):
        return click.ClickException(_readable(error.detail))
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return click.ClickException(_trouble(error))
    # An error of the database can only come when its library was loaded.
    if "peewee" in sys.modules:
        from scimlite.db import refusal

        reason = refusal(error)
        if reason is not None:
            return click.ClickException(f"The database refuses this: {reason}")
    if isinstance(error, MemoryError):
        return click.ClickException("There is not enough memory for this.")
    return None


def _readable(text: str) -> str:
    """Return a message with escapes for what steers a terminal: it may quote names that came from outside."""
    from scimlite.visible_text import visible_lines

    return visible_lines(text)


def _trouble(error: OSError) -> str:
    """Return what the operating system refused, and for which file."""
    from scimlite.obstacles import obstacle

    reason = error.strerror or str(error)
    if not isinstance(error.filename, str):
        return f"{reason}."
    return f"{error.filename}: {obstacle(Path(error.filename).absolute()) or reason}."


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
# The version is looked up when it is asked for: importlib.metadata takes 15 ms.
@click.version_option(package_name="scimlite", message="scimlite %(version)s")
def cli() -> None:
    """A SCIM 2.0 endpoint in front of your application: identity providers such as Microsoft Entra ID and Okta
    create, update, disable and remove users and groups there, and you see what they did.

    \b
    Start:     scimlite serve
    Connect:   scimlite app create "Entra ID"
    Look:      scimlite report --since 2h

    Settings come from SCIMLITE_* environment variables; docs/operate.md describes them.
    """


def main() -> None:
    """Entry point of the `scimlite` script."""
    if "postgres" not in os.environ.get("SCIMLITE_DATABASE_URL", ""):
        # Peewee imports each driver that it finds, and psycopg takes 0.1 to 0.2 s, more than the rest of Peewee. None
        # makes the import fail: https://docs.python.org/3/reference/import.html#the-module-cache
        # Not in an application with scimlite inside, which may need psycopg for itself.
        sys.modules.setdefault("psycopg", None)  # type: ignore[arg-type]  # the types do not know of None
    prepare()
    if _COMPLETE in os.environ:
        # Imported here, because only a shell that completes needs it.
        from .kit import shells

        shells.register()
    cli(prog_name="scimlite")
