"""The conditional headers of a request (RFC 9110 section 13.1)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from ...scim import preconditions
from ...scim.preconditions import Preconditions

_READING = ("GET", "HEAD")


def conditions_of(environ: dict[str, Any]) -> Preconditions:
    """Returns the conditions of a request. Raises InvalidValue for a malformed If-None-Match of a write.

    A time that is no HTTP date is left out, as RFC 9110 sections 13.1.3 and 13.1.4 ask.
    """
    match, none_match = environ.get("HTTP_IF_MATCH"), environ.get("HTTP_IF_NONE_MATCH")
    unmodified, modified = environ.get("HTTP_IF_UNMODIFIED_SINCE"), environ.get("HTTP_IF_MODIFIED_SINCE")
    if not (match or none_match or unmodified or modified):
        return preconditions.UNCONDITIONAL
    reading = environ["REQUEST_METHOD"] in _READING
    return Preconditions(
        preconditions.versions_for_match(match),
        preconditions.versions_for_none_match(none_match, reading=reading),
        _seconds(unmodified),
        _seconds(modified) if reading else None,
    )


def _seconds(date: str | None) -> int | None:
    """Returns an HTTP date (RFC 9110 section 5.6.7) in seconds since 1970; None for any other text."""
    if not date:
        return None
    try:
        parsed = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
