"""`/Me`: the user that the caller's token was issued for (RFC 7644 section 3.11)."""

from __future__ import annotations

from typing import Any

from ... import errors
from ...scim import core
from .call import Call
from .resources import ResourceView


class MeView(ResourceView):
    """`/Me`: the same as `/Users/<id>` for the token's subject. The Location header is the user's permanent URI."""

    for_subjects = True

    def handle(self, call: Call, **arguments: Any) -> Any:
        """Answers as `/Users/<id>` does. Raises NotImplementedHere for a token without a subject, and for POST."""
        assert call.caller is not None
        subject = call.caller.subject
        if subject is None:
            raise errors.NotImplementedHere("/Me needs a token that was issued for a user, and this one was not.")
        if call.request.method == "POST":
            raise errors.NotImplementedHere("/Me stands for a user that exists: nothing can be created there.")
        response = super().handle(call, **arguments, endpoint=core.USER.endpoint, id=subject)
        response.headers.setdefault("Location", f"{call.base}/{core.USER.endpoint}/{subject}")
        return response


ROUTES = (("/<slug>/Me", MeView, "Me"),)
