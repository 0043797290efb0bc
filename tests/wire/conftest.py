"""The tests over HTTP share a running service: each makes its own apps, and looks at nothing else."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def shares_service(request: pytest.FixtureRequest) -> bool:
    """False in a file that says `OWN_SERVICE = True`: it has a service of its own."""
    return not getattr(request.module, "OWN_SERVICE", False)
