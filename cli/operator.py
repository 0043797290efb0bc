"""`scimlite operator`: who may use the console."""

from __future__ import annotations

import click

from scimlite.apps import App
from scimlite.apps import get as get_app
from scimlite.operators import accounts, links, passwords, sessions
from scimlite.operators.accounts import Operator
from scimlite.operators.roles import Role
from scimlite.visible_text import visible

from .kit.app_name import apps_option
from .kit.columns import Column, Columns
from .kit.confirming import confirm
from .kit.console import base_of, link_url
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.options import Choice, dry_run_option, json_option, wide_option, yes_option
from .kit.output import print_json, print_json_lines
from .kit.times import iso_time, local_time, spoken_time

_role_option = click.option(
    "--role",
    type=Choice([role.value for role in Role]),
    help="; ".join(f"{role}: {role.words}" for role in Role) + ".",
)


def _columns(context: Context) -> Columns[Operator]:
    slugs = {app.id: app.slug for app in _every_app(context)}

    def apps_of(operator: Operator) -> list[str] | None:
        return None if operator.apps is None else sorted(slugs[id] for id in operator.apps if id in slugs)

    return Columns(
        Column("operator", "Name", value=lambda operator: operator.name),
        Column("role", "Role", value=lambda operator: operator.role.value),
        Column(
            "apps",
            "Apps",
            value=apps_of,
            shown=lambda operator: "all" if operator.apps is None else ", ".join(apps_of(operator) or []) or "none",
        ),
        Column("state", "State", value=lambda operator: operator.state),
        Column(
            "signed_in_at",
            "Last sign-in",
            value=lambda operator: iso_time(operator.signed_in_at),
            shown=lambda operator: local_time(operator.signed_in_at, seconds=False) or "never",
        ),
        Column("created_at", value=lambda operator: iso_time(operator.created_at)),
        Column("has_password", value=lambda operator: operator.has_password),
        Column("subject", value=lambda operator: operator.subject),
        table=("Name", "Role", "Apps", "State", "Last sign-in"),
    )


def _every_app(context: Context) -> list[App]:
    from scimlite.apps import every

    return every(context.db)


@click.group(cls=Group)
def operator() -> None:
    """Say who may use the console, and sign them in.

    An operator has a role and, with --app, sees some apps only. They sign in by a link that is good once, which
    `link` makes.

    \b
    Example: scimlite operator add ann --role owner
    """


@operator.command()
@click.argument("name")
@_role_option
@apps_option("Bind them to this app; repeat it for more.  [default: all apps]")
@json_option
@with_installation
def add(context: Context, name: str, role: str | None, slugs: tuple[str, ...], as_json: bool) -> None:
    """Add an operator, and print a link by which they sign in.

    \b
    Examples: scimlite operator add ann --role owner
              scimlite operator add bob --role auditor --app entra-id
    """
    if role is None:
        raise click.UsageError(f"Give a role: --role {'|'.join(Role)}.")
    made = accounts.add(context.scope, name, Role.named(role), _apps(context, slugs))
    _print_link(context, made, as_json=as_json)


@operator.command(name="list")
@json_option
@wide_option
@with_installation
def list_(context: Context, as_json: bool) -> None:
    """List the operators.

    \b
    Example: scimlite operator list
    """
    listed, columns = accounts.every(context.db), _columns(context)
    if as_json:
        print_json_lines(map(columns.data, listed))
        return
    columns.print_table(listed, empty="There is no operator. Add one: scimlite operator add NAME --role owner")


@operator.command()
@click.argument("name")
@json_option
@with_installation
def show(context: Context, name: str, as_json: bool) -> None:
    """Show an operator, and where they are signed in.

    \b
    Example: scimlite operator show ann
    """
    shown, columns = accounts.get(context.db, name), _columns(context)
    living = sessions.of(context.db, shown)
    if as_json:
        places = [
            {
                "way": session.way.value,
                "address": session.address,
                "browser": session.agent,
                "created_at": iso_time(session.created_at),
                "seen_at": iso_time(session.seen_at),
            }
            for session in living
        ]
        print_json({**columns.data(shown), "sessions": places})
        return
    columns.print_table([shown], empty="")
    for session in living:
        place = f"from {session.address or '-'} by {session.way.words}"
        click.echo(f"Signed in {place} since {spoken_time(session.created_at)}: {visible(session.agent or '')}")


