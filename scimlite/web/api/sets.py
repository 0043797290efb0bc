"""Security event tokens, polled by the application as RFC 8936 has it."""

from __future__ import annotations

from typing import Any

from flask import Response

from ...errors import InvalidSyntax, InvalidValue, NotImplementedHere
from ...events import set_streams, sets
from ...events.set_keys import MissingExtraError, check_installed
from ...installation import API_PREFIX, SCIM_PREFIX
from ...redaction import error_log
from ...visible_text import visible
from ..scim.call import Call
from .answers import Json, json_response, set_error_response
from .parameters import Parameters
from .view import ApiView

DEFAULT_SETS, MOST_SETS = 100, 500
#: Events that one poll acknowledges or refuses at most.
MOST_ACKNOWLEDGED = 10_000


class SetsView(ApiView):
    """`/sets`: a stream of security event tokens for each token of a reader, given until they are acknowledged."""

    def dispatch_request(self, **arguments: Any) -> Any:
        """Handles the request; errors have the form of RFC 8935."""
        try:
            return super().dispatch_request(**arguments)
        except Exception as error:
            return set_error_response(error)

    def post(self, call: Call, slug: str) -> Response:
        """Takes acknowledgements and errors, and answers with tokens by their ids; it never waits for some.

        Raises InvalidSyntax, InvalidValue, InvalidCursor, CursorExpired, and NotImplementedHere when the packages that
        sign are missing.
        """
        assert call.caller is not None
        try:
            check_installed()
        except MissingExtraError as error:
            raise NotImplementedHere(str(error)) from None
        after = Parameters(call, ("after",)).get("after")
        body = self.read_json(call)
        if not isinstance(body, dict):
            raise InvalidSyntax("The body is a JSON object, such as {}.")
        most, done = _most(body), _done(call, body)
        batch = set_streams.poll(call.reading, call.caller.token_row, most=most, done=done, after=after)
        root = self.service.base_url or call.request.url_root.rstrip("/")
        issuer = sets.Issuer(call.keyring, f"{root}{SCIM_PREFIX}/{call.app.slug}")
        audience = f"{root}{API_PREFIX}/{call.app.slug}/sets"
        tokens = {event.id: issuer.token(event, audience) for event in batch.events}
        return json_response({"sets": tokens, "moreAvailable": batch.more})


def _most(body: dict[str, Json]) -> int:
    """How many tokens the application takes. Raises InvalidValue."""
    if not isinstance(body.get("returnImmediately", True), bool):
        raise InvalidValue("returnImmediately is true or false.")
    most = body.get("maxEvents", DEFAULT_SETS)
    if type(most) is not int or most < 0:
        raise InvalidValue("maxEvents is a number, 0 to get no tokens.")
    return min(most, MOST_SETS)


def _done(call: Call, body: dict[str, Json]) -> set[str]:
    """The ids of the tokens that the application took, or refused, which the log says. Raises InvalidValue."""
    taken, refused = body.get("ack", []), body.get("setErrs", {})
    if not isinstance(taken, list) or not all(isinstance(each, str) for each in taken):
        raise InvalidValue("ack is an array of the ids of tokens.")
    if not isinstance(refused, dict) or not all(
        isinstance(each, dict) and isinstance(each.get("err"), str) for each in refused.values()
    ):
        raise InvalidValue('setErrs is an object: the id of a token to {"err": "…", "description": "…"}.')
    if len(taken) + len(refused) > MOST_ACKNOWLEDGED:
        raise InvalidValue(f"ack and setErrs have {MOST_ACKNOWLEDGED} ids at most.")
    for id, error in list(refused.items())[:20]:
        # Without the description, which may quote what is about a person.
        named, code = visible(id)[:60], visible(error["err"])[:60]
        error_log.warning("request=%s app=%s refuses the token %s: %s", call.id, call.app.slug, named, code)
    return {*taken, *refused}


ROUTES = (("/<slug>/sets", SetsView, "Sets"),)
