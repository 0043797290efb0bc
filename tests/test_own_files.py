"""Files that another user of the machine could have written are not believed."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import Commands
from postgres_server import free_port
from scimlite import own_files
from scimlite.own_files import UntrustedPlace
from scimlite.service_address import DEFAULT_URL, current, forget, remember

NOBODY = 65534
STRANGER = "http://192.0.2.1:8000"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def file(folder: Path) -> Path:
    made = folder / "server-url"
    made.write_text(f"{STRANGER} 1\n")
    made.chmod(0o600)
    return made


def linked(file: Path) -> None:
    target = file.parent.parent / "elsewhere"
    file.rename(target)
    file.symlink_to(target)


def piped(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def given_away(file: Path) -> None:
    os.chown(file, NOBODY, -1)


WRITABLE: list[tuple[Callable[[Path], None], str]] = [
    (lambda file: file.chmod(0o602), "every user of this machine"),
    (lambda file: file.chmod(0o666), "every user of this machine"),
    (lambda file: file.parent.chmod(0o777), "who could replace the files in it"),
    (lambda file: file.parent.chmod(0o703), "who could replace the files in it"),
    (linked, "is a symbolic link"),
    (piped, "is no file"),
]


@pytest.mark.parametrize(("change", "problem"), WRITABLE)
def test_what_others_can_write_is_refused(file: Path, change: Callable[[Path], None], problem: str) -> None:
    change(file)
    with pytest.raises(UntrustedPlace, match=problem) as refused:
        own_files.read(file)
    assert str(file.parent) in str(refused.value)
    with pytest.raises(UntrustedPlace):
        current(file.parent)


@as_root
def test_a_file_of_a_stranger_is_refused(file: Path) -> None:
    given_away(file)
    with pytest.raises(UntrustedPlace, match="belongs to nobody, and this is root"):
        own_files.read(file)
    # In a folder of the same user root may look at it: it is the service's.
    os.chown(file.parent, NOBODY, -1)
    assert own_files.read(file).startswith(STRANGER)


@as_root
def test_groups(file: Path) -> None:
    file.chmod(0o660)
    own_files.read(file)
    # 4 is `adm` or the like, which has a name; a volume of a container has a group without one.
    os.chown(file, -1, 4)
    file.chmod(0o660)
    with pytest.raises(UntrustedPlace, match="the group "):
        own_files.read(file)
    os.chown(file, -1, 2_000_000)
    own_files.read(file)
    os.chown(file.parent, -1, 4)
    file.parent.chmod(0o770)
    with pytest.raises(UntrustedPlace, match="the group "):
        own_files.read(file)


def test_others_lose_the_right_to_read(file: Path) -> None:
    file.chmod(0o644)
    file.parent.chmod(0o755)
    with pytest.raises(UntrustedPlace, match="chmod 600"):
        own_files.read(file, secret=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert own_files.read(file).startswith(STRANGER)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(("mode", "closed"), [(0o644, 0o640), (0o604, 0o600), (0o640, 0o640), (0o600, 0o600)])
def test_others_lose_the_right_to_read_a_database(tmp_path: Path, mode: int, closed: int) -> None:
    database = tmp_path / "copy.db"
    for file in (database, tmp_path / "copy.db-wal"):
        file.write_text("")
        file.chmod(mode)
    own_files.check_database(database)
    assert [stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()] == [closed] * 2


def test_a_sticky_folder_keeps_others_from_replacing(file: Path) -> None:
    file.parent.chmod(0o1777)
    assert own_files.read(file).startswith(STRANGER)


@as_root
@pytest.mark.parametrize(
    ("uid", "owner", "mode", "problem"),
    [
        (NOBODY, NOBODY, 0o700, None),
        (NOBODY, 0, 0o755, None),
        (NOBODY, 1, 0o755, "belongs to "),
        # A container's user that the machine does not know, in a volume that all may write.
        (1_234_567, 0, 0o777, None),
    ],
)
def test_other_users(uid: int, owner: int, mode: int, problem: str | None) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as above:
        Path(above).chmod(0o711)
        folder = Path(above) / "state"
        folder.mkdir()
        file = folder / "server-url"
        file.write_text(STRANGER)
        os.chown(file, uid, -1)
        os.chown(folder, owner, -1)
        folder.chmod(mode)
        said = as_user(uid, lambda: own_files.read(file))
    assert said == STRANGER if problem is None else problem in said


def as_user(uid: int, act: Callable[[], str]) -> str:
    """What a function returns, or the error that it raises, in a process of another user."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(uid, uid, uid)
            said = act()
        except Exception as error:
            said = str(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(process, 0)
    return said


def test_a_file_is_replaced_and_nothing_is_written_through_a_link(file: Path) -> None:
    linked(file)
    target = file.parent.parent / "elsewhere"
    remember(file.parent, "http://127.0.0.1:9")
    assert target.read_text() == f"{STRANGER} 1\n"
    assert not file.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # The stranger's address went.
    assert file.read_text() == f"http://127.0.0.1:9 {os.getpid()}\n"
    forget(file.parent, "http://127.0.0.1:9")
    assert file.read_text() == ""
    assert current(file.parent).url == DEFAULT_URL
    assert [path.name for path in file.parent.iterdir()] == ["server-url"]


def test_nothing_is_written_where_others_write(file: Path) -> None:
    file.parent.chmod(0o777)
    with pytest.raises(UntrustedPlace):
        remember(file.parent, "http://127.0.0.1:9")
    assert file.read_text() == f"{STRANGER} 1\n"


# --- the commands -------------------------------------------------------------------------------------------------


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    made = Commands({"SCIMLITE_STATE_DIR": str(tmp_path / "state")})
    made.ok("app", "create", "A")
    return made


@pytest.mark.parametrize("name", ["server-url", "secret_key", "scimlite.db", "scimlite.db-wal", "."])
def test_a_token_goes_nowhere_that_a_stranger_names(commands: Commands, tmp_path: Path, name: str) -> None:
    url = tmp_path / "state" / "server-url"
    url.write_text(f"{STRANGER} 1\n")
    place = tmp_path / "state" / name
    if not place.exists():
        place.write_text("")
    place.chmod(0o777 if name == "." else 0o666)
    said = commands.fails("app", "test", "a", code=2 if name == "secret_key" else 1)
    assert said.count("\n") == 1
    assert str(place) in said
    assert "chmod" in said
    place.chmod(0o700 if name == "." else 0o600)


def test_the_service_does_not_start_on_a_database_that_others_can_write(commands: Commands, tmp_path: Path) -> None:
    database = tmp_path / "state" / "scimlite.db"
    database.chmod(0o666)
    for arguments in (("serve", "--port", str(free_port())), ("user", "list"), ("db", "status")):
        said = commands.fails(*arguments)
        assert f"{database} can be written by every user of this machine (mode 0666)" in said
    database.chmod(0o660)
    commands.ok("user", "list")


def test_a_secret_key_behind_a_link_is_refused(commands: Commands, tmp_path: Path) -> None:
    linked(tmp_path / "state" / "secret_key")
    assert "is a symbolic link, which is not followed" in commands.fails("token", "show", "a", code=2)
