"""Secret keys, which sign the tokens: as text, and in the file that an installation makes for itself."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from . import own_files
from .errors import ConfigError
from .obstacles import obstacle
from .own_files import UntrustedPlace

#: Bytes. Somebody who has one signed token could guess a shorter key.
SHORTEST = 32


def load_or_create(state_dir: Path) -> str:
    """Reads `secret_key` in the state folder, or creates it with a random key.

    In: the state folder, created for its owner alone when it is missing. Out: the file's text, which is
    written like SCIMLITE_SECRET_KEY. Processes that start at the same moment all get the same key. Raises
    ConfigError when the file is empty, readable by other users, or cannot be read or written.
    """
    path = state_dir / "secret_key"
    try:
        try:
            return _read_secret(path)
        except FileNotFoundError:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            _create_secret(path)
        return _read_secret(path)
    except UntrustedPlace as error:
        raise ConfigError(str(error.path), error.problem) from None
    except OSError as error:
        reason = obstacle(path, write=not os.path.exists(path)) or f"{error.strerror}: set SCIMLITE_SECRET_KEY"
        raise ConfigError(str(path), f"cannot be read or created: {reason}") from error


def parse(text: str, *, source: str) -> tuple[str, ...]:
    """Splits comma-separated secret keys, newest first.

    In: the keys, and the variable or file they come from, for messages. Out: the keys. Raises ConfigError,
    without quoting any of them, when one is empty or short.
    """
    keys = tuple(key.strip() for key in text.split(","))
    for number, key in enumerate(keys, start=1):
        try:
            size = len(key.encode())
        except UnicodeEncodeError:  # the environment may hold any bytes; the error would quote the key
            raise ConfigError(source, "is not UTF-8: write the random bytes in base64 or hex") from None
        if not key.isprintable():
            # Most often several lines, of which each is a key.
            raise ConfigError(
                source,
                f"holds a line break or a control character within a key (number {number} of {len(keys)}): give it on "
                "one line, several keys separated by commas",
            )
        if size < SHORTEST:
            raise ConfigError(
                source,
                f"holds a key of {size} bytes (number {number} of {len(keys)}): give at least "
                f"{SHORTEST} random bytes, several keys separated by commas, newest first",
            )
    return keys


def _read_secret(path: Path) -> str:
    try:
        # Some editors put U+FEFF in front, which is no part of the key.
        text = own_files.read(path, secret=True).removeprefix("\ufeff").strip()
    except UnicodeDecodeError:
        raise ConfigError(str(path), "is not UTF-8: write the random bytes in base64 or hex") from None
    if not text:
        raise ConfigError(str(path), "is empty: put the secret key back, or delete the file for a new one")
    return text


def _create_secret(path: Path) -> None:
    # The key is written under another name and then linked to its own: a reader never finds half a key, and of two
    # processes that create it, the second finds the name taken and reads the key of the first.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(SHORTEST) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # After a power cut, tokens that were already issued still need the key.
        os.fsync(folder)
    finally:
        os.close(folder)
