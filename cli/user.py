"""`scimlite user`: list users, and show one with groups and history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from scimlite.admin import apps, erasure, people
from scimlite.admin.people import Found, Listing
from scimlite.apps import mapping
from scimlite.directory import passwords, profiles
from scimlite.journal import report
from scimlite.journal.selection import Selection
from scimlite.scim import core

from .choosing import app_option, chosen_apps, page_options, print_place, the_one
from .context import Context
from .deleted import print_deleted, restore
from .installation import with_installation
from .moments import MOMENT
from .output import (
    iso_time,
    json_option,
    local_time,
    print_csv,
    print_fields,
    print_heading,
    print_json,
    print_json_lines,
    print_table,
    visible,
)
from .report import as_data
from .wording import by, story, what

_RECENT = 10
#: What `--csv` and `--json` call the facts of a user in a list.
_FIELDS = (
    "app",
    "id",
    "user_name",
    "display_name",
    "email",
    "external_id",
    "state",
    "created_at",
    "modified_at",
)
#: Shown by themselves, not among the attributes.
_NOT_ATTRIBUTES = ("schemas", "id")


@click.group()
def user() -> None:
    """List users, show one with groups and history, and restore deleted ones.

    \b
    Example: scimlite user show ann@example.com
    """


@user.command(name="list")
@app_option
@click.option("--search", metavar="TEXT", help="Part of a userName, displayName or e-mail address, without case.")
@click.option(
    "--active/--disabled", "active", default=None, help="Only users who may, or may not, use the application."
)
@click.option("--deleted", is_flag=True, help="Deleted users, the newest first, and until when each is kept.")
@page_options
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV; all users unless --page or --deleted is given.")
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
        chosen = chosen_apps(context, slug)
        print_deleted(
            context, chosen, core.USER, search or None, page=page, per_page=per_page, as_json=as_json, as_csv=as_csv
        )
        return
    wanted = Listing(core.USER, chosen_apps(context, slug), search or None, active)
    if as_csv and page is None:
        print_csv(_FIELDS, (tuple(_data(each).values()) for each in people.walk(context.db, wanted)))
        return
    number = page or 1
    found = people.page(context.db, wanted, number=number, size=per_page)
    if as_csv:
        print_csv(_FIELDS, (tuple(_data(each).values()) for each in found.found))
    elif as_json:
        print_json(
            {"total": found.total, "page": number, "per_page": per_page, "users": [_data(each) for each in found.found]}
        )
    else:
        if found.found or not found.total:
            filtered = search or active is not None
            _print_list(
                found.found, one_app=len(wanted.apps) == 1, empty=f"No user{' matches' if filtered else ' yet'}."
            )
        print_place("user", number, per_page, len(found.found), found.total)


def _print_list(users: list[Found], *, one_app: bool, empty: str) -> None:
    """The table, without columns that say nothing new."""
    rows = [
        {
            "userName": each.name,
            "Name": each.display or "",
            "E-mail": "" if _email(each).lower() == each.name.lower() else _email(each),
            "State": each.state,
            "App": each.app.slug,
            "Changed": local_time(each.modified_at, seconds=False),
        }
        for each in users
    ]
    optional = {"Name", "E-mail"}
    columns = [
        name
        for name in ("userName", "Name", "E-mail", "State", "App", "Changed")
        if not (name in optional and not any(row[name] for row in rows)) and not (name == "App" and one_app)
    ]
    print_table(columns, [[row[name] for name in columns] for row in rows], empty=empty)


@user.command()
@click.argument("user")
@app_option
@json_option
@with_installation
def show(context: Context, user: str, slug: str | None, as_json: bool) -> None:
    """Show a user: attributes, groups, state, and what last happened.

    USER is an id, a userName (without case) or an externalId. When nobody goes by it now, users who went by it
    before and deleted ones are looked for.

    \b
    Examples: scimlite user show ann@example.com
              scimlite user show ann@example.com --app entra-id --json
    """
    found = the_one(context, core.USER, slug, user)
    groups = people.groups_of(context.db, found)
    history = report.read(context.db, Selection(user=found.id, app_id=found.app.id), limit=_RECENT)
    if as_json:
        print_json(
            {
                **_data(found),
                "deleted_at": iso_time(found.deleted_at),
                "version": found.version,
                "attributes": {name: value for name, value in found.attributes.items() if name not in _NOT_ATTRIBUTES},
                "groups": [{"id": each.id, "name": each.display, "membership": each.kind} for each in groups],
                "history": [as_data(each) for each in history],
            }
        )
        return
    click.echo(click.style(visible(found.name), bold=True))
    print_fields(
        [
            ("State", found.state),
            ("App", found.app.slug),
            ("Id", found.id),
            ("Created", local_time(found.created_at)),
            ("Changed", f"{local_time(found.modified_at)}, version {found.version}"),
            ("Deleted", local_time(found.deleted_at)),
        ]
    )
    print_heading("Attributes")
    print_fields(list(_flat(found.attributes)))
    print_heading("Groups")
    print_table(
        ("Group", "Membership", "Id"), [(each.display, each.kind, each.id) for each in groups], empty="In no group."
    )
    print_heading(f"Last {_RECENT} entries of the report" if len(history) == _RECENT else "History")
    print_table(
        ("Time", "Action", "Outcome", "What", "By"),
        [(local_time(each.at), each.action, each.outcome, what(each), by(each)) for each in history],
        empty="Nothing is known.",
    )


@user.command()
@click.option("--app", "slug", metavar="SLUG", required=True, help="The app.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV; names of groups stand in one column.")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="Print one JSON object a line; this is the default.")
@with_installation
def export(context: Context, slug: str, as_csv: bool, as_jsonl: bool) -> None:
    """Print the profiles of all users of an app, as its attribute mapping makes them.

    `scimlite mapping show` says what stands in them. Deleted users are left out.

    \b
    Examples: scimlite user export --app entra-id --csv > users.csv
              scimlite user export --app entra-id --jsonl
    """
    if as_csv and as_jsonl:
        raise click.UsageError("Give --csv or --jsonl, not both.")
    found = apps.get(context.db, slug)
    exported = profiles.walk(context.workspace(found), found.resource_types[core.USER.endpoint])
    if not as_csv:
        print_json_lines({"id": each.id, "profile": each.values} for each in exported)
        return
    targets = [row.target for row in mapping.from_json(found.mapping).user]
    print_csv(("id", *targets), ((each.id, *map(_cell, each.values.values())) for each in exported))


def _cell(value: Any) -> str:
    """A profile's value in CSV: names of groups are parted by semicolons."""
    if isinstance(value, list):
        return ";".join(map(_text, value))
    return "" if value is None else _text(value)


