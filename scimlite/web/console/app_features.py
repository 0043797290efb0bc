"""The page of an app's features: switches, brakes and tolerance; what would change is shown before it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from ...admin import apps, features
from ...admin.features import WrongFeatures
from ...apps import AppError, app_profile
from ...operators.roles import Act
from .routing import Routes
from .texts import _
from .visit import Visit

routes = Routes()


@routes.page("/apps/<slug>/features")
def app_features(visit: Visit) -> Response:
    """Shows the features, or with `profile` in the query those that the app would have with that profile."""
    app = visit.app
    chosen = visit.request.args.get("profile", app.profile)
    try:
        differing = features.of_profile(app, chosen)
    except AppError as error:
        return _form(visit, 400, {}, problem=str(error))
    return _form(visit, 200, differing if chosen != app.profile else {}, profile=chosen)


@routes.form("/apps/<slug>/features", Act.EDIT_APP)
def review_features(visit: Visit) -> Response:
    """Shows what would change, with a button that does it; a wrong value is said beside the feature."""
    app, form = visit.app, visit.request.form
    wanted, profile = _typed(visit), form.get("profile", app.profile)
    if form.get("version") != str(app.version):
        return _form(visit, 400, {}, problem=str(apps.ChangedMeanwhile()))
    try:
        features.of_profile(app, profile)
        changes = features.review(visit.desk.db, app, wanted)
    except WrongFeatures as error:
        return _form(visit, 400, wanted, profile=profile, problem=error.about_none, problems=error.problems)
    except AppError as error:
        return _form(visit, 400, wanted, problem=str(error))
    if not changes and profile == app.profile:
        visit.notice(_("Nothing is different, so nothing was changed."), "warn")
        return visit.go("app_features", slug=app.slug)
    return visit.render(
        "app_features_review.html", changes=changes, options=features.as_options(changes), profile=profile
    )


@routes.form("/apps/<slug>/features/save", Act.EDIT_APP)
def save_features(visit: Visit) -> Response:
    """Sets the features that the operator has looked at, unless the app was changed meanwhile."""
    app, form = visit.app, visit.request.form
    # Every feature of the profile stands among the values that were reviewed.
    profile = form.get("profile", app.profile)
    version = form.get("version", "")
    now, wanted = features.current(app), _typed(visit)
    try:
        features.review(visit.desk.db, app, wanted)
        apps.edit(
            visit.desk.scope(Act.EDIT_APP),
            app.slug,
            profile=profile if profile != app.profile else None,
            features=(now if profile != app.profile else {}) | wanted,
            version=int(version) if version.isdecimal() and len(version) < 10 else -1,
        )
    except WrongFeatures as error:
        return _form(visit, 400, wanted, profile=profile, problem=error.about_none, problems=error.problems)
    except AppError as error:
        visit.named_app = visit.desk.app(app.slug)
        return _form(visit, 400, {}, problem=str(error))
    visit.notice(_("Saved. It holds from the next request on."))
    return visit.go("app_features", slug=app.slug)


def _typed(visit: Visit) -> dict[str, str]:
    """Returns the values in the form; a switch that is off is not sent, so the form names all that it shows."""
    form = visit.request.form
    switches = set(form.getlist("switch"))
    names = [*switches, *form.getlist("feature")]
    return {
        name: ("on" if name in form else "off") if name in switches else form.get(name, "").strip() for name in names
    }


def _form(
    visit: Visit,
    status: int,
    values: Mapping[str, str],
    *,
    profile: str | None = None,
    problem: str | None = None,
    problems: Mapping[str, str] | None = None,
) -> Response:
    app = visit.app
    known = features.current(app)
    shown: dict[str, Any] = {name: text for name, text in values.items() if name in known}
    return visit.render(
        "app_features.html",
        status,
        sections=features.sections(app, shown),
        now=known,
        profile=profile or app.profile,
        profiles=list(app_profile.PROFILES),
        problem=problem,
        problems=problems or {},
        leaving=features.meaning_of_leaving_now(visit.desk.db, app),
    )
