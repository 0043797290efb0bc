"""What real clients send that the RFCs do not allow: one named function for each oddity, with its source.

Every function takes what came and gives what was meant; input that does not show the oddity comes back as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .schema import Attribute, Schema

Json = Any


def string_boolean(value: Json) -> Json:
    """`"True"` and `"False"` for booleans, in values and in filters.

    Entra ID without the `aadOptscim062020` flag (Microsoft, "Known issues and resolutions with SCIM 2.0 protocol
    compliance"); Keycloak's and OneLogin's lower-case strings.
    """
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower(), value)
    return value


def unwrap_single(value: Json) -> Json:
    """An array of one element for a single-valued attribute; an empty array is no value.

    Entra's documented `manager` value is an array (Microsoft, "Tutorial: develop a SCIM endpoint"); SCIM-SDK wraps
    every path value (Captain-P-Goldfish/SCIM-SDK commits 6f51b6c5, 3c72ca31).
    """
    if isinstance(value, list) and len(value) <= 1:
        return value[0] if value else None
    return value


def bare_value(attribute: Attribute, value: Json) -> Json:
    """A plain string for a complex attribute that has a `value` sub-attribute.

    Entra sends `manager` as the bare id (Captain-P-Goldfish/SCIM-SDK#541); Microsoft's Postman collection sends
    group members as strings (AzureAD/SCIMReferenceCode).
    """
    if isinstance(value, str) and attribute.value_sub is not None:
        return {"value": value}
    return value


def legacy_manager(attribute: Attribute, value: Json) -> Json:
    """SCIM 1.1's `managerId` inside a complex attribute for `value`.

    OneLogin's attribute templates (goauthentik/authentik#11249).
    """
    if isinstance(value, dict) and attribute.name == "manager" and "managerId" in value and "value" not in value:
        return {"value" if name == "managerId" else name: given for name, given in value.items()}
    return value


def drop_blank_reference(attribute: Attribute, value: dict[str, Json]) -> dict[str, Json]:
    """A single complex value whose `value` is blank is no value at all.

    Entra clears a manager with `""` or `{"value": ""}` (results of Microsoft's SCIM Validator).
    """
    if not attribute.multi_valued and value.get("value") == "":
        return {}
    return value


def unqualified_extension_attribute(extensions: Iterable[Schema], name: str) -> tuple[str | None, Attribute | None]:
    """An extension's attribute named without its URN in a path or filter, when the core schema has no such name.

    Entra's documented `"path":"manager"` and reference checks `id eq … and manager eq …` (Microsoft, "Tutorial:
    develop a SCIM endpoint"; AWS IAM Identity Center, ListUsers).
    """
    for extension in extensions:
        attribute = extension.by_key.get(name.lower())
        if attribute is not None:
            return extension.id, attribute
    return None, None


def without_nested_schemas(value: Json) -> Json:
    """An extension's object that repeats `schemas` inside itself.

    scim2-models writes extensions like that in PATCH values (seen from scim2-client and scim2-tester).
    """
    if isinstance(value, dict):
        return {name: inner for name, inner in value.items() if name.lower() != "schemas"}
    return value


def operation_name(op: Json) -> Json:
    """`Add`, `Replace`, `Remove` capitalised.

    Entra ID without the `aadOptscim062020` flag (Microsoft, "Known issues and resolutions with SCIM 2.0 protocol
    compliance"; langwatch/langwatch#6972).
    """
    return op.lower() if isinstance(op, str) else op


def refuses_pagination(user_agent: str) -> bool:
    """Whether a client takes `pagination` in ServiceProviderConfig (RFC 9865 section 4) for an error.

    scim2-models before RFC 9865 refuses every attribute that it does not know, and with it the whole service; canaille
    0.3.6 pushes users through it (python-scim/scim2-models 0.6, engine httpx). Its successors use httpx2.
    """
    return user_agent.startswith("python-httpx/")


#: Members of a PATCH operation that say nothing: Microsoft's test requests label theirs, as in `"name": "addMember"`
#: (AzureAD/SCIMReferenceCode, Microsoft.SCIM.PlaywrightTests/json/patch_add_user_group.json).
OPERATION_LABELS = frozenset({"name"})


def listed_values(op: str, value: Json) -> list[Json] | None:
    """The values that a Remove with a value array means: these, not all; None when it names none.

    Entra's Remove of members (Microsoft, "Tutorial: develop a SCIM endpoint"); ssosync and authentik before PR#25024
    send the same. Servers that ignored the array wiped groups (pingidentity/scim2#174, SimpleIdServer#164).
    """
    if op != "remove" or value is None:
        return None
    return value if isinstance(value, list) else [value]