@user.command()
@click.argument("user")
@app_option
@click.option("--since", type=MOMENT, metavar="TIME", help="Only from then on: 2h, 7d, yesterday, 2026-11-01.")
@json_option
@with_installation
def history(context: Context, user: str, slug: str | None, since: int | None, as_json: bool) -> None:
    """Tell a user's life: who did what, when, from what to what.

    USER is an id, an externalId, or any userName the person ever had; also of somebody who is deleted or purged. Of
    who was erased is told that something was, by the id.

    \b
    Examples: scimlite user history ann@example.com
              scimlite user history ann@example.com --since 30d --json
    """
    chosen = None if slug is None else apps.get(context.db, slug).id
    selection = Selection(user=user, app_id=chosen, since=since)
    if as_json:
        print_json_lines(as_data(each) for each in report.iterate(context.db, selection))
        return
    told, last = False, ("", "")
    for each in report.iterate(context.db, selection):
        subject = (each.app or "", each.user or each.user_id or user)
        if subject != last:
            click.echo(("\n" if told else "") + click.style(f"{visible(subject[1])} in {subject[0]}", bold=True))
        told, last = True, subject
        click.echo(f"{local_time(each.at)}  {story(each)}  [{by(each)}]")
    if not told:
        raise click.ClickException(f"Nothing is known of {user!r}" + (" since then." if since is not None else "."))


