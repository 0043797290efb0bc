"""Sources of the kind ldap: OpenLDAP and its relatives (389 Directory Server, FreeIPA, eDirectory)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from ..reading import GROUP, USER, Kind, Opening, Option, SourceError
from .ldap_changes import Position, newer, synchronized
from .ldap_connection import texts
from .ldap_members import UID
from .ldap_names import unique_member
from .ldap_reader import Flavour, LdapReader
from .ldap_session import Attributes, first, required_texts

_DAY = 86_400
#: A lock without an end (draft-behera-ldap-password-policy, pwdAccountLockedTime).
_LOCKED_FOR_GOOD = "000001010000Z"
#: The id of eDirectory, which is bytes.
_BYTES = "guid"
#: What attributes say that an account is disabled: 389 and FreeIPA, password policies, eDirectory, shadow accounts.
_DISABLED: Mapping[str, Callable[[str], bool]] = {
    "nsaccountlock": lambda value: value.lower() == "true",
    "pwdaccountlockedtime": lambda value: value == _LOCKED_FOR_GOOD,
    "logindisabled": lambda value: value.lower() == "true",
    "shadowexpire": lambda value: value.isdigit() and int(value) * _DAY <= time.time(),
}

FLAVOUR = Flavour(
    users="(|(objectClass=person)(objectClass=posixAccount))",
    groups="(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers)"
    "(objectClass=posixGroup))",
    key="entryUUID",
    member_attributes=("member", "uniqueMember", "memberUid"),
    more_attributes=("nsAccountLock", "pwdAccountLockedTime", "loginDisabled", "shadowExpire", "uid"),
    shown={_BYTES: bytes.hex},
)


class OpenLdapReader(LdapReader):
    """Reads users and groups by their entryUUID, and what changed."""

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening, FLAVOUR)

    def is_active(self, attributes: Attributes) -> bool:
        """True unless one of the usual attributes says that the account is disabled."""
        for name in _DISABLED.keys() & attributes.keys():
            value = first(attributes, name)
            if value is not None and _DISABLED[name](value.strip()):
                return False
        return True

    def members(self, name: str, attributes: Attributes) -> list[str]:
        """What the members of a group are called."""
        made = required_texts(attributes, "member")
        made += [unique_member(value) for value in required_texts(attributes, "uniquemember")]
        made += [f"{UID}{value}" for value in required_texts(attributes, "memberuid")]
        # A group of names cannot be empty, so an empty one has itself or nobody as its member.
        own = name.lower()
        return [value for value in made if value and value.lower() != own]

    def uids(self, attributes: Attributes) -> Sequence[str]:
        """A posix account is a member by its uid."""
        return texts(attributes.get("uid", ())) or ()

    def key_filter(self, key: str) -> str:
        """The filter that finds the entry with a key."""
        if self.flavour.key.lower() != _BYTES:
            return super().key_filter(key)
        return f"({self.flavour.key}=" + "".join(f"\\{byte:02x}" for byte in bytes.fromhex(key)) + ")"

    # --- changes --------------------------------------------------------------------------------------------------

    def position(self) -> str | None:
        """The change numbers and the time of the last change; None where nothing tells changes."""
        # Who comes into a group, or leaves it, does not change.
        if self.chosen_by_group:
            return None
        now = Position.now(self.session, self.all_bases)
        if now is None or (not now.numbers and self._newer(now) is None):
            return None
        return now.to_json()

    def changed(self, position: str) -> list[str] | None:
        """The keys of what changed; who went only where the server keeps a log. None when everything must be read."""
        former = Position.from_json(position)
        found = self._synchronized(former)
        return found if found is not None else self._newer(former)

    def tells(self) -> tuple[bool | None, str]:
        """What the directory can say of changes."""
        position = self.position()
        if position is None:
            return super().tells()
        if self._synchronized(Position.from_json(position)) is not None:
            return True, "the server tells changes, and deletions where it keeps a log of them (syncprov-sessionlog)"
        return True, "entries tell when they were changed; who is deleted is found by the full run"

    def _newer(self, former: Position) -> list[str] | None:
        """What changed by the time of its change; None when the server does not search by that, or too much changed."""
        since = f"(modifyTimestamp>={former.at})"
        try:
            return newer(self.session, self.all_bases, since, self.flavour.key, self.key_of)
        except SourceError:
            # Where times have no index, the search may be against a limit; a lost connection is told by what follows.
            return None

    def _synchronized(self, former: Position) -> list[str] | None:
        """What changed by the server's log; None when it has none."""
        if self.flavour.key.lower() != "entryuuid" or set(former.numbers) != set(self.all_bases):
            return None
        made: list[str] = []
        for base, numbers in former.numbers.items():
            found = synchronized(self.session, base, self.either_filter, numbers)
            if found is None:
                return None
            made += found
        return made


#: What both kinds of LDAP take.
COMMON = (
    Option("url", "Its address: ldaps://HOST, or ldap://HOST with --starttls.", required=True, metavar="URL"),
    Option("starttls", "Encrypt ldap:// from the first word on.", choices=("on", "off"), default="off"),
    Option("ca", "A file with the certificate of the authority that signed the server's.", metavar="FILE"),
    Option("bind", "The account that reads, by its distinguished name.", metavar="NAME"),
    Option("base", "Below which entry users are; several times for several.", required=True, many=True, metavar="DN"),
    Option("filter", "Only users who also match this LDAP filter.", metavar="FILTER"),
    Option("members-of", "Only users who are in this group, directly or by groups in it.", many=True, metavar="DN"),
    Option("groups", "Below which entry groups are; `none` reads none.  [default: --base]", many=True, metavar="DN"),
    Option("group-filter", "Only groups that also match this LDAP filter.", metavar="FILTER"),
    Option("disabled-when", "Users who match this LDAP filter are disabled too.", metavar="FILTER"),
    Option("page-size", "How many entries are asked for at once; 0 asks for all.", default="500", metavar="N"),
)

KIND = Kind(
    "ldap",
    "OpenLDAP and its relatives",
    (*COMMON, Option("key", "The attribute with the immutable id of an entry.", default="entryUUID", metavar="NAME")),
    OpenLdapReader,
    {
        USER: {
            "userName": "uid | mail",
            "externalId": "@key",
            "active": "@active",
            "displayName": "displayName | cn",
            "name.givenName": "givenName",
            "name.familyName": "sn",
            "emails.work": "mail",
            "emails.work.primary": '"true"',
            "emails.other": "mail[1:]",
            "phoneNumbers.work": "telephoneNumber",
            "phoneNumbers.mobile": "mobile",
            "title": "title",
            "department": "departmentNumber | ou",
            "organization": "o",
            "employeeNumber": "employeeNumber",
            "manager": "manager",
            "preferredLanguage": "preferredLanguage",
            "addresses.work.streetAddress": "street",
            "addresses.work.locality": "l",
            "addresses.work.region": "st",
            "addresses.work.postalCode": "postalCode",
        },
        GROUP: {"displayName": "cn", "externalId": "@key"},
    },
    secret="password",
    tells_changes=True,
)
