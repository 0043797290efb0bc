"""`scimlite token`: issue, show, rotate and revoke bearer tokens."""

from __future__ import annotations

import click

from scimlite import clock
from scimlite.admin import apps, tokens
from scimlite.admin.identity_providers import identity_provider
from scimlite.admin.tokens import DEFAULT_LABEL, Token
from scimlite.apps import App
from scimlite.apps.keyring import TokenKind
from scimlite.scim import core
from scimlite.visible_text import visible

from .kit.app_name import app_and_label, app_argument
from .kit.choosing import the_one
from .kit.columns import Column, Columns
from .kit.confirming import confirm
from .kit.context import Context, with_installation
from .kit.groups import Group
from .kit.idp import connection_block, idp_option
from .kit.options import Choice, dry_run_option, json_option, wide_option, yes_option
from .kit.output import print_json, print_json_lines
from .kit.times import DEADLINE, DURATION, iso_time, local_time, spoken_time


def _columns(context: Context, app: App) -> Columns[Token]:
    keyring = context.keyring
    return Columns(
        Column("app", value=lambda token: app.slug),
        Column("token_label", "Label", value=lambda token: token.label, old="label"),
        Column("state", "State", value=lambda token: token.state(clock.now())),
        Column(
            "issued_at",
            "Issued",
            value=lambda token: iso_time(token.issued_at),
            shown=lambda token: local_time(token.issued_at, seconds=False),
            rank=2,
        ),
        Column(
            "expires_at",
            "Expires",
            value=lambda token: iso_time(token.expires_at),
            shown=lambda token: local_time(token.expires_at, seconds=False) or "never",
        ),
        Column(
            "kind",
            "Kind",
            value=lambda token: token.kind,
            shown=lambda token: "" if token.kind == TokenKind.SCIM else token.kind,
            rank=4,
        ),
        Column("revoked_at", value=lambda token: iso_time(token.revoked_at)),
        Column(
            "last_used_at",
            "Last used",
            value=lambda token: iso_time(token.last_used_at),
            shown=lambda token: local_time(token.last_used_at, seconds=False) or "never",
        ),
        Column("secret_key", value=lambda token: token.key_id),
        Column(
            "secret_key_is",
            "Secret key",
            value=lambda token: tokens.key_state(token, keyring),
            shown=lambda token: (
                tokens.key_state(token, keyring) + (f" ({token.key_id})" if token.key_id != keyring.newest else "")
            ),
            rank=1,
        ),
        Column(
            "subject",
            "Subject",
            value=lambda token: token.subject,
            shown=lambda token: tokens.subject_name(context.db, app, token),
            rank=3,
        ),
        table=("Label", "State", "Kind", "Subject", "Issued", "Expires", "Last used", "Secret key"),
    )


@click.group(cls=Group)
def token() -> None:
    """Issue, show, rotate and revoke the bearer tokens of an app.

    A token is never stored, only its signed id: with the secret key it can be shown again at any time. SLUG is the
    app's slug or name, LABEL the token's label; without LABEL it is the app's only active token, or the one that is
    called "default".

    \b
    Example: scimlite token show entra-id
    """


@token.command()
@app_argument
@click.option("--label", metavar="LABEL", help="What it is called.  [default: default, or reader]")
@click.option(
    "--kind",
    type=Choice([str(kind) for kind in TokenKind]),
    default=str(TokenKind.SCIM),
    show_default=True,
    help="Whose it is: an identity provider's, or the application's, which reads profiles and events.",
)
@click.option(
    "--expires",
    type=DEADLINE,
    metavar="WHEN",
    help="When it ends: 90d from now, or when 2027-01-31 begins.  [default: never]",
)
@click.option("--subject", metavar="USER", help="Only for /Me, which is this user: an id, userName or externalId.")
@idp_option
@json_option
@with_installation
def issue(
    context: Context,
    slug: str,
    label: str | None,
    kind: str,
    expires: int | None,
    subject: str | None,
    idp: str | None,
    as_json: bool,
) -> None:
    """Make another token for an app. Tokens that exist go on working.

    The token alone goes to stdout, what to paste into the identity provider to stderr.

    A token with a subject reads and writes one user, under /Me, and nothing else. An identity provider needs a token
    without a subject. A reader's token is for your application: it reads profiles and events, and is refused at the
    SCIM endpoint.

    \b
    Examples: scimlite token issue entra-id --label 2027 --expires 365d
              scimlite token issue entra-id --kind reader
              scimlite token issue entra-id --label ann --subject ann@example.com
    """
    chosen = TokenKind.named(kind)
    if subject is not None and chosen is not TokenKind.SCIM:
        raise click.UsageError("--subject is for tokens of the kind scim: a reader's token is for no user.")
    app = apps.get(context.db, slug)
    made, text = tokens.issue(
        context.workspace(app),
        context.keyring,
        label=label or (DEFAULT_LABEL if chosen is TokenKind.SCIM else str(chosen)),
        expires_at=expires,
        subject=_subject(context, app, subject) if subject is not None else None,
        kind=chosen,
    )
    _print(context, app, made, text, idp=idp, as_json=as_json)


@token.command(name="list")
@app_argument
@json_option
@wide_option
@with_installation
def list_(context: Context, slug: str, as_json: bool) -> None:
    """List an app's tokens, and which secret key each one needs.

    A secret key can be dropped from SCIMLITE_SECRET_KEY once no active token needs it: rotate those that do.

    \b
    Example: scimlite token list entra-id
    """
    app = apps.get(context.db, slug)
    listed = tokens.every(context.db, app)
    columns = _columns(context, app)
    if as_json:
        print_json_lines(map(columns.data, listed))
        return
    columns.print_table(
        listed,
        empty=f"{app.slug} has no token. Issue one: scimlite token issue {app.slug}",
        hidden_when_empty=["Kind", "Subject"],
    )


