"""Opens the installation for a command, and closes it when the command ends."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from .context import Context, open_context

_P = ParamSpec("_P")


def with_installation(command: Callable[Concatenate[Context, _P], None]) -> Callable[_P, None]:
    """Decorator: the command gets the opened installation as its first argument.

    An empty database is initialised only at the default location (`open_context`).
    """

    @functools.wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        context = open_context()
        try:
            command(context, *args, **kwargs)
        finally:
            context.db.close()

    return run
