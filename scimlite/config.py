"""The settings of an installation, read once from SCIMLITE_* environment variables."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, TypeVar

from . import config_values
from .errors import ConfigError
from .limits import Limits
from .secret_keys import SHORTEST, load_or_create, parse

T = TypeVar("T")

_DEFAULT_PORT = 8000

# Kubernetes sets variables with the addresses of all services of a namespace in every container. A service called
# "scimlite" or "scimlite-db" therefore sets variables with our prefix that no operator chose.
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_KUBERNETES = re.compile(
    r"SCIMLITE_(\w+_)?"
    r"(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(Limits):
    """One installation's settings; equal environments give equal settings."""

    #: SCIMLITE_STATE_DIR: the folder, as an absolute path, of the SQLite database and the secret key.
    state_dir: Path

    #: SCIMLITE_DATABASE_URL: `sqlite:///` and an absolute path, or what libpq takes after `postgresql://`.
    database_url: str = field(repr=False)

    #: True without SCIMLITE_DATABASE_URL: the database is `scimlite.db` in the state folder.
    database_is_default: bool = False

    #: SCIMLITE_SECRET_KEY: the keys that sign tokens; the first signs, all verify. Empty with SQLite when
    #: the variable is not set: `with_secret_keys` then reads or creates the file in the state folder.
    secret_keys: tuple[str, ...] = field(default=(), repr=False)

    #: SCIMLITE_BASE_URL: the address that clients use, without a slash at the end; None takes that of each request.
    base_url: str | None = None

    #: SCIMLITE_TRUSTED_PROXIES: X-Forwarded-* headers count when they come from these networks; none by default.
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    #: SCIMLITE_BUSY_TIMEOUT: how many seconds to wait for a locked database before answering 503.
    busy_timeout: float = 5.0

    #: SCIMLITE_PREPARE_THRESHOLD: after how many uses PostgreSQL prepares a statement; None, spelled `off`, never does;
    #: `auto` does after 5 uses, and never behind a pooler.
    prepare_threshold: int | str | None = "auto"

    #: SCIMLITE_HOST: the address on which `scimlite serve` listens.
    host: str = "127.0.0.1"

    #: SCIMLITE_PORT: the port on which `scimlite serve` listens; None takes that of PORT, else 8000.
    port: int | None = None

    #: SCIMLITE_WORKERS: the number of processes of `scimlite serve`.
    workers: int = 2

    #: SCIMLITE_THREADS: the number of threads in each of these processes.
    threads: int = 4

    #: SCIMLITE_HEADER_TIMEOUT: how many seconds the head of a request may take to arrive.
    header_timeout: float = 10.0

    #: SCIMLITE_BODY_TIMEOUT: how many seconds a body, or an answer, may take; 16 kB that go through give one more.
    body_timeout: float = 20.0

    #: SCIMLITE_QUEUE_TIMEOUT: how many seconds a request may wait for a thread.
    queue_timeout: float = 10.0

    #: SCIMLITE_APP_THREADS: the most threads of a process that work for one app; None for all but one.
    app_threads: int | None = None

    #: SCIMLITE_MAX_WAITERS: the most writes of one app that wait in a process for what is held, and one more of all
    #: apps; None for two less than threads.
    max_waiters: int | None = None

    #: SCIMLITE_DRAIN_SECONDS: how long a service that stops says so in /readyz before it takes no more connections.
    drain: float = 1.0

    #: SCIMLITE_LOG: the form of the log's lines, `text` or `json`.
    log: str = "text"

    #: SCIMLITE_METRICS: the address and port at which `scimlite serve` shows figures to Prometheus; None for nowhere.
    metrics: tuple[str, int] | None = None

    #: SCIMLITE_CONSOLE: where `scimlite serve` shows the console; None, spelled `off`, for nowhere.
    console: config_values.ConsolePlace | None = field(default_factory=config_values.ConsolePlace)

    #: SCIMLITE_CONSOLE_LANGUAGE: the language of the console's texts; None takes what each browser asks for.
    console_language: str | None = None

    #: SCIMLITE_OIDC_ISSUER: the OpenID provider by which operators sign in to the console; None for none.
    oidc_issuer: str | None = None

    #: SCIMLITE_OIDC_CLIENT_ID: what the provider calls this console.
    oidc_client_id: str | None = None

    #: SCIMLITE_OIDC_CLIENT_SECRET: the secret of that client; None for a public client.
    oidc_client_secret: str | None = field(default=None, repr=False)

    #: SCIMLITE_OIDC_SCOPES: what is asked for, separated by blanks.
    oidc_scopes: str = "openid profile email"

    #: SCIMLITE_OIDC_NAME: what the button says that leads to the provider.
    oidc_name: str = "Single sign-on"

    #: SCIMLITE_OIDC_ROLES: which claim makes whom what; None admits the operators who were added by hand.
    oidc_roles: tuple[config_values.ClaimedRole, ...] | None = None

    #: SCIMLITE_OUTBOUND_NETWORKS: networks that scimlite connects to though they are not public; none by default.
    outbound_networks: tuple[IPv4Network | IPv6Network, ...] = ()

    #: SCIMLITE_APP: the app, by slug or name, that a command works on when the command line names none.
    app: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Reads the settings from environment variables, touching no file.

        In: the environment. Out: the settings; `secret_keys` may be empty with SQLite. Raises ConfigError
        for a value that cannot be used and for a SCIMLITE_* variable that does not exist.
        """
        _refuse_unknown(environ)
        texts = {name: _text(environ, name) for name in VARIABLES if name in environ and name not in _FILES}
        sources = {name: variable for variable, name in _FILES.items() if variable in environ}
        for name, variable in sources.items():
            if name in texts:
                raise ConfigError(variable, f"and {name} are both set: unset one of them")
            texts[name] = _text_of_file(environ, variable)
        if texts.get("SCIMLITE_PORT", "").startswith("tcp://"):
            # Kubernetes sets it for a service called "scimlite".
            del texts["SCIMLITE_PORT"]

        state_dir = _state_dir(environ, texts.get("SCIMLITE_STATE_DIR"))
        url = texts.get("SCIMLITE_DATABASE_URL")
        database_url = f"sqlite:///{state_dir / 'scimlite.db'}"
        if url is not None:
            source = sources.get("SCIMLITE_DATABASE_URL", "SCIMLITE_DATABASE_URL")
            database_url = _parsed(source, url, config_values.database_url)
        keys, key_source = texts.get("SCIMLITE_SECRET_KEY"), sources.get("SCIMLITE_SECRET_KEY", "SCIMLITE_SECRET_KEY")
        if keys is None and not database_url.startswith("sqlite:"):
            # Every server of an installation needs the same key; a generated one would differ on each.
            raise ConfigError(
                "SCIMLITE_SECRET_KEY",
                f"is not set, nor SCIMLITE_SECRET_KEY_FILE: with PostgreSQL give a random key of at least "
                f"{SHORTEST} bytes, the same to every server and to the commands",
            )

        settings = cls(
            state_dir=state_dir,
            database_url=database_url,
            database_is_default=url is None,
            secret_keys=() if keys is None else parse(keys, source=key_source),
            **{
                parameter: _parsed(variable, texts[variable], parse)
                for variable, (parameter, parse) in _WITH_A_DEFAULT.items()
                if variable in texts
            },
        )
        if settings.oidc_issuer is not None and settings.oidc_client_id is None:
            raise ConfigError("SCIMLITE_OIDC_CLIENT_ID", "is not set: the provider has it, where this console is added")
        if settings.default_count <= settings.max_results:
            return settings
        if "SCIMLITE_DEFAULT_COUNT" in texts:
            raise ConfigError(
                "SCIMLITE_DEFAULT_COUNT",
                f"is {settings.default_count}, more than SCIMLITE_MAX_RESULTS allows ({settings.max_results})",
            )
        return dataclasses.replace(settings, default_count=settings.max_results)

    @property
    def limits(self) -> Limits:
        """The limits alone, which the endpoint takes."""
        return Limits(**{limit.name: getattr(self, limit.name) for limit in dataclasses.fields(Limits)})

    @property
    def database_label(self) -> str:
        """The database's URL for people to read: a password in it is shown as ***."""
        return config_values.without_password(self.database_url)

    def port_to_serve(self, environ: Mapping[str, str] = os.environ) -> int:
        """The port for `scimlite serve`: SCIMLITE_PORT, else PORT, which hosting platforms set, else 8000.

        Raises ConfigError when PORT is no port. Only the service asks: a PORT that is meant for another program must
        not stop the commands.
        """
        if self.port is not None:
            return self.port
        return _parsed("PORT", _text(environ, "PORT"), config_values.port) if "PORT" in environ else _DEFAULT_PORT

    def with_secret_keys(self) -> Settings:
        """The same settings with at least one secret key.

        Out: settings whose `secret_keys` is not empty. Creates the key's file in the state folder when no
        key was given and there is no file yet. Raises ConfigError when that file cannot be used.
        """
        if self.secret_keys:
            return self
        content = load_or_create(self.state_dir)
        keys = parse(content, source=str(self.state_dir / "secret_key"))
        return dataclasses.replace(self, secret_keys=keys)


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if not name.startswith("SCIMLITE_") or name in VARIABLES:
            continue
        if name.startswith("SCIMLITE_TEST_") or _KUBERNETES.fullmatch(name):
            continue
        # Compared without the prefix, because it makes any two names look alike.
        ends = [variable.removeprefix("SCIMLITE_") for variable in VARIABLES]
        close = difflib.get_close_matches(name.removeprefix("SCIMLITE_"), ends, n=1)
        hint = f"did you mean SCIMLITE_{close[0]}?" if close else f"the settings are {', '.join(VARIABLES)}"
        raise ConfigError(name, f"is not a setting: {hint}")


