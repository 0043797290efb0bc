"""What earlier versions stored is brought into the form in which values are stored now.

An empty text is no value, an item without its `value` says nothing, and of equal items one remains. Values of required
attributes, and values in lists inside of items, stay as they are. What changes gets a new version. All resources are
read: with 100,000 users it takes 3 seconds when few of them change; when all do, 20 on SQLite and 25 on PostgreSQL.
"""

from __future__ import annotations

import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

Json = Any
#: An attribute of a resource as it is to be stored: for each item, the item that each sub-attribute comes from. The
#: sub-attribute of a simple value is the empty text.
Sources = list[dict[str, int]]

#: Resources that are read and changed at a time.
_BATCH = 1000
#: A version of the mapping that no app has: whoever reads the profile makes it anew.
_STALE = 0
_LABELS = frozenset({"type", "primary", "display"})
#: As of this version: attributes of built-in types whose items are known by their `value`, and those that are required.
_BY_VALUE = frozenset({"emails", "phoneNumbers", "ims", "photos", "entitlements", "roles", "x509Certificates"})
_REQUIRED = {"User": frozenset({"userName"}), "Group": frozenset({"displayName"})}


class _Declared(NamedTuple):
    """What an app's declarations say: the attributes known by `value` with their labels, and the required ones."""

    labels: dict[str, frozenset[str]]
    required: set[str]


def up(migrator: Any, db: Any) -> None:
    """Rewrites documents and their value rows."""
    declared = {id: _read(text) for id, text in _run(db, "SELECT id, declared FROM app")}
    last = 0
    while rows := _run(
        db, f"SELECT id, app_id, type, document FROM resource WHERE id > ? ORDER BY id LIMIT {_BATCH}", last
    ):
        last = rows[-1][0]
        documents = {id: (orjson.loads(text), declared[app], type) for id, app, type, text in rows}
        suspects = {id: parts for id, parts in documents.items() if _is_suspect(*parts)}
        if suspects:
            _rewrite(db, suspects)


def _run(db: Any, sql: str, *params: Any) -> list[Any]:
    """The rows of a query; `?` stands for a parameter."""
    rows: list[Any] = db.execute_sql(sql.replace("?", db.param), params).fetchall()
    return rows


