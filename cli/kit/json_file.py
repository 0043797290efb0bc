"""JSON from a file that an operator names."""

from __future__ import annotations

from typing import IO, Any

import click

from scimlite.errors import ScimError
from scimlite.scim import messages
from scimlite.visible_text import visible


def read_json(file: IO[bytes]) -> Any:
    """Return what a file or standard input holds. Raises ClickException that names it when that is no JSON."""
    try:
        return messages.load_json(file.read())
    except ScimError as error:
        place = str(getattr(file, "name", "-"))
        name = "Standard input" if place in ("-", "<stdin>") else visible(place)
        # The service's own words are about the body of a request.
        raise click.ClickException(error.detail.replace("The body", name, 1)) from None
