"""`scimlite explain`: why a request was refused, and which setting would accept it."""

from __future__ import annotations

import json
from typing import Any

import click

from scimlite.admin import explain as explaining
from scimlite.admin.explain import Explanation, RefusedRequest
from scimlite.admin.wording import description_of, operator_of, subject_of, wording_of_remedy
from scimlite.journal.report import Record
from scimlite.visible_text import visible

from .kit.columns import Column, Columns
from .kit.context import Context, with_installation
from .kit.options import json_option
from .kit.output import print_fields, print_heading, print_json, print_json_lines, print_text, print_title
from .kit.times import iso_time, local_time

_NO_REMEDY = "none: the client has to send something else"

_REFUSED = Columns[RefusedRequest](
    Column("at", value=lambda refused: iso_time(refused.at)),
    Column("method", value=lambda refused: refused.method),
    Column("path", value=lambda refused: refused.path),
    Column("size", value=lambda refused: refused.size),
    Column("body", value=lambda refused: refused.body),
    Column("status", value=lambda refused: refused.status),
    Column("scim_type", value=lambda refused: refused.scim_type),
    Column("detail", value=lambda refused: refused.detail),
    Column("rule", value=lambda refused: refused.rule),
    Column("remedy", value=lambda refused: wording_of_remedy(refused.remedy)),
    Column("understood", value=lambda refused: refused.understood),
)
_ENTRIES = Columns[Record](
    Column("at", value=lambda entry: iso_time(entry.at)),
    Column("action", value=lambda entry: entry.action),
    Column("outcome", value=lambda entry: entry.outcome),
    Column("what", value=description_of),
)


@click.command()
@click.argument("request_id")
@json_option
@with_installation
def explain(context: Context, request_id: str, as_json: bool) -> None:
    """Explain a refused request: what was sent, which rule refused it, and which setting would accept it.

    REQUEST_ID is at the end of every error's text, in X-Request-Id, in the report and in the server's log; or it is
    the client's own id, such as Entra ID's ActivityId. Refused requests are kept for 7 days, their bodies only while
    the app's feature keep-bodies is on, and always without the values of secret and of undeclared attributes.

    \b
    Example: scimlite explain 7f3a9c1e5b2d4a60
    """
    explanations = explaining.explain(context.db, request_id)
    if as_json:
        if len(explanations) == 1:
            print_json(_data(explanations[0]))
        else:
            print_json_lines(map(_data, explanations))
        return
    for number, explanation in enumerate(explanations):
        if number:
            click.echo()
        _print(explanation)


def _data(explanation: Explanation) -> dict[str, Any]:
    first = explanation.first
    return {
        "request_id": explanation.request_id,
        "client_request_id": first.client_request_id if first else None,
        "app": first.app if first else None,
        "client": first.client if first else None,
        "actor": first.actor if first else None,
        "address": first.address if first else None,
        "token_label": first.token if first else None,
        "refusals": [_REFUSED.data(refused) for refused in explanation.refused],
        "entries": [_ENTRIES.data(entry) for entry in explanation.entries],
        # The older key of `token_label`, for one more release.
        "token": first.token if first else None,
    }


def _actor(entry: Record) -> str:
    """Return the kind of who acted, and of a command the user who ran it."""
    return ", ".join(filter(None, [entry.actor or "", operator_of(entry)]))


def _print(explanation: Explanation) -> None:
    print_title(f"Request {explanation.request_id}")
    if first := explanation.first:
        print_fields(
            [
                ("When", local_time(first.at)),
                ("App", first.app or ""),
                ("Client", first.client or ""),
                ("Actor", _actor(first)),
                ("Address", first.address or ""),
                ("Token", first.token or ""),
                ("Client's id", first.client_request_id or ""),
            ]
        )
    for refused in explanation.refused:
        _print_request(refused)
        _print_reason(refused)
    if not explanation.refused and explanation.refusals:
        for entry in explanation.refusals:
            # A member that was left out is refused in a request that was accepted.
            accepted = entry.status is not None and entry.status < 400
            print_heading("Left out" if accepted else f"Refused with {entry.status}" if entry.status else "Refused")
            print_text(entry.detail or "No reason was recorded.")
        click.echo("\nThe request itself is no longer kept: that is done for 7 days.", err=True)
    if explanation.changes:
        print_heading("What was done")
        for entry in explanation.changes:
            line = " ".join(filter(None, [subject_of(entry), entry.action, description_of(entry)]))
            print_text(line.replace("\n", ", "))


def _print_request(refused: RefusedRequest) -> None:
    """Print the request as it was received, and how it was read."""
    print_heading("What came")
    click.echo(f"{visible(refused.method)} {visible(refused.path)}")
    if refused.body is not None:
        body = refused.body
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, indent=2)
        click.echo("\n".join(map(visible, text.split("\n"))))
        if refused.cut:
            click.echo(f"(cut: of {refused.size:,} bytes the first 64 KiB are kept)")
    elif refused.size:
        click.echo(f"A body of {refused.size:,} bytes, which is not kept.")
    if refused.understood:
        print_heading("What was understood")
        click.echo("\n".join(map(visible, refused.understood)))


def _print_reason(refused: RefusedRequest) -> None:
    """Print why a request was refused, and how to get it accepted."""
    print_heading("Why it was refused")
    print_text(f"{refused.status or ''} {refused.scim_type or ''}".strip() + f": {refused.detail or ''}")
    print_text(refused.rule)
    print_heading("How to get it accepted")
    print_text(wording_of_remedy(refused.remedy) or _NO_REMEDY)
