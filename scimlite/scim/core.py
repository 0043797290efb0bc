"""The User, Group and enterprise User declarations (RFC 7643 sections 3.1, 4.1, 4.2 and 4.3)."""

from __future__ import annotations

from typing import Any

from .attribute import Attribute, LinkEnd
from .schema import ResourceType, schema

USER_URN = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


#: The ends of members and of groups: a user is called by displayName, else by userName.
_USER_END = LinkEnd("User", "Users", ("displayName", "userName"))
_GROUP_END = LinkEnd("Group", "Groups")


#: Suggestions for `type` where RFC 7643 names none: Entra's gallery validation finds attributes such as
#: `roles[type eq "work"].value` by them.
_USES = ("work", "home", "other")


def _simple(name: str, description: str, **characteristics: Any) -> Attribute:
    return Attribute(name, description=description, **characteristics)


def _reference(name: str, description: str, *types: str, **characteristics: Any) -> Attribute:
    return Attribute(
        name,
        "reference",
        description=description,
        reference_types=types,
        case_exact=True,
        **characteristics,
    )


def _complex(name: str, description: str, *subs: Attribute, **characteristics: Any) -> Attribute:
    return Attribute(name, "complex", subs, description=description, **characteristics)


def _plural(name: str, noun: str, value: Attribute, types: tuple[str, ...] = (), *more: Attribute) -> Attribute:
    """A multi-valued complex attribute with the default sub-attributes of RFC 7643 section 2.4."""
    return _complex(
        name,
        f"The user's {noun}.",
        value,
        *more,
        _simple("display", "A name for people to read.", sought=False),
        _simple("type", "What the value is for.", canonical_values=types, sought=False),
        _primary(),
        multi_valued=True,
    )


def _primary() -> Attribute:
    description = "Whether this is the preferred one; true at most once."
    return Attribute("primary", "boolean", description=description, sought=False)


COMMON = tuple(
    attribute.placed(attribute.name)
    for attribute in (
        _reference("schemas", "The schemas of this resource.", "uri", multi_valued=True, returned="always"),
        _simple(
            "id",
            "The identifier the service provider gave.",
            case_exact=True,
            mutability="readOnly",
            returned="always",
            uniqueness="server",
        ),
        _simple("externalId", "The identifier the client gave.", case_exact=True),
        _complex(
            "meta",
            "Facts about the resource.",
            _simple("resourceType", "The name of the type.", case_exact=True, mutability="readOnly"),
            Attribute("created", "dateTime", description="When it was added.", mutability="readOnly"),
            Attribute("lastModified", "dateTime", description="When it last changed.", mutability="readOnly"),
            _reference("location", "The URI of the resource.", "uri", mutability="readOnly"),
            _simple("version", "The entity tag.", case_exact=True, mutability="readOnly"),
            mutability="readOnly",
        ),
    )
)

