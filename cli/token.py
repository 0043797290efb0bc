"""`scimlite token`: issue, show, rotate and revoke bearer tokens."""

from __future__ import annotations

from typing import Any

import click

from scimlite import clock
from scimlite.admin import apps, people, tokens
from scimlite.admin.tokens import DEFAULT_LABEL, Token
from scimlite.apps import App
from scimlite.apps.keyring import Keyring
from scimlite.scim import core

from .choosing import the_one
from .context import Context
from .installation import with_installation
from .moments import DEADLINE, DURATION
from .output import entra_block, iso_time, json_option, local_time, print_json, print_table, visible


@click.group()
def token() -> None:
    """Issue, show, rotate and revoke the bearer tokens of an app.

    A token is never stored, only its signed id: with the secret key it can be shown again at any time. SLUG is the
    app's slug or exact name, LABEL the token's label; without LABEL it is the app's only active token, or the one
    that is called "default".

    \b
    Example: scimlite token show entra-id
    """


@token.command()
@click.argument("slug")
@click.option("--label", default=DEFAULT_LABEL, show_default=True, metavar="LABEL", help="What it is called.")
@click.option(
    "--expires",
    type=DEADLINE,
    metavar="WHEN",
    help="When it ends: 90d from now, or when 2027-01-31 begins.  [default: never]",
)
@click.option("--subject", metavar="USER", help="Only for /Me, which is this user: an id, userName or externalId.")
@json_option
@with_installation
def issue(context: Context, slug: str, label: str, expires: int | None, subject: str | None, as_json: bool) -> None:
    """Make another token for an app. Tokens that exist go on working.

    The token alone goes to stdout, what to paste into the identity provider to stderr.

    A token with a subject reads and writes one user, under /Me, and nothing else: not for an identity provider.

    \b
    Examples: scimlite token issue entra-id --label 2027 --expires 365d
              scimlite token issue entra-id --label ann --subject ann@example.com
    """
    app = apps.get(context.db, slug)
    made, text = tokens.issue(
        context.workspace(app),
        context.keyring,
        label=label,
        expires_at=expires,
        subject=_subject(context, app, subject) if subject is not None else None,
    )
    _print(context, app, made, text, as_json=as_json)


@token.command(name="list")
@click.argument("slug")
@json_option
@with_installation
def list_(context: Context, slug: str, as_json: bool) -> None:
    """List an app's tokens, and which secret key each one needs.

    A secret key can be dropped from SCIMLITE_SECRET_KEY once no active token needs it: rotate those that do.

    \b
    Example: scimlite token list entra-id
    """
    app = apps.get(context.db, slug)
    listed = tokens.every(context.db, app)
    keyring = context.keyring
    if as_json:
        print_json([_data(each, keyring) for each in listed])
        return
    at = clock.now()
    with_subjects = any(each.subject is not None for each in listed)
    print_table(
        ("Label", "State", *(["Subject"] if with_subjects else []), "Issued", "Expires", "Last used", "Secret key"),
        [
            (
                each.label,
                each.state(at),
                *([_named(context, app, each)] if with_subjects else []),
                local_time(each.issued_at, seconds=False),
                local_time(each.expires_at, seconds=False) or "never",
                local_time(each.last_used_at, seconds=False) or "never",
                _key(each, keyring) + (f" ({each.key_id})" if each.key_id != keyring.newest else ""),
            )
            for each in listed
        ],
        empty=f"{app.slug} has no token. Issue one: scimlite token issue {app.slug}",
    )


@token.command()
@click.argument("slug")
@click.argument("label", required=False)
@json_option
@with_installation
def show(context: Context, slug: str, label: str | None, as_json: bool) -> None:
    """Print a token again. That it was shown, and to whom, is in the report.

    The token alone goes to stdout, what to paste into the identity provider to stderr.

    \b
    Examples: scimlite token show entra-id
              scimlite token show entra-id 2027 2>/dev/null | xclip
    """
    app = apps.get(context.db, slug)
    found = _usable(app, tokens.get(context.db, app, label))
    text = tokens.show(context.workspace(app), context.keyring, found)
    _print(context, app, found, text, as_json=as_json)


