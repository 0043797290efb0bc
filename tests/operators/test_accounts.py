"""Operators: names, roles, bounds, and that somebody remains who may manage them."""

from __future__ import annotations

import pytest

import databases
from installation import Installation
from scimlite.admin import apps
from scimlite.admin.desk import Desk
from scimlite.apps import AppError
from scimlite.journal import report
from scimlite.journal.origin import Origin
from scimlite.journal.selection import Selection
from scimlite.operators import accounts, links, sessions
from scimlite.operators.accounts import AccountError, Operator
from scimlite.operators.roles import RULES, Act, NotAllowed, NotFresh, Role
from scimlite.operators.sessions import Way


@pytest.fixture(params=databases.KINDS)
def here(request, tmp_path):
    with databases.upgraded_url(request.param, request, tmp_path) as url:
        made = Installation.new(url, tmp_path)
        yield made
        made.stop()


@pytest.fixture
def owner(here) -> Operator:
    return accounts.add(here.scope, "Ann", Role.OWNER)


def told(here) -> list[str]:
    return [row.action for row in report.read(here.db, Selection())]


def test_an_operator_is_found_by_name_in_any_case(here, owner):
    assert accounts.get(here.db, " aNN ") == owner
    assert (owner.role, owner.apps, owner.state) == (Role.OWNER, None, "active")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101, "\u202eevil"])
def test_a_name_that_cannot_be_is_refused(here, name):
    with pytest.raises(AccountError, match="1 to 100 printable"):
        accounts.add(here.scope, name, Role.OWNER)
    assert accounts.every(here.db) == []


def test_a_name_is_taken_once(here, owner):
    with pytest.raises(AccountError, match="already"):
        accounts.add(here.scope, "ANN", Role.AUDITOR)
    bob = accounts.add(here.scope, "bob", Role.AUDITOR)
    with pytest.raises(AccountError, match="already"):
        accounts.edit(here.scope, bob, name="ann")
    assert [each.name for each in accounts.every(here.db)] == ["Ann", "bob"]


def test_an_unknown_operator_is_answered_with_those_there_are(here, owner):
    with pytest.raises(AccountError, match=r"no operator 'anm'.*Ann"):
        accounts.get(here.db, "anm")


def test_apps_bind_and_free(here, owner):
    one, other = (apps.create(here.scope, name) for name in ("One", "Other"))
    bob = accounts.add(here.scope, "bob", Role.OPERATOR, [one])
    assert bob.sees(one.id)
    assert not bob.sees(other.id)
    bob = accounts.edit(here.scope, bob, apps=[other])
    assert bob.apps == {other.id}
    bob = accounts.edit(here.scope, bob, every_app=True)
    assert bob.apps is None
    changes = [row.changes for row in report.read(here.db, Selection(action="operator_edited"))]
    assert changes == [{"apps": [["one"], ["other"]]}, {"apps": [["other"], "all"]}]


def test_what_changes_nothing_is_not_told(here, owner):
    accounts.edit(here.scope, owner, role=Role.OWNER)
    accounts.set_enabled(here.scope, owner, enabled=True)
    assert told(here) == ["operator_added"]


def test_an_owner_remains(here, owner):
    bob = accounts.add(here.scope, "bob", Role.OPERATOR)
    app = apps.create(here.scope, "One")
    for attempt in (
        lambda: accounts.edit(here.scope, owner, role=Role.AUDITOR),
        lambda: accounts.edit(here.scope, owner, apps=[app]),
        lambda: accounts.set_enabled(here.scope, owner, enabled=False),
        lambda: accounts.remove(here.scope, owner),
    ):
        with pytest.raises(AccountError, match="has to remain"):
            attempt()
    assert accounts.get(here.db, "Ann") == owner
    accounts.remove(here.scope, bob)
    # Then the commands are the way in, as at the beginning.
    accounts.remove(here.scope, owner)
    assert accounts.every(here.db) == []


