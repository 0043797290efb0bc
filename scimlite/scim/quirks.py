"""Deviations of real clients from the RFCs: one named function for each, with its source.

A function takes a value as it came and returns the value that was meant; any other value comes back as it is. What was
not as the RFCs have it is noted (see leniency.py).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from . import leniency, numbers, path, written
from .attribute import Attribute
from .leniency import Leniency

Json = Any


def string_boolean(value: Json) -> Json:
    """`"True"` and `"False"` stand for booleans, in values and in filters.

    Entra ID without the `aadOptscim062020` flag (Microsoft, "Known issues and resolutions with SCIM 2.0 protocol
    compliance"); Keycloak's and OneLogin's lower-case strings.
    """
    if isinstance(value, str) and (word := value.strip().lower()) in ("true", "false"):
        leniency.note(Leniency.STRING_BOOLEAN)
        return word == "true"
    return value


def text_number(value: Json) -> Json:
    """`"3"` and `"4.5"` stand for numbers, in integer and decimal attributes and in filters by them.

    Entra ID sends numbers as strings (elimity-com/scim#165), and puts every value of a filter in quotation marks
    (Microsoft, "Tutorial: develop a SCIM endpoint"). Only what JSON takes for a number is one: no blanks, no leading
    zeros, no `NaN`.
    """
    if isinstance(value, str):
        number = numbers.number(value)
        if number is not None:
            leniency.note(Leniency.STRING_NUMBER)
            return number
    return value


def unwrap_single(value: Json) -> Json:
    """An array of one element stands for the element, and an empty array for null, in single-valued attributes.

    Entra's documented `manager` value is an array (Microsoft, "Tutorial: develop a SCIM endpoint"); SCIM-SDK wraps
    every path value (Captain-P-Goldfish/SCIM-SDK commits 6f51b6c5, 3c72ca31).
    """
    if isinstance(value, list) and len(value) <= 1:
        leniency.note(Leniency.WRAPPED_SINGLE)
        return value[0] if value else None
    return value


def number_as_text(value: Json) -> Json:
    """A number stands for its text, exactly as it is written in the body, where an attribute is a string.

    HR sources have employee numbers and phone numbers as numbers, and authentik sends ids of members so
    (goauthentik/authentik#15533).
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        leniency.note(Leniency.NUMBER_AS_TEXT)
        return written.text(value)
    return value


def wrapped_value(attribute: Attribute, value: Json) -> Json:
    """An object with a `value` stands for the value, in attributes with several simple values.

    Entra's Multi-Value attributes can arrive so, as UnboundID's SDK sends lists of texts (pingidentity/scim#37) and
    Keycloak sends attributes named "….value" (keycloak/keycloak#50865). What else describes the value, such as a
    `type`, has no place.
    """
    if isinstance(value, dict) and attribute.multi_valued:
        named = {name.lower(): inner for name, inner in value.items()}
        if "value" in named and len(named) == len(value) and named.keys() <= {"value", "type", "primary", "display"}:
            leniency.note(Leniency.WRAPPED_VALUE)
            return named["value"]
    return value


def bare_value(attribute: Attribute, value: Json) -> Json:
    """A plain string, or a number, stands for an object with this `value`, in complex attributes that have one.

    Entra sends `manager` as the bare id (Captain-P-Goldfish/SCIM-SDK#541); Microsoft's Postman collection sends
    group members as strings (AzureAD/SCIMReferenceCode).
    """
    if isinstance(value, str | int | float) and not isinstance(value, bool) and attribute.value_sub is not None:
        leniency.note(Leniency.BARE_VALUE)
        return {"value": value}
    return value


def legacy_manager(attribute: Attribute, value: Json) -> Json:
    """SCIM 1.1's `managerId` stands for `value` in a manager.

    OneLogin's attribute templates (goauthentik/authentik#11249).
    """
    if isinstance(value, dict) and attribute.name == "manager" and "managerId" in value and "value" not in value:
        leniency.note(Leniency.LEGACY_MANAGER)
        return {"value" if name == "managerId" else name: inner for name, inner in value.items()}
    return value


def display_name(attribute: Attribute, value: Json) -> Json:
    """`displayName` stands for `display` in one of several values.

    Microsoft's Postman collection adds members so (AzureAD/SCIMReferenceCode, PostmanCollection.json); Entra's
    AppRoleAssignmentsComplex sends roles with either name (Microsoft, "Customize attribute mappings").
    """
    if not (isinstance(value, dict) and "displayName" in value and attribute.multi_valued):
        return value
    if "display" in value or "display" not in attribute.subs or "displayname" in attribute.subs:
        return value
    leniency.note(Leniency.DISPLAY_NAME)
    return {"display" if name == "displayName" else name: inner for name, inner in value.items()}


def blank_reference(attribute: Attribute, value: dict[str, Json]) -> bool:
    """True for a single complex value with a blank `value`: it stands for no value, whatever else it holds.

    Entra clears a manager with `""` or `{"value": ""}` (results of Microsoft's SCIM Validator).
    """
    if attribute.multi_valued or attribute.value_sub is None:
        return False
    if any(inner == "" and name.lower() == "value" for name, inner in value.items()):
        leniency.note(Leniency.BLANK_REFERENCE)
        return True
    return False


def without_nested_schemas(value: Json) -> Json:
    """An extension's object without the `schemas` that some clients repeat in it.

    scim2-models writes extensions like that in PATCH values (seen from scim2-client and scim2-tester).
    """
    if isinstance(value, dict) and any(name.lower() == "schemas" for name in value):
        leniency.note(Leniency.NESTED_SCHEMAS)
        return {name: inner for name, inner in value.items() if name.lower() != "schemas"}
    return value


def operation_name(op: Json) -> Json:
    """`Add`, `Replace` and `Remove` stand for the lower-case names.

    Entra ID without the `aadOptscim062020` flag (Microsoft, "Known issues and resolutions with SCIM 2.0 protocol
    compliance"; langwatch/langwatch#6972).
    """
    if isinstance(op, str) and not op.islower():
        leniency.note(Leniency.OPERATION_CASE)
        return op.lower()
    return op


def refuses_pagination(user_agent: str) -> bool:
    """True for clients that fail on `pagination` in ServiceProviderConfig (RFC 9865 section 4).

    scim2-models before RFC 9865 refuses every attribute that it does not know, and with it the whole service; canaille
    0.3.6 pushes users through it (python-scim/scim2-models 0.6, engine httpx). Later versions use httpx2.
    """
    return user_agent.startswith("python-httpx/")


#: Members of a PATCH operation without a meaning, by their lower-case names.
_OPERATION_LABELS = frozenset({"name"})


def without_labels(operation: dict[str, Json]) -> dict[str, Json]:
    """A PATCH operation without members that only label it, such as `"name": "addMember"`.

    Microsoft's test requests (AzureAD/SCIMReferenceCode, PostmanCollection.json).
    """
    named = {name: value for name, value in operation.items() if name.lower() not in _OPERATION_LABELS}
    if len(named) < len(operation):
        leniency.note(Leniency.OPERATION_LABEL)
    return named


def listed_values(op: str, value: Json) -> list[Json] | None:
    """The values that a remove with a value names: these are removed, not all; None when it names none.

    Entra removes members so (Microsoft, "Tutorial: develop a SCIM endpoint"); ssosync and authentik before PR#25024
    send the same. Servers that ignored the array wiped groups (pingidentity/scim2#174, SimpleIdServer#164).
    """
    if op != "remove" or value is None:
        return None
    leniency.note(Leniency.REMOVE_WITH_VALUE)
    return value if isinstance(value, list) else [value]


def blank_removal(value: Json) -> Json:
    """A remove with `""` stands for a remove without a value.

    Entra clears with `""` (results of Microsoft's SCIM Validator), and its Remove may carry any value.
    """
    if value == "":
        leniency.note(Leniency.BLANK_REMOVAL)
        return None
    return value


def is_foreign_container(name: str, value: Json, urns: Collection[str]) -> bool:
    """True for an object under the URN of a schema that the resource type does not have, in a PATCH without a path.

    Okta sends the description of a group in `urn:okta:custom:group:1.0`, and nothing keeps it from that
    (okta/okta-developer-docs#800). In: `urns`, those of the type in lower case.
    """
    if not isinstance(value, dict) or not path.is_urn(name):
        return False
    if any(name.lower().startswith(urn) for urn in urns):
        return False
    leniency.note(Leniency.FOREIGN_CONTAINER)
    return True
