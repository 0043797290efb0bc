"""A connection to a directory that speaks LDAP: TLS, signing in, time limits, and what went wrong in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ...outbound import Client
from ..reading import IncompleteError, SourceError
from .ldap_network import Address, connected

#: Seconds for each answer.
TIMEOUT = 60.0
#: The length of a key that encrypts; a shorter one only signs.
_LEAST_SSF = 56
#: Characters of a server's own words that are shown.
_LONGEST_INFO = 300
#: Reasons of Active Directory for a refused sign-in, by the number after `data`.
_REASONS = {
    "525": "there is no such account",
    "52e": "the name or the password is wrong",
    "530": "the account may not sign in at this time",
    "531": "the account may not sign in from this host",
    "532": "its password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "its password must be changed first",
    "775": "the account is locked",
}


def library() -> Any:
    """The module of python-ldap. Raises SourceError when it is not installed."""
    try:
        import ldap
    except ImportError:
        raise SourceError("LDAP needs a package more: pip install 'scimlite[ldap]'.") from None
    return ldap


@dataclass(frozen=True, slots=True)
class Account:
    """Who reads: a name with its password, nobody, or whose Kerberos ticket this process has."""

    name: str | None
    password: str | None = field(repr=False)
    gssapi: bool = False

    @property
    def anonymous(self) -> bool:
        """True when nobody signs in."""
        return self.name is None and not self.gssapi

    def check(self) -> None:
        """Raises SourceError for an empty password: with it a sign-in is anonymous, and looks like success."""
        if self.gssapi:
            if self.name is not None or self.password is not None:
                raise SourceError("--auth gssapi takes no --bind and no password: it signs in with a Kerberos ticket.")
        elif self.name is not None and not self.password:
            raise SourceError("--bind needs a password: give --secret-file, --secret-env or --secret-stdin.")
        elif self.name is None and self.password is not None:
            raise SourceError("There is a password and nobody it belongs to: name the account with --bind.")

    def __str__(self) -> str:
        return self.name or ("the Kerberos ticket" if self.gssapi else "nobody (anonymous)")


def connect(address: Address, client: Client, account: Account) -> Any:
    """A signed-in connection of the library over one that is judged and encrypted. Raises SourceError."""
    ldap = library()
    account.check()
    # The library takes the file, and closes it.
    connection = ldap.initialize(address.url, fileno=connected(address, client).detach())
    try:
        _set_up(connection)
        with translated(address.url):
            if account.gssapi:
                connection.sasl_non_interactive_bind_s("GSSAPI")
            else:
                connection.simple_bind_s(account.name or "", account.password or "")
    except BaseException:
        end(connection)
        raise
    return connection


def _set_up(connection: Any) -> None:
    """The options of a connection; what is not set comes from ldap.conf, whose limits are for people who search."""
    ldap = library()
    connection.protocol_version = ldap.VERSION3
    # Referrals would be followed without signing in, to hosts that nobody named.
    connection.set_option(ldap.OPT_REFERRALS, 0)
    connection.set_option(ldap.OPT_DEREF, ldap.DEREF_NEVER)
    connection.set_option(ldap.OPT_SIZELIMIT, 0)
    connection.set_option(ldap.OPT_TIMELIMIT, 0)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, TIMEOUT)
    connection.set_option(ldap.OPT_TIMEOUT, TIMEOUT)
    # The name in the URL is the one that Kerberos knows the server by.
    connection.set_option(ldap.OPT_X_SASL_NOCANON, 1)
    # Kerberos encrypts what follows, or does not sign in.
    connection.set_option(ldap.OPT_X_SASL_SSF_MIN, _LEAST_SSF)


def end(connection: Any) -> None:
    """Ends a connection, also one that is lost already."""
    ldap = library()
    with suppress(ldap.LDAPError):
        connection.unbind_s()


@contextmanager
def translated(where: str, base: str | None = None) -> Iterator[None]:
    """A context in which errors of the library become SourceError, with words for an operator.

    In: the server's URL, and the base that is searched.
    """
    ldap = library()
    try:
        yield
    except ldap.LDAPError as error:
        raise in_words(error, where, base) from None


def in_words(error: Any, where: str, base: str | None = None) -> SourceError:
    """What an error of the library means; limits and lost connections are IncompleteError."""
    ldap = library()
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    info = str(told.get("info") or "").strip("\0 \n")[:_LONGEST_INFO]
    more = f" ({info})" if info else ""
    if isinstance(error, ldap.INVALID_CREDENTIALS):
        code = re.search(r"data ([0-9a-f]{3,})", info)
        reason = _REASONS.get(code[1]) if code else None
        return SourceError(f"{where} refuses the sign-in: {reason or 'the name or the password is wrong'}.")
    if isinstance(error, ldap.SIZELIMIT_EXCEEDED | ldap.ADMINLIMIT_EXCEEDED | ldap.TIMELIMIT_EXCEEDED):
        limit = "time" if isinstance(error, ldap.TIMELIMIT_EXCEEDED) else "size"
        return IncompleteError(
            f"{where} ends each search of this account at its {limit} limit, so not everybody was read; nothing was "
            "done. Have its administrator raise the limit for the account."
        )
    if isinstance(error, ldap.TIMEOUT):
        return IncompleteError(f"{where} gave no answer within {TIMEOUT:.3g} seconds; nothing was done.")
    if isinstance(error, ldap.SERVER_DOWN | ldap.CONNECT_ERROR | ldap.UNAVAILABLE | ldap.BUSY | ldap.PROTOCOL_ERROR):
        return IncompleteError(f"The connection to {where} was lost before its answer was complete{more}.")
    named = f"the base {base}" if base is not None else "this entry"
    for types, words in (
        (ldap.STRONG_AUTH_REQUIRED | ldap.CONFIDENTIALITY_REQUIRED, "wants encryption: use ldaps://, or --starttls on"),
        (ldap.INAPPROPRIATE_AUTH, "does not let this account sign in with a password"),
        (ldap.AUTH_UNKNOWN | ldap.AUTH_METHOD_NOT_SUPPORTED, "does not know this way to sign in; for --auth gssapi "
         "this host needs libsasl2-modules-gssapi-mit"),
        (ldap.LOCAL_ERROR, "is not signed in to by Kerberos: look at KRB5_CLIENT_KTNAME, and at the host in --url"),
        (ldap.NO_SUCH_OBJECT, f"does not have {named}, or this account may not see it"),
        (ldap.REFERRAL, f"does not hold {named}, and names another server for it: a source of its own reads that one"),
        (ldap.INSUFFICIENT_ACCESS, f"does not allow this account to read {named}"),
        (ldap.FILTER_ERROR, "is not asked: a filter of the options is none, such as (department=*)"),
        (ldap.INVALID_DN_SYNTAX, "is given a name that is no distinguished one, such as ou=people,dc=example,dc=com"),
        (ldap.UNAVAILABLE_CRITICAL_EXTENSION, "does not search by pages; --page-size 0 reads without"),
        (ldap.OPERATIONS_ERROR, "does not do that; without --bind it may want an account"),
    ):  # fmt: skip
        if isinstance(error, types):
            return SourceError(f"{where} {words}{more}.")
    return SourceError(f"{where} answers: {told.get('desc') or type(error).__name__}{more}.")


def texts(values: Sequence[bytes]) -> list[str] | None:
    """Values as text; None when one of them is none."""
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError:
        return None
