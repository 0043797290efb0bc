"""A refused request explained as data."""

import pytest

from scimlite.admin.explain import UnknownRequestError, explain
from scimlite.admin.wording import wording_of_remedy
from scimlite.apps import get
from scimlite.apps.workspace import Workspace
from scimlite.db.tables import RefusalRow
from scimlite.errors import InvalidValue, Remedy, Uniqueness
from scimlite.journal import Action, Entry, Origin, Outcome, record, refusals
from scimlite.journal.refusals import Received, Refused

ID = "0123456789abcdef"
PATCH = {"Operations": [{"op": "Add", "path": "title", "value": "x"}, {"op": "Replace", "value": {"a": 1, "b": 2}}, 7]}


@pytest.fixture
def workspace(site):
    app = get(site.installation.db, site.app("first"))
    return Workspace(site.installation.db, Origin("idp/1.0", "default", ID, "client-1"), app)


def refuse(workspace, *, method="PATCH", path="/Users/1", body=PATCH, error=None, remedy=None, status=400, keep=True):
    received = Received(method, path, size=99, parsed=body is not None, body=body)
    entry = Entry(Action.UPDATED, user=("1", "ann"), outcome=Outcome.REFUSED, detail=str(error or "no"))
    types = [workspace.app.resource_types["Users"]]
    refused = Refused(entry, error or InvalidValue("no"), received, types, status, remedy, keep)
    refusals.record(workspace, refused)


def test_a_refusal_has_status_rule_and_remedy(workspace):
    remedy = Remedy(feature="unknown-members", value="skip", app="first")
    refuse(workspace, remedy=remedy)
    (explanation,) = explain(workspace.db, ID)
    (refused,) = explanation.refused
    assert (refused.method, refused.path, refused.size, refused.status) == ("PATCH", "/Users/1", 99, 400)
    assert refused.scim_type == "invalidValue"
    assert refused.rule.startswith("RFC 7644 section 3.12")
    assert wording_of_remedy(refused.remedy) == "scimlite app edit first --feature unknown-members=skip"
    assert explanation.first.client == "idp/1.0"
    assert len(explanation.refusals) == 1
    assert explanation.changes == []


def test_a_rule_by_the_status_when_there_is_no_scim_type(workspace):
    error = InvalidValue("no")
    error.scim_type = None
    refuse(workspace, error=error, status=412)
    assert "If-Match" in explain(workspace.db, ID)[0].refused[0].rule
    workspace.db.execute(RefusalRow.delete())
    refuse(workspace, error=error, status=418)
    assert explain(workspace.db, ID)[0].refused[-1].rule


def test_operations_are_told_in_order(workspace):
    refuse(workspace)
    assert explain(workspace.db, ID)[0].refused[0].understood == [
        "1. add title",
        "2. replace a, b",
        "3. not an operation",
    ]


@pytest.mark.parametrize(
    ("method", "path", "understood"),
    [
        ("POST", "/Users", "create with userName, title"),
        ("PUT", "/Users/1", "replace by userName, title"),
        ("POST", "/Users/.search", "search by userName, title"),
    ],
)
def test_a_body_is_told_by_its_attributes(workspace, method, path, understood):
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ann", "title": "x"}
    refuse(workspace, method=method, path=path, body=body, error=Uniqueness("taken"), status=409)
    assert explain(workspace.db, ID)[0].refused[0].understood == [understood]


def test_a_body_that_is_not_kept(workspace):
    refuse(workspace, keep=False)
    refused = explain(workspace.db, ID)[0].refused[0]
    assert (refused.body, refused.understood, refused.cut) == (None, [], False)


@pytest.mark.parametrize("text", [ID, f"(request {ID})", f"request {ID}", f" {ID} ", "client-1"])
def test_an_id_in_every_form(workspace, text):
    refuse(workspace)
    assert [explanation.request_id for explanation in explain(workspace.db, text)] == [ID]


def test_a_change_is_no_refusal(workspace):
    workspace.db.transact(lambda: record(workspace, [Entry(Action.CREATED, user=("1", "ann"))]))
    (explanation,) = explain(workspace.db, ID)
    assert explanation.refused == explanation.refusals == []
    assert [entry.user for entry in explanation.changes] == ["ann"]


def test_an_id_that_left_no_trace(workspace):
    with pytest.raises(UnknownRequestError, match="There is no trace of a request 'ffff'"):
        explain(workspace.db, "ffff")
