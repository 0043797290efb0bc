"""The attribute mapping: what rows read, what is refused, and that nothing hostile gets through."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import tries
from people import STAFF_URN, USER
from scimlite.apps import compiled_mapping, mapping
from scimlite.apps.mapping import DEFAULT, MappingError, Row
from scimlite.errors import InvalidValue, Remedy
from scimlite.scim import core

ENTERPRISE = core.ENTERPRISE_URN
ANN = {
    "userName": "Ann",
    "active": True,
    "name": {"givenName": " Ann ", "familyName": "Ash"},
    "emails": [
        {"value": "ann@home.example", "type": "home", "primary": True},
        {"value": "Ann@Work.example", "type": "work"},
        {"value": "second@work.example", "type": "work"},
    ],
    "phoneNumbers": [{"value": "1"}, {"value": "2"}],
    "title": "",
    ENTERPRISE: {"department": "IT", "manager": {"value": "m-1", "displayName": "Max"}},
}

#: A row, and the value it has of Ann.
VALUES: list[tuple[dict[str, Any], Any]] = [
    ({"source": "userName"}, "Ann"),
    ({"source": "USERNAME"}, "Ann"),
    ({"source": f"{core.USER_URN}:userName"}, "Ann"),
    ({"source": "active"}, True),
    ({"source": "name.familyName"}, "Ash"),
    ({"source": "name.middleName"}, None),
    ({"source": 'name[familyName eq "Ash"].givenName'}, " Ann "),
    ({"source": 'name[familyName eq "Elm"].givenName'}, None),
    ({"source": "externalId"}, None),
    ({"source": 'emails[type eq "work"].value'}, "Ann@Work.example"),
    ({"source": 'emails[type eq "WORK"]'}, "Ann@Work.example"),
    ({"source": 'emails[type eq "other"].value'}, None),
    ({"source": 'emails[not (type eq "home") and value sw "second"].value'}, "second@work.example"),
    ({"source": "emails"}, "ann@home.example"),
    ({"source": 'emails[type eq "work"].value | emails.value'}, "Ann@Work.example"),
    ({"source": 'emails[type eq "other"].value | emails.value'}, "ann@home.example"),
    ({"source": 'title|emails[type eq "a|b"]|name.familyName'}, "Ash"),
    ({"source": "title | externalId"}, None),
    ({"source": "title | externalId", "default": "none"}, "none"),
    ({"template": '<{emails[type eq "other"].value | emails.value}>'}, "<ann@home.example>"),
    ({"source": "emails.type"}, "home"),
    ({"source": "phoneNumbers.value"}, "1"),
    ({"source": "ims"}, None),
    ({"source": f"{ENTERPRISE}:department"}, "IT"),
    ({"source": f"{ENTERPRISE}:manager"}, "m-1"),
    ({"source": f"{ENTERPRISE}:manager.displayName"}, "Max"),
    ({"source": "department"}, "IT"),
    ({"source": "title"}, None),
    ({"source": "title", "default": "none"}, "none"),
    ({"source": "name.givenName", "transform": ["trim", "upper"]}, "ANN"),
    ({"source": "active", "transform": ["upper"]}, True),
    ({"constant": "acme"}, "acme"),
    ({"constant": 7}, 7),
    ({"constant": False}, False),
    ({"template": "{name.givenName} {name.familyName}"}, "Ann Ash"),
    ({"template": "{name.middleName} {name.familyName}"}, "Ash"),
    ({"template": "{title}-{externalId}"}, None),
    ({"template": "{title}", "default": "?"}, "?"),
    ({"template": "{userName}@acme.example", "transform": ["lower"]}, "ann@acme.example"),
    ({"template": "{userName}: {active}"}, "Ann: true"),
    ({"template": '<{emails[type eq "work"].value}>'}, "<Ann@Work.example>"),
]


def compiled(*rows: dict[str, Any]) -> compiled_mapping.Compiled:
    read = mapping.read({"user": list(rows)})
    compiled_mapping.check(read, [core.USER])
    made = compiled_mapping.compile_rows(read, core.USER)
    assert made is not None
    return made


@pytest.mark.parametrize(("row", "value"), VALUES, ids=lambda each: json.dumps(each)[:60])
def test_what_a_row_reads(row: dict[str, Any], value: Any) -> None:
    assert compiled({"target": "x", **row}).profile(ANN) == {"x": value}


def test_the_default_mapping_is_useful() -> None:
    made = compiled_mapping.compiled("{}", core.USER)
    assert made is not None
    assert made.joined(made.profile(ANN), [("g1", "Sales"), ("g2", "Staff")]) == {
        "userName": "Ann",
        "givenName": " Ann ",
        "familyName": "Ash",
        "email": "Ann@Work.example",
        "displayName": None,
        "active": True,
        "department": "IT",
        "title": None,
        "manager": "m-1",
        "groups": ["Sales", "Staff"],
    }
    assert [row.target for row in made.rows if row.required] == ["userName"]
    group = compiled_mapping.compiled("{}", core.GROUP)
    assert group is not None
    assert group.profile({"displayName": "Sales"}) == {"name": "Sales"}


@pytest.mark.parametrize(
    ("emails", "email"),
    [
        ([{"value": "o@x", "type": "other"}], "o@x"),
        ([{"value": "n@x"}], "n@x"),
        ([{"value": "h@x", "type": "home"}, {"value": "w@x", "type": "work"}], "w@x"),
        ([{"value": "h@x", "type": "home", "primary": True}, {"value": "w@x", "type": "work"}], "w@x"),
        ([{"value": "h@x", "type": "home"}, {"value": "o@x", "type": "other", "primary": True}], "o@x"),
        ([{"value": "h@x", "type": "home"}, {"value": "o@x", "type": "other"}], "h@x"),
        ([{"type": "work"}, {"value": "o@x", "type": "other"}], None),
        ([], None),
    ],
)
def test_the_default_email_is_the_work_address_else_the_primary_else_the_first(
    emails: list[dict[str, Any]], email: str | None
) -> None:
    made = compiled_mapping.compiled("{}", core.USER)
    assert made is not None
    assert made.profile({"userName": "u", "emails": emails})["email"] == email


def test_groups_can_be_had_by_id_and_in_any_place() -> None:
    made = compiled({"target": "ids", "source": "groups.value"}, {"target": "n", "source": "userName"})
    assert list(made.joined(made.profile(ANN), [("g1", "Sales")]).items()) == [("ids", ["g1"]), ("n", "Ann")]


def test_a_required_row_names_attribute_and_target() -> None:
    made = compiled({"target": "job", "source": "title", "required": True})
    with pytest.raises(InvalidValue, match="title is required: this app needs it for job") as caught:
        made.require(made.profile(ANN))
    assert caught.value.remedy == Remedy(optional_target="job")
    made.require(made.profile({**ANN, "title": "Lead"}))
    compiled({"target": "job", "source": "title", "default": "-", "required": True}).require({"job": "-"})


#: A mapping, and what is said of it.
REFUSED: list[tuple[Any, str]] = [
    ([], "is a JSON object"),
    ({"users": []}, "users: Unknown field"),
    ({"user": [{"source": "userName"}]}, "user[0].target: Missing"),
    ({"user": [{"target": "a b", "source": "userName"}]}, "user[0].target: is not a name"),
    ({"user": [{"target": "a"}]}, "a: give one of"),
    ({"user": [{"target": "a", "source": "x", "constant": "y"}]}, "a: give one of"),
    ({"user": [{"target": "a", "source": "userName"}, {"target": "A", "source": "title"}]}, "A: there are two rows"),
    ({"user": [{"target": "a", "source": "userName", "transform": ["reverse"]}]}, "transform[0]: Must be one of"),
    ({"user": [{"target": "a", "source": "userName", "required": "yes"}]}, "required: Not a valid boolean"),
    ({"user": [{"target": "a", "constant": ["x"]}]}, "constant: takes a text"),
    ({"user": [{"target": "a", "constant": None}]}, "constant: Field may not be null"),
    ({"user": [{"target": "a", "source": "x" * 1001}]}, "user[0].source: Length"),
    ({"user": [{"target": f"a{n}", "source": "userName"} for n in range(201)]}, "user: Longer than"),
    ({"user": [{"target": "a", "source": "nowhere"}]}, "a: Users of this app have no attribute 'nowhere'"),
    ({"user": [{"target": "a", "source": "urn:example:X:y"}]}, "no attribute"),
    ({"user": [{"target": "a", "source": "name"}]}, "name has several parts: name one of them, such as name.formatted"),
    ({"user": [{"target": "a", "source": "addresses"}]}, "several parts"),
    ({"user": [{"target": "a", "source": "name.nickName"}]}, "no attribute"),
    ({"user": [{"target": "a", "source": "userName.value"}]}, "no attribute"),
    ({"user": [{"target": "a", "source": 'emails[type eq "work"].kind'}]}, "no sub-attribute"),
    ({"user": [{"target": "a", "source": 'emails[kind eq "work"].value'}]}, "no sub-attribute"),
    ({"user": [{"target": "a", "source": "emails[primary eq 5].value"}]}, "cannot be compared"),
    ({"user": [{"target": "a", "source": "emails[type eq"}]}, "a: "),
    ({"user": [{"target": "a", "source": "emails.value |"}]}, "a: "),
    ({"user": [{"target": "a", "source": "userName | password"}]}, "is never returned"),
    ({"user": [{"target": "a", "source": "userName | nowhere"}]}, "no attribute 'nowhere'"),
    ({"user": [{"target": "a", "source": "password"}]}, "is never returned"),
    ({"user": [{"target": "a", "source": "PassWord"}]}, "is never returned"),
    ({"user": [{"target": "a", "template": "{password}"}]}, "is never returned"),
    ({"user": [{"target": "a", "source": "meta.created"}]}, "not part of"),
    ({"user": [{"target": "a", "source": ENTERPRISE}]}, "no attribute"),
    ({"user": [{"target": "a", "template": "plain"}]}, "names no attribute"),
    ({"user": [{"target": "a", "template": "{userName"}]}, "brace"),
    ({"user": [{"target": "a", "template": "{}"}]}, "a: "),
    ({"user": [{"target": "a", "source": "groups", "required": True}]}, "groups of a user"),
    ({"group": [{"target": "a", "source": "members"}]}, "not part of"),
    ({"group": [{"target": "a", "source": "groups"}]}, "no attribute"),
    ({"group": [{"target": "a", "source": "userName"}]}, "Groups of this app have no attribute"),
]


@pytest.mark.parametrize(("body", "said"), REFUSED, ids=lambda each: str(each)[:60])
def test_what_cannot_be_is_refused_and_named(body: Any, said: str) -> None:
    with pytest.raises(MappingError) as caught:
        compiled_mapping.check(mapping.read(body), [core.USER, core.GROUP])
    assert said in str(caught.value)


def test_json_holds_all_of_a_mapping() -> None:
    rows = [{"target": f"t{number}", **row} for number, (row, _) in enumerate(VALUES)]
    read = mapping.read({"user": rows, "group": []})
    assert mapping.from_json(read.to_json()) == read
    assert read.as_dict() == {"user": rows, "group": []}
    assert DEFAULT.to_json() == "{}"
    assert mapping.from_json("{}") == DEFAULT
    assert mapping.read({"group": []}).user == DEFAULT.user


def test_a_part_with_several_values_gives_its_first() -> None:
    read = mapping.read({"user": [{"target": "key", "source": f"{STAFF_URN}:lockers.keys"}]})
    made = compiled_mapping.compile_rows(read, USER)
    assert made is not None
    assert made.profile({STAFF_URN: {"lockers": [{"keys": ["k1", "k2"]}]}}) == {"key": "k1"}
    assert made.profile({STAFF_URN: {"lockers": [{"keys": []}]}}) == {"key": None}


def test_the_origin_of_a_row_is_what_operators_type() -> None:
    rows = (Row("a", "title"), Row("b", template="{userName}!"), Row("c", constant=7))
    assert [row.origin for row in rows] == ["title", "{userName}!", "7"]


def test_rows_are_set_and_unset_in_place() -> None:
    changed = DEFAULT.with_row("User", Row("givenName", "nickName")).with_row("User", Row("new", "title"))
    assert [row.target for row in changed.user] == [*(row.target for row in DEFAULT.user), "new"]
    assert changed.user[1].source == "nickName"
    assert changed.without("User", "new").with_row("User", DEFAULT.user[1]) == DEFAULT
    with pytest.raises(MappingError, match="no target 'gone'"):
        DEFAULT.without("User", "gone")


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=30)
    | st.sampled_from(["userName", "{title}", "[", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["user", "group", "target", "source", "template", "constant", "default", "transform", "x"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)
_ROW = st.fixed_dictionaries(
    {"target": st.sampled_from(["a", "b", "c"])},
    optional={
        "source": st.text(max_size=40) | st.sampled_from(["emails[", "name.givenName", "groups", "a.b.c", "urn::"]),
        "template": st.text(alphabet="{}userName. ", max_size=30),
        "constant": _JSON,
        "default": _JSON,
        "required": st.booleans(),
    },
)


@tries(300)
@given(_JSON | st.fixed_dictionaries({"user": st.lists(_ROW, max_size=3)}))
def test_hostile_json_is_refused_or_works(body: Any) -> None:
    with contextlib.suppress(MappingError):
        read = mapping.read(body)
        compiled_mapping.check(read, [core.USER, core.GROUP])
        for resource_type in (core.USER, core.GROUP):
            made = compiled_mapping.compile_rows(read, resource_type)
            assert made is not None
            json.dumps(made.joined(made.profile(ANN), [("1", "g")]))
