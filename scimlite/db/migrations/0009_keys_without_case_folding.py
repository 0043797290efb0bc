"""Keys of texts that are compared without case, as RFC 8265 has them: `ß` is not `ss`, widths do not count.

Only resources and journal entries with characters beyond ASCII are read. With 100,000 users of whom a tenth has such
characters it takes 2 seconds on SQLite and 9 on PostgreSQL; when all have, 10 and 45.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from scimlite.errors import OperatorError

#: Resources that are read and changed at a time.
_BATCH = 1000
#: Collisions that the error names.
_MOST_NAMED = 20
#: As of this version: the longest unique key that is stored as it is, and the longest name of a person.
_LONGEST_UNIQUE, _LONGEST_NAME = 256, 500
#: The index paths of built-in types whose keys are the values themselves.
_EXACT = frozenset(
    {
        *("externalId", "profileUrl", "photos.value", "x509Certificates.value"),
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref",
    }
)
#: Rows that cannot have both a text and its key in ASCII alone.
_BEYOND_ASCII = {"?": "length({0}) <> length(CAST({0} AS BLOB))", "%s": "length({0}) <> octet_length({0})"}

_WIDTHS = {
    code: "".join(chr(int(part, 16)) for part in unicodedata.decomposition(chr(code)).split()[1:])
    for code in (0x3000, *range(0xFF01, 0xFFEF))
    if unicodedata.decomposition(chr(code)).startswith(("<wide>", "<narrow>"))
}


def _old(text: str) -> str:
    """The key of a text until this version."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _new(text: str) -> str:
    """The key of a text from this version on (`scim.names.fold`)."""
    return unicodedata.normalize("NFC", text.translate(_WIDTHS).replace("\u03a3", "\u03c3").lower())


class _Place(NamedTuple):
    """A value row: its resource, and where in the document the value is."""

    resource: int
    path: str
    item: int
    nth: int


class _Unique(NamedTuple):
    """A changed value that must stay unique, and its resource as people read it."""

    app: int
    type: str
    place: _Place
    key: str
    name: str


def up(migrator: Any, db: Any) -> None:
    """Rewrites the keys; raises OperatorError naming resources that would have the same unique value, doing nothing."""
    _rewrite_values(db)
    _rewrite_aliases(db)
    _rewrite_journal(db)


def _run(db: Any, sql: str, *params: Any) -> list[Any]:
    """The rows of a query; `?` stands for a parameter."""
    rows: list[Any] = db.execute_sql(sql.replace("?", db.param), params).fetchall()
    return rows


