"""`scimlite explain`: why a request was refused, and what would have it accepted."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from scimlite.admin.wording import wording_of_remedy
from scimlite.journal import Outcome, refusals, report
from scimlite.journal.refusals import LONGEST_BODY, Refusal
from scimlite.journal.report import Record

from .context import Context
from .installation import with_installation
from .output import iso_time, json_option, local_time, print_fields, print_heading, print_json, visible
from .wording import what, who

#: Our own ids; anything else may be the client's.
_OURS = re.compile(r"[0-9a-f]{16}")
#: The rule behind a scimType or status.
_RULES = {
    "invalidFilter": "RFC 7644 section 3.4.2.2: a filter that does not parse, or compares what cannot be compared.",
    "invalidSyntax": "RFC 7644 section 3.12: the body is not JSON, or not the message that this endpoint takes.",
    "invalidPath": "RFC 7644 section 3.5.2: the path of a PATCH operation names nothing in the app's schemas.",
    "noTarget": "RFC 7644 section 3.5.2: the filter in the path of a PATCH operation matches no value.",
    "invalidValue": "RFC 7644 section 3.12: a value is missing, of another type, or not allowed here.",
    "mutability": "RFC 7643 section 2.2: the attribute is readOnly, or immutable and has a value.",
    "uniqueness": "RFC 7643 section 2.2: the attribute is unique, and another resource of the app has the value.",
    "invalidCursor": "RFC 9865 section 2.1: the cursor is none of ours, or of another query.",
    "invalidCount": "RFC 9865 section 2.1: the count does not fit the cursor.",
    "tooMany": "RFC 7644 section 3.4.2: more results than this service computes.",
    "400": "The operator or the service does not let this be done.",
    "403": "The token is not meant for this.",
    "409": "RFC 7644 section 3.3: it contradicts what is stored.",
    "412": "RFC 7644 section 3.14: If-Match names a version that is no longer the current one.",
    "413": "RFC 7644 section 3.7.4: larger than the service takes.",
    "415": "RFC 7644 section 8.1: the content type is not JSON.",
    "429": "A brake of the app holds: too many users were disabled, deleted, or taken out of groups.",
    "500": "A fault of this service: its log has the traceback under the request id.",
    "501": "A part of SCIM that this service does not offer.",
}
_NO_REMEDY = "none: the client has to send something else"


@click.command()
@click.argument("request_id")
@json_option
@with_installation
def explain(context: Context, request_id: str, as_json: bool) -> None:
    """Say why a request was refused: what came, which rule refused it, and which setting would accept it.

    REQUEST_ID stands at the end of every error's text, in X-Request-Id, in the report and in the server's log. The
    client's own id, such as Entra ID's ActivityId, is taken too. Requests are kept for 7 days, bodies only while the
    app's feature keep-bodies is on; values of secret and of undeclared attributes never are.

    \b
    Example: scimlite explain 7f3a9c1e5b2d4a60
    """
    wanted = re.sub(r"^\(?(request )?|\)$", "", request_id.strip())
    records = _records(context, wanted)
    ids = list(dict.fromkeys(record.request_id for record in records if record.request_id)) or [wanted]
    kept = {id: refusals.of_request(context.db, id) for id in ids}
    if not records and not any(kept.values()):
        raise click.ClickException(
            f"Nothing is known of a request {wanted!r}: it was answered without a change or a refusal, or its entries "
            "were pruned."
        )
    if as_json:
        data = [_data([each for each in records if each.request_id == id], kept[id], id) for id in ids]
        print_json(data[0] if len(data) == 1 else data)
        return
    for number, id in enumerate(ids):
        if number:
            click.echo()
        _print(id, [each for each in records if each.request_id == id], kept[id])


def _records(context: Context, wanted: str) -> list[Record]:
    """The journal's entries of a request by our id, else by the client's own: of what was refused lately, or ever."""
    ours = [wanted] if _OURS.fullmatch(wanted) else []
    for id in [*ours, *refusals.ids_of_client(context.db, wanted)]:
        found = report.of_request(context.db, id)
        if found:
            return found
    return report.of_client(context.db, wanted)


def _data(records: list[Record], kept: list[Refusal], id: str) -> dict[str, Any]:
    first = records[0] if records else None
    return {
        "request_id": id,
        "client_request_id": first.client_request_id if first else None,
        "app": first.app if first else None,
        "client": first.client if first else None,
        "token": first.token if first else None,
        "refusals": [
            {
                "at": iso_time(each.at),
                "method": each.method,
                "path": each.path,
                "size": each.size,
                "body": _parsed(each.body),
                "status": _status(each, records),
                "scim_type": each.scim_type,
                "detail": each.detail,
                "rule": _rule(each.scim_type, _status(each, records)),
                "remedy": wording_of_remedy(each.remedy),
                "understood": _understood(each),
            }
            for each in kept
        ],
        "entries": [
            {"at": iso_time(each.at), "action": each.action, "outcome": each.outcome, "what": what(each)}
            for each in records
        ],
    }


def _parsed(body: str | None) -> Any:
    """The masked body; text when it was cut."""
    if body is None:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body


def _status(kept: Refusal, records: list[Record]) -> int | None:
    """The status with which it was refused, by its journal entry."""
    bad = [record for record in records if record.outcome != Outcome.OK]
    same = [record for record in bad if (kept.detail or "") in (record.detail or "")]
    return next((record.status for record in same or bad), None)


def _rule(scim_type: str | None, status: int | None) -> str:
    return _RULES.get(scim_type or "") or _RULES.get(str(status), "The service's own.")


def _print(id: str, records: list[Record], kept: list[Refusal]) -> None:
    first = records[0] if records else None
    click.echo(click.style(f"Request {id}", bold=True))
    if first is not None:
        print_fields(
            [
                ("When", local_time(first.at)),
                ("App", first.app or ""),
                ("Client", first.client or ""),
                ("Token", first.token or ""),
                ("Client's id", first.client_request_id or ""),
            ]
        )
    refused = [record for record in records if record.outcome != Outcome.OK]
    for each in kept:
        _print_refusal(each, records)
    if not kept and refused:
        for record in refused:
            print_heading(f"Refused with {record.status}" if record.status else "Refused")
            click.echo(visible(record.detail or "No reason is known."))
        click.echo("\nThe request itself is no longer kept: that is done for 7 days.", err=True)
    done = [record for record in records if record.outcome == Outcome.OK]
    if done:
        print_heading("What was done")
        for record in done:
            told = " ".join(filter(None, [who(record), record.action, what(record)]))
            click.echo(visible(told.replace("\n", ", ")))


def _print_refusal(kept: Refusal, records: list[Record]) -> None:
    status = _status(kept, records)
    print_heading("What came")
    click.echo(f"{visible(kept.method)} {visible(kept.path)}")
    if kept.body is not None:
        parsed = _parsed(kept.body)
        text = parsed if isinstance(parsed, str) else json.dumps(parsed, ensure_ascii=False, indent=2)
        click.echo("\n".join(map(visible, text.split("\n"))))
        if len(kept.body.encode()) >= LONGEST_BODY - 4:
            click.echo(f"(cut: of {kept.size:,} bytes the first 64 KiB are kept)")
    elif kept.size:
        click.echo(f"A body of {kept.size:,} bytes, which is not kept.")
    understood = _understood(kept)
    if understood:
        print_heading("What was understood")
        click.echo("\n".join(map(visible, understood)))
    print_heading("Why it was refused")
    click.echo(f"{status or ''} {kept.scim_type or ''}".strip() + f": {visible(kept.detail or '')}")
    click.echo(_rule(kept.scim_type, status))
    print_heading("What would have it accepted")
    click.echo(visible(wording_of_remedy(kept.remedy) or _NO_REMEDY))


def _understood(kept: Refusal) -> list[str]:
    """The request in words, as far as its body is kept and whole."""
    body = _parsed(kept.body)
    if not isinstance(body, dict):
        return []
    members = {name.lower(): value for name, value in body.items()}
    if kept.method == "PATCH" and isinstance(members.get("operations"), list):
        return [_operation(number, each) for number, each in enumerate(members["operations"], start=1)]
    verb = {"POST": "create with", "PUT": "replace by"}.get(kept.method, kept.method)
    if kept.path.split("?")[0].endswith("/.search"):
        verb = "search by"
    return [f"{verb} {', '.join(name for name in body if name.lower() != 'schemas')}"]


def _operation(number: int, operation: Any) -> str:
    if not isinstance(operation, dict):
        return f"{number}. not an operation"
    members = {name.lower(): value for name, value in operation.items()}
    value = members.get("value")
    path = members.get("path") or (", ".join(value) if isinstance(value, dict) else "the resource")
    return f"{number}. {str(members.get('op', 'nothing')).lower()} {path}"
