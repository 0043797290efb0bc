"""`scimlite user`: lists, shows, exports, restores and erases users."""

from __future__ import annotations

from functools import partial

import click

from scimlite import apps
from scimlite.admin import confirmations, people, target_state
from scimlite.admin.people import Listing
from scimlite.admin.wording import actor_of, confirmations_of, sentence_about
from scimlite.journal import report
from scimlite.journal.selection import Selection
from scimlite.scim import core
from scimlite.visible_text import visible

from .kit.app_name import app_option, required_app_option
from .kit.choosing import chosen_apps, the_one
from .kit.confirming import confirm
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.options import csv_option, dry_run_option, json_option, page_options, wide_option, yes_option
from .kit.output import print_csv, print_json, print_json_lines, print_place, print_text
from .kit.times import MOMENT, local_time
from .report_output import entry_data
from .user_output import RECENT, USERS, print_user, print_users, profile_cell, user_data


@click.group(cls=Group)
def user() -> None:
    """List users, show one with groups and history, and restore deleted ones.

    \b
    Example: scimlite user show ann@example.com
    """


@user.command(name="list")
@app_option
@click.option("--search", metavar="TEXT", help="Part of a userName, displayName or e-mail address, in any case.")
@click.option(
    "--active/--disabled", "active", default=None, help="Only active users, or only disabled ones.  [default: both]"
)
@click.option(
    "--deleted",
    is_flag=True,
    help="Deleted users instead, the newest first, with the date from which each may be purged.",
)
@page_options
@json_option
@csv_option
@wide_option
@with_installation
def list_(
    context: Context,
    slug: str | None,
    search: str | None,
    active: bool | None,
    deleted: bool,
    page: int | None,
    per_page: int,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List users by userName, a page at a time.

    \b
    Examples: scimlite user list --search miller
              scimlite user list --app entra-id --disabled --csv > disabled.csv
              scimlite user list --deleted
    """
    if as_json and as_csv:
        raise click.UsageError("Give --json or --csv, not both.")
    if deleted:
        if active is not None:
            raise click.UsageError("Deleted users are neither active nor disabled: leave one of the options out.")
        # Imported here and below, because what deletes and restores takes 20 ms that lists of the living need not.
        from .deleted import print_deleted

        chosen = chosen_apps(context, slug)
        print_deleted(
            context, chosen, core.USER, search or None, page=page, per_page=per_page, as_json=as_json, as_csv=as_csv
        )
        return
    listing = Listing(core.USER, chosen_apps(context, slug), search or None, active)
    if (as_csv or as_json) and page is None:
        USERS.print_data(people.walk(context.db, listing), as_csv=as_csv)
        return
    number = page or 1
    shown = people.page(context.db, listing, number=number, size=per_page)
    if as_csv or as_json:
        USERS.print_data(shown.found, as_csv=as_csv)
    elif shown.found or not shown.total:
        empty = "No user matches." if search or active is not None else "No user yet."
        print_users(shown.found, one_app=len(listing.apps) == 1, empty=empty)
    print_place("user", number, per_page, len(shown.found), shown.total)


@user.command()
@click.argument("user")
@app_option
@json_option
@wide_option
@with_installation
def show(context: Context, user: str, slug: str | None, as_json: bool) -> None:
    """Show a user: attributes, groups, state, targets, and the last entries of the report.

    USER is an id, a userName (in any case) or an externalId. When no user has it now, the command looks for users who
    had it before, and for deleted ones.

    \b
    Examples: scimlite user show ann@example.com
              scimlite user show ann@example.com --app entra-id --json
    """
    shown = the_one(context, core.USER, slug, user)
    groups = people.groups_of(context.db, shown)
    history = report.read(context.db, Selection(user=shown.id, app_id=shown.app.id), limit=RECENT)
    places = target_state.places(context.db, shown.app, shown.id)
    if as_json:
        print_json(user_data(shown, groups, history, places))
    else:
        print_user(shown, groups, history, places)


@user.command()
@click.argument("user", required=False)
@required_app_option
@partial(csv_option, text="Print CSV, with the names of groups in one column.")
@click.option("--json", "--jsonl", "as_jsonl", is_flag=True, help="Print one JSON object a line (the default).")
@with_installation
def export(context: Context, user: str | None, slug: str, as_csv: bool, as_jsonl: bool) -> None:
    """Print the profiles of all users of an app, as its attribute mapping makes them; or all that is kept about USER.

    `scimlite mapping show` lists their attributes. Deleted users are left out.

    With USER, an id, a userName or an externalId, the command prints one JSON document: attributes, profile, groups and
    the entries of the report about this person, who may be deleted. The report notes that it was exported.

    \b
    Examples: scimlite user export --app entra-id --csv > users.csv
              scimlite user export --app entra-id --json
              scimlite user export ann@example.com --app entra-id > ann.json
    """
    if user is not None:
        if as_csv:
            raise click.UsageError("What is kept about one person is printed as JSON: leave --csv out.")
        _export_one(context, slug, user)
        return
    if as_csv and as_jsonl:
        raise click.UsageError("Give --csv or --json, not both.")
    # Imported here, because profiles take 20 ms that the other commands of `user` need not.
    from scimlite.apps import mapping
    from scimlite.directory import profiles

    app = apps.get(context.db, slug)
    exported = profiles.walk(context.workspace(app), app.resource_types[core.USER.endpoint])
    if not as_csv:
        print_json_lines({"id": profile.id, "profile": profile.values} for profile in exported)
        return
    targets = [row.target for row in mapping.from_json(app.mapping).user]
    print_csv(("id", *targets), ((profile.id, *map(profile_cell, profile.values.values())) for profile in exported))


def _export_one(context: Context, slug: str, text: str) -> None:
    # Imported here, because only this command needs it.
    from scimlite.admin import export_person, person

    app = apps.get(context.db, slug)
    # Somebody who is not stored any more goes by id only.
    subject = person.user(context.db, app, text)
    if subject is None:
        subject = person.user(context.db, app, the_one(context, core.USER, slug, text).id)
    if subject is not None:
        for piece in export_person.export(context.workspace(app), subject):
            click.echo(piece, nl=False)


@user.command()
@click.argument("user")
@app_option
@click.option("--since", type=MOMENT, metavar="TIME", help="From this time on: 2h, 7d, yesterday, 2026-11-01.")
@json_option
@with_installation
def history(context: Context, user: str, slug: str | None, since: int | None, as_json: bool) -> None:
    """Show all changes to a user, with time, old and new values, and client.

    USER is an id, an externalId, or any userName the person ever had. Deleted and purged persons are found too. An
    erased person appears only by id: the history shows that an erasure took place, and when.

    \b
    Examples: scimlite user history ann@example.com
              scimlite user history ann@example.com --since 30d --json
    """
    app_id = None if slug is None else apps.get(context.db, slug).id
    found = report.iterate(context.db, Selection(user=user, app_id=app_id, since=since))
    entries = confirmations.add(context.db, found)
    if as_json:
        print_json_lines(map(entry_data, entries))
        return
    heading = ""
    for entry in entries:
        subject = f"{visible(entry.user or entry.user_id or user)} in {entry.app or ''}"
        if subject != heading:
            zone = getattr(local_time(entry.at), "zone", "")
            click.echo(("\n" if heading else "") + click.style(f"{subject} ({zone})", bold=True))
        heading = subject
        print_text(f"{sentence_about(entry)}  [{actor_of(entry)}]", first=f"{local_time(entry.at)}  ")
        for line in confirmations_of(entry):
            print_text(line, first=" " * 21)
    if not heading:
        raise click.ClickException(
            f"The report has no entry about {user!r}" + (" since then." if since is not None else ".")
        )


@user.command()
@click.argument("user")
@app_option
@yes_option
@dry_run_option
@with_installation
def erase(context: Context, user: str, slug: str | None, yes: bool, dry_run: bool) -> None:
    """Remove a person for good. It cannot be undone.

    This deletes the stored or deleted user with memberships, password and kept requests, and the names and values in
    the report. The report keeps what was done and when, under the id alone, and that the person was erased. Attributes
    of other users that name the person, such as a manager's name, stay. The identity provider may create the user
    again.

    \b
    Example: scimlite user erase ann@example.com --app entra-id
    """
    # Imported here, because only this command needs it.
    from scimlite.admin import erasure

    person = the_one(context, core.USER, slug, user)
    workspace = context.workspace(person.app)
    if dry_run or not yes:
        traces = erasure.traces(workspace, person.id, person.name)
        verb, end = ("would erase", "") if dry_run else ("erases", " It cannot be undone.")
        click.echo(
            f"This {verb} {visible(person.name)} ({person.id}, {person.state}) in {person.app.slug}: the stored user, "
            f"{traces.memberships:,} memberships, {traces.requests:,} kept requests, and names and values in "
            f"{traces.entries:,} entries of the report.{end}",
            err=not dry_run,
        )
    if dry_run:
        return
    confirm("Erase?", yes=yes)
    erasure.erase(workspace, person.id, person.name)
    click.echo(f"Erased {person.id} in {person.app.slug}.", err=True)


@user.command(name="restore")
@click.argument("user")
@app_option
@with_installation
def restore_(context: Context, user: str, slug: str | None) -> None:
    """Restore a deleted user with the memberships of that time.

    USER is the id, userName or externalId of a deleted user. A user who was deprovisioned by being deactivated becomes
    active again. The command refuses when another user has the userName by now. The password does not come back.

    \b
    Examples: scimlite user restore ann@example.com --app entra-id
              scimlite user restore 2819c223-7f76-453a-919d-413861904646
    """
    from .deleted import restore

    restore(context, core.USER, slug, user)


@user.command(name="check-password")
@click.argument("user")
@app_option
@with_installation
def check_password(context: Context, user: str, slug: str | None) -> None:
    """Check a user's password as the application would.

    The command asks for the password and does not show it. Exits with 0 when the password lets the user in, else with
    1. An app with the feature passwords=drop keeps no passwords to check.

    \b
    Example: scimlite user check-password ann@example.com --app entra-id
    """
    # Imported here, because argon2 takes 20 ms that the other commands of `user` need not.
    from scimlite.directory import passwords

    person = the_one(context, core.USER, slug, user)
    app = person.app.slug
    if person.app.settings.passwords != "hash":
        raise click.ClickException(
            f"The app {app} keeps no passwords. To keep those that come from now on: "
            f"scimlite app edit {app} --feature passwords=hash"
        )
    password = click.prompt("Password", hide_input=True, err=True)
    if not passwords.verify(context.db, person.app, person.id, password):
        reason = "" if person.state == "active" else f": the user is {person.state}"
        raise click.ClickException(f"This password does not let {visible(person.name)} in{reason}.")
    click.echo(f"This password lets {visible(person.name)} in.", err=True)
