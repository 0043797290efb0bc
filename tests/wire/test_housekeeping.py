"""The service tidies up by itself, whether or not a client asks for anything."""

from __future__ import annotations

import time

from installation import Installation
from scimlite.clock import DAY
from scimlite.db.tables import RefusalRow

#: It waits for a service to tidy up, which another one would do before.
OWN_SERVICE = True


def test_a_started_service_forgets_what_is_too_old(installation: Installation) -> None:
    app = installation.app("tidied")
    for title in ("old", "new"):
        app.client.post("/Users", {"title": title})
    db = installation.db
    ids = [row[0] for row in db.rows(RefusalRow.select(RefusalRow.id).order_by(RefusalRow.id))][-2:]
    db.execute(RefusalRow.update(at=RefusalRow.at - 8 * DAY).where(RefusalRow.id == ids[0]))
    installation.start(workers=1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and db.scalar(RefusalRow.select(RefusalRow.id).where(RefusalRow.id == ids[0])):
        time.sleep(0.2)
    assert [row[0] for row in db.rows(RefusalRow.select(RefusalRow.id).where(RefusalRow.id.in_(ids)))] == ids[1:]
