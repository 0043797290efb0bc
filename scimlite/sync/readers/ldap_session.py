"""Searches in a directory: one entry by its name, or all below a base, with an error when that ends early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from ...outbound import Client
from ..reading import IncompleteError, SourceError
from . import ldap_connection
from .ldap_connection import Account, library, texts, translated
from .ldap_names import below, normal
from .ldap_network import Address

#: Values by lower-case attribute (`folded`).
Attributes = Mapping[str, Sequence[bytes]]
_PAGED = "1.2.840.113556.1.4.319"
_ANY = "(objectClass=*)"


class Session:
    """A signed-in connection, made when it is first needed.

    A server keeps one search by pages on a connection, so while one is going on nothing else is searched by pages.
    """

    def __init__(self, address: Address, client: Client, account: Account, *, page: int) -> None:
        """In: `page`, how many entries are asked for at once; 0 for all."""
        self.address = address
        self.client = client
        self.account = account
        self._page = page
        self._connection: Any = None
        self._root: dict[str, list[str]] | None = None

    def connection(self) -> Any:
        """The connection. Raises SourceError."""
        if self._connection is None:
            self._connection = ldap_connection.connect(self.address, self.client, self.account)
        return self._connection

    def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            ldap_connection.end(self._connection)
            self._connection = None

    # --- one entry ------------------------------------------------------------------------------------------------

    def raw(self, name: str, attributes: Sequence[str], filter: str = _ANY) -> tuple[str, Mapping[str, Any]] | None:
        """One entry by its name, with its attributes as the server spells them; None when it cannot be seen."""
        ldap = library()
        with translated(self.address.url):
            try:
                found = self.connection().search_s(name, ldap.SCOPE_BASE, filter, list(attributes))
            except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
                return None
        return next(((each, given) for each, given in found if each is not None), None)

    def entry(self, name: str, attributes: Sequence[str], filter: str = _ANY) -> Attributes | None:
        """One entry by its name; None when there is none that matches, or it may not be seen."""
        found = self.raw(name, attributes, filter)
        return folded(found[1]) if found is not None else None

    def root(self) -> dict[str, list[str]]:
        """What the server says of itself, by lower-case attribute."""
        if self._root is None:
            found = self.entry("", ["*", "+"]) or {}
            self._root = {name: made for name, values in found.items() if (made := texts(values)) is not None}
        return self._root

    def context_of(self, base: str) -> str | None:
        """The naming context that holds a base; None when the server does not name its own."""
        contexts = [context for context in self.root().get("namingcontexts", []) if context]
        return max((each for each in contexts if below(normal(base), normal(each))), key=len, default=None)

    # --- many entries ---------------------------------------------------------------------------------------------

    def search(
        self, base: str, filter: str, attributes: Sequence[str]
    ) -> Iterator[tuple[str, Mapping[str, Sequence[bytes]]]]:
        """Yields the entries below a base with their names, and attributes as the server spells them.

        Raises SourceError, and IncompleteError when it ends before all were given.
        """
        ldap = library()
        from ldap.controls import SimplePagedResultsControl

        paged = self._page > 0 and _PAGED in self.root().get("supportedcontrol", [_PAGED])
        control = SimplePagedResultsControl(True, size=self._page, cookie="")
        while True:
            with translated(self.address.url, base):
                message = self.connection().search_ext(
                    base, ldap.SCOPE_SUBTREE, filter, list(attributes), serverctrls=[control] if paged else []
                )
                if not paged:
                    yield from self._one_by_one(message)
                    return
                kind, found, _, answered = self.connection().result3(message, all=1, timeout=ldap_connection.TIMEOUT)
            cookies = [each.cookie for each in answered if each.controlType == _PAGED]
            if kind != ldap.RES_SEARCH_RESULT or not cookies:
                raise IncompleteError(
                    f"{self.address.url} does not say whether there are more entries; nothing was done. --page-size 0 "
                    "reads without pages."
                )
            for name, given in found:
                # Referrals to other servers have no name, and belong to other sources.
                if name is not None:
                    yield name, given
            if not cookies[0]:
                return
            control.cookie = cookies[0]

    def _one_by_one(self, message: int) -> Iterator[tuple[str, Mapping[str, Sequence[bytes]]]]:
        """Yields the entries of a search without pages as they come, so that they need not be in memory at once."""
        ldap = library()
        while True:
            kind, found, _, _ = self.connection().result3(message, all=0, timeout=ldap_connection.TIMEOUT)
            if kind == ldap.RES_SEARCH_RESULT:
                return
            if kind is None:
                raise IncompleteError(f"{self.address.url} gave no end of its entries; nothing was done.")
            yield from ((name, given) for name, given in found if name is not None)


@cache
def _lower(name: str) -> str:
    return name.partition(";")[0].lower()


def folded(attributes: Mapping[str, Sequence[bytes]]) -> dict[str, Sequence[bytes]]:
    """Attributes by lower-case name, with the options of a name such as `;lang-de` and without; what has none wins."""
    made = {_lower(name): values for name, values in attributes.items()}
    if ";" in "".join(attributes):
        made |= {name.lower(): values for name, values in attributes.items()}
    return made


def first(attributes: Attributes, name: str) -> str | None:
    """The first value of an attribute as text; None without one, and for one that is no text."""
    values = attributes.get(name)
    made = texts(values[:1]) if values else None
    return made[0] if made else None


def required_texts(attributes: Attributes, name: str) -> list[str]:
    """The values of an attribute as text. Raises SourceError when one is none: a member would be lost."""
    made = texts(attributes.get(name, ()))
    if made is None:
        raise SourceError(f"A value of {name} is no text, so nothing is done.")
    return made
