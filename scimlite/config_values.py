"""Parses the texts of settings: each function takes the text of one variable and returns its value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from .clock import DAY


class UnusableValueError(ValueError):
    """The text of a setting cannot be used; the message says why and what to give, and holds no password."""


def database_url(text: str) -> str:
    """A database's URL with an absolute path for SQLite, and with the scheme `postgresql` for PostgreSQL."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme == "sqlite":
        return _sqlite_url(text, rest)
    if separator and scheme in ("postgresql", "postgres"):
        url = f"postgresql://{rest}"
        if not _readable_by_libpq(url):
            # libpq's own message may quote the password, so neither the message nor its exception goes along.
            raise _bad_url(
                text,
                "libpq cannot read it; write postgresql://user:password@host:port/database and encode "
                "special characters of the password, such as %40 for @",
            )
        return url
    raise _bad_url(
        text, "give sqlite:///relative/path.db, sqlite:////absolute/path.db or postgresql://user@host/database"
    )


def _bad_url(text: str, problem: str) -> UnusableValueError:
    # What looks like no address may be the key, or the password alone.
    looks_like_a_secret = ":" not in text and " " not in text and not text.startswith(("/", ".", "~"))
    shown = "no URL" if looks_like_a_secret else repr(without_password(text))
    return UnusableValueError(f"is {shown}: {problem}")


def _sqlite_url(text: str, rest: str) -> str:
    path = rest.removeprefix("/")
    if not rest.startswith("/") or path.endswith("/") or path in ("", ":memory:"):
        raise _bad_url(
            text,
            "give a file, as sqlite:///relative/path.db or sqlite:////absolute/path.db (a database in "
            "memory could not be shared between threads)",
        )
    if "?" in path or "\0" in path:
        raise _bad_url(text, "a SQLite URL takes no options and no question mark")
    return f"sqlite:///{Path(path).expanduser().absolute()}"


def _readable_by_libpq(url: str) -> bool:
    # Imported here because loading libpq takes longer than everything else that a command on SQLite does.
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        ports = str(conninfo_to_dict(url).get("port", "")).split(",")
    except (ProgrammingError, UnicodeError):
        return False
    # libpq checks ports only when it connects. A password with an unencoded "/" is taken for a port.
    return all(port == "" or re.fullmatch(r"[0-9]{1,5}", port) for port in ports)


def without_password(url: str) -> str:
    """A database's URL, valid or not, with *** in place of its password.

    Also a URL without its slashes, and libpq's other form (`host=db password=…`), which are mistakes that happen.
    """
    # Greedy up to the last "@", so that a password with an unencoded "@" or "/" is hidden too.
    url = re.sub(r"((?:^|//|:)[^:/@?=\s]*):(?!//).*@", r"\1:***@", url, count=1, flags=re.DOTALL)
    # libpq decodes names as well. A text in quotation marks may hold blanks.
    name = "".join(f"(?:{letter}|%{ord(letter):x}|%{ord(letter.upper()):x})" for letter in "password")
    value = r"\s*=\s*(?:'(?:[^'\\]|\\.)*'?|[^&\s]*)"
    return re.sub(rf"((?:{name}|secret)){value}", r"\1=***", url, flags=re.IGNORECASE)


def base_url(text: str) -> str:
    """The address that clients use, without a slash at the end."""
    # urlsplit drops tabs and line feeds and keeps spaces; an address has none of them.
    if not re.fullmatch(r"[!-~]+", text):
        raise UnusableValueError(f"is {text!r}: an address holds no spaces and only ASCII characters")
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or an unclosed bracket
        valid = False
    if not valid:
        raise UnusableValueError(f"is {text!r}: give the address clients use, such as https://scim.example.com")
    if "@" in parts.netloc:
        raise UnusableValueError("holds a user name: clients authenticate with tokens only")
    if "?" in text or "#" in text:
        raise UnusableValueError(f"is {text!r}: leave out what begins with ? or #")
    if parts.path.rstrip("/").lower().endswith("/scim/v2"):
        raise UnusableValueError(
            f"is {text!r}: leave out /scim/v2: scimlite itself adds each app's path, /scim/v2 included"
        )
    return text.rstrip("/")


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """IP addresses and networks, separated by commas."""
    return tuple(_network(item.strip()) for item in text.split(","))


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
        if isinstance(network, IPv6Network) and (mapped := network.network_address.ipv4_mapped):
            # Addresses of clients are compared as IPv4 (web/client_address.py).
            return ip_network(f"{mapped}/{max(network.prefixlen - 96, 0)}")
        return network
    except ValueError as error:
        raise UnusableValueError(
            f"holds {text!r}: give IP addresses or networks separated by commas, such as "
            "127.0.0.1,10.0.0.0/8 (no bits set right of the prefix)"
        ) from error


def whole_number(text: str) -> int:
    """A whole number of at least 1."""
    # int() alone would also take "1_000", "+5" and the digits of other scripts.
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) == 0:
        raise UnusableValueError(f"is {text!r}: give a whole number, at least 1")
    return int(text)


#: The most processes, and the most threads of each, that `scimlite serve` starts.
MOST_AT_WORK = 64


def small_number(text: str) -> int:
    """A whole number between 1 and 64."""
    if not re.fullmatch(r"[0-9]{1,2}", text) or not 1 <= int(text) <= MOST_AT_WORK:
        raise UnusableValueError(f"is {text!r}: give a whole number between 1 and {MOST_AT_WORK}")
    return int(text)