@operator.command()
@click.argument("name")
@click.option("--name", "new_name", metavar="NAME", help="Another name.")
@_role_option
@apps_option("Bind them to this app; repeat it for more.")
@click.option("--all-apps", is_flag=True, help="Let them see all apps.")
@click.option("--no-password", is_flag=True, help="Take their password away; they set a new one at the console.")
@with_installation
def edit(
    context: Context,
    name: str,
    new_name: str | None,
    role: str | None,
    slugs: tuple[str, ...],
    all_apps: bool,
    no_password: bool,
) -> None:
    """Give an operator another name, role, or other apps. It holds at once, where they are signed in, too.

    \b
    Example: scimlite operator edit bob --role operator --all-apps
    """
    if slugs and all_apps:
        raise click.UsageError("--app and --all-apps exclude each other.")
    if new_name is None and role is None and not slugs and not all_apps and not no_password:
        raise click.UsageError("Nothing to change: give --name, --role, --app, --all-apps or --no-password.")
    edited = accounts.edit(
        context.scope,
        accounts.get(context.db, name),
        name=new_name,
        role=Role.named(role) if role else None,
        apps=_apps(context, slugs),
        every_app=all_apps,
    )
    if no_password:
        passwords.change(context.scope, edited, None)
    click.echo(f"{edited.name} is {edited.role}.", err=True)


@operator.command()
@click.argument("name")
@json_option
@with_installation
def link(context: Context, name: str, as_json: bool) -> None:
    """Print a link that signs an operator in, once and within 15 minutes.

    \b
    Example: scimlite operator link ann
    """
    _print_link(context, accounts.get(context.db, name), as_json=as_json)


@operator.command()
@click.argument("name")
@with_installation
def disable(context: Context, name: str) -> None:
    """Keep an operator out, at once.

    \b
    Example: scimlite operator disable bob
    """
    disabled = accounts.set_enabled(context.scope, accounts.get(context.db, name), enabled=False)
    click.echo(f"{disabled.name} is disabled and signed out everywhere.", err=True)


@operator.command()
@click.argument("name")
@with_installation
def enable(context: Context, name: str) -> None:
    """Let an operator sign in again.

    \b
    Example: scimlite operator enable bob
    """
    enabled = accounts.set_enabled(context.scope, accounts.get(context.db, name), enabled=True)
    click.echo(f"{enabled.name} may sign in: scimlite operator link {enabled.name}", err=True)


@operator.command(name="sign-out")
@click.argument("name")
@with_installation
def sign_out(context: Context, name: str) -> None:
    """End an operator's sessions in every browser.

    \b
    Example: scimlite operator sign-out ann
    """
    ended = sessions.end_all(context.scope, accounts.get(context.db, name))
    click.echo(f"{ended} {'session' if ended == 1 else 'sessions'} ended.", err=True)


@operator.command()
@click.argument("name")
@yes_option
@dry_run_option
@with_installation
def remove(context: Context, name: str, yes: bool, dry_run: bool) -> None:
    """Remove an operator. The report keeps what they did.

    \b
    Example: scimlite operator remove bob
    """
    removed = accounts.get(context.db, name)
    if dry_run:
        click.echo(f"The operator {removed.name} would be removed.")
        return
    confirm(f"Remove the operator {removed.name}?", yes=yes)
    accounts.remove(context.scope, removed)
    click.echo(f"{removed.name} is removed.", err=True)


def _apps(context: Context, slugs: tuple[str, ...]) -> list[App] | None:
    return [get_app(context.db, slug) for slug in slugs] or None


def _print_link(context: Context, shown: Operator, *, as_json: bool) -> None:
    """Print a sign-in link to stdout, and what it is to stderr."""
    url = link_url(base_of(context.settings, context.server.url), links.make(context.scope, shown))
    if as_json:
        print_json({"operator": shown.name, "url": url})
        return
    click.echo(f"{shown.name} ({shown.role}) signs in once with this link, within 15 minutes:", err=True)
    click.echo(url)
    if context.server.listening is False:
        click.echo("Nothing listens there now: start the service with `scimlite serve`.", err=True)
