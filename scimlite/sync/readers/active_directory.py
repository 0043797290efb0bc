"""Sources of the kind ad: Active Directory, Microsoft's and Samba's."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence

import orjson

from ..reading import GROUP, USER, Kind, Opening, Option, Record, SourceError
from . import ldap_ranges
from .ldap import COMMON
from .ldap_changes import newer
from .ldap_reader import Flavour, LdapReader
from .ldap_session import Attributes, Session, first, folded, required_texts

#: Bit of userAccountControl: the account is disabled (Microsoft, "User-Account-Control attribute").
_DISABLED = 0x2
#: accountExpires of accounts that never expire, and the time that it counts from, in seconds before 1970 UTC.
_NEVER, _EPOCH = (0, 0x7FFFFFFFFFFFFFFF), 11_644_473_600
#: Members that are asked for at once; a server gives so many at most (MaxValRange).
RANGE = 1500
_GLOBAL_CATALOG = (3268, 3269)
_CRITICAL = "(!(isCriticalSystemObject=TRUE))"


def _guid(value: bytes) -> str:
    """An id as Windows shows it: its first three parts have the least byte first. Raises ValueError."""
    return str(uuid.UUID(bytes_le=bytes(value)))


def _sid(value: bytes) -> str:
    """A security identifier (MS-DTYP section 2.4.2.2): revision, count, authority, numbers. Raises ValueError."""
    if len(value) < 8 or len(value) != 8 + 4 * value[1]:
        raise ValueError("no security identifier")
    parts = [int.from_bytes(value[place : place + 4], "little") for place in range(8, len(value), 4)]
    return "-".join(["S", str(value[0]), str(int.from_bytes(value[2:8])), *map(str, parts)])


FLAVOUR = Flavour(
    users=f"(&(objectCategory=person)(objectClass=user){_CRITICAL})",
    groups=f"(&(objectCategory=group){_CRITICAL})",
    key="objectGUID",
    member_attributes=("primaryGroupToken",),
    more_attributes=("userAccountControl", "accountExpires", "primaryGroupID"),
    shown={"objectguid": _guid, "ms-ds-consistencyguid": _guid, "objectsid": _sid},
)


class ActiveDirectoryReader(LdapReader):
    """Reads users and groups by their objectGUID, and what changed by their update numbers."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening, FLAVOUR)
        if self.session.address.port in _GLOBAL_CATALOG:
            raise SourceError(
                "--url: this is the port of the global catalog, which has few attributes, and members of universal "
                "groups only. Use ldaps://HOST without a port, and a source for each domain."
            )
        self._with_primary = opening.text("primary-group") == "on"
        #: The names of users by the number of their primary group.
        self._primary: dict[str, list[str]] = {}
        #: Reads the rest of large groups while a search by pages is going on.
        self._second: Session | None = None

    def everything(self) -> Iterator[Record]:
        """Yields all users and groups; the users first, because a primary group does not know its members."""
        self._primary.clear()
        return super().everything()

    def filter_of(self, type: str) -> str:
        """The filter of users or groups; the primary group is one that is critical for the system."""
        found = super().filter_of(type)
        return found.replace(_CRITICAL, "") if type == GROUP and self._with_primary else found

    def attributes_of(self, type: str) -> list[str]:
        """What is asked for; members in the form in which a server tells that there are more."""
        return [*super().attributes_of(type), *(ldap_ranges.asked(0, RANGE) if type == GROUP else [])]

    def key_filter(self, key: str) -> str:
        """The filter that finds the entry with an objectGUID."""
        return "(objectGUID=" + "".join(f"\\{byte:02x}" for byte in uuid.UUID(key).bytes_le) + ")"

    def is_active(self, attributes: Attributes) -> bool | None:
        """True for accounts that are neither disabled nor expired; None when it may not be read.

        An account that expires changes nothing of its entry, and one that is locked, or whose password has expired, is
        still the account of somebody who may use the application.
        """
        control, expires = first(attributes, "useraccountcontrol"), first(attributes, "accountexpires")
        if control is None:
            # Where accounts are not readable for everybody, all would be taken for active.
            return None
        if int(control) & _DISABLED:
            return False
        return expires is None or int(expires) in _NEVER or int(expires) / 10**7 - _EPOCH > time.time()

    def note_user(self, name: str, attributes: Attributes) -> None:
        """Remembers who has which primary group."""
        number = first(attributes, "primarygroupid")
        if self._with_primary and number is not None:
            self._primary.setdefault(number, []).append(name)

    def members(self, name: str, attributes: Attributes) -> list[str]:
        """The names of all members, the parts that a server gave one after the other joined."""
        token = first(attributes, "primarygrouptoken")
        return [*required_texts(attributes, "member"), *self._primary.get(token or "", [])]

    def folded(self, name: str, given: Mapping[str, Sequence[bytes]]) -> Attributes:
        """Attributes by lower-case name, with all members of a large group."""
        made = folded(given)
        if any(key.lower().startswith("member;range=") for key in given):
            made["member"] = ldap_ranges.members(name, given, self._ask, RANGE)
        return made

    def _ask(self, name: str, attributes: Sequence[str]) -> Mapping[str, Sequence[bytes]] | None:
        if self._second is None:
            self._second = Session(self.session.address, self.session.client, self.session.account, page=0)
        found = self._second.raw(name, attributes)
        return found[1] if found is not None else None

    def close(self) -> None:
        """Ends both connections."""
        super().close()
        if self._second is not None:
            self._second.close()
            self._second = None

    # --- changes --------------------------------------------------------------------------------------------------

    def position(self) -> str | None:
        """The last update number of this domain controller; numbers of another one are others."""
        # Who comes into a group, or leaves it, has no new number, nor has a primary group.
        if self.chosen_by_group or self._with_primary:
            return None
        root = self.session.root()
        number, service = root.get("highestcommittedusn"), root.get("dsservicename")
        if not number or not service:
            return None
        settings = self.session.entry(service[0], ["invocationId"])
        invocation = (settings or {}).get("invocationid")
        if not invocation:
            return None
        return orjson.dumps({"invocation": bytes(invocation[0]).hex(), "number": int(number[0])}).decode()

    def changed(self, position: str) -> list[str] | None:
        """The keys of what has a higher update number; None for another domain controller.

        What was deleted, and what an OU's new name moved, have none: only a full run finds them.
        """
        now = self.position()
        former = orjson.loads(position)
        if now is None or orjson.loads(now)["invocation"] != former["invocation"]:
            return None
        newer_ones = f"(&(uSNChanged>={former['number'] + 1})(|(objectCategory=person)(objectCategory=group)))"
        return newer(self.session, self.all_bases, newer_ones, self.flavour.key, self.key_of)

    def tells(self) -> tuple[bool | None, str]:
        """What the domain controller can say of changes."""
        if self.position() is None:
            return super().tells()
        return True, "the domain controller tells changes by update numbers; who is deleted is found by the full run"


