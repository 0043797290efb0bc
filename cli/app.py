"""`scimlite app`: make, show, change and remove apps."""

from __future__ import annotations

from dataclasses import Field, asdict, fields
from typing import Any

import click

from scimlite import clock
from scimlite.admin import apps, people, tokens
from scimlite.admin.apps import Contents
from scimlite.admin.people import Contact
from scimlite.admin.tokens import Token
from scimlite.apps import App
from scimlite.apps.features import AppSettings, FeatureError
from scimlite.directory import brakes
from scimlite.journal import Action, report
from scimlite.journal.report import Record
from scimlite.journal.selection import Selection

from . import brake
from .connection_test import connection_test
from .context import Context
from .installation import with_installation
from .output import (
    entra_block,
    iso_time,
    json_option,
    local_time,
    print_fields,
    print_heading,
    print_json,
    print_table,
    visible,
)


class _Feature(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of Click
    """`name=value` of a feature that exists, with a value it takes."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        feature, equals, chosen = (part.strip() for part in value.partition("="))
        if not equals:
            self.fail(f"{value!r} has no value: write name=value, such as patch-answer=body.", param, ctx)
        try:
            AppSettings().with_feature(feature, chosen)
        except FeatureError as error:
            self.fail(str(error), param, ctx)
        return feature, chosen


@click.group()
def app() -> None:
    """Add, change and remove apps: connections from identity providers.

    An app has a SCIM base URL and tokens of its own. Its users and groups are seen by no other app. Commands take
    an app's slug, or its exact name.

    \b
    Example: scimlite app create "Entra ID"
    """


@app.command()
@click.argument("name")
@click.option(
    "--slug", metavar="SLUG", help="What stands in the base URL: 1 to 63 of a-z, 0-9 and -.  [made from NAME]"
)
@json_option
@with_installation
def create(context: Context, name: str, slug: str | None, as_json: bool) -> None:
    """Make an app with a token; print what the identity provider needs.

    That is the SCIM base URL and the bearer token, which Entra ID calls Tenant URL and Secret Token.

    \b
    Examples: scimlite app create "Entra ID"
              scimlite app create "Okta, test tenant" --slug okta-test --json
    """
    # Before anything is made: keys that do not fit this database are refused.
    keyring = context.keyring
    made = apps.create(context.scope, name, slug)
    token, text = tokens.issue(context.workspace(made), keyring)
    url = context.scim_url(made.slug)
    if as_json:
        print_json({**_summary(context, made), "token": text, "token_label": token.label})
    else:
        click.echo(entra_block(made.name, url, text))
    if not url.startswith("https:"):
        click.echo(
            "Entra ID asks for https and an address that it can reach: put the service behind a TLS proxy,\n"
            "and set SCIMLITE_BASE_URL to the proxy's address.",
            err=True,
        )


@app.command(name="list")
@json_option
@with_installation
def list_(context: Context, as_json: bool) -> None:
    """List the apps with their users, groups and last contact.

    \b
    Example: scimlite app list
    """
    every = apps.every(context.db)
    held = [apps.contents(context.db, each) for each in every]
    contacts = [people.contact(context.db, each) for each in every]
    if as_json:
        print_json(
            [
                {**_summary(context, each), **asdict(contents), **_contact(contact)}
                for each, contents, contact in zip(every, held, contacts, strict=True)
            ]
        )
        return
    print_table(
        ("App", "Name", "State", "Users", "Groups", "Last contact"),
        [
            (
                each.slug,
                each.name,
                _state(each),
                _users(contents),
                f"{contents.groups:,}",
                local_time(contact.last) or "never",
            )
            for each, contents, contact in zip(every, held, contacts, strict=True)
        ],
        empty='There is no app yet. Make one: scimlite app create "Entra ID"',
    )


@app.command()
@click.argument("slug")
@json_option
@with_installation
def show(context: Context, slug: str, as_json: bool) -> None:
    """Show an app: base URL, contents, tokens and features.

    \b
    Example: scimlite app show entra-id
    """
    found = apps.get(context.db, slug)
    contents = apps.contents(context.db, found)
    contact = people.contact(context.db, found)
    refusal = _latest_refusal(context, found, contact)
    listed = tokens.every(context.db, found)
    braking = brakes.every(context.db, found)
    if as_json:
        print_json(
            {
                **_summary(context, found),
                **asdict(contents),
                "brakes": [brake.as_data(each) for each in braking],
                **_contact(contact),
                "last_refusal": refusal and {"at": iso_time(refusal.at), "detail": refusal.detail},
                "features": {_written(name): value for name, value in found.settings.spelled().items()},
                "tokens": [_token(token) for token in listed],
            }
        )
        return
    click.echo(click.style(visible(found.name), bold=True))
    print_fields(
        [
            ("Slug", found.slug),
            ("State", _state(found)),
            ("SCIM base URL", context.scim_url(found.slug)),
            ("Created", local_time(found.created_at)),
            ("Users", _users(contents)),
            ("Groups", f"{contents.groups:,}"),
            ("Other resources", f"{contents.others:,}" if contents.others else ""),
            ("Memberships", f"{contents.memberships:,}"),
            ("First contact", local_time(contact.first) or "never"),
            ("Last contact", local_time(contact.last) or "never"),
            ("Refused since", f"{local_time(refusal.at)}, {refusal.detail}" if refusal else ""),
            *((f"Brake, {each.kind}", brake.told(found, each)) for each in braking),
        ]
    )
    print_heading("Tokens")
    at = clock.now()
    print_table(
        ("Label", "State", "Issued", "Expires", "Last used"),
        [
            (
                token.label,
                token.state(at),
                local_time(token.issued_at),
                local_time(token.expires_at) or "never",
                local_time(token.last_used_at) or "never",
            )
            for token in listed
        ],
        empty=f"None. Issue one: scimlite token issue {found.slug}",
    )
    print_heading(f"Features (change one: scimlite app edit {found.slug} --feature name=value)")
    print_table(
        ("Feature", "Value", "Choices", "Meaning"),
        [
            (
                _written(each.name),
                found.settings.spelled()[each.name],
                _choices(each),
                each.metadata.get("help", ""),
            )
            for each in fields(AppSettings)
        ],
        empty="None.",
    )


@app.command()
@click.argument("slug")
@click.option("--name", metavar="NAME", help="A new name; slug and base URL stay.")
@click.option(
    "--feature", "features", multiple=True, type=_Feature(), help="Set a feature; can be given several times."
)
@with_installation
def edit(context: Context, slug: str, name: str | None, features: tuple[tuple[str, str], ...]) -> None:
    """Rename an app or set its features.

    `scimlite app show` says which features there are and what they do. Either everything that is asked for is
    done, or nothing. Running services follow at once.

    \b
    Examples: scimlite app edit entra-id --feature patch-answer=body
              scimlite app edit entra-id --name "Entra ID, production"
    """
    if name is None and not features:
        raise click.UsageError("Nothing to change: give --name or --feature.")
    before = apps.get(context.db, slug)
    edited = apps.edit(context.scope, before.slug, name=name, features=dict(features))
    old, new = ({"name": each.name, **each.settings.spelled()} for each in (before, edited))
    changed = [f"{_written(key)}: {old[key]} -> {new[key]}" for key in new if old[key] != new[key]]
    click.echo("\n".join(map(visible, changed)) or f"{edited.slug} is like that already.", err=True)


@app.command()
@click.argument("slug")
@with_installation
def enable(context: Context, slug: str) -> None:
    """Let a disabled app's tokens work again.

    \b
    Example: scimlite app enable entra-id
    """
    _switch(context, slug, on=True)


@app.command()
@click.argument("slug")
@with_installation
def disable(context: Context, slug: str) -> None:
    """Refuse all of an app's tokens at once; nothing is removed.

    Every running service follows. Entra ID takes the refusals for a wrong token and puts its job in quarantine
    after a while.

    \b
    Example: scimlite app disable entra-id
    """
    _switch(context, slug, on=False)


@app.command()
@click.argument("slug")
@with_installation
def release(context: Context, slug: str) -> None:
    """Release an app's brakes; they count from zero again.

    A brake trips when an app disables or deletes too many users, or takes too many out of groups, within a while
    (features brake-users, brake-percent, brake-window and brake-members). Look first what happened, with
    `scimlite report`.

    \b
    Example: scimlite app release entra-id
    """
    found = apps.get(context.db, slug)
    held = brakes.release(context.scope, found.slug)
    said = f"Released: {' and '.join(held)}." if held else "Nothing was held."
    click.echo(f"{said} The brakes of {found.slug} count from zero.", err=True)


@app.command()
@click.argument("slug")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_installation
def delete(context: Context, slug: str, yes: bool) -> None:
    """Remove an app with its users, groups and tokens, for good.

    What happened in it stays in the report.

    \b
    Example: scimlite app delete okta-test
    """
    found = apps.get(context.db, slug)
    if not yes:
        held = apps.contents(context.db, found)
        others = f"{_count(held.others, 'other resource')}, " if held.others else ""
        active = sum(token.state(clock.now()) == "active" for token in tokens.every(context.db, found))
        click.echo(
            f"This removes the app {visible(found.name)} ({found.slug}) with {_count(held.users, 'user')}, "
            f"{_count(held.groups, 'group')}, {others}{_count(held.memberships, 'membership')} and "
            f"{_count(active, 'active token')}. It cannot be undone.",
            err=True,
        )
        click.confirm("Remove it?", abort=True, err=True)
    deleted = apps.delete(context.scope, found.slug)
    click.echo(f"Removed {deleted.slug}.", err=True)


app.add_command(connection_test, "test")


def _switch(context: Context, slug: str, *, on: bool) -> None:
    before = apps.get(context.db, slug)
    after = apps.set_enabled(context.scope, before.slug, enabled=on)
    click.echo(f"{after.slug} {'was already' if before.enabled == on else 'is now'} {_state(after)}.", err=True)


def _summary(context: Context, app: App) -> dict[str, Any]:
    return {
        "slug": app.slug,
        "name": app.name,
        "enabled": app.enabled,
        "base_url": context.scim_url(app.slug),
        "created_at": iso_time(app.created_at),
    }


def _contact(contact: Contact) -> dict[str, Any]:
    return {"first_contact": iso_time(contact.first), "last_contact": iso_time(contact.last)}


def _token(token: Token) -> dict[str, Any]:
    return {
        "label": token.label,
        "state": token.state(clock.now()),
        "issued_at": iso_time(token.issued_at),
        "expires_at": iso_time(token.expires_at),
        "last_used_at": iso_time(token.last_used_at),
    }


def _latest_refusal(context: Context, app: App, contact: Contact) -> Record | None:
    """The newest refusal of one of the app's tokens, when nothing was let in after it."""
    selection = Selection(app_id=app.id, action=Action.AUTHENTICATED.value, since=contact.last)
    found = report.read(context.db, selection, limit=1)
    return found[0] if found else None


def _state(app: App) -> str:
    return "enabled" if app.enabled else "disabled"


def _users(contents: Contents) -> str:
    disabled = f" ({contents.disabled_users:,} disabled)" if contents.disabled_users else ""
    return f"{contents.users:,}{disabled}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _written(feature: str) -> str:
    """A feature as operators write it."""
    return feature.replace("_", "-")


def _choices(feature: Field[Any]) -> str:
    choices, default = feature.metadata["choices"], feature.metadata["default"]
    if not choices:
        return f"{feature.metadata['takes']} (default {default})"
    return ", ".join(f"{each} (default)" if each == default else each for each in choices)