def test_who_is_disabled_or_removed_is_out_at_once(here, owner):
    bob = accounts.add(here.scope, "bob", Role.AUDITOR)
    secret, link = sessions.begin(here.scope, bob, Way.LINK), links.make(here.scope, bob)
    accounts.set_enabled(here.scope, bob, enabled=False)
    assert sessions.find(here.db, secret) is None
    assert links.use(here.db, link) is None
    with pytest.raises(AccountError, match="disabled"):
        links.make(here.scope, accounts.get(here.db, "bob"))
    bob = accounts.set_enabled(here.scope, accounts.get(here.db, "bob"), enabled=True)
    secret = sessions.begin(here.scope, bob, Way.LINK)
    accounts.remove(here.scope, bob)
    assert sessions.find(here.db, secret) is None


def test_an_app_that_goes_leaves_its_operators(here, owner):
    app = apps.create(here.scope, "One")
    accounts.add(here.scope, "bob", Role.OPERATOR, [app])
    apps.delete(here.scope, app.slug)
    # Bound to nothing, not free of bounds.
    assert accounts.get(here.db, "bob").apps == frozenset()


# --- role x act ---------------------------------------------------------------------------------------------------

EVERYBODY, RUNNERS, OWNERS = set(Role), {Role.OWNER, Role.OPERATOR}, {Role.OWNER}
#: Who may, of all apps; whether also who is bound to some; whether it needs a fresh sign-in.
TABLE = {
    Act.LOOK: (EVERYBODY, True, False),
    Act.SEE_REQUESTS: (RUNNERS, True, False),
    Act.CREATE_APP: (RUNNERS, False, False),
    Act.EDIT_APP: (RUNNERS, True, False),
    Act.DELETE_APP: (RUNNERS, True, True),
    Act.RELEASE_BRAKE: (RUNNERS, True, False),
    Act.SHOW_TOKEN: (RUNNERS, True, True),
    Act.ISSUE_TOKEN: (RUNNERS, True, True),
    Act.REVOKE_TOKEN: (RUNNERS, True, False),
    Act.ADD_WEBHOOK: (RUNNERS, True, True),
    Act.INVITE: (RUNNERS, True, True),
    Act.RESTORE: (RUNNERS, True, False),
    Act.EXPORT_PERSON: (RUNNERS, True, False),
    Act.ERASE: (RUNNERS, True, True),
    Act.SEE_INSTALLATION: (EVERYBODY, False, False),
    Act.MANAGE_OPERATORS: (OWNERS, False, True),
    Act.OWN_ACCOUNT: (EVERYBODY, True, True),
}


def test_every_act_is_in_the_table():
    assert set(TABLE) == set(RULES) == set(Act)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("bound", [False, True])
def test_the_desk_keeps_to_the_table(here, owner, role, bound):
    one, other = (apps.create(here.scope, name) for name in ("One", "Other"))
    somebody = accounts.add(here.scope, "somebody", role, [one] if bound else None)
    desk = Desk(here.db, here.keyring, somebody, Origin("console:somebody"), fresh=True)
    stale = Desk(here.db, here.keyring, somebody, Origin("console:somebody"), fresh=False)
    for act, (roles, also_bound, fresh) in TABLE.items():
        if role in roles and (also_bound or not bound):
            assert desk.may(act)
            desk.scope(act)
            assert desk.workspace(act, one).app == one
            if fresh:
                with pytest.raises(NotFresh):
                    stale.scope(act)
            else:
                stale.scope(act)
        else:
            assert not desk.may(act)
            with pytest.raises(NotAllowed):
                desk.workspace(act, one)
    assert [app.slug for app in desk.apps()] == (["one"] if bound else ["one", "other"])
    if bound:
        for attempt in (lambda: desk.app("other"), lambda: desk.workspace(Act.LOOK, other)):
            with pytest.raises(AppError, match="There is no app 'other'"):
                attempt()
    denied = report.read(here.db, Selection(action="denied"))
    assert all(row.outcome == "refused" and row.client == "console:somebody" for row in denied)
