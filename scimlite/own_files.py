"""Files that this installation believes: nobody else may have written them, or be able to replace them.

Another user of the machine who writes the address of the service gets the operator's token from `scimlite app test`;
who writes the secret key or the database lets anybody in.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from .errors import OperatorError

#: SQLite's files beside a database, which it believes as it believes the database.
_BESIDE = ("-wal", "-shm", "-journal")


class UntrustedPlace(OperatorError):
    """Another user of this machine could have written a file; `problem` says who, and what to do."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path = path
        self.problem = problem


def read(path: Path, *, secret: bool = False) -> str:
    """Returns the text of a file of the state folder, which was opened through no symbolic link.

    Others lose the right to read it. In: `secret`, True for a file that they must not have been able to read. Raises
    UntrustedPlace when others could have written it, FileNotFoundError, another OSError when it cannot be read, and
    UnicodeDecodeError.
    """
    check_folder(path.parent)
    try:
        # Without waiting for the other end of a pipe that stands in its place.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UntrustedPlace(path, "is a symbolic link, which is not followed: put the file itself there") from None
        raise
    with os.fdopen(descriptor, encoding="utf-8") as file:
        # The open file, not the path, so that the file that is checked is the file that is read.
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise UntrustedPlace(path, "is no file: remove it")
        mode = stat.S_IMODE(found.st_mode)
        if secret and mode & 0o077:
            raise UntrustedPlace(
                path,
                f"is open to other users of this machine (mode {mode:04o}): anybody who read it can forge "
                f"tokens. Delete it for a new key, which ends every token, or run: chmod 600 {path}",
            )
        _check_file(path, found)
        _close(file.fileno(), found, 0o600)
        return file.read()


def replace(path: Path, text: str) -> None:
    """Writes a file of the state folder, for this user alone; a reader finds the old text or the new one.

    What stands in its place goes, a symbolic link too. Raises UntrustedPlace when others can write the folder, and
    OSError.
    """
    check_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_database(path: Path) -> None:
    """Raises UntrustedPlace when others could have written a SQLite database, or can replace it.

    A symbolic link to it is followed, as an operator may have put it elsewhere. What does not exist, or cannot be
    looked at, is for others to tell. Who is neither this user nor of the file's group loses the right to read it.
    """
    path = path.resolve()
    for file in (path, *(path.with_name(path.name + end) for end in _BESIDE)):
        try:
            found = file.lstat()
        except OSError:
            continue
        if stat.S_ISLNK(found.st_mode):
            raise UntrustedPlace(file, "is a symbolic link, and SQLite would follow it: remove it")
        if stat.S_ISREG(found.st_mode):
            _check_file(file, found)
            # A group may have been given it to read, such as the one that makes backups.
            _close(file, found, 0o660)
    check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Raises UntrustedPlace when others can replace the files of a folder.

    They cannot in a folder with the sticky bit. A volume of a container, which is a mount point, and a container's user
    who has no name are taken as they come: there are no other users.
    """
    try:
        found = folder.stat()
    except OSError:
        return
    if not stat.S_ISDIR(found.st_mode) or os.path.ismount(folder) or _name(os.geteuid()) is None:
        return
    user = os.geteuid()
    if user != 0 and found.st_uid not in (user, 0):
        raise UntrustedPlace(folder, _of_another(found.st_uid, "a folder of this user"))
    if not found.st_mode & stat.S_ISVTX and (who := _writers(found)):
        raise UntrustedPlace(
            folder,
            f"can be written by {who} (mode {stat.S_IMODE(found.st_mode):04o}), who could replace the files in it: run "
            f"chmod go-w {folder}, or name another folder",
        )


def _check_file(path: Path, found: os.stat_result) -> None:
    """Raises UntrustedPlace when a file belongs to a stranger, or others can write it.

    The owner is this user, root, or who owns the folder: root may look at the files of the service's user.
    """
    owners = {os.geteuid(), 0}
    if os.geteuid() == 0 or _name(os.geteuid()) is None:
        owners.add(path.parent.stat().st_uid)
    if found.st_uid not in owners:
        raise UntrustedPlace(path, _of_another(found.st_uid, "a file of this user"))
    if who := _writers(found):
        raise UntrustedPlace(
            path,
            f"can be written by {who} (mode {stat.S_IMODE(found.st_mode):04o}): look at what is in it, then run "
            f"chmod go-w {path}, or remove it",
        )


def _close(file: Path | int, found: os.stat_result, most: int) -> None:
    """Takes rights above `most` from a file of this user, which came with a copy; where that is refused, it stays."""
    if stat.S_IMODE(found.st_mode) & ~most & 0o077 and found.st_uid == os.geteuid():
        with suppress(OSError):
            os.chmod(file, stat.S_IMODE(found.st_mode) & most)


def _of_another(owner: int, wanted: str) -> str:
    name, user = _name(owner) or f"user {owner}", _name(os.geteuid()) or f"user {os.geteuid()}"
    return f"belongs to {name}, and this is {user}, who takes only {wanted} or root: run this as {name}, or remove it"


def _writers(found: os.stat_result) -> str | None:
    """Returns who can write a file or folder beside its owner, in words; None when nobody can."""
    if found.st_mode & stat.S_IWOTH:
        return "every user of this machine"
    if found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid, found.st_uid):
        return f"the group {grp.getgrgid(found.st_gid).gr_name}"
    return None


def _is_private(group: int, owner: int) -> bool:
    """True for a group with no other users: root's, the owner's own, or one of a container's volume, without a name."""
    try:
        known = grp.getgrgid(group)
    except KeyError:
        return True
    name = _name(owner)
    return group == 0 or (known.gr_name == name and set(known.gr_mem) <= {name})


def _name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