USER_SCHEMA = schema(
    USER_URN,
    "User",
    "User Account",
    [
        _simple("userName", "The name the user signs in with.", required=True, uniqueness="server"),
        _complex(
            "name",
            "The parts of the user's real name.",
            _simple("formatted", "The whole name as it is shown.", sought=False),
            _simple("familyName", "The family name.", sought=False),
            _simple("givenName", "The given name.", sought=False),
            _simple("middleName", "The middle names.", sought=False),
            _simple("honorificPrefix", "Titles before the name.", sought=False),
            _simple("honorificSuffix", "Suffixes after the name.", sought=False),
        ),
        _simple("displayName", "The name shown to other people."),
        _simple("nickName", "The casual name.", sought=False),
        _reference("profileUrl", "The user's page.", "external", sought=False),
        _simple("title", "The job title.", sought=False),
        _simple("userType", "The relationship to the organisation.", sought=False),
        _simple("preferredLanguage", "The preferred written or spoken language.", sought=False),
        _simple("locale", "Where the user is, for formats of dates and numbers.", sought=False),
        _simple("timezone", "The time zone in IANA form.", sought=False),
        Attribute(
            "active", "boolean", description="Whether the user may use the application.", default=True, sought=False
        ),
        _simple(
            "password",
            "A clear text password; never returned, and kept as a hash or not at all.",
            mutability="writeOnly",
            returned="never",
            apart=True,
        ),
        _plural("emails", "e-mail addresses", _simple("value", "The address."), ("work", "home", "other")),
        _plural(
            "phoneNumbers",
            "phone numbers",
            _simple("value", "The number."),
            ("work", "home", "mobile", "fax", "pager", "other"),
        ),
        _plural(
            "ims",
            "instant messaging addresses",
            _simple("value", "The address."),
            ("aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
        ),
        _plural(
            "photos", "pictures", _reference("value", "Where it is.", "external", sought=False), ("photo", "thumbnail")
        ),
        _complex(
            "addresses",
            "The user's postal addresses.",
            _simple("formatted", "The whole address as it is shown.", sought=False),
            _simple("streetAddress", "Street, house number, post box.", sought=False),
            _simple("locality", "The city.", sought=False),
            _simple("region", "The state or region.", sought=False),
            _simple("postalCode", "The postal code.", sought=False),
            _simple("country", "The country, in ISO 3166-1 alpha-2.", sought=False),
            _simple("type", "What the address is for.", canonical_values=("work", "home", "other"), sought=False),
            _primary(),
            multi_valued=True,
        ),
        _complex(
            "groups",
            "The groups the user is in, directly or through other groups.",
            _simple("value", "The group's id.", case_exact=True, mutability="readOnly"),
            _reference("$ref", "The group's URI.", "User", "Group", mutability="readOnly"),
            _simple("display", "The group's name.", mutability="readOnly"),
            _simple(
                "type",
                "Whether the membership is direct.",
                canonical_values=("direct", "indirect"),
                mutability="readOnly",
            ),
            multi_valued=True,
            mutability="readOnly",
            derived=True,
        ).pointing_at(_GROUP_END),
        _plural("entitlements", "entitlements", _simple("value", "The entitlement."), _USES),
        _plural("roles", "roles", _simple("value", "The role."), _USES),
        _plural(
            "x509Certificates",
            "certificates",
            Attribute("value", "binary", description="The certificate, DER in base64.", case_exact=True, sought=False),
            _USES,
        ),
    ],
    core=True,
)

ENTERPRISE_SCHEMA = schema(
    ENTERPRISE_URN,
    "EnterpriseUser",
    "Enterprise User",
    [
        _simple("employeeNumber", "The number or code the organisation gave."),
        _simple("costCenter", "The cost centre."),
        _simple("organization", "The organisation."),
        _simple("division", "The division."),
        _simple("department", "The department."),
        _complex(
            "manager",
            "The user's manager.",
            _simple("value", "The id of the manager.", case_exact=True),
            _reference("$ref", "The URI of the manager.", "User"),
            _simple("displayName", "The manager's name.", mutability="readOnly"),
        ),
    ],
    core=False,
)

GROUP_SCHEMA = schema(
    GROUP_URN,
    "Group",
    "Group",
    [
        _simple("displayName", "The name of the group.", required=True),
        _complex(
            "members",
            "The users and groups in the group.",
            _simple("value", "The member's id.", case_exact=True, mutability="immutable"),
            _reference("$ref", "The member's URI.", "User", "Group", mutability="immutable"),
            # Answers to writes leave it out (docs/adr/0009-names-of-members.md).
            _simple("display", "The member's name.", mutability="readOnly"),
            _simple("type", "The kind of member.", canonical_values=("User", "Group"), mutability="immutable"),
            multi_valued=True,
            links=True,
        ).pointing_at(_USER_END, _GROUP_END),
    ],
    core=True,
)

#: URNs that clients are known to send instead of the right one: a sample in Microsoft's documentation lacks a
#: colon; OneLogin's templates still hold the names from before RFC 7643.
URN_ALIASES = {
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0User": ENTERPRISE_URN,
    "urn:scim:schemas:extension:enterprise:2.0": ENTERPRISE_URN,
    "urn:scim:schemas:extension:enterprise:1.0": ENTERPRISE_URN,
}

USER = ResourceType(
    "User", "Users", "User Account", USER_SCHEMA, (ENTERPRISE_SCHEMA,), common=COMMON, urn_aliases=URN_ALIASES
)
GROUP = ResourceType("Group", "Groups", "Group", GROUP_SCHEMA, common=COMMON)

#: The resource types that every app has, by endpoint.
RESOURCE_TYPES = {resource_type.endpoint: resource_type for resource_type in (USER, GROUP)}
