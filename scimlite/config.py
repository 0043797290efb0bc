"""The settings of one installation, read once from SCIMLITE_* environment variables."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .clock import DAY
from .errors import OperatorError

#: A key of fewer bytes could be guessed by somebody who holds one signed token.
SHORTEST_SECRET_KEY = 32

# Kubernetes gives every container the addresses of the services in its namespace, so one called "scimlite" or
# "scimlite-db" puts names into our prefix that nobody chose.
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_KUBERNETES = re.compile(
    r"SCIMLITE_(\w+_)?"
    r"(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


class ConfigError(OperatorError):
    """A setting that cannot be used: the variable at fault, and what would be right.

    The text never holds a secret, so it may be printed and logged.
    """

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable} {problem}")
        self.variable = variable
        self.problem = problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much a client may ask for, and how long deleted users are kept."""

    #: SCIMLITE_MAX_BODY: the largest request body, in bytes; a larger one is answered with 413.
    max_body: int = 16 * 1024 * 1024

    #: SCIMLITE_MAX_RESULTS: the most resources in one page of a query; a larger `count` is clamped.
    max_results: int = 1000

    #: SCIMLITE_DEFAULT_COUNT: the resources in a page when the client does not ask for a `count`.
    default_count: int = 100

    #: SCIMLITE_MAX_OPERATIONS: the most operations in one bulk request; a larger one is answered with 413.
    max_operations: int = 1000

    #: SCIMLITE_RETENTION: how long a tombstone can be restored before it may be purged, in microseconds.
    retention: int = 30 * DAY


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(Limits):
    """One installation's settings; equal environments give equal settings."""

    #: SCIMLITE_STATE_DIR: the folder, as an absolute path, of the SQLite database and the secret key.
    state_dir: Path

    #: SCIMLITE_DATABASE_URL: `sqlite:///` and an absolute path, or what libpq takes after `postgresql://`.
    database_url: str = field(repr=False)

    #: Whether nobody chose a database, so that it is `scimlite.db` in the state folder.
    database_is_default: bool = False

    #: SCIMLITE_SECRET_KEY: the keys that sign tokens; the first signs, all verify. Empty with SQLite when
    #: the variable is not set: `with_secret_keys` then reads or creates the file in the state folder.
    secret_keys: tuple[str, ...] = field(default=(), repr=False)

    #: SCIMLITE_BASE_URL: the address clients know, without a slash at the end; None takes the request's own.
    base_url: str | None = None

    #: SCIMLITE_TRUSTED_PROXIES: networks whose X-Forwarded-* headers are believed; none by default.
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    #: SCIMLITE_BUSY_TIMEOUT: how many seconds to wait for a locked database before answering 503.
    busy_timeout: float = 5.0

    #: SCIMLITE_PREPARE_THRESHOLD: after how many uses PostgreSQL prepares a statement; None, spelled `off`,
    #: never does, as PgBouncer in transaction mode needs.
    prepare_threshold: int | None = 5

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings from environment variables, touching no file.

        In: the environment. Out: the settings; `secret_keys` may be empty with SQLite. Raises ConfigError
        for a value that cannot be used and for a SCIMLITE_* variable that does not exist.
        """
        _refuse_unknown(environ)
        given = {name: _given(environ, name) for name in VARIABLES if name in environ}

        state_dir = _state_dir(environ, given.get("SCIMLITE_STATE_DIR"))
        url = given.get("SCIMLITE_DATABASE_URL")
        database_url = f"sqlite:///{state_dir / 'scimlite.db'}" if url is None else _database_url(url)
        keys = given.get("SCIMLITE_SECRET_KEY")
        if keys is None and not database_url.startswith("sqlite:"):
            # Every server of an installation needs the same key; a generated one would differ on each.
            raise ConfigError(
                "SCIMLITE_SECRET_KEY",
                f"is not set: with PostgreSQL give a random key of at least {SHORTEST_SECRET_KEY} bytes, the "
                "same to every server and to the commands",
            )

        settings = cls(
            state_dir=state_dir,
            database_url=database_url,
            database_is_default=url is None,
            secret_keys=() if keys is None else parse_secret_keys(keys, source="SCIMLITE_SECRET_KEY"),
            **{
                parameter: parse(variable, given[variable])
                for variable, (parameter, parse) in _WITH_A_DEFAULT.items()
                if variable in given
            },
        )
        if settings.default_count <= settings.max_results:
            return settings
        if "SCIMLITE_DEFAULT_COUNT" in given:
            raise ConfigError(
                "SCIMLITE_DEFAULT_COUNT",
                f"is {settings.default_count}, more than SCIMLITE_MAX_RESULTS allows ({settings.max_results})",
            )
        return dataclasses.replace(settings, default_count=settings.max_results)

    @property
    def limits(self) -> Limits:
        """What the settings say of limits, for the endpoint."""
        return Limits(**{each.name: getattr(self, each.name) for each in dataclasses.fields(Limits)})

    @property
    def sqlite_path(self) -> Path | None:
        """The SQLite database's file as an absolute path; None with PostgreSQL."""
        kind, _, path = self.database_url.partition(":///")
        return Path(path) if kind == "sqlite" else None

    @property
    def database_label(self) -> str:
        """The database's URL for people to read: a password in it is shown as ***."""
        return _without_password(self.database_url)

    def with_secret_keys(self) -> Settings:
        """The same settings with at least one secret key.

        Out: settings whose `secret_keys` is not empty. Creates the key's file in the state folder when no
        key was given and there is no file yet. Raises ConfigError when that file cannot be used.
        """
        if self.secret_keys:
            return self
        content = load_or_create_secret_key(self.state_dir)
        keys = parse_secret_keys(content, source=str(self.state_dir / "secret_key"))
        return dataclasses.replace(self, secret_keys=keys)


