"""The headers that every answer has."""

from __future__ import annotations

from flask import Response


def protect(response: Response) -> Response:
    """Adds that nobody may keep an answer, which is about persons, or guess another media type; returns the response.

    OWASP's REST Security Cheat Sheet asks for both.
    """
    response.headers.add("Cache-Control", "no-store")
    response.headers.add("X-Content-Type-Options", "nosniff")
    return response
