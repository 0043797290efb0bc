"""The commands, run in this process with the environment of one installation, and people in its apps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner, Result

from installation import Installation
from scimlite import apps, store
from scimlite.journal import Origin
from scimlite.resources import Resource
from scimlite.scim import document
from scimlite.scim.patch_plan import LinkStep, Plan
from scimlite_cli.main import cli

#: Who the journal says provisioned.
CLIENT = Origin("idp/1.0", "default", "0123456789abcdef")
_SCIMLITE = ("STATE_DIR", "DATABASE_URL", "SECRET_KEY", "BASE_URL")


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
        app = apps.get(self.installation.db, slug)
        resource_type = app.resource_types[endpoint]
        return store.create(self.installation.db, app, resource_type, document.clean(resource_type, body), CLIENT)

    def replace(self, slug: str, user: Resource, **attributes: Any) -> Resource:
        """Put a user's attributes."""
        app = apps.get(self.installation.db, slug)
        cleaned = document.clean(app.resource_types["Users"], attributes)
        return store.replace_resource(self.installation.db, app, app.resource_types["Users"], user.id, cleaned, CLIENT)

    def add_member(self, slug: str, group: Resource, member: Resource) -> None:
        """Put a user or group into a group, besides those that are in it."""
        app = apps.get(self.installation.db, slug)
        plan = Plan(links=[LinkStep(add={member.id: None})])
        store.patch(self.installation.db, app, app.resource_types["Groups"], group.id, plan, CLIENT)

    def delete(self, slug: str, resource: Resource) -> None:
        """Delete a user or group."""
        app = apps.get(self.installation.db, slug)
        store.delete(self.installation.db, app, app.resource_types[f"{resource.type}s"], resource.id, CLIENT)
