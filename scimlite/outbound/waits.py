"""How long another host wants to be left alone."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def retry_after(text: str | None, now: float) -> float:
    """Seconds from a Retry-After header, which has seconds or a date (RFC 9110 section 10.2.3); 0 without one.

    In: the header's value; the time in seconds since 1970 UTC.
    """
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0
