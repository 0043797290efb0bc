"""Sources of the kind ldap: OpenLDAP and its relatives (389 Directory Server, FreeIPA, eDirectory)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from ..reading import GROUP, USER, Kind, Opening, Option
from .ldap_changes import changed_since
from .ldap_connection import translated
from .ldap_names import unique_member
from .ldap_reader import Attributes, Flavour, LdapReader, first

_DAY = 86_400
#: A lock without an end (draft-behera-ldap-password-policy, pwdAccountLockedTime).
_LOCKED_FOR_GOOD = "000001010000Z"
_SYNCREPL = "1.3.6.1.4.1.4203.1.9.1.1"
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
)


class OpenLdapReader(LdapReader):
    """Reads users and groups by their entryUUID; where there is syncrepl, also what changed."""

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
        """What the members of a group are called: distinguished names, and names of posix accounts."""
        made = [*self.values(attributes, "member")]
        made += [unique_member(value) for value in self.values(attributes, "uniquemember")]
        made += [f"uid:{value}" for value in self.values(attributes, "memberuid")]
        # A group of names cannot be empty, so an empty one has itself or nobody as its member.
        own = name.lower()
        return [value for value in made if value and value.lower() != own]

    def position(self) -> str | None:
        """The change numbers of the naming contexts; None where the server does not tell changes."""
        root = self.root()
        if _SYNCREPL not in root.get("supportedcontrol", []):
            return None
        made: dict[str, list[str]] = {}
        for base in self.all_bases:
            context = self.context_of(base)
            if context is None:
                return None
            numbers = self.values(self.entry(context, ["contextCSN"]) or {}, "contextcsn")
            if not numbers:
                return None
            made[base] = sorted(numbers)
        return orjson.dumps(made).decode()

    def changed(self, position: str) -> list[str] | None:
        """The keys of what changed; None when the server does not know that any more, or never did."""
        former: dict[str, list[str]] = orjson.loads(position)
        # The server tells entries by their entryUUID, and nothing of who came into a group by a change of the group.
        if set(former) != set(self.all_bases) or self.flavour.key.lower() != "entryuuid" or self.chosen_by_group:
            return None
        made: list[str] = []
        for base in self.all_bases:
            with translated(self.address.url):
                found = changed_since(self.connect(), base, self.either_filter, former[base])
            if found is None:
                return None
            made += found
        return made

    def other_names(self, attributes: Attributes) -> Sequence[str]:
        """A posix account is a member by its uid."""
        return [f"uid:{value}" for value in self.values(attributes, "uid")]


def _opened(opening: Opening) -> Any:
    return OpenLdapReader(opening)


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
    Option("disabled", "Users who match this LDAP filter are disabled too.", metavar="FILTER"),
    Option("page-size", "How many entries are asked for at once; 0 asks for all.", default="500", metavar="N"),
)

KIND = Kind(
    "ldap",
    "OpenLDAP and its relatives",
    (*COMMON, Option("key", "The attribute with the immutable id of an entry.", default="entryUUID", metavar="NAME")),
    _opened,
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
