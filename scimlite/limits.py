"""The limits of an installation: how much a client may ask for and store, and how long what is deleted is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .clock import DAY


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a client may ask for and store, how long that may take, and how long deleted users are kept."""

    #: SCIMLITE_MAX_BODY: the largest request body, in bytes; a larger one is answered with 413.
    max_body: int = 16 * 1024 * 1024

    #: SCIMLITE_MAX_RESULTS: the most resources in one page of a query; a larger `count` is clamped.
    max_results: int = 1000

    #: SCIMLITE_DEFAULT_COUNT: the resources in a page when the client does not ask for a `count`.
    default_count: int = 100

    #: SCIMLITE_MAX_OPERATIONS: the most operations in one bulk request; a larger one is answered with 413.
    max_operations: int = 1000

    #: SCIMLITE_MAX_COMPARISONS: the most comparisons of a query that no index saves (terms times resources); a query
    #: that needs more is answered with 400 and `tooMany`.
    max_comparisons: int = 1_000_000

    #: SCIMLITE_MAX_VALUES: the most simple values of a resource, members not counted; more is answered with 413.
    max_values: int = 50_000

    #: SCIMLITE_MAX_ATTRIBUTE_VALUES: the most values of one attribute, members not counted; more is answered with 413.
    max_attribute_values: int = 10_000

    #: SCIMLITE_MAX_NAME: the most bytes of a userName, displayName or externalId; more is answered with 400.
    max_name: int = 4_096

    #: SCIMLITE_MAX_TEXT: the most bytes of any other text in a resource; more is answered with 400.
    max_text: int = 65_536

    #: SCIMLITE_MAX_DOCUMENT: the most bytes of a resource as JSON; more is answered with 413.
    max_document: int = 1024 * 1024

    #: SCIMLITE_MAX_PASSWORDS: the most passwords that one request may set; more is answered with 413.
    max_passwords: int = 50

    #: SCIMLITE_MAX_HASHES: how many passwords one process hashes at the same time; the others wait, or get 503.
    max_hashes: int = 2

    #: SCIMLITE_REQUEST_TIMEOUT: how many seconds a request may take; then it is answered with 503.
    request_timeout: float = 25.0

    #: SCIMLITE_RETENTION: how long a tombstone can be restored before it may be purged, in microseconds.
    retention: int = 30 * DAY

    @cached_property
    def harmless(self) -> int:
        """The bytes of a resource as JSON that are below each of its ceilings: an item takes two at least."""
        return min(2 * self.max_values, 2 * self.max_attribute_values, self.max_name, self.max_text, self.max_document)
