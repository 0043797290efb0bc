"""`/Me`: the user that the caller's token was issued for (RFC 7644 section 3.11)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from ... import errors
from ...scim import core
from .provider import METHODS, Service, begin
from .resources import ResourceView


class MeView(ResourceView):
    """`/Me`: what `/Users/<id>` does, for the subject of the token; the permanent URI is in Location."""

    def dispatch_request(self, **arguments: Any) -> Any:
        call = begin()
        assert call.caller is not None
        subject = call.caller.subject
        if subject is None:
            raise errors.NotImplementedHere("/Me needs a token that was issued for a user, and this one was not.")
        if call.request.method == "POST":
            raise errors.NotImplementedHere("/Me stands for a user that exists: nothing can be created there.")
        answer = super().dispatch_request(**arguments, endpoint=core.USER.endpoint, id=subject)
        answer.headers.setdefault("Location", f"{call.base}/{core.USER.endpoint}/{subject}")
        return answer


def add_routes(blueprint: Blueprint, service: Service) -> None:
    """The one route; a trailing slash is the same."""
    blueprint.add_url_rule(
        "/<slug>/Me",
        view_func=MeView.as_view("Me", service),
        methods=METHODS,
        strict_slashes=False,
        merge_slashes=False,
        provide_automatic_options=False,
    )