@user.command()
@click.argument("user")
@app_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_installation
def erase(context: Context, user: str, slug: str | None, yes: bool) -> None:
    """Remove a person for good: it cannot be undone.

    The stored user or tombstone goes, with memberships, password and kept requests, and from the report the names and
    values; it keeps what was done and when, under the id alone, and that the person was erased. What other users say
    of the person, such as a manager's name, is theirs and stays. The identity provider may create the user again.

    \b
    Example: scimlite user erase ann@example.com --app entra-id
    """
    found = the_one(context, core.USER, slug, user)
    if not yes:
        there = erasure.traces(context.workspace(found.app), found.id, found.name)
        click.echo(
            f"This erases {visible(found.name)} ({found.id}, {found.state}) in {found.app.slug}: the stored user, "
            f"{there.memberships:,} memberships, {there.requests:,} kept requests, and names and values in "
            f"{there.entries:,} entries of the report. It cannot be undone.",
            err=True,
        )
        click.confirm("Erase?", abort=True, err=True)
    erasure.erase(context.workspace(found.app), found.id, found.name)
    click.echo(f"Erased {found.id} in {found.app.slug}.", err=True)


@user.command(name="restore")
@click.argument("user")
@app_option
@with_installation
def restore_(context: Context, user: str, slug: str | None) -> None:
    """Give back a deleted user, with memberships.

    USER is an id, or the userName or externalId of somebody who is gone. The user is as before the end: who was
    deprovisioned by being deactivated is active again. Refused when somebody else has the userName by now. A password
    does not come back.

    \b
    Examples: scimlite user restore ann@example.com --app entra-id
              scimlite user restore 2819c223-7f76-453a-919d-413861904646
    """
    restore(context, core.USER, slug, user)


@user.command(name="check-password")
@click.argument("user")
@app_option
@with_installation
def check_password(context: Context, user: str, slug: str | None) -> None:
    """Try a password as the application would; it is asked for and not shown.

    Exits with 0 when it lets the user in, else with 1. There is none to try while the app drops passwords
    (feature passwords).

    \b
    Example: scimlite user check-password ann@example.com --app entra-id
    """
    found = the_one(context, core.USER, slug, user)
    app = found.app.slug
    if found.app.settings.passwords != "hash":
        raise click.ClickException(
            f"{app} drops passwords. From now on to keep them: scimlite app edit {app} --feature passwords=hash"
        )
    password = click.prompt("Password", hide_input=True, err=True)
    if not passwords.verify(context.db, found.app, found.id, password):
        why = "" if found.state == "active" else f", who is {found.state}"
        raise click.ClickException(f"It does not let {visible(found.name)} in{why}.")
    click.echo(f"It lets {visible(found.name)} in.", err=True)


def _data(found: Found) -> dict[str, Any]:
    attributes = found.attributes
    values = (
        found.app.slug,
        found.id,
        found.name,
        found.display,
        _email(found) or None,
        attributes.get("externalId"),
        found.state,
        iso_time(found.created_at),
        iso_time(found.modified_at),
    )
    return dict(zip(_FIELDS, values, strict=True))


def _email(found: Found) -> str:
    """The preferred e-mail address, else the first."""
    listed = [each for each in found.attributes.get("emails", []) if each.get("value")]
    preferred = [each for each in listed if each.get("primary")] or listed
    return str(preferred[0]["value"]) if preferred else ""


def _flat(attributes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Attributes one a line: `name.givenName`, `emails`, `department` of an extension."""
    for name, value in attributes.items():
        if name in _NOT_ATTRIBUTES:
            continue
        if name == core.ENTERPRISE_URN:
            yield from _flat(value)
        elif isinstance(value, dict):
            yield from ((f"{name}.{inner}", text) for inner, text in _flat(value))
        elif isinstance(value, list):
            yield from ((name, _item(each)) for each in value)
        else:
            yield name, _text(value)


def _item(value: Any) -> str:
    """One value of several: `ann@example.com (work, primary)`."""
    if not isinstance(value, dict):
        return _text(value)
    marks = [_text(value["type"])] if value.get("type") else []
    marks += ["primary"] if value.get("primary") else []
    main = value.get("value") or value.get("formatted")
    if main is None:
        main = ", ".join(_text(each) for key, each in value.items() if key not in ("type", "primary"))
    return f"{_text(main)} ({', '.join(marks)})" if marks else _text(main)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
