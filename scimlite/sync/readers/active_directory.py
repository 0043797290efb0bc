"""Sources of the kind ad: Active Directory, Microsoft's and Samba's."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from ..reading import GROUP, USER, Kind, Opening, Option, Record
from . import ldap_connection
from .ldap import COMMON
from .ldap_connection import translated
from .ldap_reader import Attributes, Flavour, LdapReader, first, folded

#: Bit of userAccountControl: the account is disabled (Microsoft, "User-Account-Control attribute").
_DISABLED = 0x2
#: accountExpires of accounts that never expire, and the time that it counts from, in seconds before 1970 UTC.
_NEVER, _EPOCH = (0, 0x7FFFFFFFFFFFFFFF), 11_644_473_600
#: Members that are asked for at once; a server gives so many at most (MaxValRange).
RANGE = 1500
_CRITICAL = "(!(isCriticalSystemObject=TRUE))"

FLAVOUR = Flavour(
    users=f"(&(objectCategory=person)(objectClass=user){_CRITICAL})",
    groups=f"(&(objectCategory=group){_CRITICAL})",
    key="objectGUID",
    member_attributes=("primaryGroupToken",),
    more_attributes=("userAccountControl", "accountExpires", "primaryGroupID"),
)


class ActiveDirectoryReader(LdapReader):
    """Reads users and groups by their objectGUID, and what changed by their update numbers."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening, FLAVOUR)
        self._with_primary = opening.text("primary-group") == "on"
        #: The names of users by the number of their primary group.
        self._primary: dict[str, list[str]] = {}
        self._second: Any = None

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
        return [*super().attributes_of(type), *([f"member;range=0-{RANGE - 1}"] if type == GROUP else [])]

    def key_of(self, attributes: Attributes) -> str | None:
        """The objectGUID, as Windows shows it: its first three parts have the least byte first."""
        values = attributes.get("objectguid", ())
        return str(uuid.UUID(bytes_le=bytes(values[0]))) if values and len(values[0]) == 16 else None

    def key_filter(self, key: str) -> str:
        """The filter that finds the entry with an objectGUID."""
        return "(objectGUID=" + "".join(f"\\{byte:02x}" for byte in uuid.UUID(key).bytes_le) + ")"

    def is_active(self, attributes: Attributes) -> bool:
        """True for accounts that are neither disabled nor expired.

        An account that expires changes nothing of its entry, and one that is locked, or whose password has expired, is
        still the account of somebody who may use the application.
        """
        control, expires = first(attributes, "useraccountcontrol"), first(attributes, "accountexpires")
        if control is not None and int(control) & _DISABLED:
            return False
        return expires is None or int(expires) in _NEVER or int(expires) / 10**7 - _EPOCH > time.time()

    def note_user(self, name: str, attributes: Attributes) -> None:
        """Remembers who has which primary group."""
        number = first(attributes, "primarygroupid")
        if self._with_primary and number is not None:
            self._primary.setdefault(number, []).append(name)

    def members(self, name: str, attributes: Attributes) -> list[str]:
        """The names of all members, the parts that a server gave one after the other joined."""
        made = list(self.values(attributes, "member"))
        token = first(attributes, "primarygrouptoken")
        return made + self._primary.get(token or "", [])

    def folded(self, name: str, given: Mapping[str, Sequence[bytes]]) -> Attributes:
        """Attributes by lower-case name, with all members of a large group."""
        made = dict(folded(given))
        ranged = next((key for key in given if key.lower().startswith("member;range=")), None)
        if ranged is not None:
            # An empty `member` beside it would hide the members.
            made["member"] = [*given[ranged], *self._rest(name, ranged)]
        return made

    def _rest(self, name: str, told: str) -> list[bytes]:
        """The members behind a part; on a connection of its own, because a search by pages is going on."""
        ldap = ldap_connection.library()
        made: list[bytes] = []
        while not told.endswith("-*"):
            begin = int(re.findall(r"\d+", told)[-1]) + 1
            asked = f"member;range={begin}-{begin + RANGE - 1}"
            with translated(self.address.url):
                found = self._other_connection().search_s(name, ldap.SCOPE_BASE, "(objectClass=*)", [asked])
            given = found[0][1] if found else {}
            part = next((key for key in given if key.lower().startswith("member;range=")), None)
            if part is None:
                break
            made += given[part]
            told = part
        return made

    def _other_connection(self) -> Any:
        if self._second is None:
            self._second = self.new_connection()
        return self._second

    def close(self) -> None:
        """Ends both connections."""
        super().close()
        if self._second is not None:
            ldap_connection.end(self._second)
            self._second = None

    # --- changes --------------------------------------------------------------------------------------------------

    def position(self) -> str | None:
        """The last update number of this domain controller; numbers of another one are others."""
        root = self.root()
        number, service = root.get("highestcommittedusn"), root.get("dsservicename")
        if not number or not service:
            return None
        settings = self.entry(service[0], ["invocationId"])
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
        if now is None or self.chosen_by_group or self._with_primary:
            return None
        if orjson.loads(now)["invocation"] != former["invocation"]:
            return None
        newer = f"(&(uSNChanged>={former['number'] + 1}){self.either_filter})"
        made = []
        for base in self.all_bases:
            for _, attributes in self.search(base, newer, ["objectGUID"]):
                key = self.key_of(attributes)
                made += [key] if key is not None else []
        return made


def _opened(opening: Opening) -> Any:
    return ActiveDirectoryReader(opening)


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
    _opened,
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