def _text(environ: Mapping[str, str], name: str) -> str:
    value = environ[name].strip()
    if not value:
        # Most often this is a secret or a template that was not filled in; a default would hide the mistake.
        raise ConfigError(name, "is empty: give it a value, or unset it")
    return value


def _text_of_file(environ: Mapping[str, str], variable: str) -> str:
    """The text of the file that a variable names, without white space at the ends; raises ConfigError.

    Whoever mounts a secret decides who may read it (Kubernetes and Docker: everybody in the container), so the mode is
    not judged here, other than that of the key in the state folder.
    """
    path = Path(_text(environ, variable))
    try:
        # Some editors put U+FEFF in front, which is no part of the secret.
        text = path.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError:
        text = None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have this name"
        raise ConfigError(variable, f"names {path}, which cannot be read: {reason}") from None
    if text is None:
        raise ConfigError(variable, f"names {path}, which is not UTF-8")
    if not text:
        raise ConfigError(variable, f"names {path}, which is empty: put the secret into it")
    return text


def _parsed(variable: str, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except config_values.UnusableValueError as error:
        # What is in a file may be another secret in the wrong place.
        problem = str(error).replace(text, "…") if variable in _FILES else str(error)
    # Raised here, because inside the block an exception of a library would go along, which may quote a password.
    raise ConfigError(variable, problem)


def _state_dir(environ: Mapping[str, str], value: str | None) -> Path:
    try:
        if value is not None:
            # A URL would make folders by its parts, and no folder has such a name on purpose.
            if "://" in value or any(ord(char) < 32 or ord(char) == 127 for char in value):
                raise ConfigError("SCIMLITE_STATE_DIR", f"is {value!r}: give the path of a folder")
            return Path(value).expanduser().absolute()
        # The XDG specification wants relative paths to be ignored.
        xdg = environ.get("XDG_STATE_HOME", "")
        if os.path.isabs(xdg):
            return Path(xdg) / "scimlite"
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
        return home.absolute() / ".local" / "state" / "scimlite"
    except RuntimeError as error:  # pathlib raises it when there is no home folder
        raise ConfigError(
            "SCIMLITE_STATE_DIR", "has no default because this user has no home folder: set it"
        ) from error


#: The field that each variable sets, and the function that parses its text; without the variable the field keeps its
#: default.
_WITH_A_DEFAULT: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "SCIMLITE_BASE_URL": ("base_url", config_values.base_url),
    "SCIMLITE_TRUSTED_PROXIES": ("trusted_proxies", config_values.networks),
    "SCIMLITE_MAX_BODY": ("max_body", config_values.whole_number),
    "SCIMLITE_MAX_RESULTS": ("max_results", config_values.whole_number),
    "SCIMLITE_DEFAULT_COUNT": ("default_count", config_values.whole_number),
    "SCIMLITE_MAX_OPERATIONS": ("max_operations", config_values.whole_number),
    "SCIMLITE_MAX_COMPARISONS": ("max_comparisons", config_values.whole_number),
    "SCIMLITE_REQUEST_TIMEOUT": ("request_timeout", config_values.positive_seconds),
    "SCIMLITE_MAX_VALUES": ("max_values", config_values.whole_number),
    "SCIMLITE_MAX_ATTRIBUTE_VALUES": ("max_attribute_values", config_values.whole_number),
    "SCIMLITE_MAX_NAME": ("max_name", config_values.whole_number),
    "SCIMLITE_MAX_TEXT": ("max_text", config_values.whole_number),
    "SCIMLITE_MAX_DOCUMENT": ("max_document", config_values.whole_number),
    "SCIMLITE_MAX_PASSWORDS": ("max_passwords", config_values.whole_number),
    "SCIMLITE_MAX_HASHES": ("max_hashes", config_values.small_number),
    "SCIMLITE_RETENTION": ("retention", config_values.days),
    "SCIMLITE_BUSY_TIMEOUT": ("busy_timeout", config_values.seconds),
    "SCIMLITE_PREPARE_THRESHOLD": ("prepare_threshold", config_values.threshold),
    "SCIMLITE_HOST": ("host", config_values.host),
    "SCIMLITE_PORT": ("port", config_values.port),
    "SCIMLITE_WORKERS": ("workers", config_values.small_number),
    "SCIMLITE_THREADS": ("threads", config_values.small_number),
    "SCIMLITE_HEADER_TIMEOUT": ("header_timeout", config_values.positive_seconds),
    "SCIMLITE_BODY_TIMEOUT": ("body_timeout", config_values.positive_seconds),
    "SCIMLITE_QUEUE_TIMEOUT": ("queue_timeout", config_values.positive_seconds),
    "SCIMLITE_APP_THREADS": ("app_threads", config_values.small_number),
    "SCIMLITE_MAX_WAITERS": ("max_waiters", config_values.small_number),
    "SCIMLITE_DRAIN_SECONDS": ("drain", config_values.seconds),
    "SCIMLITE_LOG": ("log", config_values.log_form),
    "SCIMLITE_METRICS": ("metrics", config_values.host_and_port),
    "SCIMLITE_CONSOLE": ("console", config_values.console_place),
    "SCIMLITE_CONSOLE_LANGUAGE": ("console_language", str),
    "SCIMLITE_OIDC_ISSUER": ("oidc_issuer", config_values.issuer),
    "SCIMLITE_OIDC_CLIENT_ID": ("oidc_client_id", str),
    "SCIMLITE_OIDC_CLIENT_SECRET": ("oidc_client_secret", str),
    "SCIMLITE_OIDC_SCOPES": ("oidc_scopes", config_values.scopes),
    "SCIMLITE_OIDC_NAME": ("oidc_name", str),
    "SCIMLITE_OIDC_ROLES": ("oidc_roles", config_values.claimed_roles),
    "SCIMLITE_OUTBOUND_NETWORKS": ("outbound_networks", config_values.networks),
    "SCIMLITE_APP": ("app", str),
}

#: Variables that name a file with the text of another variable: credentials of systemd, secrets of containers.
_FILES: Mapping[str, str] = {
    "SCIMLITE_DATABASE_URL_FILE": "SCIMLITE_DATABASE_URL",
    "SCIMLITE_SECRET_KEY_FILE": "SCIMLITE_SECRET_KEY",
    "SCIMLITE_OIDC_CLIENT_SECRET_FILE": "SCIMLITE_OIDC_CLIENT_SECRET",
}

#: Every variable of the settings.
VARIABLES = ("SCIMLITE_STATE_DIR", "SCIMLITE_DATABASE_URL", "SCIMLITE_SECRET_KEY", *_FILES, *_WITH_A_DEFAULT)


def fields_of_variables() -> dict[str, str]:
    """The field of Settings that each variable with a default sets."""
    return {variable: field for variable, (field, _) in _WITH_A_DEFAULT.items()}
