"""Random PATCH requests: the service makes of a document what the reference makes of it, or refuses as it does."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import event, given, note
from hypothesis import strategies as st

import people
from examples import tries
from postgres_server import empty_database
from random_patches import Operation, bodies, operations
from reference_patch import Result, patched
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.db import Database, migration, open_database
from scimlite.db.tables import ResourceRow, ValueRow
from scimlite.directory import members, read, write
from scimlite.directory.read import Resource
from scimlite.errors import ScimError
from scimlite.journal import Scope
from scimlite.scim import document, intake, messages, patch, patch_apply
from scimlite.scim.core import GROUP, USER
from scimlite.scim.document import Document
from scimlite.scim.patch_plan import Plan
from scimlite.scim.schema import ResourceType

Json = Any


def drawn(data: st.DataObject, resource_type: ResourceType) -> tuple[intake.Cleaned, list[Operation]]:
    """A new resource, and operations on it."""
    cleaned = intake.clean(resource_type, data.draw(bodies(resource_type)))
    return cleaned, data.draw(st.lists(operations(resource_type), min_size=1, max_size=4))


def planned(asked: list[Operation], resource_type: ResourceType) -> Plan:
    """The plan of a request, through its text."""
    return patch.plan(messages.load_patch(message(asked)), resource_type)


def message(asked: list[Operation]) -> Json:
    """A request as it is read from its text."""
    body = {"schemas": [messages.PATCH_URN], "Operations": [sent for sent, _ in asked]}
    return messages.load_json(json.dumps(body).encode())


def expected(asked: list[Operation], resource_type: ResourceType, current: Document) -> Result:
    """The result of the reference model."""
    result = patched([step for _, steps in asked for step in steps], resource_type, current)
    note(f"{current!a}\n{[sent for sent, _ in asked]!a}\n{result!a}")
    event("changed" if result.document not in (None, current) else "refused" if result.refused else "unchanged")
    return result


@tries(300)
@given(data=st.data(), kind=st.sampled_from(["User", "Staff", "Device"]))
def test_documents_become_what_the_reference_says(
    type_named: Callable[[str], ResourceType], data: st.DataObject, kind: str
) -> None:
    resource_type = people.USER if kind == "Staff" else type_named(kind)
    cleaned, asked = drawn(data, resource_type)
    current = {"id": "1", **document.with_defaults(resource_type, cleaned.document)}
    result = expected(asked, resource_type, current)
    before = copy.deepcopy(current)
    _check(result, lambda: patch_apply.apply(planned(asked, resource_type).edits, resource_type, current))
    assert current == before


def _check(result: Result, change: Callable[[], Document]) -> None:
    """A change makes what the reference made, or is refused as there."""
    try:
        after, refused = change(), None
    except ScimError as error:
        after, refused = None, error
    note(f"{after!a} {refused!a}")
    assert after == result.document
    assert refused is None or (refused.status == 400 and refused.scim_type in result.refused)


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[list[Database]]:
    """An empty database of each kind."""
    with empty_database(postgres_url) as url:
        both = [open_database(f"sqlite:///{tmp_path_factory.mktemp('patch') / 'scimlite.db'}"), open_database(url)]
        for db in both:
            migration.upgrade(db)
            apps.create(Scope(db, people.ORIGIN), "app")
        yield both
        for db in both:
            db.close()


class _UndoneError(Exception):
    """Rolls back what a try wrote."""


@tries(100)
@given(data=st.data())
def test_what_is_stored_is_what_the_reference_says(databases: list[Database], data: st.DataObject) -> None:
    cleaned, asked = drawn(data, people.USER)
    for db in databases:

        def work(db: Database = db) -> None:
            workspace = _workspace(db)
            made = write.create(workspace, people.USER, cleaned.document).resource
            current = json.loads(made.document)
            result = expected(asked, people.USER, current)
            patched = partial(write.patch, workspace, people.USER, made.id, message(asked))
            _check(result, lambda: _stored(patched().resource))
            _check_stored(db, current, result.document or current)
            raise _UndoneError

        with pytest.raises(_UndoneError):
            db.transact(work)


def _stored(resource: Resource) -> Document:
    document: Document = json.loads(resource.document)
    return document


def _check_stored(db: Database, current: Document, expected: Document) -> None:
    """The one resource is as expected, its values are indexed, and only what changed has a new version."""
    ((row, text, version),) = db.rows(ResourceRow.select(ResourceRow.id, ResourceRow.document, ResourceRow.version))
    assert json.loads(text) == expected
    assert version == (1 if expected == current else 2)
    columns = (ValueRow.path, ValueRow.item, ValueRow.nth, ValueRow.key)
    indexed = {tuple(stored) for stored in db.rows(ValueRow.select(*columns).where(ValueRow.resource_id == row))}
    assert indexed == {tuple(expected_row) for expected_row in document.value_rows(people.USER, json.loads(text))}


# --- members ------------------------------------------------------------------------------------------------------


@st.composite
def memberships(
    draw: st.DrawFn, ids: list[str], held: set[str], existing: set[str]
) -> tuple[dict[str, Json], set[str] | None]:
    """An operation on the members of a group, and the members afterwards; None when it is refused."""
    chosen = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3))
    values = [{"value": id} if draw(st.booleans()) else {"value": id, "type": "User"} for id in chosen]
    filters = " or ".join(f'value eq "{id}"' for id in chosen)
    there = set(chosen) & existing
    named = draw(st.lists(st.sampled_from(ids), max_size=2))
    return draw(
        st.sampled_from(
            [
                ({"op": "add", "path": "members", "value": values}, held | there),
                ({"op": "add", "value": {"MEMBERS": values, "externalId": "x"}}, held | there),
                ({"op": "add", "path": "members", "value": chosen[0]}, held | {chosen[0]} & existing),
                ({"op": "replace", "path": "members", "value": values}, there or None),
                ({"op": "replace", "value": {"members": values}}, there or None),
                ({"op": "replace", "path": "members", "value": []}, set()),
                ({"op": "remove", "path": f"members[{filters}]"}, held - there),
                ({"op": "remove", "path": "members", "value": values}, held - there),
                ({"op": "remove", "path": f"members[{filters}]", "value": named}, held - (there & set(named))),
                ({"op": "remove", "path": 'members[type eq "User"]', "value": named}, held - set(named)),
                ({"op": "remove", "path": 'members[not (type eq "Group")]'}, set()),
                ({"op": "remove", "path": f'members[value ne "{chosen[0]}"]'}, held & {chosen[0]}),
                # Without HTTP a reference is a path.
                ({"op": "remove", "path": f'members[$ref eq "/Users/{chosen[0]}"]'}, held - {chosen[0]}),
                ({"op": "remove", "path": f'members[$ref ne "/Users/{chosen[0]}"]'}, held & {chosen[0]}),
                ({"op": "remove", "path": f'members[not ($ref eq "/Users/{chosen[0]}")]'}, held & {chosen[0]}),
                ({"op": "remove", "path": "members"}, set()),
            ]
        )
    )


@tries(100)
@given(data=st.data())
def test_members_are_who_the_operations_say(databases: list[Database], data: st.DataObject) -> None:
    for db in databases:

        def work(db: Database = db) -> None:
            ids = [_new(db, USER, {"userName": str(number)}) for number in range(4)] + ["nobody", "nobody else"]
            first = data.draw(st.sets(st.sampled_from(ids)))
            group = _new(db, GROUP, {"displayName": "g", "externalId": "x", "members": [{"value": id} for id in first]})
            existing = set(ids[:4])
            before = held = set(first) & existing
            asked: list[Operation] = []
            refused = False
            for _ in range(data.draw(st.integers(1, 4))):
                operation, after = data.draw(memberships(ids, held, existing))
                asked.append((operation, []))
                refused = refused or after is None
                held = held if after is None else after
            if refused:
                with pytest.raises(ScimError, match="nobody in the new list"):
                    write.patch(_workspace(db), GROUP, group, message(asked))
                resource, held = read.get(_workspace(db), GROUP, group), before
            else:
                resource = write.patch(_workspace(db), GROUP, group, message(asked)).resource
            linked = [link.id for link in members.members_of(db, [resource.row]).get(resource.row, [])]
            assert sorted(linked) == sorted(held)
            assert resource.version == (1 if held == before else 2)
            raise _UndoneError

        with pytest.raises(_UndoneError):
            db.transact(work)


def _new(db: Database, resource_type: ResourceType, body: Json) -> str:
    return write.create(_workspace(db), resource_type, body).resource.id


def _workspace(db: Database) -> Workspace:
    return Workspace(db, people.ORIGIN, apps.get(db, "app"))
