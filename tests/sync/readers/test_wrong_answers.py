"""Answers of a wrong form, or cut off, at any place: a reader ends with an error in words, or with entries of texts."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace

import orjson
import pytest

from google_stand_in import GoogleStandIn
from graph_stand_in import GraphStandIn
from okta_stand_in import OktaStandIn
from receiver import Reply
from scim_stand_in import ScimStandIn
from scimlite.sync.readers import api
from scimlite.sync.reading import SourceError
from stand_ins import reading

JUNK = [None, 0, 1.5, "", "x", [], {}, [1], {"a": 1}, True, ["x"], [[]], [None], {"id": None}, 10**19, "ü\0"]


def scim():
    made = ScimStandIn(config={"filter": {"supported": True}, "sort": {"supported": True}})
    made.people(7)
    made.users[0] |= {"emails": [{"value": "a", "type": "work", "primary": True}], "name": {"givenName": "x"}}
    made.groups = [{"id": "g", "displayName": "S", "members": [{"value": "u00"}]}, {"id": "h", "displayName": "T"}]
    return made, "right", {"url": made}


def okta():
    made = OktaStandIn()
    for number in range(5):
        made.user(f"00u{number}", managerId="00u1@example.com", updated="2999-01-01T00:00:00.000Z")
    made.group("g", "S", "00u1", "00u2")
    return made, "right", {"url": made}


def graph():
    made = GraphStandIn()
    for number in range(5):
        made.user(f"u{number}", manager="u1")
    made.group("g", "S", "u1", "u2", "u3")
    return made, "s&cret", {"url": made, "login_url": made, "tenant": "t1", "client_id": "me"}


def google():
    made = GoogleStandIn(token="right")
    for number in range(5):
        made.user(str(number), relations=[{"type": "manager", "value": "1@example.com"}], aliases=["x@y"])
    made.group("g", "S", "1", "2", {"type": "CUSTOMER", "id": "C"})
    return made, "right", {"url": made}


def places(document, path=()):
    yield path
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, part in items:
        yield from places(part, (*path, name))


def spoilt(document, chance):
    """A document with something else at one place, or without it."""
    path = chance.choice(list(places(document)))
    if not path:
        return chance.choice(JUNK)
    holder = document
    for name in path[:-1]:
        holder = holder[name]
    if isinstance(holder, dict) and chance.random() < 0.2:
        del holder[path[-1]]
    else:
        holder[path[-1]] = chance.choice(JUNK)
    return document


def use(reader):
    for record in reader.everything():
        assert all(isinstance(text, str) for text in (record.key, record.name, *record.members))
        assert all(isinstance(text, str) for texts in record.values.values() for text in texts)
    list(reader.read(["u01", "00u1", "u1", "1", "g"]))


@pytest.mark.parametrize("kind", [scim, okta, graph, google], ids=lambda kind: kind.__name__)
def test_an_answer_of_a_wrong_form_is_no_crash(monkeypatch, kind):
    monkeypatch.setattr(api, "PAUSES", ())
    for seed in range(12):
        chance = random.Random(seed)
        stand_in, secret, options = kind()
        answer = stand_in.answer

        def spoiling(path, query, got, answer=answer, chance=chance):
            reply = answer(path, query, got)
            if chance.random() < 0.7:
                return reply
            return replace(reply, body=orjson.dumps(spoilt(orjson.loads(reply.body), chance)))

        stand_in.answer = spoiling
        with stand_in.listening():
            given = {name: stand_in.base if value is stand_in else value for name, value in options.items()}
            with reading(kind.__name__, secret, **given) as reader:
                list(reader.check())
                for act in (
                    reader.identity,
                    lambda: list(reader.changed(reader.position() or "") or ()),
                    lambda: use(reader),
                ):
                    with contextlib.suppress(SourceError):
                        act()


@pytest.mark.parametrize("kind", [scim, okta, graph, google], ids=lambda kind: kind.__name__)
def test_an_answer_that_is_cut_off_is_never_the_end(monkeypatch, kind):
    monkeypatch.setattr(api, "PAUSES", ())
    stand_in, secret, options = kind()
    with stand_in.listening():
        given = {name: stand_in.base if value is stand_in else value for name, value in options.items()}

        def number_of_requests():
            stand_in.asked.clear()
            with reading(kind.__name__, secret, **given) as reader:
                use(reader)
            return len(stand_in.asked)

        requests = number_of_requests()
        assert requests > 5
        for last in range(1, requests + 1):
            half = Reply(200, {}, b"{}", fault="half") if last % 2 else Reply(200, {}, b'{"value": [')
            stand_in.before = lambda got, last=last, half=half: half if len(stand_in.asked) == last else None
            with pytest.raises(SourceError):
                number_of_requests()
