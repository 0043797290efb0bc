"""`scimlite app`: adds, shows, changes and removes apps."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from scimlite.admin import apps, tokens
from scimlite.admin import overview as overviews
from scimlite.admin.identity_providers import identity_provider
from scimlite.apps import App, app_profile
from scimlite.apps.features import AppSettings, FeatureError
from scimlite.visible_text import visible

from .app_file import export, import_
from .app_invite import invite
from .app_show import (
    details_data,
    extent_of_deletion,
    feature_name,
    print_details,
    print_features,
    print_overview,
    profile_text,
    state,
    summary,
)
from .connection_test import connection_test
from .kit import completing
from .kit.app_name import app_argument
from .kit.confirming import confirm
from .kit.context import Context, with_first_installation, with_installation
from .kit.groups import Group
from .kit.idp import connection_block, idp_option
from .kit.options import Choice, dry_run_option, json_option, wide_option, yes_option
from .kit.output import print_json


class _Feature(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of Click
    """The name of a feature and one of its values: `name=value`."""

    name = "name=value"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return completing.features(ctx, param, incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        feature, equals, chosen = (part.strip() for part in value.partition("="))
        if not equals:
            self.fail(f"{value!r} has no value: write name=value, such as patch-answer=body.", param, ctx)
        try:
            AppSettings().with_feature(feature, chosen)
        except FeatureError as error:
            self.fail(str(error), param, ctx)
        return feature, chosen


@click.group(cls=Group)
def app() -> None:
    """Add, change and remove apps: connections from identity providers.

    An app has a SCIM base URL and tokens of its own. Its users and groups are seen by no other app. SLUG is
    the app's slug or its name, in upper or lower case; SCIMLITE_APP in the environment may name it instead.

    \b
    Example: scimlite app create "Entra ID"
    """


@app.command()
@click.argument("name")
@click.option(
    "--slug",
    metavar="SLUG",
    help="The app's name in the base URL: 1 to 63 of a-z, 0-9 and -.  [made from NAME]",
)
@click.option(
    "--profile",
    type=Choice(list(app_profile.PROFILES)),
    default=app_profile.DEFAULT,
    show_default=True,
    help="The bundle of features to begin with.",
)
@idp_option
@click.option("--if-absent", is_flag=True, help="Print the app when it is there already.")
@json_option
@with_first_installation
def create(
    context: Context, name: str, slug: str | None, profile: str, idp: str | None, if_absent: bool, as_json: bool
) -> None:
    """Make an app with a token; print what the identity provider needs.

    That is the SCIM base URL and the bearer token, under the names that the identity provider has for them: Entra ID
    calls them Tenant URL and Secret Token.

    \b
    Examples: scimlite app create "Entra ID"
              scimlite app create "Staff" --idp onelogin
              scimlite app create "Okta, test" --slug okta-test --profile okta
    """
    if if_absent and (there := apps.find(context.db, slug or apps.slug_of(name))) is not None:
        _print_present(context, there, as_json=as_json)
        return
    # Before anything is made: keys that do not fit this database are refused.
    keyring = context.keyring
    made = apps.create(context.scope, name, slug, profile=profile)
    token, text = tokens.issue(context.workspace(made), keyring)
    address = context.scim_address(made.slug)
    provider = identity_provider(idp, made.profile, made.name, made.slug)
    if as_json:
        print_json({**summary(context, made), "created": True, "token": text, "token_label": token.label})
    else:
        click.echo(connection_block(provider, made.name, made.slug, address, text))
    if provider.is_remote and not address.url.startswith("https:"):
        click.echo(
            f"{provider.title} asks for https and an address that it can reach: put the service behind a TLS proxy,\n"
            "and set SCIMLITE_BASE_URL to the proxy's address.",
            err=True,
        )


@app.command(name="list")
@json_option
@wide_option
@with_installation
def list_(context: Context, as_json: bool) -> None:
    """List the apps with their users, groups and last contact.

    \b
    Example: scimlite app list
    """
    print_overview(context, overviews.overview(context.db), as_json=as_json)


@app.command()
@app_argument
@click.option("--features", is_flag=True, help="Show the features with what they do.")
@click.option("--all", "whole", is_flag=True, help="Show everything in full, also what does not fit a screen.")
@json_option
@wide_option
@with_installation
def show(context: Context, slug: str, features: bool, whole: bool, as_json: bool) -> None:
    """Show an app: base URL, contents, tokens, and what was counted in the last seven days.

    \b
    Examples: scimlite app show entra-id
              scimlite app show entra-id --all
    """
    details = overviews.details(context.db, slug)
    if as_json:
        print_json(details_data(context, details))
    elif features:
        print_features(details.app)
    else:
        print_details(context, details, whole=whole)


@app.command()
@app_argument
@click.option("--name", metavar="NAME", help="A new name; slug and base URL stay.")
@click.option(
    "--profile",
    type=Choice(list(app_profile.PROFILES)),
    help="Set a bundle of features; --feature then sets single ones.",
)
@click.option(
    "--feature", "features", multiple=True, type=_Feature(), help="Set a feature; can be given several times."
)
@with_installation
def edit(
    context: Context, slug: str, name: str | None, profile: str | None, features: tuple[tuple[str, str], ...]
) -> None:
    """Rename an app, or set its features one by one or by a profile.

    `scimlite app show --features` says which features there are and what they do. Either everything that is asked for
    is done, or nothing. Running services follow at once.

    \b
    Examples: scimlite app edit entra-id --feature patch-answer=body
              scimlite app edit entra-id --profile strict
              scimlite app edit entra-id --name "Entra ID, production"
    """
    if name is None and profile is None and not features:
        raise click.UsageError("Nothing to change: give --name, --profile or --feature.")
    before = apps.get(context.db, slug)
    edited = apps.edit(context.scope, before.slug, name=name, profile=profile, features=dict(features))
    old, new = (
        {"name": version.name, "profile": version.profile, **version.settings.spelled()} for version in (before, edited)
    )
    changes = [f"{feature_name(key)}: {old[key]} -> {new[key]}" for key in new if old[key] != new[key]]
    click.echo("\n".join(map(visible, changes)) or f"{edited.slug} is like that already.", err=True)
    if edited.profile != app_profile.DEFAULT:
        click.echo(f"Profile: {profile_text(edited)}", err=True)


@app.command()
@app_argument
@with_installation
def enable(context: Context, slug: str) -> None:
    """Let a disabled app's tokens work again.

    \b
    Example: scimlite app enable entra-id
    """
    _switch(context, slug, on=True)


@app.command()
@app_argument
@with_installation
def disable(context: Context, slug: str) -> None:
    """Refuse all of an app's tokens at once; nothing is removed.

    Every running service follows. Entra ID treats the refusals like a wrong token and puts its job in quarantine
    after a while.

    \b
    Example: scimlite app disable entra-id
    """
    _switch(context, slug, on=False)


@app.command()
@app_argument
@with_installation
def release(context: Context, slug: str) -> None:
    """Release an app's brakes; they count from zero again.

    A brake trips when an app disables or deletes too many users, or takes too many out of groups, within a while
    (features brake-users, brake-percent, brake-window and brake-members). Look first what happened, with
    `scimlite report`.

    \b
    Example: scimlite app release entra-id
    """
    # Imported here, because only this command needs brakes.
    from scimlite.directory import brakes

    released = apps.get(context.db, slug)
    kinds = brakes.release(context.scope, released.slug)
    result = f"Released: {' and '.join(kinds)}." if kinds else "No brake was on."
    click.echo(f"{result} The brakes of {released.slug} count from zero.", err=True)


@app.command()
@app_argument
@yes_option
@dry_run_option
@with_installation
def delete(context: Context, slug: str, yes: bool, dry_run: bool) -> None:
    """Remove an app with its users, groups and tokens, for good.

    What happened in it stays in the report.

    \b
    Example: scimlite app delete okta-test
    """
    # Imported here, because only this command needs them, and they load what speaks to other hosts.
    from scimlite.admin import sources, targets

    details = overviews.details(context.db, slug)
    if dry_run:
        click.echo(f"This would remove {extent_of_deletion(details)}.")
        return
    if not yes:
        click.echo(f"This removes {extent_of_deletion(details)}. It cannot be undone.", err=True)
    confirm("Remove it?", yes=yes)
    targets.forget_tokens(context.db, details.app, context.settings.state_dir)
    sources.forget_secrets(context.db, details.app, context.settings.state_dir)
    deleted = apps.delete(context.scope, details.app.slug)
    click.echo(f"Removed {deleted.slug}.", err=True)


app.add_command(connection_test, "test")
app.add_command(export)
app.add_command(import_)
app.add_command(invite)


def _print_present(context: Context, app: App, *, as_json: bool) -> None:
    """Print an app that was to be made and is there already."""
    if as_json:
        print_json({**summary(context, app), "created": False})
    else:
        click.echo(context.scim_address(app.slug).url)
    click.echo(f"{app.slug} is there already. Its token: scimlite token show {app.slug}", err=True)


def _switch(context: Context, slug: str, *, on: bool) -> None:
    before = apps.get(context.db, slug)
    after = apps.set_enabled(context.scope, before.slug, enabled=on)
    click.echo(f"{after.slug} {'was already' if before.enabled == on else 'is now'} {state(after)}.", err=True)
