"""Words for operators: how a remedy is carried out."""

from __future__ import annotations

from ..errors import Remedy


def wording_of_remedy(remedy: Remedy | str | None) -> str | None:
    """A remedy as a command line or the name of a setting; None without one.

    A text is a command line already: an older version stored it.
    """
    if not isinstance(remedy, Remedy):
        return remedy
    if remedy.feature is not None:
        command = f"scimlite app edit {remedy.app} --feature {remedy.feature}={remedy.value}"
        return f"{command}, or scimlite schema add to declare it" if remedy.declare else command
    if remedy.setting is not None:
        return f"the setting {remedy.setting}"
    if remedy.optional_target is not None:
        return f"scimlite mapping set --app {remedy.app} {remedy.optional_target} --optional"
    return f"scimlite app release {remedy.app}"