def _run_many(db: Any, sql: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        db.cursor().executemany(sql.replace("?", db.param), rows)


def _beyond_ascii(db: Any, column: str) -> str:
    return _BEYOND_ASCII[db.param].format(column)


# --- values of resources ------------------------------------------------------------------------------------------


def _rewrite_values(db: Any) -> None:
    """Rewrites the keys of values, then the unique ones once all old ones are gone."""
    exact = {row[0]: _exact_paths(row[1]) for row in _run(db, "SELECT id, declared FROM app")}
    uniques: list[_Unique] = []
    last = 0
    while rows := _run(
        db,
        f"SELECT id, app_id, type, name, document, uuid FROM resource WHERE id > ? AND {_beyond_ascii(db, 'document')} "
        f"ORDER BY id LIMIT {_BATCH}",
        last,
    ):
        last = rows[-1][0]
        resources = {row[0]: row for row in rows}
        keys: list[tuple[Any, ...]] = []
        for place, unique, key in _changed(db, resources, exact):
            keys.append((key, *place))
            if unique:
                _, app, type, name, _, uuid = resources[place.resource]
                uniques.append(_Unique(app, type, place, _unique_key(key), f"{name!r} ({uuid})"))
        _run_many(
            db,
            "UPDATE value SET key = ?, unique_key = NULL WHERE resource_id = ? AND path = ? AND item = ? AND nth = ?",
            keys,
        )
    _refuse_collisions(db, uniques)
    _run_many(
        db,
        "UPDATE value SET unique_key = ? WHERE resource_id = ? AND path = ? AND item = ? AND nth = ?",
        [(unique.key, *unique.place) for unique in uniques],
    )


def _changed(
    db: Any, resources: dict[int, Any], exact: dict[int, frozenset[str]]
) -> Iterator[tuple[_Place, bool, str]]:
    """The places of these resources whose keys change, whether the value is unique, and the new key."""
    texts = {id: dict(_texts(orjson.loads(row[4]))) for id, row in resources.items()}
    marks = ", ".join(["?"] * len(resources))
    stored = _run(
        db,
        f"SELECT resource_id, path, item, nth, key, unique_key FROM value WHERE resource_id IN ({marks})",
        *resources,
    )
    for resource, path, item, nth, key, unique in stored:
        text = texts[resource].get((path, item, nth))
        if text is None or path in exact[resources[resource][1]] or key != _old(text):
            continue
        new = _new(text)
        if new != key:
            yield _Place(resource, path, item, nth), unique is not None, new


def _texts(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[tuple[str, int, int], str]]:
    """The texts of a document that are not ASCII, by index path, item and number in a list in the item."""
    for name, value in document.items():
        if ":" in name and isinstance(value, dict):
            yield from _texts(value, f"{name}:")
            continue
        for item, one in enumerate(value if isinstance(value, list) else [value]):
            subs = {f".{sub}": inner for sub, inner in one.items()} if isinstance(one, dict) else {"": one}
            for sub, inner in subs.items():
                for nth, text in enumerate(inner if isinstance(inner, list) else [inner]):
                    if isinstance(text, str) and not text.isascii():
                        yield (f"{prefix}{name}{sub}", item, nth), text


def _exact_paths(declared: str) -> frozenset[str]:
    """The index paths of an app whose keys are the values themselves."""
    body = orjson.loads(declared)
    cores = {own["schema"].lower() for own in body.get("types", ())}
    paths = set(_EXACT)
    for schema in body.get("schemas", ()):
        prefix = "" if schema["id"].lower() in cores else f"{schema['id']}:"
        for attribute in schema["attributes"]:
            for sub in attribute.get("subAttributes", ()):
                if sub.get("caseExact"):
                    paths.add(f"{prefix}{attribute['name']}.{sub['name']}")
            if attribute.get("caseExact"):
                paths.add(f"{prefix}{attribute['name']}")
    return frozenset(paths)


def _unique_key(key: str) -> str:
    return key if len(key) <= _LONGEST_UNIQUE else "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def _refuse_collisions(db: Any, uniques: list[_Unique]) -> None:
    """Raises OperatorError when a new unique key is that of another value."""
    holders: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for unique in uniques:
        holders[unique.app, unique.type, unique.place.path, unique.key].append(unique.name)
    collisions = []
    for (app, type, path, key), names in holders.items():
        others = _run(
            db,
            "SELECT r.name, r.uuid FROM value v JOIN resource r ON r.id = v.resource_id "
            "WHERE v.app_id = ? AND v.type = ? AND v.path = ? AND v.unique_key = ?",
            *(app, type, path, key),
        )
        names += [f"{name!r} ({uuid})" for name, uuid in others]
        if len(names) > 1:
            slug = _run(db, "SELECT slug FROM app WHERE id = ?", app)[0][0]
            collisions.append(f"app {slug}, {type}, {path}: {' and '.join(names)}")
    if collisions:
        listed = "; ".join(collisions[:_MOST_NAMED]) + ("; …" if len(collisions) > _MOST_NAMED else "")
        raise OperatorError(
            "The upgrade would give several resources the same unique value, because full-width and half-width "
            f"letters no longer count as different ({listed}). Nothing was changed. Rename or delete all but one of "
            "them with the version of scimlite that was used until now, then upgrade."
        )


# --- names of people in the journal -------------------------------------------------------------------------------


def _rewrite_aliases(db: Any) -> None:
    """Rewrites the names by which the journal finds users, as far as resources and journal know how they are written.

    An old key stays where it is the key of another name, or the externalId, of the same user.
    """
    names: dict[tuple[int, str], set[str]] = defaultdict(set)
    for table, column in (("resource", "uuid"), ("journal", "user_uuid")):
        name = "name" if table == "resource" else "user_name"
        of_users = "type = 'User'" if table == "resource" else "user_uuid IS NOT NULL AND user_name IS NOT NULL"
        query = f"SELECT app_id, {column}, {name} FROM {table} WHERE {of_users} AND {_beyond_ascii(db, name)}"
        for app, uuid, text in _run(db, query):
            names[app, uuid].add(text)
    added, removed = [], []
    for (app, uuid), written in names.items():
        old = {_old(name)[:_LONGEST_NAME] for name in written}
        new = {_new(name)[:_LONGEST_NAME] for name in written}
        added += [(app, key, uuid) for key in new - old]
        if gone := old - new:
            gone -= _other_names(db, app, uuid)
            removed += [(app, key, uuid) for key in gone]
    _run_many(db, "DELETE FROM alias WHERE app_id = ? AND name = ? AND user_uuid = ?", removed)
    _run_many(db, "INSERT INTO alias (app_id, name, user_uuid) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", added)


def _other_names(db: Any, app: int, uuid: str) -> set[str]:
    """The keys of a user's names that are ASCII, and the externalId."""
    known = _run(
        db, "SELECT DISTINCT user_name FROM journal WHERE user_uuid = ? AND app_id = ? AND user_name <> ''", uuid, app
    )
    stored = _run(db, "SELECT name, document FROM resource WHERE app_id = ? AND uuid = ?", app, uuid)
    keys = {name.lower() for (name, *_) in (*known, *stored) if name.isascii()}
    return keys | {orjson.loads(document).get("externalId") for _, document in stored}


def _rewrite_journal(db: Any) -> None:
    """Rewrites the keys of names in refused requests: first of those that are kept whole, then of the journal.

    A bulk request may have entries of several names; that of a refusal has its time.
    """
    beyond = _beyond_ascii(db, "j.user_name")
    kept = _run(
        db,
        "SELECT r.id, j.user_name, r.user_key FROM refusal r JOIN journal j ON j.request_id = r.request_id "
        f"AND j.app_id = r.app_id AND j.at = r.at WHERE r.user_key IS NOT NULL AND {beyond}",
    )
    entries = _run(db, f"SELECT j.id, j.user_name, j.user_key FROM journal j WHERE j.user_key IS NOT NULL AND {beyond}")
    for table, rows in (("refusal", kept), ("journal", entries)):
        keys = [(_new(name)[:_LONGEST_NAME], id) for id, name, key in rows if key == _old(name)[:_LONGEST_NAME]]
        _run_many(db, f"UPDATE {table} SET user_key = ? WHERE id = ?", keys)
