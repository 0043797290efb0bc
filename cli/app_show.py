"""`scimlite app list` and `scimlite app show`: the facts of an app, as data and as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

import click

from scimlite import clock
from scimlite.admin.contact import Contact
from scimlite.admin.contents import Contents
from scimlite.admin.health import Health
from scimlite.admin.overview import Details, Overview
from scimlite.admin.tokens import Token
from scimlite.apps import App, app_profile, refused_tokens
from scimlite.apps.features import AppSettings
from scimlite.scim.leniency import Leniency
from scimlite.visible_text import visible

from .brake import BRAKES, brake_text
from .kit.columns import Column, Columns
from .kit.context import Context
from .kit.layout import Layout
from .kit.output import print_fields, print_heading, print_json_lines, print_table, print_title
from .kit.times import iso_time, local_time

_CONTENTS = Columns[Contents](
    Column("users", value=lambda contents: contents.users),
    Column("disabled_users", value=lambda contents: contents.disabled_users),
    Column("groups", value=lambda contents: contents.groups),
    Column("others", value=lambda contents: contents.others),
    Column("memberships", value=lambda contents: contents.memberships),
)
_CONTACT = Columns[Contact](
    Column("first_contact_at", value=lambda contact: iso_time(contact.first), old="first_contact"),
    Column("last_contact_at", value=lambda contact: iso_time(contact.last), old="last_contact"),
)
_OVERVIEW = Columns[Overview](
    Column(heading="App", shown=lambda item: item.app.slug),
    Column(heading="Name", shown=lambda item: item.app.name, rank=3),
    Column(heading="State", shown=lambda item: item.health.label),
    Column(heading="Users", shown=lambda item: _users(item.contents), rank=1),
    Column(heading="Groups", shown=lambda item: f"{item.contents.groups:,}", rank=2),
    Column(heading="Last contact", shown=lambda item: local_time(item.health.contact.last) or "never"),
)
_TOKENS = Columns[Token](
    Column("token_label", "Label", value=lambda token: token.label, old="label"),
    Column("state", "State", value=lambda token: token.state(clock.now())),
    Column(
        "issued_at",
        "Issued",
        value=lambda token: iso_time(token.issued_at),
        shown=lambda token: local_time(token.issued_at, seconds=False),
        rank=1,
    ),
    Column(
        "expires_at",
        "Expires",
        value=lambda token: iso_time(token.expires_at),
        shown=lambda token: local_time(token.expires_at, seconds=False) or "never",
    ),
    Column(
        "last_used_at",
        "Last used",
        value=lambda token: iso_time(token.last_used_at),
        shown=lambda token: local_time(token.last_used_at, seconds=False) or "never",
    ),
)


_DEFAULTS = {name.replace("_", "-"): value for name, value in AppSettings().spelled().items()}
#: Tokens that `scimlite app show` lists, so that it fits a screen of 24 lines.
_MOST_TOKENS = 2


def summary(context: Context, app: App) -> dict[str, Any]:
    """Return the facts of an app itself as JSON data."""
    return {
        "app": app.slug,
        "name": app.name,
        "state": state(app),
        "profile": app.profile,
        "base_url": context.scim_url(app.slug),
        "listening": context.server.listening,
        "created_at": iso_time(app.created_at),
        # Older keys of `app` and `state`, for one more release.
        "slug": app.slug,
        "enabled": app.enabled,
    }


def state(app: App) -> str:
    """Return `enabled` or `disabled`."""
    return "enabled" if app.enabled else "disabled"


def _health_data(health: Health) -> dict[str, Any]:
    """Return the state of the connection as JSON data; `state` tells only whether the app is enabled."""
    return {"health": health.state.value, **_CONTACT.data(health.contact)}


def feature_name(field: str) -> str:
    """Return the name of a feature as operators write it, with hyphens."""
    return field.replace("_", "-")


def print_overview(context: Context, listed: list[Overview], *, as_json: bool) -> None:
    """Print a list of apps."""
    if as_json:
        print_json_lines(
            {**summary(context, item.app), **_CONTENTS.data(item.contents), **_health_data(item.health)}
            for item in listed
        )
        return
    _OVERVIEW.print_table(listed, empty='There is no app yet. Make one: scimlite app create "Entra ID"')


def details_data(context: Context, details: Details) -> dict[str, Any]:
    """Return one app with everything about its connection, as JSON data."""
    refusal = details.last_refusal
    return {
        **summary(context, details.app),
        **_CONTENTS.data(details.contents),
        "brakes": [BRAKES.data(brake) for brake in details.brakes],
        **_health_data(details.health),
        "last_refusal": refusal and {"at": iso_time(refusal.at), "detail": refusal.detail},
        "profile_differs": app_profile.differences(details.app.profile, details.app.settings),
        "features": {feature_name(name): value for name, value in details.app.settings.spelled().items()},
        "tokens": [_TOKENS.data(token) for token in details.tokens],
        "leniencies_this_week": details.leniencies,
        "refused_tokens_this_week": details.refused_tokens,
        "turned_away_this_week": details.turned_away,
        "refused_addresses_this_week": details.refused_addresses,
    }


def print_details(context: Context, details: Details, *, whole: bool = False) -> None:
    """Print one app so that it fits a screen: each fact has a line, and of the tokens the newest are listed.

    In: `whole`, to print long facts on several lines, all tokens, and each count of the week by itself.
    """
    app = details.app
    print_title(app.name)
    print_fields(_facts(context, details), short=not whole)
    # Those that still work first, and of them those that were used or made last.
    now = clock.now()
    tokens = sorted(
        details.tokens,
        key=lambda token: (token.state(now) == "active", max(token.last_used_at or 0, token.issued_at)),
        reverse=True,
    )
    print_heading("Tokens")
    most = len(tokens) if whole else _MOST_TOKENS
    _TOKENS.print_table(tokens[:most], empty=f"None. Issue one: scimlite token issue {app.slug}")
    if whole:
        _print_counts(details)
        return
    more = f"and {len(tokens) - most} more; " if len(tokens) > most else ""
    click.echo(f"{more}all in full: scimlite app show {app.slug} --all")


def _facts(context: Context, details: Details) -> list[tuple[str, str]]:
    """The facts of an app with their labels; an empty one is not printed."""
    app, contents, refusal = details.app, details.contents, details.last_refusal
    address = context.scim_address(app.slug)
    turned_away, refused = details.turned_away, details.refused_tokens
    return [
        ("Slug", app.slug),
        ("State", f"{details.health.label}: {details.health.state.words}"),
        ("SCIM base URL", f"{address.url}{address.remark}"),
        ("Profile", profile_text(app)),
        ("Features", _features_text(app)),
        ("Created", local_time(app.created_at)),
        ("Users", _users(contents)),
        ("Groups", f"{contents.groups:,} with {_count(contents.memberships, 'membership')}"),
        ("Other resources", f"{contents.others:,}" if contents.others else ""),
        ("First contact", local_time(details.health.contact.first) or "never"),
        ("Last contact", local_time(details.health.contact.last) or "never"),
        ("Refused since", f"{local_time(refusal.at)}, {refusal.detail}" if refusal else ""),
        ("Too many at once", f"{_count(turned_away, 'request')} this week" if turned_away else ""),
        *((f"Brake, {brake.kind}", brake_text(app, brake)) for brake in details.brakes),
        ("Refused tokens", _total(refused, {cause: cause for cause in refused})),
        ("Leniencies", _total(details.leniencies, {name: _words(name) for name in details.leniencies})),
    ]


def _features_text(app: App) -> str:
    """The features that are not as by default, in a line, and the command that shows all."""
    spelled = {feature_name(name): value for name, value in app.settings.spelled().items()}
    own = [f"{name}={value}" for name, value in spelled.items() if value != _DEFAULTS[name]]
    rest = f"{len(spelled) - len(own)} {'others ' if own else ''}as by default: scimlite app show {app.slug} --features"
    return ", ".join([*own, rest])


def _total(counts: Mapping[str, int], words: Mapping[str, str]) -> str:
    """How often it was in the last seven days, and how often each; an empty text for never."""
    if not counts:
        return ""
    parts = ", ".join(f"{words[name]} {times:,}" for name, times in counts.items())
    return f"{sum(counts.values()):,} this week: {parts}"


def _print_counts(details: Details) -> None:
    """Print what was counted in the last seven days, each count on a line."""
    if details.refused_tokens:
        print_heading("Refused tokens (a client came with one that is not valid here)")
        for cause, times in details.refused_tokens.items():
            click.echo(f"{cause}, {refused_tokens.words(cause)}: {_count(times, 'time')} this week")
        addresses = [f"{address} ({times:,})" for address, times in details.refused_addresses.items()]
        click.echo(f"from {', '.join(addresses)}")
    if details.leniencies:
        print_heading("Leniencies (what the client needs and the RFCs do not have)")
        for name, times in details.leniencies.items():
            click.echo(f"{_words(name)}: {_count(times, 'time')} this week")


def print_features(app: App) -> None:
    """Print the features of an app with what they do."""
    spelled = app.settings.spelled()
    print_title(f"Features of {app.name}")
    click.echo(f"Change one: scimlite app edit {app.slug} --feature name=value")
    layouts = [
        Layout("Feature", whole=True),
        Layout("Value"),
        Layout("Choices", wraps=True, rank=1),
        Layout("Meaning", wraps=True),
    ]
    rows = [
        (feature_name(feature.name), spelled[feature.name], _choices(feature), feature.metadata["help"])
        for feature in fields(AppSettings)
    ]
    print_table(layouts, rows, empty="None.")


def extent_of_deletion(details: Details) -> str:
    """Return what goes when an app is deleted, with counts."""
    app, contents = details.app, details.contents
    others = f"{_count(contents.others, 'other resource')}, " if contents.others else ""
    active = sum(token.state(clock.now()) == "active" for token in details.tokens)
    return (
        f"the app {visible(app.name)} ({app.slug}) with {_count(contents.users, 'user')}, "
        f"{_count(contents.groups, 'group')}, {others}{_count(contents.memberships, 'membership')} and "
        f"{_count(active, 'active token')}"
    )


def _users(contents: Contents) -> str:
    disabled = f" ({contents.disabled_users:,} disabled)" if contents.disabled_users else ""
    return f"{contents.users:,}{disabled}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def profile_text(app: App) -> str:
    """The name of the app's profile, and the features that are not as it has them."""
    differs = ", ".join(f"{name}={value}" for name, value in app_profile.differences(app.profile, app.settings).items())
    return f"{app.profile} (differs: {differs})" if differs else app.profile


def _words(leniency: str) -> str:
    """The words for a leniency; its name when a newer version of scimlite counted it."""
    return next((known.words for known in Leniency if known == leniency), leniency)


def _choices(feature: Field[Any]) -> str:
    choices, default = feature.metadata["choices"], feature.metadata["default"]
    if not choices:
        return f"{feature.metadata['takes']} (default {default})"
    return ", ".join(f"{choice} (default)" if choice == default else choice for choice in choices)
