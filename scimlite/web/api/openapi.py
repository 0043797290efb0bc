"""The application's endpoint as an OpenAPI 3.1 document; the events come from the dataclasses that make them."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from flask import Response

from ...events.document import NAME, Event, State
from ...events.types import TYPES
from ...installation import API_PREFIX
from ..scim.call import Call
from .answers import Json, json_response
from .events import DEFAULT_EVENTS, MOST_EVENTS
from .profiles import DEFAULT_PROFILES, MOST_PROFILES, GroupsView, ProfilesView
from .sets import DEFAULT_SETS, MOST_ACKNOWLEDGED, MOST_SETS
from .view import ApiView

_SCALARS: dict[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Any: {},
}
_ERRORS = {
    "400": "A parameter or the body is not understood; `detail` names it.",
    "401": "The bearer token is missing or not valid here.",
    "403": "The token is of another kind.",
    "404": "There is nothing at this URL; `ended` says how a user or group ended.",
    "405": "Not with this method.",
    "410": "The events behind the cursor are not kept any more: read /profiles anew.",
    "429": "The app has too many requests at once.",
    "503": "The database is busy; Retry-After says when to try again.",
}


class DocumentView(ApiView):
    """`/openapi.json`: this endpoint, for everybody."""

    public = True

    def get(self, call: Call) -> Response:
        """Answers with the document."""
        return json_response(document())


ROUTES = (("/openapi.json", DocumentView, "OpenApi"),)


def document() -> Json:
    """The OpenAPI document."""
    slug = {"default": "entra-id", "description": "The app's slug."}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "scimlite for applications",
            "version": version("scimlite"),
            "description": "Who may use the application, and what changed. Tokens: scimlite token issue --kind reader.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": f"{API_PREFIX}/{{slug}}", "variables": {"slug": slug}}],
        "security": [{"bearer": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {f"Error{status}": _answer(text, _ref("Error")) for status, text in _ERRORS.items()},
            "schemas": _schemas(),
        },
    }


def _paths() -> Json:
    walk = [_limit(DEFAULT_PROFILES, MOST_PROFILES), _query("after", "The cursor of the page before.")]
    feed = [
        _limit(DEFAULT_EVENTS, MOST_EVENTS),
        _query("after", "A cursor, or `start` for the oldest event that is kept; without it a cursor of now."),
        _query("types", f"Types to tell, with commas between them: {', '.join(TYPES)}."),
    ]
    found = {}
    for path, view, name in (("/profiles", ProfilesView, "Profile"), ("/groups", GroupsView, "Group")):
        names = [_query(each, "Only what has exactly this value.") for each in view.looked_up]
        found[path] = {"get": _operation(f"list{name}s", f"{name}s, a page at a time.", f"{name}Page", walk + names)}
        found[f"{path}/{{id}}"] = {"get": _operation(f"get{name}", f"One {name.lower()}.", "State", [_ID])}
    return {
        "/events": {"get": _operation("listEvents", "What happened behind a cursor.", "EventPage", feed)},
        "/events/ack": {
            "post": {
                **_operation("acknowledge", "The events up to a cursor are done.", "Nothing", []),
                "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Acknowledgement")}}},
            }
        },
        "/sets": {"post": _poll()},
        **found,
        "/groups/{id}/members": {
            "get": _operation("listMembers", "A group's direct members, a page at a time.", "MemberPage", [_ID, *walk])
        },
    }


_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def _poll() -> Json:
    """The poll for security event tokens, whose errors have a form of their own."""
    after = "Begins the stream anew: `start`, or a cursor of /events or /profiles."
    errors = {status: _answer(text, _ref("SetError")) for status, text in _ERRORS.items()}
    errors["501"] = _answer("The packages that sign are not installed.", _ref("SetError"))
    summary = "Security event tokens that are not acknowledged yet (RFC 8936)."
    return {
        **_operation("pollSets", summary, "SetPage", [_query("after", after)]),
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("SetPoll")}}},
        "responses": {"200": _answer(summary, _ref("SetPage")), **errors},
    }


def _query(name: str, description: str) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}


def _limit(default: int, most: int) -> Json:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return {"name": "limit", "in": "query", "description": "How many at most.", "schema": schema}


def _operation(name: str, summary: str, answer: str, parameters: list[Json]) -> Json:
    errors = {status: {"$ref": f"#/components/responses/Error{status}"} for status in _ERRORS}
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": {"200": _answer(summary, _ref(answer)), **errors},
    }


def _answer(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


# --- schemas ------------------------------------------------------------------------------------------------------


def _schemas() -> Json:
    event = _of_dataclass(Event)
    event["properties"]["type"] = {"enum": list(TYPES), "description": event["properties"]["type"]["description"]}
    text, flag = {"type": "string"}, {"type": "boolean"}
    cursor = {"type": ["string", "null"], "description": "Give it as `after` to read on; null on the last page."}
    member = _object({"id": text, "type": text, "name": text}, ("id", "type", "name"))
    page = {"cursor": cursor, "more": flag, "feed": {**text, "description": "The feed's place before the first page."}}
    return {
        "Event": event,
        "State": _of_dataclass(State),
        "EventPage": _object(
            {"events": _list(_ref("Event")), "cursor": text, "more": flag}, ("events", "cursor", "more")
        ),
        "ProfilePage": _object({"profiles": _list(_ref("State")), **page}, ("profiles",)),
        "GroupPage": _object({"groups": _list(_ref("State")), **page}, ("groups",)),
        "MemberPage": _object(
            {"members": _list(member), "cursor": cursor, "more": flag}, ("members", "cursor", "more")
        ),
        "Acknowledgement": _object({"cursor": text}, ("cursor",)),
        **_set_schemas(),
        "Nothing": _object({}, ()),
        "Error": _object(
            {"error": text, "detail": text, "request_id": text, "ended": text}, ("error", "detail", "request_id")
        ),
    }


def _set_schemas() -> Json:
    text = {"type": "string"}
    error = _object({"err": text, "description": text}, ("err",))
    poll = {
        "maxEvents": {"type": "integer", "minimum": 0, "default": DEFAULT_SETS, "description": f"Up to {MOST_SETS}."},
        "returnImmediately": {"type": "boolean", "description": "The answer never waits, whatever this says."},
        "ack": {**_list(text), "maxItems": MOST_ACKNOWLEDGED, "description": "Ids of tokens that need not come again."},
        "setErrs": {
            "type": "object",
            "additionalProperties": {**error, "additionalProperties": True},
            "description": "Tokens, by their ids, that cannot be used, and why; they do not come again.",
        },
    }
    tokens = {"type": "object", "additionalProperties": text, "description": "Tokens by their ids."}
    return {
        "SetPoll": {**_object(poll, ()), "additionalProperties": True},
        "SetPage": _object({"sets": tokens, "moreAvailable": {"type": "boolean"}}, ("sets", "moreAvailable")),
        "SetError": _object({"err": text, "description": text}, ("err", "description")),
    }


def _object(properties: Json, required: tuple[str, ...]) -> Json:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _of_dataclass(told: Any) -> Json:
    """The schema of a dataclass of events: names, types and words; what may be None may be absent."""
    hints = get_type_hints(told, include_extras=True)
    properties, required = {}, []
    for each in fields(told):
        name = each.metadata.get(NAME, each.name)
        if name is None:
            continue
        kind, words = get_args(hints[each.name])
        options = get_args(kind) if get_origin(kind) in (types.UnionType,) else (kind,)
        (only,) = [option for option in options if option is not type(None)]
        properties[name] = {**_of_type(only), "description": words}
        if len(options) == 1:
            required.append(name)
    return _object(properties, tuple(required))


def _of_type(kind: Any) -> Json:
    if is_dataclass(kind):
        return _of_dataclass(kind)
    if get_origin(kind) is Annotated:
        return _of_type(get_args(kind)[0])
    if get_origin(kind) is list:
        return _list(_of_type(get_args(kind)[0]))
    if get_origin(kind) is dict:
        return {"type": "object"}
    return dict(_SCALARS[kind])
