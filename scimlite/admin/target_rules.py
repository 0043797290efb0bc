"""What a target may be: its name, URL and options."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .. import outbound
from ..apps import App
from ..outbound.addresses import Network
from ..sync.targets import loops, scopes
from ..sync.targets.stored import LONGEST_EVERY, MOST_MEMBERS, SHORTEST_EVERY, Leavers, Options, TargetError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def checked_name(name: str) -> str:
    """A name of small letters, digits and hyphens, which is also part of a file's name. Raises TargetError."""
    if not _NAME.fullmatch(name):
        raise TargetError(f"{name!r} is no name of a target: give small letters, digits and hyphens, such as crm.")
    return name


def checked_url(url: str, options: Options, networks: Sequence[Network], own_roots: Sequence[str]) -> str:
    """A SCIM base URL without a slash at its end. Raises TargetError, and OperatorError for what nothing is sent to."""
    outbound.check_url(url, networks)
    if "?" in url:
        raise TargetError("The URL has a query: give the SCIM base URL alone, such as https://crm.example.com/scim/v2.")
    url = url.rstrip("/")
    if url.rpartition("/")[2] in ("Users", "Groups", "ServiceProviderConfig"):
        raise TargetError(f"{url} is no base URL: leave out what stands behind it, as in {url.rpartition('/')[0]}")
    if not options.same_installation:
        loops.check_url(url, own_roots)
    return url


def checked_every(every: int) -> int:
    """How often a target is looked through, in microseconds. Raises TargetError."""
    if not SHORTEST_EVERY <= every <= LONGEST_EVERY:
        raise TargetError("A target is looked through every minute at the most, and every 7 days at the least.")
    return every


def check_options(app: App, options: Options) -> None:
    """Raises TargetError for options that cannot be, such as a filter that does not fit the app's schemas."""
    if not 1 <= options.members <= MOST_MEMBERS:
        raise TargetError(f"--members is the most members of a request: give 1 to {MOST_MEMBERS:,}.")
    if options.leavers not in set(Leavers):
        raise TargetError(f"There is nothing called {options.leavers!r} to do with leavers: disable, delete, ignore.")
    scopes.bound_filter(app, options.filter)
