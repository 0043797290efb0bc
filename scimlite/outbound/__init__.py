"""The one HTTP client by which scimlite speaks to other hosts: it judges addresses, keeps deadlines and connections."""

from __future__ import annotations

from .client import Answer, Client
from .failures import Failed, Kind, Refused
from .target import check_url
from .waits import retry_after

__all__ = ["Answer", "Client", "Failed", "Kind", "Refused", "check_url", "retry_after"]
