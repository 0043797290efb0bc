"""Leniencies: deviations from the RFCs that are understood, each with a name, so that an operator sees who needs them.

A function that takes something for what was meant calls `note`. Whoever handles a request calls `collect` before, and
gets the names of what the request needed; without that a note goes nowhere.
"""

from __future__ import annotations

from contextvars import ContextVar

from ..worded import Worded


class Leniency(Worded):
    """A deviation that is understood; the closed list that the counts of an app have their names from."""

    # --- filters and paths ---
    BARE_LITERAL = "bare-literal", "bare filter literals"
    SUB_AFTER_FILTER = "sub-after-filter", "sub-attributes after a value filter in a filter"
    DOTTED_URN = "dotted-urn", "a dot in place of the colon after a URN"
    UNQUALIFIED_EXTENSION = "unqualified-extension", "attributes of an extension without its URN"
    URN_ALIAS = "urn-alias", "misspelt or outdated URNs of schemas"
    ENDPOINT_CASE = "endpoint-case", "endpoints in another case"
    FILTER_IN_ATTRIBUTES = "filter-in-attributes", "value filters in attributes or excludedAttributes"

    # --- values ---
    STRING_BOOLEAN = "string-boolean", "booleans as text"
    STRING_NUMBER = "string-number", "numbers as text"
    NUMBER_AS_TEXT = "number-as-text", "numbers where texts belong"
    WRAPPED_SINGLE = "wrapped-single", "lists of one for a single value"
    WRAPPED_VALUE = "wrapped-value", "objects with a value for values without sub-attributes"
    BARE_VALUE = "bare-value", "a text for an attribute with sub-attributes"
    LEGACY_MANAGER = "legacy-manager", "managerId of SCIM 1.1"
    DISPLAY_NAME = "display-name", "displayName in place of display"
    BLANK_REFERENCE = "blank-reference", "references cleared with a blank value"
    FOREIGN_CONTAINER = "foreign-container", "objects under URNs of other schemas, left out"
    NESTED_SCHEMAS = "nested-schemas", "schemas inside of an extension"
    UNKNOWN_ATTRIBUTE = "unknown-attribute", "attributes that no schema has, left out"

    # --- messages ---
    MISSING_SCHEMAS = "missing-schemas", "bodies without schemas"
    WRONG_SCHEMAS = "wrong-schemas", "bodies with other schemas than their own"
    OPERATION_CASE = "operation-case", "operations with capitals"
    OPERATION_LABEL = "operation-label", "labels in operations"
    KEY_AS_PATH = "key-as-path", "keys that are paths"
    REMOVE_WITH_VALUE = "remove-with-value", "removes that list their values"
    BLANK_REMOVAL = "blank-removal", "removes with a blank value"
    NEW_ITEM = "new-item", "items made by a value path that matches none"
    NO_CONTENT_TYPE = "no-content-type", "bodies without a content type"
    BYTE_ORDER_MARK = "byte-order-mark", "bodies with a byte-order mark"


_needed: ContextVar[set[Leniency] | None] = ContextVar("leniencies", default=None)


def collect() -> set[Leniency]:
    """Returns a set that gets the leniencies that this context needs from now on; each once, however often it is."""
    needed: set[Leniency] = set()
    _needed.set(needed)
    return needed


def note(leniency: Leniency) -> None:
    """Notes that a deviation was taken for what was meant."""
    needed = _needed.get()
    if needed is not None:
        needed.add(leniency)
