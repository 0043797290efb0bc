"""How many random examples a property is tried with.

SCIMLITE_TEST_EXAMPLES sets it: these are new ones in each run (`make proof`); the few of `make test` are the same each
time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("SCIMLITE_TEST_EXAMPLES")


def tries(otherwise: int) -> settings:
    """As many examples as are asked for, or a few that are always the same."""
    return settings(
        max_examples=int(EXAMPLES or otherwise),
        derandomize=EXAMPLES is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