@token.command()
@click.argument("slug")
@click.argument("label", required=False)
@click.option(
    "--overlap",
    type=DURATION,
    default="7d",
    show_default=True,
    metavar="TIME",
    help="How long the old one still works.",
)
@json_option
@with_installation
def rotate(context: Context, slug: str, label: str | None, overlap: int, as_json: bool) -> None:
    """Replace a token; the old one goes on working for a while.

    The new one has the old one's label, and is alone on stdout; what to paste into the identity provider goes to
    stderr. A token that expires gets a successor with the same length of life. With several secret keys the new
    token is signed with the newest.

    \b
    Examples: scimlite token rotate entra-id
              scimlite token rotate entra-id default --overlap 2h
    """
    app = apps.get(context.db, slug)
    old = _usable(app, tokens.get(context.db, app, label))
    made, text = tokens.rotate(context.workspace(app), context.keyring, old, overlap=overlap)
    retired = next(each for each in tokens.every(context.db, app) if each.id == old.id)
    if retired.state(clock.now()) == "active":
        told = f"The old token works until {local_time(retired.expires_at)}."
    else:
        told = "The old token has stopped working."
    _print(context, app, made, text, as_json=as_json, told=told)


@token.command()
@click.argument("slug")
@click.argument("label")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_installation
def revoke(context: Context, slug: str, label: str, yes: bool) -> None:
    """Stop a token at once, in every running service, for good.

    \b
    Example: scimlite token revoke entra-id 2026
    """
    app = apps.get(context.db, slug)
    found = tokens.get(context.db, app, label)
    if found.revoked_at is not None:
        click.echo(f"{_called(found)} was already revoked at {local_time(found.revoked_at)}.", err=True)
        return
    if not yes:
        used = local_time(found.last_used_at)
        click.echo(
            f"{_called(found)} of {app.slug} was {f'last used at {used}' if used else 'never used'}. Clients that "
            "have it are refused from now on. It cannot be undone.",
            err=True,
        )
        click.confirm("Revoke it?", abort=True, err=True)
    tokens.revoke(context.workspace(app), found)
    click.echo(f"{_called(found)} of {app.slug} is revoked.", err=True)


def _print(context: Context, app: App, made: Token, text: str, *, as_json: bool, told: str = "") -> None:
    """The token on stdout, everything about it on stderr."""
    url = context.scim_url(app.slug)
    if as_json:
        print_json({"app": app.slug, "base_url": url, "token": text, **_data(made, context.keyring)})
        return
    if made.subject is None:
        click.echo(entra_block(app.name, url, text, label=made.label), err=True)
    else:
        click.echo(f"\n  For {visible(_named(context, app, made))} alone, at {url}/Me\n", err=True)
    ends = f"It ends at {local_time(made.expires_at)}." if made.expires_at is not None else ""
    disabled = f"{app.slug} is disabled and refuses it: scimlite app enable {app.slug}" if not app.enabled else ""
    for line in (ends, told, disabled):
        if line:
            click.echo(f"  {line}", err=True)
    if ends or told or disabled:
        click.echo(err=True)
    click.echo(text)


def _usable(app: App, found: Token) -> Token:
    """The token, unless it has ended: nobody can use it any more."""
    state = found.state(clock.now())
    if state != "active":
        raise click.ClickException(
            f"{_called(found)} of {app.slug} is {state} and does not work any more. "
            f"Issue a new one: scimlite token issue {app.slug}"
        )
    return found


def _subject(context: Context, app: App, text: str) -> tuple[str, str]:
    """Id and userName of the living user of the app who goes by this name."""
    found = the_one(context, core.USER, app.slug, text)
    if found.deleted_at is not None:
        raise click.ClickException(f"{visible(found.name)} is deleted: no token can be issued for them.")
    return found.id, found.name


def _named(context: Context, app: App, found: Token) -> str:
    """Who a token is for, by userName; nothing when it is for no user."""
    if found.subject is None:
        return ""
    users = people.find(context.db, core.USER, [app], found.subject)
    user = next((each for each in users if each.id == found.subject), None)
    if user is None:
        return found.subject
    return f"{user.name} (deleted)" if user.deleted_at is not None else user.name


def _called(found: Token) -> str:
    return f"The token {visible(found.label)!r}"


def _key(found: Token, keyring: Keyring) -> str:
    """`newest`, `old` or `missing`: how the secret key that a token needs stands to those that are given."""
    if found.key_id == keyring.newest:
        return "newest"
    return "old" if found.key_id in keyring else "missing"


def _data(found: Token, keyring: Keyring) -> dict[str, Any]:
    return {
        "label": found.label,
        "state": found.state(clock.now()),
        "issued_at": iso_time(found.issued_at),
        "expires_at": iso_time(found.expires_at),
        "revoked_at": iso_time(found.revoked_at),
        "last_used_at": iso_time(found.last_used_at),
        "secret_key": found.key_id,
        "secret_key_is": _key(found, keyring),
        "subject": found.subject,
    }
