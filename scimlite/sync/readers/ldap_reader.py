"""What all readers of LDAP directories do: tell users and groups, their keys, their members, and who is active."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..reading import GROUP, USER, Finding, Opening, Record, SourceError
from .ldap_check import steps
from .ldap_connection import Account, library
from .ldap_filters import checked, number
from .ldap_members import UID, Names, as_known, closure
from .ldap_names import below, normal
from .ldap_network import Address
from .ldap_session import Attributes, Session, folded

#: Entries that are asked for by id in one search, and names that are looked up one by one before all are read.
_KEYS, _LOOKUPS = 50, 50
_NOBODY = "none"


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
    #: What shows the values of attributes that are no text, by lower-case name; it raises ValueError.
    shown: Mapping[str, Callable[[bytes], str]] = field(default_factory=dict)


class LdapReader:
    """Reads users and groups of a directory; kinds say what is a user, who is active, who is a member."""

    def __init__(self, opening: Opening, flavour: Flavour) -> None:
        library()
        gssapi = opening.text("auth") == "gssapi"
        starttls = opening.text("starttls") == "on"
        url, ca = opening.text("url") or "", opening.text("ca")
        account = Account(opening.text("bind"), opening.secret, gssapi)
        account.check()
        self.session = Session(
            Address.of(url, starttls=starttls, ca=ca, sealed=gssapi),
            opening.client,
            account,
            page=number("page-size", opening.text("page-size") or "0"),
        )
        self.flavour = replace(flavour, key=opening.text("key") or flavour.key)
        self._key_name = self.flavour.key.lower()
        self._show_key = flavour.shown.get(self._key_name, bytes.decode)
        self.bases = opening.texts("base")
        groups = opening.texts("groups")
        self.wanted = {type: sorted(opening.attributes.get(type, ())) for type in (USER, GROUP)}
        #: The same with the names in lower case, and with what shows their values as text.
        self._spelled = {
            type: [(name, name.lower(), flavour.shown.get(name.lower(), bytes.decode)) for name in names]
            for type, names in self.wanted.items()
        }
        without = groups == [_NOBODY] or not self.wanted[GROUP]
        self.group_bases = [] if without else groups or self.bases
        self.chosen_by_group = opening.texts("members-of")
        self._filters = {USER: checked("filter", opening), GROUP: checked("group-filter", opening)}
        self._disabled_filter = checked("disabled-when", opening)
        self._names = Names()
        self._complete = False
        self._lookups = 0
        #: Normal names of users who are disabled by a filter, and of who is in the chosen groups; None before reading.
        self._switched_off: set[str] | None = None
        self._chosen: set[str] | None = None

    # --- what kinds say -------------------------------------------------------------------------------------------

    def is_active(self, attributes: Attributes) -> bool | None:
        """True when nothing says that an account is disabled; None when that cannot be told."""
        raise NotImplementedError

    def members(self, name: str, attributes: Attributes) -> list[str]:
        """What the members of a group are called."""
        raise NotImplementedError

    def uids(self, attributes: Attributes) -> Sequence[str]:
        """By what names a user may be a member besides the distinguished one."""
        return ()

    def note_user(self, name: str, attributes: Attributes) -> None:
        """For kinds in which a user says who it is a member of."""

    def folded(self, name: str, given: Mapping[str, Sequence[bytes]]) -> Attributes:
        """The attributes of an entry by lower-case name."""
        return folded(given)

    def key_of(self, attributes: Attributes) -> str | None:
        """The immutable id of an entry; None without one."""
        values = attributes.get(self._key_name)
        try:
            return self._show_key(values[0]).strip() or None if values else None
        except ValueError:
            return None

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

    def tells(self) -> tuple[bool | None, str]:
        """What the directory can say of changes, in words; True when that includes who went."""
        return None, "the server does not tell changes: everything is read each time"

    # --- the source -----------------------------------------------------------------------------------------------

    def check(self) -> Iterator[Finding]:
        """Yields what is found out about the connection, the account and its rights; the last one is what failed."""
        return steps(self)

    def close(self) -> None:
        """Ends the connection."""
        self.session.close()

    def identity(self) -> str:
        """The naming contexts with the ids of their entries, which all replicas of a directory share."""
        made = set()
        for base in self.bases:
            if self.session.entry(base, ["1.1"]) is None:
                raise SourceError(f"{self.session.address.url} has no base {base}, or this account may not see it.")
            context = self.session.context_of(base) or base
            found = self.session.entry(context, [self.flavour.key]) or {}
            made.add(f"{normal(context)} {self.key_of(found) or ''}".strip())
        return "; ".join(sorted(made))

    @property
    def all_bases(self) -> list[str]:
        """The bases of users and groups without those below another one."""
        return outermost([*self.bases, *self.group_bases])

    @property
    def either_filter(self) -> str:
        """The filter of users and groups together."""
        return f"(|{self.filter_of(USER)}{self.filter_of(GROUP)})" if self.group_bases else self.filter_of(USER)

    def filter_of(self, type: str) -> str:
        """The filter of users or of groups."""
        kind, own = self.flavour.users if type == USER else self.flavour.groups, self._filters[type]
        return f"(&{kind}{own})" if own else kind

    def attributes_of(self, type: str) -> list[str]:
        """The attributes that are asked for."""
        more = self.flavour.more_attributes if type == USER else self.flavour.member_attributes
        return list(dict.fromkeys([*self.wanted[type], self.flavour.key, *more]))

    # --- reading --------------------------------------------------------------------------------------------------

    def everything(self) -> Iterator[Record]:
        """Yields all users and groups. Raises SourceError and IncompleteError."""
        self._names.forget()
        self._complete = False
        self._prepare()
        yield from self._records(USER, self.bases, self.filter_of(USER))
        yield from self._records(GROUP, self.group_bases, self.filter_of(GROUP))
        self._complete = True

    def read(self, keys: Sequence[str]) -> Iterator[Record]:
        """Yields those of these entries that are users or groups of the source."""
        self._prepare()
        for start in range(0, len(keys), _KEYS):
            listed = "".join(self.key_filter(key) for key in keys[start : start + _KEYS])
            yield from self._records(USER, self.bases, f"(&{self.filter_of(USER)}(|{listed}))")
            yield from self._records(GROUP, self.group_bases, f"(&{self.filter_of(GROUP)}(|{listed}))")

    def _prepare(self) -> None:
        """Finds out who is chosen and who is disabled, before a search by pages begins: another one would end it."""
        if self._chosen is None and self.chosen_by_group:
            self._chosen = closure(self.chosen_by_group, self._members_of, self._all_groups)
        if self._switched_off is None:
            self._switched_off = set()
            for base in outermost(self.bases) if self._disabled_filter else ():
                both = f"(&{self.filter_of(USER)}{self._disabled_filter})"
                self._switched_off |= {normal(name) for name, _ in self.session.search(base, both, ["1.1"])}

    def _members_of(self, group: str) -> list[str] | None:
        found = self.session.raw(group, self.attributes_of(GROUP))
        return self.members(found[0], self.folded(*found)) if found is not None else None

    def _all_groups(self) -> Iterator[str]:
        """The names of all groups that may be in others, also of those that are not in the source."""
        places = [*self.all_bases, *self.chosen_by_group]
        for context in outermost([self.session.context_of(place) or place for place in places]):
            yield from (name for name, _ in self.session.search(context, self.flavour.groups, ["1.1"]))

    def _records(self, type: str, bases: Sequence[str], filter: str) -> Iterator[Record]:
        for base in outermost(bases):
            for name, given in self.session.search(base, filter, self.attributes_of(type)):
                attributes = self.folded(name, given)
                known = normal(name)
                if type == GROUP:
                    yield self._group(name, known, attributes)
                elif self._is_chosen(known, attributes):
                    yield self._user(name, known, attributes)

    def _is_chosen(self, known: str, attributes: Attributes) -> bool:
        """True for users of the groups of --members-of, and for all without it."""
        if self._chosen is None or known in self._chosen:
            return True
        return any(as_known(f"{UID}{uid}") in self._chosen for uid in self.uids(attributes))

    def _user(self, name: str, known: str, attributes: Attributes) -> Record:
        key = self._key(name, attributes)
        self._names.add(known, key, self.uids(attributes) if self.group_bases else ())
        self.note_user(name, attributes)
        values, fault = self._values(USER, attributes)
        active = self.is_active(attributes)
        if active is None:
            fault = fault or "this account may not read whether the user is active"
        off = self._switched_off is not None and known in self._switched_off
        return Record(USER, key, name, values, bool(active) and not off, fault=fault)

    def _group(self, name: str, known: str, attributes: Attributes) -> Record:
        key = self._key(name, attributes)
        self._names.add(known, key)
        values, fault = self._values(GROUP, attributes)
        return Record(GROUP, key, name, values, members=self.members(name, attributes), fault=fault)

    def _key(self, name: str, attributes: Attributes) -> str:
        key = self.key_of(attributes)
        if key is None:
            raise SourceError(
                f"{name} has no {self.flavour.key}, or this account may not read it. It tells entries apart when they "
                "are renamed, so nothing is done without it; --key names another attribute."
            )
        return key

    def _values(self, type: str, attributes: Attributes) -> tuple[dict[str, list[str]], str | None]:
        values, fault = {}, None
        for attribute, lower, shown in self._spelled[type]:
            given = attributes.get(lower)
            if given:
                try:
                    values[attribute] = [shown(value) for value in given]
                except ValueError:
                    fault = f"{attribute} holds bytes that are no text"
        return values, fault

    # --- who is meant ---------------------------------------------------------------------------------------------

    def resolve(self, reference: str) -> str | None:
        """The key of a distinguished name, or of another name; None for who is not in the source."""
        found = self._names.key(reference)
        if found is not None or self._complete:
            return found
        self._lookups += 1
        if self._lookups > _LOOKUPS or reference.startswith(UID):
            self._read_all_names()
            return self._names.key(reference)
        known = normal(reference)
        bases = [*self.bases, *self.group_bases]
        if not any(below(known, normal(base)) for base in bases):
            return None
        entry = self.session.entry(reference, self.attributes_of(USER), self.either_filter)
        key = self.key_of(entry) if entry is not None else None
        if key is not None:
            self._names.add(known, key)
        return key

    def _read_all_names(self) -> None:
        """Reads names and keys of all entries, which costs less than to ask for many of them one by one."""
        for type, bases in ((USER, self.bases), (GROUP, self.group_bases)):
            for base in outermost(bases):
                for name, given in self.session.search(base, self.filter_of(type), [self.flavour.key, "uid"]):
                    attributes = folded(given)
                    key = self.key_of(attributes)
                    if key is not None:
                        self._names.add(normal(name), key, self.uids(attributes) if type == USER else ())
        self._complete = True


def outermost(bases: Sequence[str]) -> list[str]:
    """The bases without those that lie below another one, or are one: an entry is read once."""
    by_name: dict[str, str] = {}
    for base in bases:
        by_name.setdefault(normal(base), base)
    return [
        base for name, base in by_name.items() if not any(name != other and below(name, other) for other in by_name)
    ]
