"""The page of the installation: version, database, keys, disks, backup, health, and the settings that are in force."""

from __future__ import annotations

from flask import Response, current_app

from ...admin import installation_facts
from ...operators.roles import Act
from ..health import Health
from .routing import Routes
from .visit import Visit

routes = Routes()


@routes.page("/installation", Act.SEE_INSTALLATION)
def installation(visit: Visit) -> Response:
    """Shows what is known at once, and asks for the rest."""
    console = visit.console
    found = installation_facts.facts(visit.desk.db, console.settings, console.keyring)
    health: Health | None = current_app.extensions.get("scimlite.health")
    reasons = health.reasons() if health is not None else {}
    return visit.render("installation.html", facts=found, reasons=reasons)


@routes.page("/installation/check", Act.SEE_INSTALLATION)
def installation_check(visit: Visit) -> Response:
    """Shows what `scimlite check` says, alone when the page asks for it; as a page, with the tables compared."""
    found = installation_facts.inspect(visit.desk.db, visit.console.settings, compare=not visit.is_partial)
    template = "_installation_check.html" if visit.is_partial else "installation_check.html"
    return visit.render(template, found=found)