@token.command()
@idp_option
@json_option
@with_installation
@app_and_label
def show(context: Context, slug: str, label: str | None, idp: str | None, as_json: bool) -> None:
    """Print a token again. That it was shown, and to whom, is in the report.

    The token alone goes to stdout, what to paste into the identity provider to stderr.

    \b
    Examples: scimlite token show entra-id
              scimlite token show entra-id 2027 2>/dev/null | xclip
    """
    app = apps.get(context.db, slug)
    shown = tokens.usable(app, tokens.get(context.db, app, label))
    text = tokens.show(context.workspace(app), context.keyring, shown)
    _print(context, app, shown, text, idp=idp, as_json=as_json)


@token.command()
@click.option(
    "--overlap",
    type=DURATION,
    default="7d",
    show_default=True,
    metavar="TIME",
    help="How long the old one still works.",
)
@idp_option
@json_option
@with_installation
@app_and_label
def rotate(context: Context, slug: str, label: str | None, overlap: int, idp: str | None, as_json: bool) -> None:
    """Replace a token; the old one goes on working for a while.

    The new one has the old one's label, and is alone on stdout; what to paste into the identity provider goes to
    stderr. A token that expires gets a successor with the same length of life. With several secret keys the new
    token is signed with the newest.

    \b
    Examples: scimlite token rotate entra-id
              scimlite token rotate entra-id default --overlap 2h
    """
    app = apps.get(context.db, slug)
    old = tokens.usable(app, tokens.get(context.db, app, label))
    made, text = tokens.rotate(context.workspace(app), context.keyring, old, overlap=overlap)
    retired = next(token for token in tokens.every(context.db, app) if token.id == old.id)
    if retired.state(clock.now()) == "active":
        lead = f"Paste the new token; the old one works until {spoken_time(retired.expires_at)}."
    else:
        lead = "Paste the new token; the old one has stopped working."
    _print(context, app, made, text, idp=idp, as_json=as_json, lead=lead)


@token.command()
@yes_option
@dry_run_option
@with_installation
@app_and_label
def revoke(context: Context, slug: str, label: str | None, yes: bool, dry_run: bool) -> None:
    """Stop a token at once, in every running service, for good.

    \b
    Example: scimlite token revoke entra-id 2026
    """
    if label is None:
        raise click.UsageError("Name the token: its LABEL, which `scimlite token list` shows.")
    app = apps.get(context.db, slug)
    revoked = tokens.get(context.db, app, label)
    name = f"The token {visible(revoked.label)!r}"
    if revoked.revoked_at is not None:
        click.echo(f"{name} was already revoked at {spoken_time(revoked.revoked_at)}.", err=True)
        return
    used_at = spoken_time(revoked.last_used_at)
    use = f"{name} of {app.slug} was {f'last used at {used_at}' if used_at else 'never used'}."
    if dry_run:
        click.echo(f"{use} It would be revoked: clients that have it would be refused.")
        return
    if not yes:
        click.echo(f"{use} Clients that have it are refused from now on. It cannot be undone.", err=True)
    confirm("Revoke it?", yes=yes)
    tokens.revoke(context.workspace(app), revoked)
    click.echo(f"{name} of {app.slug} is revoked.", err=True)


def _print(
    context: Context, app: App, made: Token, text: str, *, idp: str | None, as_json: bool, lead: str = ""
) -> None:
    """Print the token to stdout and everything about it to stderr; `lead` says what is to be done with it."""
    url = context.scim_url(app.slug)
    if as_json:
        base = context.api_url(app.slug) if made.kind == TokenKind.READER else url
        print_json({"app": app.slug, "base_url": base, "token": text, **_columns(context, app).data(made)})
        return
    if made.kind == TokenKind.READER:
        click.echo(f"\n  For your application, at {context.api_url(app.slug)}{context.server.remark}\n", err=True)
        if lead:
            click.echo(f"  {lead}", err=True)
    elif made.subject is None:
        provider, address = identity_provider(idp, app.profile, app.name, app.slug), context.scim_address(app.slug)
        block = connection_block(provider, app.name, app.slug, address, text, label=made.label, lead=lead)
        click.echo(block, err=True)
    else:
        user = visible(tokens.subject_name(context.db, app, made))
        click.echo(f"\n  For {user} alone, at {url}/Me{context.server.remark}\n", err=True)
        if lead:
            click.echo(f"  {lead}", err=True)
    ends = f"It ends at {spoken_time(made.expires_at)}." if made.expires_at is not None else ""
    disabled = f"{app.slug} is disabled and refuses it: scimlite app enable {app.slug}" if not app.enabled else ""
    remarks = [line for line in (ends, disabled) if line]
    for line in remarks:
        click.echo(f"  {line}", err=True)
    if remarks:
        click.echo(err=True)
    click.echo(text)


def _subject(context: Context, app: App, text: str) -> tuple[str, str]:
    """Return id and userName of the living user of the app who has this id, userName or externalId."""
    match = the_one(context, core.USER, app.slug, text)
    if match.deleted_at is not None:
        raise click.ClickException(f"{visible(match.name)} is deleted: no token can be issued for a deleted user.")
    return match.id, match.name
