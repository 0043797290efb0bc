"""References to secrets: `env:NAME`, `file:PATH` and `kept:NAME` say where a password or token is read at each run.

The database holds the reference alone. A kept secret is a file of the state folder, for this user alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from .. import own_files
from ..errors import OperatorError
from ..obstacles import obstacle

#: The folder, in the state folder, of the secrets that scimlite keeps.
_FOLDER = "secrets"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: The name of a file: no folder, no hidden file, nothing that a shell takes for something else.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_SETTINGS = "SCIMLITE_"
#: Bytes; more is no password and no token.
_LONGEST = 65536


class SecretError(OperatorError):
    """A secret cannot be read or kept; the text names its reference, and never the secret."""


def check(reference: str) -> None:
    """Raises SecretError for a text that is no reference. Nothing is read."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        if not _VARIABLE.fullmatch(name):
            raise SecretError(f"{reference!r} names no variable of the environment: give one such as env:CRM_TOKEN.")
        if name.startswith(_SETTINGS):
            raise SecretError(f"{reference} begins like the settings of scimlite: choose another name, as CRM_TOKEN.")
    elif kind == "file":
        if not os.path.isabs(name) or not name.isprintable():
            raise SecretError(f"{reference!r} names no file: give its absolute path, as file:/run/credentials/crm.")
    elif kind != "kept" or not _NAME.fullmatch(name):
        # What is given may be the secret itself, so it is not quoted.
        raise SecretError("A secret is given by a reference: env:NAME, file:PATH or kept:NAME.")


def read(reference: str, state_dir: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Returns the secret behind a reference, without a byte order mark and line breaks at its end.

    Raises SecretError, which names the reference, when there is none, or it cannot be read.
    """
    check(reference)
    kind, _, name = reference.partition(":")
    if kind == "env":
        text = environ.get(name)
        if text is None:
            raise SecretError(f"{reference}: the variable {name} is not set for this process.")
    else:
        text = _text_of(reference, Path(name)) if kind == "file" else _kept_text(reference, state_dir)
    text = text.removeprefix("\ufeff").rstrip("\r\n")
    if not text:
        raise SecretError(f"{reference} is empty: put the secret there.")
    if not text.isprintable():
        raise SecretError(f"{reference} holds a line break or a control character: give the secret on one line.")
    return text


def keep(state_dir: Path, name: str, text: str) -> str:
    """Writes a secret into a file for this user alone, in place of a former one; returns its reference.

    Raises SecretError for a text that `read` would refuse, and when the file cannot be written.
    """
    reference = f"kept:{name}"
    check(reference)
    text = text.removeprefix("\ufeff").rstrip("\r\n")
    if not text or not text.isprintable() or len(text.encode(errors="replace")) > _LONGEST:
        raise SecretError("The secret that was given is empty, too long, or not one line of text.")
    path = _path(reference, state_dir)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        own_files.replace(path, text + "\n")
    except OSError as error:
        reason = obstacle(path, write=True) or error.strerror
        raise SecretError(f"{reference} cannot be written to {path}: {reason}.") from None
    return reference


def forget(state_dir: Path, reference: str) -> None:
    """Deletes a secret that is kept; one that is elsewhere, or gone already, is left alone."""
    check(reference)
    if reference.startswith("kept:"):
        _path(reference, state_dir).unlink(missing_ok=True)


def _path(reference: str, state_dir: Path) -> Path:
    return state_dir / _FOLDER / reference.removeprefix("kept:")


def _text_of(reference: str, path: Path) -> str:
    """The text of a file; its mode is not judged, because containers mount secrets that everybody inside can read."""
    try:
        if path.exists() and not path.is_file():
            # A pipe would keep the reader waiting.
            raise SecretError(f"{reference} cannot be read: it is no regular file.")
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
    except OSError as error:
        raise SecretError(f"{reference} cannot be read: {error.strerror}.") from None
    if len(content) > _LONGEST:
        raise SecretError(f"{reference} is larger than {_LONGEST:,} bytes, so it is no secret.")
    return _decoded(reference, content)


def _decoded(reference: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SecretError(f"{reference} is not UTF-8.") from None


def _kept_text(reference: str, state_dir: Path) -> str:
    path = _path(reference, state_dir)
    try:
        return own_files.read(path)
    except FileNotFoundError:
        raise SecretError(f"{reference}: there is no {path}. Each host has its own: give the secret again.") from None
    except UnicodeDecodeError:
        raise SecretError(f"{reference} is not UTF-8.") from None
    except OSError as error:
        raise SecretError(f"{reference} cannot be read from {path}: {obstacle(path) or error.strerror}.") from None
