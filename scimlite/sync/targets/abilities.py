"""What a target can, as it says itself: PATCH, filters, its types and attributes (RFC 7643 sections 5 to 7)."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from ...scim import core
from .remote import Remote, Reply
from .stored import TargetError

#: Without them nothing can be pushed, so a schema that lacks them is not believed.
_ALWAYS = frozenset({"externalid", "username", "active", "displayname", "schemas"})
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_CORE = {"User": core.USER_URN.lower(), "Group": core.GROUP_URN.lower()}


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a target can; what it does not say is taken for possible."""

    patch: bool = True
    filter: bool = True
    bulk: bool = False
    sort: bool = False
    most_results: int = 0
    #: When it was asked, in microseconds.
    read_at: int = 0
    #: The endpoint of each type, in the form `/Users`; without `Group` it takes no groups.
    endpoints: dict[str, str] = field(default_factory=lambda: {"User": "/Users", "Group": "/Groups"})
    #: The URNs in small letters that each type has beside its own schema; nothing for a type that it does not describe.
    extensions: dict[str, list[str]] = field(default_factory=dict)
    #: By URN, the attributes that it takes, with their sub-attributes, all in small letters.
    attributes: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Abilities:
        """The abilities in a row."""
        return cls(**orjson.loads(text))

    def to_json(self) -> str:
        """The abilities for a row."""
        return orjson.dumps(asdict(self)).decode()

    @property
    def takes_groups(self) -> bool:
        """False for a target that has users only."""
        return "Group" in self.endpoints

    def path(self, type: str, remote_id: str | None = None) -> str:
        """The path of a type, or of one of its resources."""
        endpoint = self.endpoints.get(type, f"/{type}s")
        return endpoint if remote_id is None else f"{endpoint}/{quote(remote_id, safe='')}"

    def takes_path(self, type: str, path: str) -> bool:
        """True when a value can be sent at a path of PATCH, such as `name.givenName` or `urn:…:User:department`."""
        urn, colon, rest = path.rpartition(":")
        name, _, sub = rest.partition(".")
        return self.takes(type, urn if colon else None, name, sub or None)

    def takes(self, type: str, urn: str | None, name: str, sub: str | None = None) -> bool:
        """True when a value can be sent: an attribute of the type's own schema, or of an extension's."""
        key = _CORE[type] if urn is None else urn.lower()
        if urn is not None:
            described = self.extensions.get(type)
            if described is not None and key not in described:
                return False
            if described is None and self.attributes and key not in self.attributes:
                return False
        known = self.attributes.get(key)
        if known is None or (urn is None and name.lower() in _ALWAYS):
            return True
        subs = known.get(name.lower())
        return subs is not None and (sub is None or not subs or sub.lower() in subs)


def read(remote: Remote) -> Abilities:
    """Asks a target what it can. What it does not have (404, 501) is left at its default.

    Raises StoppedError, TroubleError, and TargetError when what answers is no SCIM server.
    """
    config = remote.get("/ServiceProviderConfig")
    types = _resources(remote.get("/ResourceTypes"))
    schemas = _resources(remote.get("/Schemas"))
    if not config.fine and not types and not schemas:
        raise TargetError(f"The target is no SCIM server: /ServiceProviderConfig {config.reason}")
    found: dict[str, Any] = {}
    if config.fine and config.body is not None:
        for name in ("patch", "filter", "bulk", "sort"):
            found[name] = _supported(config, name)
        found["most_results"] = _number(config, "filter", "maxResults")
    described = {each["name"]: each for each in types if each.get("name") in _CORE}
    if described:
        found["endpoints"] = {name: _endpoint(name, each) for name, each in described.items()}
        found["extensions"] = {name: _extensions(each) for name, each in described.items()}
    found["attributes"] = {each["id"].lower(): _attributes(each) for each in schemas if _is_schema(each)}
    return Abilities(**found)


def _resources(reply: Reply) -> list[dict[str, Any]]:
    """The resources of a list; nothing where there is none."""
    listed = (reply.body or {}).get("Resources") if reply.fine else None
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _supported(config: Reply, name: str) -> bool:
    part = (config.body or {}).get(name)
    return isinstance(part, dict) and part.get("supported") is True


def _number(config: Reply, part: str, name: str) -> int:
    found = (config.body or {}).get(part)
    number = found.get(name) if isinstance(found, dict) else None
    return number if isinstance(number, int) and 0 < number < 1_000_000 else 0


def _endpoint(name: str, described: dict[str, Any]) -> str:
    """The endpoint of a type, without the base URL that some servers put before it."""
    found = described.get("endpoint")
    last = found.rstrip("/").rpartition("/")[2] if isinstance(found, str) else ""
    return f"/{last}" if _SEGMENT.fullmatch(last) else f"/{name}s"


def _extensions(described: dict[str, Any]) -> list[str]:
    listed = described.get("schemaExtensions")
    found = [each.get("schema") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return [urn.lower() for urn in found if isinstance(urn, str)]


def _is_schema(each: dict[str, Any]) -> bool:
    return isinstance(each.get("id"), str) and isinstance(each.get("attributes"), list)


def _attributes(schema: dict[str, Any]) -> dict[str, list[str]]:
    return {
        each["name"].lower(): [sub["name"].lower() for sub in _writable(each.get("subAttributes"))]
        for each in _writable(schema["attributes"])
    }


def _writable(listed: Any) -> list[dict[str, Any]]:
    """The attributes in a list that a client can write."""
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return [each for each in found if isinstance(each.get("name"), str) and each.get("mutability") != "readOnly"]
