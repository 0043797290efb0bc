"""scim2-server for bench/peers.py: its own WSGI application over its own storage in memory.

Run by gunicorn as `scim2_server_app:application()` with the token in SCIM_TOKEN. One process, because what it keeps is
that process's memory.
"""

from __future__ import annotations

import os

from scim2_server.memory import InMemoryStorage
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.utils import load_default_provider


def application() -> BearerTokenApplication:
    """The application, empty; it keeps the bearer token that its command line would have been given."""
    return BearerTokenApplication(InMemoryStorage(), load_default_provider(), bearer_tokens=[os.environ["SCIM_TOKEN"]])