def port(text: str) -> int:
    """A port between 1 and 65535."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise UnusableValueError(f"is {text!r}: give a port between 1 and 65535, such as 8000")
    return int(text)


def host(text: str) -> str:
    """An address or the name of a host, without a port: `0.0.0.0`, `::` or `localhost`."""
    plain = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not re.fullmatch(r"[A-Za-z0-9._%:-]+", plain) or plain.count(":") == 1:
        raise UnusableValueError(f"is {text!r}: give an address such as 127.0.0.1, 0.0.0.0 or ::, without a port")
    return plain


def host_and_port(text: str) -> tuple[str, int]:
    """An address and a port, such as `127.0.0.1:9100` or `[::1]:9100`."""
    name, separator, number = text.rpartition(":")
    if not separator or (":" in name and not name.startswith("[")):
        raise UnusableValueError(f"is {text!r}: give an address and a port, such as 127.0.0.1:9100")
    return host(name), port(number)


def log_form(text: str) -> str:
    """`text` or `json`."""
    if text not in ("text", "json"):
        raise UnusableValueError(f"is {text!r}: give text or json")
    return text


@dataclass(frozen=True, slots=True)
class ClaimedRole:
    """Whoever has this value in this claim is an operator with this role, of these apps; no slug is all apps."""

    claim: str
    value: str
    role: str
    slugs: tuple[str, ...] = ()


#: `groups=idp-admins:owner`, `groups=helpdesk:auditor@entra-id+okta`; a claim may be a URL, so the last colon counts.
_CLAIMED_ROLE = re.compile(r"(?P<claim>[^=,\s]+)=(?P<value>[^,]+):(?P<role>[a-z]+)(?:@(?P<slugs>[a-z0-9+-]+))?")
#: The roles of operators (operators/roles.py), which stands above the settings.
_ROLES = ("owner", "operator", "auditor")


def claimed_roles(text: str) -> tuple[ClaimedRole, ...]:
    """Rules such as `groups=idp-admins:owner, groups=helpdesk:auditor@entra-id+okta`."""
    return tuple(_claimed_role(rule.strip()) for rule in text.split(","))


def _claimed_role(rule: str) -> ClaimedRole:
    match = _CLAIMED_ROLE.fullmatch(rule)
    if match is None:
        raise UnusableValueError(f"has {rule!r}: give CLAIM=VALUE:ROLE, such as groups=idp-admins:owner")
    if match["role"] not in _ROLES:
        raise UnusableValueError(f"has the role {match['role']!r}: give {', '.join(_ROLES[:-1])} or {_ROLES[-1]}")
    slugs = tuple(filter(None, (match["slugs"] or "").split("+")))
    return ClaimedRole(match["claim"], match["value"].strip(), match["role"], slugs)


def issuer(text: str) -> str:
    """The https address of an OpenID provider, exactly as its discovery document has it."""
    parts = urlsplit(text)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not (parts.scheme == "https" or local) or not parts.netloc or parts.query or parts.fragment:
        raise UnusableValueError(f"is {text!r}: give the provider's https address, such as https://id.example.com")
    return text


def scopes(text: str) -> str:
    """Scopes separated by blanks, `openid` among them."""
    if "openid" not in text.split():
        raise UnusableValueError(f"is {text!r}: it lacks openid, without which there is no sign-on")
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class ConsolePlace:
    """Where the console is shown: beside the endpoint, under one host name only, or on an address of its own."""

    host: str | None = None
    bind: tuple[str, int] | None = None


_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


def console_place(text: str) -> ConsolePlace | None:
    """`on`, `off`, a host name such as `console.example.com`, or an address and port such as `127.0.0.1:8001`."""
    if text in ("on", "off"):
        return ConsolePlace() if text == "on" else None
    if ":" in text:
        return ConsolePlace(bind=host_and_port(text))
    if not _HOST_NAME.fullmatch(text.lower()) or text.replace(".", "").isdigit():
        raise UnusableValueError(
            f"is {text!r}: give on, off, a host name such as console.example.com, or an address and port such as "
            "127.0.0.1:8001"
        )
    return ConsolePlace(host=text.lower())


def seconds(text: str) -> float:
    """Seconds between 0 and 3600."""
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", text) or float(text) > 3600:
        raise UnusableValueError(f"is {text!r}: give seconds between 0 and 3600, such as 5 or 0.5")
    return float(text)


def positive_seconds(text: str) -> float:
    """Seconds above 0, at most 3600."""
    value = seconds(text)
    if value == 0:
        raise UnusableValueError(f"is {text!r}: give more than 0 seconds")
    return value


def days(text: str) -> int:
    """Days, such as `30` or `30d`, as microseconds."""
    if not re.fullmatch(r"[0-9]{1,5}d?", text):
        raise UnusableValueError(f"is {text!r}: give days, such as 30 or 30d")
    return int(text.rstrip("d")) * DAY


def threshold(text: str) -> int | str | None:
    """A whole number of at least 0, None for `off`, or `auto`."""
    if text.lower() == "off":
        return None
    if text.lower() == "auto":
        return "auto"
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise UnusableValueError(f"is {text!r}: give a whole number, at least 0, or auto, or off")
    return int(text)
