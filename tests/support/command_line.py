"""The commands, run in this process with the environment of one installation, and people in its apps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.testing import CliRunner, Result

from installation import Installation
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.directory import write
from scimlite.directory.read import Resource
from scimlite.journal import Actor, Origin
from scimlite.scim import messages
from scimlite_cli.main import cli

#: Who the journal says provisioned.
CLIENT = Origin("idp/1.0", "default", "0123456789abcdef", actor=Actor.SCIM)
_SCIMLITE = ("STATE_DIR", "DATABASE_URL", "SECRET_KEY", "BASE_URL", "APP")


def every_command(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands, groups of commands included, with the words that call each."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from every_command(inner, (*path, name))


@dataclass(frozen=True)
class CommandLine:
    """Runs `scimlite` with these SCIMLITE_* variables and no other."""

    env: Mapping[str, str]

    def run(self, *args: str, input: str | None = None, columns: int = 200, **env: str) -> Result:
        """Run one command; an exception that the command does not tell as an error is raised."""
        given = {**dict.fromkeys(f"SCIMLITE_{name}" for name in _SCIMLITE), **self.env}
        return CliRunner().invoke(
            cli,
            args,
            input=input,
            env={**given, "COLUMNS": str(columns), **env},
            catch_exceptions=False,
            prog_name="scimlite",
            terminal_width=min(columns, 100),
        )

    def ok(self, *args: str, **kwargs: Any) -> str:
        """What a command that succeeds prints on stdout."""
        result = self.run(*args, **kwargs)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *args: str, **kwargs: Any) -> Any:
        """What a command that succeeds prints with --json."""
        return json.loads(self.ok(*args, "--json", **kwargs))

    def json_lines(self, *args: str, **kwargs: Any) -> list[Any]:
        """What a command that lists prints with --json: one object a line."""
        return [json.loads(line) for line in self.ok(*args, "--json", **kwargs).splitlines()]

    def fails(self, *args: str, code: int = 1, **kwargs: Any) -> str:
        """What a command that fails says on stderr; it prints nothing on stdout."""
        result = self.run(*args, **kwargs)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        return result.stderr


@dataclass(frozen=True)
class Site(CommandLine):
    """An installation without a running service, its commands, and ways to put users and groups into its apps."""

    installation: Installation

    def app(self, name: str, *options: str) -> str:
        """A new app; returns its slug."""
        slug: str = self.json("app", "create", name, *options)["slug"]
        return slug

    def user(self, slug: str, name: str, /, **attributes: Any) -> Resource:
        """A new user, as a client would create it."""
        return self._create(slug, "Users", {"userName": name, **attributes})

    def group(self, slug: str, name: str, /, *members: Resource, **attributes: Any) -> Resource:
        """A new group with these members, as a client would create it."""
        held = {"members": [{"value": each.id} for each in members]}
        return self._create(slug, "Groups", {"displayName": name, **held, **attributes})

    def _create(self, slug: str, endpoint: str, body: dict[str, Any]) -> Resource:
        workspace = self._workspace(slug)
        return write.create(workspace, workspace.app.resource_types[endpoint], body).resource

    def replace(self, slug: str, user: Resource, **attributes: Any) -> Resource:
        """Put a user's attributes."""
        workspace = self._workspace(slug)
        return write.replace(workspace, workspace.app.resource_types["Users"], user.id, attributes).resource

    def add_member(self, slug: str, group: Resource, member: Resource) -> None:
        """Put a user or group into a group, besides those that are in it."""
        workspace = self._workspace(slug)
        operation = {"op": "add", "path": "members", "value": [{"value": member.id}]}
        body = {"schemas": [messages.PATCH_URN], "Operations": [operation]}
        write.patch(workspace, workspace.app.resource_types["Groups"], group.id, body)

    def delete(self, slug: str, resource: Resource) -> None:
        """Delete a user or group."""
        workspace = self._workspace(slug)
        write.delete(workspace, workspace.app.resource_types[f"{resource.type}s"], resource.id)

    def _workspace(self, slug: str) -> Workspace:
        """An app as its client works in it."""
        return Workspace(self.installation.db, CLIENT, apps.get(self.installation.db, slug))
