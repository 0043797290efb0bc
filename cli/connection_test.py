"""`scimlite app test`: tests the connection of an app as its identity provider would use it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from scimlite import apps

from .kit.app_name import app_argument
from .kit.context import Context, with_installation
from .kit.options import json_option
from .kit.output import print_json, print_text

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from scimlite.admin.connection_test import Result, Step


class _Url(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of Click
    """A SCIM base URL."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> SplitResult:
        # Imported here and below, because http.client and ssl take 30 ms that the other commands of `app` need not.
        from scimlite.admin.wire import split_url

        try:
            return split_url(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("test")
@app_argument
@click.option("--url", type=_Url(), metavar="URL", help="SCIM base URL to test.  [the one of `scimlite app show`]")
@click.option("--token", metavar="TOKEN", help="Label of a token, or the token itself.  [the app's own]")
@json_option
@with_installation
def connection_test(context: Context, slug: str, url: SplitResult | None, token: str | None, as_json: bool) -> None:
    """Play an identity provider against the running service, and show which steps work.

    The first steps are those of Entra ID's Test Connection. Then a user named scimlite-test-… is created, found, put
    into a group, disabled and deleted, with all that the app's mapping and schemas require. The test removes what it
    created, also after a failure, without a tombstone; the report keeps what it did, marked `by scimlite app test`.
    That is no contact of a client, and no brake counts it. Exits with 1 when a step does not work, and says what that
    means and what to do.

    \b
    Examples: scimlite app test entra-id
              scimlite app test --app entra-id \\
                  --url https://scim.example.com/scim/v2/entra-id
    """
    from scimlite.admin.connection_test import ConnectionTest
    from scimlite.admin.wire import split_url

    app = apps.get(context.db, slug)
    app_url = context.scim_url(app.slug)
    base = url or split_url(app_url)
    test = ConnectionTest(context.workspace(app), context.keyring, base, app_url=app_url, token=token)
    if as_json:
        result = test.run(lambda step: None)
        steps = [asdict(step) for step in result.steps]
        print_json(
            {"app": app.slug, "url": base.geturl(), "ok": not result.failed, "steps": steps, "notes": result.notes}
        )
    else:
        click.echo(f"Testing {app.slug} at {base.geturl()} with {test.token_name}.", err=True)
        result = test.run(_print_step)
        for note in result.notes:
            print_text(note, first="Note: ", err=True)
        click.echo(_conclusion(result))
    if result.failed:
        click.get_current_context().exit(1)


def _conclusion(result: Result) -> str:
    if not result.failed and any(step.forbidden for step in result.steps):
        return "Everything works that the features of the app allow."
    if not result.failed:
        return "Everything works."
    text = f"{result.failed} of {len(result.steps)} steps did not work"
    return f"{text}; {result.untried} that depend on them were not tried." if result.untried else f"{text}."


def _print_step(step: Step) -> None:
    """Print one line; for a failure also what it means and what to do. Prints nothing for a step that was not tried."""
    if step.works is None and not step.forbidden:
        return
    duration = f"{step.milliseconds:.0f} ms"
    if step.works:
        click.echo(f"  {click.style('ok', fg='green')}   {step.name:<62}{duration:>9}")
        return
    word = click.style("off ", fg="yellow") if step.forbidden else click.style("FAIL", fg="red")
    click.echo(f"  {word} {step.name:<62}{duration:>9}")
    for text in (step.meaning, step.advice):
        print_text(text or "", first=" " * 7)