def load_or_create_secret_key(state_dir: Path) -> str:
    """Read `secret_key` in the state folder, or create it with a random key.

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
    except OSError as error:
        raise ConfigError(
            str(path),
            f"cannot be read or created ({error.strerror}): run this as the user that runs the service, or "
            "set SCIMLITE_SECRET_KEY",
        ) from error


def parse_secret_keys(text: str, *, source: str) -> tuple[str, ...]:
    """Split comma-separated secret keys, newest first.

    In: the keys, and the variable or file they come from, for messages. Out: the keys. Raises ConfigError,
    without quoting any of them, when one is empty or short.
    """
    keys = tuple(key.strip() for key in text.split(","))
    for number, key in enumerate(keys, start=1):
        try:
            size = len(key.encode())
        except UnicodeEncodeError:  # the environment may hold any bytes; the error would quote the key
            raise ConfigError(source, "is not UTF-8: write the random bytes in base64 or hex") from None
        if size < SHORTEST_SECRET_KEY:
            raise ConfigError(
                source,
                f"holds a key of {size} bytes (number {number} of {len(keys)}): give at least "
                f"{SHORTEST_SECRET_KEY} random bytes, several keys separated by commas, newest first",
            )
    return keys


def _read_secret(path: Path) -> str:
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        # The open file is asked, not the path, so that what was checked is what is read.
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise ConfigError(
                str(path),
                f"is open to other users of this machine (mode {mode:04o}): whoever read it can forge "
                f"tokens. Delete it for a new key, which ends every token, or run: chmod 600 {path}",
            )
        text = file.read().strip()
    if not text:
        raise ConfigError(str(path), "is empty: put the secret key back, or delete the file for a new one")
    return text


def _create_secret(path: Path) -> None:
    # Written under another name and linked into place: whoever sees the name sees a whole key, and of two
    # processes the second finds the name taken and then reads the first one's key.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(SHORTEST_SECRET_KEY) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # A power cut must not take the key away from tokens that were already handed out.
        os.fsync(folder)
    finally:
        os.close(folder)


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if not name.startswith("SCIMLITE_") or name in VARIABLES:
            continue
        if name.startswith("SCIMLITE_TEST_") or _KUBERNETES.fullmatch(name):
            continue
        # Compared without the prefix, which would make any two names look alike.
        ends = [variable.removeprefix("SCIMLITE_") for variable in VARIABLES]
        close = difflib.get_close_matches(name.removeprefix("SCIMLITE_"), ends, n=1)
        hint = f"did you mean SCIMLITE_{close[0]}?" if close else f"the settings are {', '.join(VARIABLES)}"
        raise ConfigError(name, f"is not a setting: {hint}")


def _given(environ: Mapping[str, str], name: str) -> str:
    value = environ[name].strip()
    if not value:
        # Most often a secret or a template that was not filled in; a default would hide it.
        raise ConfigError(name, "is empty: give it a value, or unset it")
    return value


def _state_dir(environ: Mapping[str, str], value: str | None) -> Path:
    try:
        if value is not None:
            return Path(value).expanduser().absolute()
        # The XDG specification has relative paths ignored.
        xdg = environ.get("XDG_STATE_HOME", "")
        if os.path.isabs(xdg):
            return Path(xdg) / "scimlite"
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
        return home.absolute() / ".local" / "state" / "scimlite"
    except RuntimeError as error:  # pathlib's way to say that there is no home folder
        raise ConfigError(
            "SCIMLITE_STATE_DIR", "has no default because this user has no home folder: set it"
        ) from error


def _database_url(value: str) -> str:
    def refuse(problem: str) -> ConfigError:
        return ConfigError("SCIMLITE_DATABASE_URL", f"is {_without_password(value)!r}: {problem}")

    kind, separator, rest = value.partition("://")
    if separator and kind == "sqlite":
        path = rest.removeprefix("/")
        if not rest.startswith("/") or path.endswith("/") or path in ("", ":memory:"):
            raise refuse(
                "give a file, as sqlite:///relative/path.db or sqlite:////absolute/path.db (a database in "
                "memory could not be shared between threads)"
            )
        if "?" in path or "\0" in path:
            raise refuse("a SQLite URL takes no options and no question mark")
        return f"sqlite:///{Path(path).expanduser().absolute()}"
    if separator and kind in ("postgresql", "postgres"):
        # Imported here because loading libpq takes longer than everything else a SQLite command does.
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict

        url = f"postgresql://{rest}"
        try:
            ports = str(conninfo_to_dict(url).get("port", "")).split(",")
            # libpq looks at ports only when it connects. A password with an unencoded "/" becomes one.
            valid = all(port == "" or re.fullmatch(r"[0-9]{1,5}", port) for port in ports)
        except (ProgrammingError, UnicodeError):
            valid = False
        if not valid:
            # libpq's own message may quote the password, so neither it nor its exception goes along.
            raise refuse(
                "libpq cannot read it; write postgresql://user:password@host:port/database and encode "
                "special characters of the password, such as %40 for @"
            )
        return url
    raise refuse("give sqlite:///relative/path.db, sqlite:////absolute/path.db or postgresql://user@host/database")


def _without_password(url: str) -> str:
    # Greedy up to the last "@": a password with an unencoded "@" or "/" must not show either.
    url = re.sub(r"//([^:/@]*):.*@", r"//\1:***@", url, flags=re.DOTALL)
    return re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1***", url, flags=re.IGNORECASE)


def _base_url(variable: str, value: str) -> str:
    def refuse(problem: str) -> ConfigError:
        return ConfigError(variable, f"is {value!r}: {problem}")

    # urlsplit drops tabs and line feeds and keeps spaces; none belongs into an address.
    if not re.fullmatch(r"[!-~]+", value):
        raise refuse("an address holds no spaces and only ASCII characters")
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or an unclosed bracket
        valid = False
    if not valid:
        raise refuse("give the address clients use, such as https://scim.example.com")
    if "@" in parts.netloc:
        raise ConfigError(variable, "holds a user name: clients authenticate with tokens only")
    if "?" in value or "#" in value:
        raise refuse("leave out what begins with ? or #")
    address = value.rstrip("/")
    if parts.path.rstrip("/").lower().endswith("/scim/v2"):
        raise refuse("leave out /scim/v2: scimlite itself adds each app's path, /scim/v2 included")
    return address


def _networks(variable: str, value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    networks = []
    for item in value.split(","):
        try:
            networks.append(ip_network(item.strip()))
        except ValueError as error:
            raise ConfigError(
                variable,
                f"holds {item.strip()!r}: give IP addresses or networks separated by commas, such as "
                "127.0.0.1,10.0.0.0/8 (no bits set right of the prefix)",
            ) from error
    return tuple(networks)


def _whole_number(variable: str, value: str) -> int:
    # int() alone would also take "1_000", "+5" and the digits of other scripts.
    if not re.fullmatch(r"[0-9]{1,12}", value) or int(value) == 0:
        raise ConfigError(variable, f"is {value!r}: give a whole number, at least 1")
    return int(value)


def _seconds(variable: str, value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", value) or float(value) > 3600:
        raise ConfigError(variable, f"is {value!r}: give seconds between 0 and 3600, such as 5 or 0.5")
    return float(value)


def _days(variable: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}d?", value):
        raise ConfigError(variable, f"is {value!r}: give days, such as 30 or 30d")
    return int(value.rstrip("d")) * DAY


def _threshold(variable: str, value: str) -> int | None:
    if value.lower() == "off":
        return None
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise ConfigError(variable, f"is {value!r}: give a whole number, at least 0, or off")
    return int(value)


# The field each variable fills and the function that reads it; a field not named keeps its default.
_WITH_A_DEFAULT: Mapping[str, tuple[str, Callable[[str, str], Any]]] = {
    "SCIMLITE_BASE_URL": ("base_url", _base_url),
    "SCIMLITE_TRUSTED_PROXIES": ("trusted_proxies", _networks),
    "SCIMLITE_MAX_BODY": ("max_body", _whole_number),
    "SCIMLITE_MAX_RESULTS": ("max_results", _whole_number),
    "SCIMLITE_DEFAULT_COUNT": ("default_count", _whole_number),
    "SCIMLITE_MAX_OPERATIONS": ("max_operations", _whole_number),
    "SCIMLITE_RETENTION": ("retention", _days),
    "SCIMLITE_BUSY_TIMEOUT": ("busy_timeout", _seconds),
    "SCIMLITE_PREPARE_THRESHOLD": ("prepare_threshold", _threshold),
}

#: Every variable that is read.
VARIABLES = ("SCIMLITE_STATE_DIR", "SCIMLITE_DATABASE_URL", "SCIMLITE_SECRET_KEY", *_WITH_A_DEFAULT)
