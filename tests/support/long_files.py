"""Test files that take long: they begin first, so that no process is left alone with one of them at the end."""

from __future__ import annotations

import pytest

#: The longest first; what is not here takes less than some ten seconds.
_LONGEST = (
    "tests/web/console/test_every_page.py",
    "tests/wire/test_metrics.py",
    "tests/test_docs.py",
    "tests/wire/test_reload.py",
    "tests/wire/test_consumer.py",
    "tests/wire/test_passwords.py",
    "tests/directory/search/test_random.py",
    "tests/web/console/test_people_in_a_browser.py",
    "tests/web/console/test_setup.py",
    "tests/wire/test_sqlite_files.py",
    "tests/db/test_deadlines.py",
    "tests/wire/test_refused_tokens.py",
    "tests/wire/test_log_lines.py",
    "tests/web/console/test_stored_xss.py",
    "tests/web/console/test_report_in_browser.py",
    "tests/web/console/test_app_schemas.py",
    "tests/events/test_delivery.py",
    "tests/db/test_migrations.py",
    "tests/cli/test_serve.py",
    "tests/sync/test_runs.py",
    "tests/sync/test_kills.py",
    "tests/cli/test_lost_database.py",
    "tests/web/console/test_app_connect.py",
    "tests/web/console/test_place.py",
    "tests/idp/test_conversations.py",
    "tests/web/console/test_app_mapping.py",
    "tests/wire/test_ceilings.py",
    "tests/wire/test_bodies.py",
    "tests/wire/test_slow_clients.py",
    "tests/cli/test_database_in_trouble.py",
    "tests/wire/test_leniencies.py",
    "tests/test_faults.py",
)
_PLACES = {name: place for place, name in enumerate(_LONGEST)}


def first(items: list[pytest.Item]) -> None:
    """Puts the tests of long files before all others; the order within a file, and of the others, stays."""
    items.sort(key=lambda item: _PLACES.get(item.nodeid.partition("::")[0], len(_PLACES)))
