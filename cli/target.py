"""`scimlite target`: SCIM servers that an app's users and groups are pushed to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from scimlite.admin import target_state, targets
from scimlite.apps import get as get_app
from scimlite.sync import secret_references
from scimlite.sync.targets.stored import DEFAULT_EVERY, Options
from scimlite.visible_text import visible

from .kit.app_name import app_option, required_app_option
from .kit.choosing import chosen_apps
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.options import json_option, wide_option
from .kit.output import print_fields, print_json, print_json_lines, print_title
from .kit.times import local_time, spoken_length
from .target_columns import TARGETS, problem, spelled_run
from .target_options import behaviour_options, chosen_options, name_argument, token_options, token_source
from .target_runs import preview, retry, status, sync, test
from .target_upkeep import disable, enable, remove


@click.group(cls=Group)
def target() -> None:
    """Push an app's users and groups to another SCIM server.

    A target is a SCIM server that gets what changes: `scimlite work`, or `serve --work`, pushes it. What would take
    away too much is held until an operator accepts it. NAME may be left out when the app has only one target.

    \b
    Example: scimlite target status --app entra-id
    """


@target.command()
@click.argument("name")
@required_app_option
@click.option("--url", required=True, help="The SCIM base URL, such as https://crm.example.com/scim/v2.")
@token_options
@behaviour_options
@json_option
@with_installation
def add(
    context: Context,
    /,
    slug: str,
    name: str,
    url: str,
    token_env: str | None,
    token_file: str | None,
    token_stdin: bool,
    every: int | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Add a target. Nothing is pushed before your first `target sync`: try it first, and look at the preview.

    \b
    Examples: scimlite target add crm --app entra-id --token-env CRM_TOKEN \\
                  --url https://crm.example.com/scim/v2
              scimlite target add crm --app entra-id --token-file /run/crm \\
                  --url https://crm.example.com/scim/v2 --match
    """
    app = get_app(context.db, slug)
    secret, keep = token_source(token_env, token_file, token_stdin, context.settings.state_dir, needed=True)
    made = targets.add(
        context.workspace(app),
        name,
        url,
        secret,
        chosen_options(Options(), given),
        keep=keep,
        every=every or DEFAULT_EVERY,
        networks=context.settings.outbound_networks,
        own_roots=context.installation.scim_roots,
    )
    if as_json:
        print_json(TARGETS.data(target_state.of(context.db, app, made)))
        return
    words = f"{made.name} --app {app.slug}"
    click.echo(f"\n  {app.slug} is to be pushed to {visible(made.url)}.", err=True)
    click.echo(f"  Try it:      scimlite target test {words}", err=True)
    click.echo(f"  Look first:  scimlite target preview {words}", err=True)
    click.echo(f"  Begin:       scimlite target sync {words}", err=True)
    click.echo("  From then on scimlite work, or scimlite serve --work, pushes what changes.\n", err=True)


@target.command(name="list")
@app_option
@json_option
@wide_option
@with_installation
def list_(context: Context, slug: str | None, as_json: bool) -> None:
    """List targets: their state, what is there, and what went wrong last.

    \b
    Example: scimlite target list
    """
    listed = target_state.every(context.db, chosen_apps(context, slug))
    if as_json:
        print_json_lines(map(TARGETS.data, listed))
        return
    empty = "There is no target. Add one: scimlite target add NAME --app SLUG --url URL --token-env VARIABLE"
    TARGETS.print_table(listed, empty=empty, hidden_when_empty=("Refused", "Problem"))


@target.command()
@name_argument
@required_app_option
@json_option
@with_installation
def show(context: Context, slug: str, name: str | None, as_json: bool) -> None:
    """Show a target: where it is, what is pushed and how, and its last run.

    \b
    Example: scimlite target show crm --app entra-id
    """
    app = get_app(context.db, slug)
    shown = target_state.of(context.db, app, targets.get(context.db, app, name))
    options, row = shown.target.options, shown.target
    if as_json:
        print_json({**TARGETS.data(shown), "options": asdict(options)})
        return
    usual = asdict(Options())
    chosen = {key: value for key, value in asdict(options).items() if value != usual[key]}
    print_title(f"{app.slug}: {row.name}")
    print_fields(
        [
            ("URL", row.url),
            ("State", shown.state),
            ("Problem", problem(shown)),
            ("Token", row.secret),
            ("Every", spoken_length(row.every)),
            ("Options", ", ".join(f"{key.replace('_', '-')} {value}" for key, value in chosen.items())),
            ("There", f"{shown.users:,} users, {shown.groups:,} groups"),
            ("Refused", f"{shown.refused:,}, and {shown.parked:,} given up" if shown.refused or shown.parked else ""),
            ("Left out", ", ".join(row.attributes_left_out)),
            ("Last good run", local_time(row.last_ok_at) or "never"),
            ("Last run with work", spelled_run(shown)),
        ]
    )


@target.command()
@name_argument
@required_app_option
@click.option("--name", "new_name", metavar="NAME", help="Another name.")
@click.option("--url", help="Another URL.")
@click.option("--anew", is_flag=True, help="Another server is at the URL: forget what was pushed to the old one.")
@token_options
@behaviour_options
@with_installation
def edit(
    context: Context,
    /,
    slug: str,
    name: str | None,
    new_name: str | None,
    url: str | None,
    anew: bool,
    token_env: str | None,
    token_file: str | None,
    token_stdin: bool,
    every: int | None,
    **given: Any,
) -> None:
    """Change a target. What was pushed stays known; a run that is under way ends, and another one begins.

    \b
    Examples: scimlite target edit crm --app entra-id --token-file /run/crm
              scimlite target edit crm --app entra-id --filter 'title eq "Dr"'
    """
    values = (new_name, url, token_env, token_file, every, *given.values())
    if all(value is None for value in values) and not token_stdin and not anew:
        raise click.UsageError("Nothing to change: give one of the options, such as --url or --filter.")
    app = get_app(context.db, slug)
    found = targets.get(context.db, app, name)
    secret, keep = token_source(token_env, token_file, token_stdin, context.settings.state_dir, needed=False)
    options = chosen_options(found.options, given)
    edited = targets.edit(
        context.workspace(app),
        found,
        name=new_name,
        url=url,
        secret=secret,
        keep=keep,
        options=options if options != found.options else None,
        every=every,
        networks=context.settings.outbound_networks,
        own_roots=context.installation.scim_roots,
        anew=anew,
    )
    if edited.secret != found.secret:
        secret_references.forget(context.settings.state_dir, found.secret)
    click.echo(f"The target {visible(edited.name)} of {app.slug} is changed.", err=True)


for command in (test, preview, sync, status, retry, disable, enable, remove):
    target.add_command(command)
