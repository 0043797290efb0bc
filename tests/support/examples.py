"""The number of random examples that a property is tried with.

SCIMLITE_TEST_EXAMPLES sets the number, and each run then takes new ones (`make proof`); the few examples of `make test`
are always the same.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("SCIMLITE_TEST_EXAMPLES")


def tries(otherwise: int) -> settings:
    """The number of examples of the environment, or `otherwise` examples that are always the same."""
    return settings(
        max_examples=int(EXAMPLES or otherwise),
        derandomize=EXAMPLES is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