KIND = Kind(
    "ad",
    "Active Directory",
    (
        *COMMON,
        Option("auth", "How it signs in: a name and a password, or a Kerberos ticket.", choices=("simple", "gssapi")),
        Option(
            "primary-group",
            "Read the members of primary groups such as Domain Users too.",
            choices=("off", "on"),
            default="off",
        ),
    ),
    ActiveDirectoryReader,
    {
        USER: {
            "userName": "userPrincipalName | sAMAccountName",
            "externalId": "@key",
            "active": "@active",
            "displayName": "displayName | name",
            "name.givenName": "givenName",
            "name.familyName": "sn",
            "emails.work": "mail",
            "emails.work.primary": '"true"',
            "phoneNumbers.work": "telephoneNumber",
            "phoneNumbers.mobile": "mobile",
            "title": "title",
            "department": "department",
            "organization": "company",
            "employeeNumber": "employeeID",
            "manager": "manager",
            "preferredLanguage": "preferredLanguage",
            "addresses.work.streetAddress": "streetAddress",
            "addresses.work.locality": "l",
            "addresses.work.region": "st",
            "addresses.work.postalCode": "postalCode",
            "addresses.work.country": "c",
        },
        GROUP: {"displayName": "cn", "externalId": "@key"},
    },
    secret="password",
    tells_changes=True,
)