def _run_many(db: Any, sql: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        db.cursor().executemany(sql.replace("?", db.param), rows)


def _read(text: str) -> _Declared:
    """The declarations of an app."""
    body, found = orjson.loads(text), _Declared(dict.fromkeys(_BY_VALUE, _LABELS), set())
    cores = {own["schema"].lower() for own in body.get("types", ())}
    for schema in body.get("schemas", ()):
        prefix = "" if schema["id"].lower() in cores else f"{schema['id']}:"
        for attribute in schema["attributes"]:
            path = f"{prefix}{attribute['name']}"
            subs = attribute.get("subAttributes", ())
            if attribute.get("required"):
                found.required.add(path)
            found.required.update(f"{path}.{sub['name']}" for sub in subs if sub.get("required"))
            names = {sub["name"] for sub in subs}
            if attribute.get("multiValued") and "value" in names:
                found.labels[path] = _LABELS & names
    return found


# --- which resources ----------------------------------------------------------------------------------------------


def _attributes(document: dict[str, Json], prefix: str = "") -> Iterator[tuple[str, str, dict[str, Json]]]:
    """The index path and name of each attribute of a document, and the object that holds it."""
    for name, value in list(document.items()):
        if ":" in name and isinstance(value, dict):
            yield from _attributes(value, f"{name}:")
        elif name not in ("schemas", "id"):
            yield f"{prefix}{name}", name, document


def _is_suspect(document: dict[str, Json], declared: _Declared, type: str) -> bool:
    """True when a resource may have an empty text, an item without its value, or two items of the same value."""
    for path, name, holder in _attributes(document):
        value = holder[name]
        if value == "" or (isinstance(value, dict) and "" in value.values()):
            return True
        if isinstance(value, list):
            labels = declared.labels.get(path)
            for item in value:
                if item == "" or (isinstance(item, dict) and ("" in item.values() or _is_husk(item, labels))):
                    return True
            if len(value) > 1 and len({_loosely(item) for item in value}) < len(value):
                return True
    return False


def _is_husk(item: Json, labels: frozenset[str] | None) -> bool:
    return not item or (labels is not None and isinstance(item, dict) and item.keys() <= labels)


def _loosely(item: Json) -> str:
    """A text that is the same for items which may be equal; the value rows tell whether they are."""
    value = item
    if isinstance(item, dict):
        value = item.get("value") or {sub: inner for sub, inner in item.items() if sub != "primary"}
    return unicodedata.normalize("NFKC", orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()).casefold()


# --- rewriting ----------------------------------------------------------------------------------------------------


def _rewrite(db: Any, suspects: dict[int, Any]) -> None:
    """Rewrites the resources among these that are not as they are stored now."""
    marks = ", ".join(["?"] * len(suspects))
    columns = "app_id, type, resource_id, path, item, nth, key, unique_key, sought"
    stored: dict[int, list[Any]] = defaultdict(list)
    for row in _run(db, f"SELECT {columns} FROM value WHERE resource_id IN ({marks})", *suspects):
        stored[row[2]].append(tuple(row))
    gone, added, changed = [], [], []
    now = int(time.time() * 1_000_000)
    for id, (document, declared, type) in suspects.items():
        before = orjson.dumps(document)
        rows = set(stored[id])
        after = _mended(document, declared, type, rows)
        if orjson.dumps(document) == before:
            continue
        gone += [(id, *row[3:6]) for row in stored[id] if row not in after]
        added += [row for row in after if row not in rows]
        display = document.get("displayName")
        changed.append((orjson.dumps(document).decode(), display if isinstance(display, str) else None, now, id))
    _run_many(db, "DELETE FROM value WHERE resource_id = ? AND path = ? AND item = ? AND nth = ?", gone)
    _run_many(db, f"INSERT INTO value ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", added)
    _run_many(
        db,
        f"UPDATE resource SET document = ?, display = ?, version = version + 1, profile_version = {_STALE}, "
        "modified_at = CASE WHEN modified_at > ? THEN modified_at ELSE ? END WHERE id = ?",
        [(text, display, now, now, id) for text, display, now, id in changed],
    )


def _mended(document: dict[str, Json], declared: _Declared, type: str, rows: set[Any]) -> set[Any]:
    """Mends a document; returns the value rows that it has then."""
    required = declared.required | _REQUIRED.get(type, frozenset())
    by_path: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_path[row[3]].append(row)
    after = set(rows)
    for path, name, holder in _attributes(document):
        sources = _sources(path, holder[name], declared.labels.get(path), required, by_path)
        items = [holder[name]] if not isinstance(holder[name], list) else holder[name]
        kept = [_item(items, of_item) for of_item in sources]
        if kept == items:
            continue
        if not kept:
            del holder[name]
        else:
            holder[name] = kept if isinstance(holder[name], list) else kept[0]
        own = [row for key, found in by_path.items() if key == path or key.startswith(f"{path}.") for row in found]
        after.difference_update(own)
        after.update(_moved(own, path, sources))
    for urn in [urn for urn, value in document.items() if ":" in urn and value == {}]:
        del document[urn]
        document["schemas"] = [each for each in document["schemas"] if each.lower() != urn.lower()]
    return after


def _item(items: list[Json], of_item: dict[str, int]) -> Json:
    return items[of_item[""]] if "" in of_item else {sub: items[index][sub] for sub, index in of_item.items()}


def _moved(rows: list[Any], path: str, sources: Sources) -> Iterator[Any]:
    """The value rows of an attribute whose items come from these sources."""
    for number, of_item in enumerate(sources):
        for sub, index in of_item.items():
            wanted = f"{path}.{sub}" if sub else path
            for row in rows:
                if row[3] == wanted and row[4] == index:
                    yield (*row[:4], number, *row[5:])


def _sources(
    path: str, value: Json, labels: frozenset[str] | None, required: set[str] | frozenset[str], by_path: Any
) -> Sources:
    """The items of an attribute as they are to be stored: without empty texts and husks, equal ones as one."""
    items = value if isinstance(value, list) else [value]
    sources: Sources = []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            if item != "" or path in required:
                sources.append({"": index})
            continue
        left = {sub: index for sub, inner in item.items() if inner != "" or f"{path}.{sub}" in required}
        if left and not (isinstance(value, list) and labels is not None and left.keys() <= labels):
            sources.append(left)
    return _distinct(path, items, sources, by_path) if len(sources) > 1 else sources


def _distinct(path: str, items: list[Json], sources: Sources, by_path: Any) -> Sources:
    """The items, with equal ones merged into the first: where they differ the primary one counts, else the later."""
    distinct: dict[Any, dict[str, int]] = {}
    for of_item in sources:
        identity = _identity(path, items, of_item, by_path)
        first = distinct.get(identity)
        if first is None or "" in of_item:
            distinct.setdefault(identity, of_item)
        elif "primary" in first and items[first["primary"]].get("primary") is True:
            distinct[identity] = {**of_item, **first}
        else:
            distinct[identity] = {**first, **of_item}
    return list(distinct.values())


def _identity(path: str, items: list[Json], of_item: dict[str, int], by_path: Any) -> Any:
    """What is the same for equal items: the keys of `value` and `type`, else those of all but `primary`."""
    subs = ("value", "type") if "value" in of_item else sorted(sub for sub in of_item if sub != "primary")
    return tuple((sub, _keys(path, sub, items, of_item[sub], by_path)) for sub in subs if sub in of_item)


def _keys(path: str, sub: str, items: list[Json], index: int, by_path: Any) -> Any:
    """The keys of one part of an item; the part itself, when it has none because a former schema named it."""
    keys = sorted((row[5], row[6]) for row in by_path[f"{path}.{sub}" if sub else path] if row[4] == index)
    return tuple(keys) or orjson.dumps(items[index][sub] if sub else items[index])
