"""Random directories, filters and sort orders: both databases answer what the reference answers."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

import reference_filter
from examples import tries
from people import BASE, ORIGIN, USER, People, names_of
from postgres_server import empty_database
from random_searches import directories, filters, known_values, sort_paths, spelled
from scimlite import clock
from scimlite.admin import apps
from scimlite.apps.workspace import Workspace
from scimlite.db import Database, migration, open_database
from scimlite.directory import read, search
from scimlite.journal import Scope
from scimlite.scim.filter import Filter
from scimlite.scim.filter_parser import parse_filter
from scimlite.scim.path import AttrPath

#: Filters and sort orders tried with each directory.
FILTERS, ORDERS = 6, 2

_slugs = (f"random-{number}" for number in itertools.count())

Questions = list[tuple[str, Filter | None, AttrPath | None, bool, int, int]]


class _Undone(Exception):
    """Rolls back what a try wrote."""


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[list[Database]]:
    """An empty database of each kind."""
    with empty_database(postgres_url) as url:
        both = [open_database(f"sqlite:///{tmp_path_factory.mktemp('random') / 'scimlite.db'}"), open_database(url)]
        for db in both:
            migration.upgrade(db)
        yield both
        for db in both:
            db.close()


@tries(300)
@given(data=st.data(), directory=directories())
def test_databases_answer_what_the_reference_answers(
    databases: list[Database], data: st.DataObject, directory: dict[str, Any]
) -> None:
    slug = next(_slugs)
    loaded: list[dict[str, list[Any]]] = []
    questions: Questions = []
    for db in databases:

        def work(db: Database = db) -> None:
            people = People(db, apps.create(Scope(db, ORIGIN), slug, slug))
            with _same_ids_and_times():
                people.load(directory)
            everything = {endpoint: people.everything(endpoint) for endpoint in ("Users", "Groups")}
            if not loaded:
                questions.extend(_questions(data, people, everything))
            loaded.append(everything)
            for question in questions:
                _check(people, everything[question[0]], question)
            raise _Undone

        with pytest.raises(_Undone):
            db.transact(work)
    assert loaded[0] == loaded[1]


def _same_ids_and_times() -> ExitStack:
    """Makes what is written to both databases the same; threads beside this one have the real clock."""
    here, real = threading.get_ident(), clock.now
    numbers = itertools.count(1)
    ids = (uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128, version=4) for number in numbers)
    times = itertools.count(1_700_000_000_000_000, 500_000)
    stack = ExitStack()
    stack.enter_context(patch("uuid.uuid4", lambda: next(ids)))
    stack.enter_context(patch("scimlite.clock.now", lambda: next(times) if threading.get_ident() == here else real()))
    return stack


def _questions(data: st.DataObject, people: People, everything: dict[str, list[Any]]) -> Questions:
    known = known_values([*everything["Users"], *everything["Groups"]])
    questions: Questions = []
    for endpoint in ("Users", "Groups"):
        of_type = filters(people.resource_type(endpoint), known)
        questions += [(endpoint, data.draw(of_type), None, False, 1, 1000) for _ in range(FILTERS // 2)]
    for _ in range(ORDERS):
        term = data.draw(st.none() | filters(USER, known))
        path = data.draw(st.none() | st.sampled_from(sort_paths(USER)))
        start, count = data.draw(st.integers(1, 6)), data.draw(st.integers(0, 6))
        questions.append(("Users", term, path, data.draw(st.booleans()), start, count))
    return questions


def _check(people: People, everything: list[Any], question: Any) -> None:
    """A database finds the same resources as the reference, in the same order."""
    endpoint, term, path, descending, start, count = question
    resource_type = people.resource_type(endpoint)
    expected, order = everything, None
    if term is not None:
        # Through the text, so that the parser takes part.
        text = spelled(term)
        note(f"{people.db.kind} {endpoint}: {text!a}")
        term = parse_filter(text, resource_type.urns, max_length=100_000)
        expected = [each for each in everything if reference_filter.matches(term, each, resource_type)]
    if path is not None:
        note(f"sorted by {path}{' descending' * descending}, {count} from {start}")
        order = search.sort(path, [resource_type], descending=descending)
        expected = reference_filter.in_order(expected, path, resource_type, descending=descending)
    request = read.SearchRequest(search.bind(term, resource_type), order, start, count, BASE)
    page = read.find(Workspace(people.db, ORIGIN, people.app), [resource_type], request)
    names = {each["id"]: name for each, name in zip(everything, names_of(everything), strict=True)}
    found = [names[resource.id] for resource in page.resources]
    assert (page.total, found) == (len(expected), names_of(expected)[start - 1 : start - 1 + count])
