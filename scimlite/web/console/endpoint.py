"""The address of an app's SCIM endpoint, as its identity provider is given it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ... import service_address
from ...config_values import ConsolePlace
from ...installation import SCIM_PREFIX
from .visit import Visit


class Source(Enum):
    """Where an address comes from."""

    #: SCIMLITE_BASE_URL, or the address at which the browser opened the console beside the endpoint.
    SURE = 1
    #: The service wrote down where it listens on its machine; clients may reach it elsewhere.
    LISTENER = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The SCIM base URL of an app."""

    url: str
    source: Source

    @property
    def is_sure(self) -> bool:
        """False when clients may reach the endpoint at another address, or at another one only."""
        return self.source is Source.SURE

    @property
    def is_known(self) -> bool:
        """False when the URL has words in place of the address."""
        return self.source is not Source.UNKNOWN


def endpoint(visit: Visit, slug: str) -> Endpoint:
    """Returns the SCIM base URL of an app.

    A console under a host name or a port of its own has another address than the endpoint.
    """
    settings = visit.console.settings
    address, source = settings.base_url, Source.SURE
    if address is None and settings.console == ConsolePlace():
        address = f"{visit.origin}{visit.request.script_root}"
    if address is None:
        address, source = service_address.running(settings.state_dir), Source.LISTENER
    if address is None:
        address, source = "https://<address of the service>", Source.UNKNOWN
    return Endpoint(f"{address}{SCIM_PREFIX}/{slug}", source)
