"""What all readers of LDAP directories do: search page by page, tell users and groups, find who members are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ..reading import GROUP, USER, Finding, IncompleteError, Opening, Record, SourceError
from . import ldap_connection
from .ldap_connection import Address, translated
from .ldap_names import normal

#: Values by lower-case attribute, without options such as `;lang-de`.
Attributes = Mapping[str, Sequence[bytes]]
#: Entries that are asked for by id in one search, and names that are looked up one by one before all are read.
_KEYS, _LOOKUPS = 50, 50
_NOBODY = "none"
_PAGED = "1.2.840.113556.1.4.319"


@dataclass(frozen=True, slots=True)
class Flavour:
    """What differs between directories."""

    users: str
    groups: str
    #: The attribute with the immutable id.
    key: str
    member_attributes: tuple[str, ...]
    #: Attributes of users that are asked for whatever the mapping reads.
    more_attributes: tuple[str, ...]


def first(attributes: Attributes, name: str) -> str | None:
    """The first value of an attribute as text; None without one, and for one that is no text."""
    values = attributes.get(name)
    made = ldap_connection.texts(values[:1]) if values else None
    return made[0] if made else None


class LdapReader:
    """Reads users and groups of a directory; kinds say what is a user, who is active, who is a member."""

    def __init__(self, opening: Opening, flavour: Flavour) -> None:
        ldap_connection.library()
        starttls = opening.text("starttls") == "on"
        self.address = Address.of(opening.text("url") or "", starttls=starttls, ca=opening.text("ca"))
        self.flavour = replace(flavour, key=opening.text("key") or flavour.key)
        self.bases = opening.texts("base")
        groups = opening.texts("groups")
        self.group_bases = [] if groups == [_NOBODY] else groups or self.bases
        self.chosen_by_group = opening.texts("members-of")
        self._filters = {USER: opening.text("filter"), GROUP: opening.text("group-filter")}
        self._disabled_filter = opening.text("disabled")
        self._name, self._secret = opening.text("bind"), opening.secret
        self._gssapi = opening.text("auth") == "gssapi"
        self._wanted = {type: sorted(opening.attributes.get(type, ())) for type in (USER, GROUP)}
        self._spelled = {type: [(name, name.lower()) for name in names] for type, names in self._wanted.items()}
        self._size = _number("page-size", opening.text("page-size") or "0")
        self._connection: Any = None
        self._root: dict[str, list[str]] | None = None
        #: Keys by what users and groups are called: normal names, and others such as `uid:ann`.
        self._keys: dict[str, str] = {}
        self._complete = False
        self._lookups = 0
        #: Normal names of users who are disabled by a filter; None before it was asked.
        self._switched_off: set[str] | None = None
        self._chosen: set[str] | None = None

    # --- what kinds say -------------------------------------------------------------------------------------------

    def is_active(self, attributes: Attributes) -> bool:
        """True when nothing says that an account is disabled."""
        raise NotImplementedError

    def members(self, name: str, attributes: Attributes) -> list[str]:
        """What the members of a group are called."""
        raise NotImplementedError

    def other_names(self, attributes: Attributes) -> Sequence[str]:
        """What else a user is called as a member."""
        return ()

    def note_user(self, name: str, attributes: Attributes) -> None:
        """For kinds in which a user says who it is a member of."""

    def folded(self, name: str, given: Mapping[str, Sequence[bytes]]) -> Attributes:
        """The attributes of an entry by lower-case name."""
        return folded(given)

    def key_of(self, attributes: Attributes) -> str | None:
        """The immutable id of an entry; None without one."""
        value = first(attributes, self.flavour.key.lower())
        return value.strip() if value else None

    def key_filter(self, key: str) -> str:
        """The filter that finds the entry with a key."""
        from ldap.filter import escape_filter_chars

        return f"({self.flavour.key}={escape_filter_chars(key)})"

    def position(self) -> str | None:
        """Where the directory is now; None where it does not tell changes."""
        return None

    def changed(self, position: str) -> Iterable[str] | None:
        """The keys of what changed since a position; None when everything must be read."""
        return None

    # --- the connection -------------------------------------------------------------------------------------------

    def connect(self) -> Any:
        """The signed-in connection, made when it is first needed. Raises SourceError."""
        if self._connection is None:
            self._connection = self.new_connection()
        return self._connection

    def new_connection(self) -> Any:
        """Another connection, signed in. Raises SourceError."""
        made = ldap_connection.connect(self.address)
        account = {"name": self._name, "password": self._secret}
        ldap_connection.sign_in(made, self.address, **account, gssapi=self._gssapi)
        return made

    def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            ldap_connection.end(self._connection)
            self._connection = None

    def root(self) -> dict[str, list[str]]:
        """What the server says of itself, by lower-case attribute."""
        if self._root is None:
            found = self.entry("", ["*", "+"]) or {}
            made = {name: ldap_connection.texts(values) for name, values in found.items()}
            self._root = {name: values for name, values in made.items() if values is not None}
        return self._root

    def entry(self, name: str, attributes: Sequence[str]) -> Attributes | None:
        """One entry by its name; None when there is none, or it may not be seen."""
        ldap = ldap_connection.library()
        with translated(self.address.url):
            try:
                found = self.connect().search_s(name, ldap.SCOPE_BASE, "(objectClass=*)", list(attributes))
            except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
                return None
        return self.folded(found[0][0], found[0][1]) if found else None

    def context_of(self, base: str) -> str | None:
        """The naming context that holds a base."""
        contexts = [context for context in self.root().get("namingcontexts", []) if context]
        name = normal(base)
        holding = [each for each in contexts if name == normal(each) or name.endswith(f",{normal(each)}")]
        return max(holding, key=len, default=None)

    def identity(self) -> str:
        """The bases, with the ids of their entries, which all replicas of a directory share."""
        made = []
        for base in self.bases:
            found = self.entry(base, [self.flavour.key])
            if found is None:
                raise SourceError(f"{self.address.url} has no base {base}, or this account may not see it.")
            made.append(f"{normal(base)} {self.key_of(found) or ''}".strip())
        return "; ".join(sorted(made))

    # --- reading --------------------------------------------------------------------------------------------------

    def everything(self) -> Iterator[Record]:
        """Yields all users and groups. Raises SourceError and IncompleteError."""
        self._keys.clear()
        with_groups = self.group_bases if self._wanted[GROUP] else []
        yield from self._records(USER, self.bases, self.filter_of(USER))
        yield from self._records(GROUP, with_groups, self.filter_of(GROUP))
        self._complete = True

    def read(self, keys: Sequence[str]) -> Iterator[Record]:
        """Yields those of these entries that are users or groups of the source."""
        for start in range(0, len(keys), _KEYS):
            listed = "".join(self.key_filter(key) for key in keys[start : start + _KEYS])
            yield from self._records(USER, self.bases, f"(&{self.filter_of(USER)}(|{listed}))")
            if self._wanted[GROUP]:
                yield from self._records(GROUP, self.group_bases, f"(&{self.filter_of(GROUP)}(|{listed}))")

    @property
    def all_bases(self) -> list[str]:
        """The bases of users and groups, each once."""
        groups = self.group_bases if self._wanted[GROUP] else []
        return list(dict.fromkeys([*self.bases, *groups]))

    @property
    def either_filter(self) -> str:
        """The filter of users and groups together."""
        return f"(|{self.filter_of(USER)}{self.filter_of(GROUP)})"

    def filter_of(self, type: str) -> str:
        """The filter of users or of groups."""
        kind, own = self.flavour.users if type == USER else self.flavour.groups, self._filters[type]
        return f"(&{kind}{own})" if own else kind

    def attributes_of(self, type: str) -> list[str]:
        """The attributes that are asked for."""
        more = self.flavour.more_attributes if type == USER else self.flavour.member_attributes
        return [*self._wanted[type], self.flavour.key, *more]

    def _records(self, type: str, bases: Sequence[str], filter: str) -> Iterator[Record]:
        wanted = self.attributes_of(type)
        seen: set[str] = set()
        if type == USER:
            # Before reading begins: a server knows one search by pages on a connection, and another ends it.
            self._disabled_names()
            self._is_chosen("")
        for base in bases:
            for name, attributes in self.search(base, filter, wanted):
                folded = normal(name)
                # Bases may overlap.
                if folded in seen or (type == USER and not self._is_chosen(folded)):
                    continue
                if len(bases) > 1:
                    seen.add(folded)
                yield self._record(type, name, folded, attributes)

    def _record(self, type: str, name: str, folded: str, attributes: Attributes) -> Record:
        key = self.key_of(attributes)
        if key is None:
            raise SourceError(
                f"{name} has no {self.flavour.key}, or this account may not read it. It tells entries apart when they "
                "are renamed, so nothing is done without it; --key names another attribute."
            )
        self._keys[folded] = key
        if type == USER:
            self.note_user(name, attributes)
            for other in self.other_names(attributes):
                self._keys.setdefault(other.lower(), key)
        values, fault = {}, None
        for attribute, lower in self._spelled[type]:
            raw = attributes.get(lower)
            if raw:
                try:
                    values[attribute] = [value.decode() for value in raw]
                except UnicodeDecodeError:
                    fault = f"{attribute} holds bytes that are no text"
        if type == GROUP:
            return Record(type, key, name, values, members=self.members(name, attributes), fault=fault)
        active = self.is_active(attributes) and folded not in (self._switched_off or ())
        return Record(type, key, name, values, active, fault=fault)

    def values(self, attributes: Attributes, name: str) -> list[str]:
        """The values of an attribute as text. Raises SourceError when one is none: a member would be lost."""
        texts = ldap_connection.texts(attributes.get(name, ()))
        if texts is None:
            raise SourceError(f"A value of {name} is no text, so nothing is done.")
        return texts

    def search(self, base: str, filter: str, attributes: Sequence[str]) -> Iterator[tuple[str, Attributes]]:
        """Yields the entries below a base with their names, page by page; it never ends early without an error."""
        ldap = ldap_connection.library()
        from ldap.controls import SimplePagedResultsControl

        paged = self._size > 0 and _PAGED in self.root().get("supportedcontrol", [_PAGED])
        control = SimplePagedResultsControl(True, size=self._size, cookie="")
        while True:
            with translated(self.address.url):
                controls = [control] if paged else []
                message = self.connect().search_ext(
                    base, ldap.SCOPE_SUBTREE, filter, list(attributes), serverctrls=controls
                )
                kind, found, _, answered = self.connect().result3(message, all=1, timeout=ldap_connection.TIMEOUT)
            if kind != ldap.RES_SEARCH_RESULT:
                raise IncompleteError(f"{self.address.url} gave no end of its entries; nothing was done.")
            for name, given in found:
                # Referrals to other servers have no name, and belong to other sources.
                if name is not None:
                    yield name, self.folded(name, given)
            cookies = [each.cookie for each in answered if each.controlType == _PAGED]
            if not cookies or not cookies[0]:
                return
            control.cookie = cookies[0]

    def _is_chosen(self, folded: str) -> bool:
        """True for users of the groups of --members-of, and for all without it."""
        if not self.chosen_by_group:
            return True
        if self._chosen is None:
            self._chosen = self._members_of(self.chosen_by_group)
        return folded in self._chosen

    def _members_of(self, groups: Sequence[str]) -> set[str]:
        """The normal names of all who are in groups, directly or by groups in them."""
        made: set[str] = set()
        waiting, seen = list(groups), set[str]()
        while waiting:
            name = waiting.pop()
            if normal(name) in seen:
                continue
            seen.add(normal(name))
            found = self.entry(name, self.attributes_of(GROUP))
            if found is None:
                if name in groups:
                    raise SourceError(f"{self.address.url} has no group {name}, or this account may not see it.")
                continue
            members = self.members(name, found)
            made.update(normal(member) for member in members)
            waiting += [member for member in members if self._may_be_group(member)]
        return made

    def _may_be_group(self, member: str) -> bool:
        return ":" not in member.partition("=")[0] and self._is_group(member)

    def _is_group(self, name: str) -> bool:
        ldap = ldap_connection.library()
        with translated(self.address.url):
            try:
                found = self.connect().search_s(name, ldap.SCOPE_BASE, self.flavour.groups, ["1.1"])
            except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
                return False
        return bool(found)

    def _disabled_names(self) -> set[str]:
        """The normal names of users who match the filter of --disabled."""
        if self._switched_off is None:
            self._switched_off = set()
            if self._disabled_filter:
                for base in self.bases:
                    both = f"(&{self.filter_of(USER)}{self._disabled_filter})"
                    self._switched_off |= {normal(name) for name, _ in self.search(base, both, ["1.1"])}
        return self._switched_off

    # --- who is meant ---------------------------------------------------------------------------------------------

    def resolve(self, reference: str) -> str | None:
        """The key of a distinguished name, or of another name; None for who is not in the source."""
        name = reference.lower() if reference[:4].lower() == "uid:" else normal(reference)
        found = self._keys.get(name)
        if found is not None or self._complete:
            return found
        if self._lookups >= _LOOKUPS:
            self._read_all_names()
            return self._keys.get(name)
        self._lookups += 1
        if name.startswith("uid:"):
            self._read_all_names()
            return self._keys.get(name)
        entry = self.entry(reference, [self.flavour.key])
        key = self.key_of(entry) if entry is not None else None
        if key is not None:
            self._keys[name] = key
        return key

    def _read_all_names(self) -> None:
        """Reads names and keys of all entries, which costs less than to ask for many of them one by one."""
        for type, bases in ((USER, self.bases), (GROUP, self.group_bases)):
            for base in bases:
                for name, attributes in self.search(base, self.filter_of(type), [self.flavour.key, "uid"]):
                    key = self.key_of(attributes)
                    if key is not None:
                        self._keys[normal(name)] = key
                        for other in self.other_names(attributes) if type == USER else ():
                            self._keys.setdefault(other.lower(), key)
        self._complete = True

    # --- looking step by step -------------------------------------------------------------------------------------

    def check(self) -> Iterator[Finding]:
        """Yields what is found out about the connection, the account and its rights; the last one is what failed."""
        for finding in ldap_connection.look(self.address):
            yield finding
            if finding.ok is False:
                return
        try:
            self.connect()
            account = self._name or ("the Kerberos ticket" if self._gssapi else "nobody (anonymous)")
            yield Finding("bind", True, f"signed in as {account}")
            self.identity()
            yield Finding("base", True, "; ".join(self.bases))
            yield from self._check_rights()
        except SourceError as error:
            yield Finding("rights" if self._connection is not None else "bind", False, str(error))

    def _check_rights(self) -> Iterator[Finding]:
        users = sum(1 for base in self.bases for _ in self.search(base, self.filter_of(USER), [self.flavour.key]))
        if not users:
            text = "no user is there that this account may see and that --filter matches"
            yield Finding("rights", False, text)
            return
        yield Finding("users", True, f"{users:,} users")
        if self._wanted[GROUP] and self.group_bases:
            groups = sum(1 for base in self.group_bases for _ in self.search(base, self.filter_of(GROUP), ["1.1"]))
            yield Finding("groups", True if groups else None, f"{groups:,} groups")
        position = self.position()
        told = position is not None and self.changed(position) is not None
        text = "the server tells changes" if told else "the server does not tell changes: everything is read each time"
        yield Finding("changes", None if not told else True, text)


@cache
def _lower(name: str) -> str:
    return name.partition(";")[0].lower()


def folded(attributes: Mapping[str, Sequence[bytes]]) -> dict[str, Sequence[bytes]]:
    """Attributes by lower-case name; options of a name are left out, and what has none comes first."""
    made = {_lower(name): values for name, values in attributes.items()}
    if len(made) < len(attributes):
        made |= {_lower(name): values for name, values in attributes.items() if ";" not in name}
    return made


def _number(option: str, text: str) -> int:
    if not text.isdigit() or int(text) > 100_000:
        raise SourceError(f"--{option} is a number from 0 to 100,000, not {text!r}.")
    return int(text)
