"""Who asks: the bearer of the token, and nobody else."""

from __future__ import annotations

import os
from collections.abc import Callable
from hmac import compare_digest
from types import SimpleNamespace

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

_EXPECTED = f"Bearer {os.environ['SCIM_TOKEN']}".encode()
_CLIENT = SimpleNamespace(is_authenticated=True)


def bearer(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Tell django-scim2, which asks for `request.user`, without a look into the database."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("Authorization", "").encode()
        request.user = _CLIENT if compare_digest(given, _EXPECTED) else AnonymousUser()
        return get_response(request)

    return middleware
