"""Keys of decimals beyond 2^53: such integers are compared to the last digit.

Only resources of apps that declare decimals are read: with 100,000 of them it takes about 2 seconds.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson

#: Resources that are read and changed at a time.
_BATCH = 1000


def up(migrator: Any, db: Any) -> None:
    """Rewrites the keys; values that had different ones keep different ones."""
    for app, declared in _run(db, "SELECT id, declared FROM app"):
        paths = _decimal_paths(orjson.loads(declared))
        if paths:
            _rewrite(db, app, paths)


def _run(db: Any, sql: str, *params: Any) -> list[Any]:
    """The rows of a query; `?` stands for a parameter."""
    rows: list[Any] = db.execute_sql(sql.replace("?", db.param), params).fetchall()
    return rows


def _decimal_paths(declared: dict[str, Any]) -> frozenset[str]:
    """The index paths of the decimals among declarations."""
    cores = {own["schema"].lower() for own in declared.get("types", ())}
    paths: set[str] = set()
    for schema in declared.get("schemas", ()):
        prefix = "" if schema["id"].lower() in cores else f"{schema['id']}:"
        for attribute in schema["attributes"]:
            leaves = [(attribute, attribute["name"])]
            leaves += [(sub, f"{attribute['name']}.{sub['name']}") for sub in attribute.get("subAttributes", ())]
            paths.update(f"{prefix}{name}" for leaf, name in leaves if leaf.get("type") == "decimal")
    return frozenset(paths)


def _rewrite(db: Any, app: int, paths: frozenset[str]) -> None:
    last = 0
    while rows := _run(
        db, f"SELECT id, document FROM resource WHERE app_id = ? AND id > ? ORDER BY id LIMIT {_BATCH}", app, last
    ):
        last = rows[-1][0]
        changes = [
            (key, old, key, id, *place)
            for id, document in rows
            for place, old, key in _changed(orjson.loads(document), paths)
        ]
        if changes:
            update = (
                "UPDATE value SET key = ?, unique_key = CASE WHEN unique_key = ? THEN ? ELSE unique_key END "
                "WHERE resource_id = ? AND path = ? AND item = ? AND nth = ?"
            )
            db.cursor().executemany(update.replace("?", db.param), changes)


def _changed(document: dict[str, Any], paths: frozenset[str]) -> Iterator[tuple[tuple[str, int, int], str, str]]:
    """The places of a document's decimals whose keys change, with the old key and the new one."""
    for place, value in _numbers(document):
        if place[0] in paths:
            old, new = _float_key(float(value)), _key(value)
            if old != new:
                yield place, old, new


def _numbers(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[tuple[str, int, int], float]]:
    """The numbers of a document, by index path, item and number in a list in the item."""
    for name, value in document.items():
        if ":" in name and isinstance(value, dict):
            yield from _numbers(value, f"{name}:")
            continue
        for item, one in enumerate(value if isinstance(value, list) else [value]):
            subs = {f".{sub}": inner for sub, inner in one.items()} if isinstance(one, dict) else {"": one}
            for sub, inner in subs.items():
                for nth, number in enumerate(inner if isinstance(inner, list) else [inner]):
                    if isinstance(number, int | float) and not isinstance(number, bool):
                        yield (f"{prefix}{name}{sub}", item, nth), number


def _key(value: float) -> str:
    """The key of a decimal from this version on (`scim.numbers.decimal_key`)."""
    if 2**53 <= value < 2**64 or -(2**63) <= value <= -(2**53):
        value = int(Decimal(repr(value)))
    below = float(value)
    if below == value:
        return _float_key(below)
    if below > value:
        below = math.nextafter(below, -math.inf)
    return f"{_float_key(below)}.{int(value) - int(below):04d}"


def _float_key(value: float) -> str:
    """The key of a decimal until this version."""
    (bits,) = struct.unpack(">q", struct.pack(">d", value + 0.0))
    return f"{(bits ^ 0x7FFFFFFFFFFFFFFF if bits < 0 else bits) + 2**63:020d}"
