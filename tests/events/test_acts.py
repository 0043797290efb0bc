"""Every write and every operator's act leaves its rows in the journal and is announced, whichever door it came by."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import databases
from quirky_target import Asked, QuirkyTarget, Said
from scimlite import Installation, signals
from scimlite.admin import (
    apps,
    deleted,
    erasure,
    export_person,
    mapping,
    person,
    replays,
    schemas,
    source_runs,
    sources,
    target_trial,
    targets,
    tokens,
    webhook_trial,
    webhooks,
)
from scimlite.admin.desk import Desk
from scimlite.apps import App
from scimlite.apps.mapping import Row
from scimlite.apps.workspace import Workspace
from scimlite.clock import DAY, now
from scimlite.db.feed_order import BEGINNING
from scimlite.db.tables import ResourceRow
from scimlite.db.target_tables import TargetLinkRow, TargetRow
from scimlite.directory import brakes
from scimlite.events import epoch, progress, restarts
from scimlite.events.sending import Service
from scimlite.journal import Action, Actor, Origin, Scope, pruning, report
from scimlite.journal.selection import Selection
from scimlite.operators import accounts, attempts, invitations, links, sessions
from scimlite.operators.roles import Act, NotAllowed, Role
from scimlite.operators.sessions import Way
from scimlite.outbound import Client
from scimlite.sync.rules import Rules
from scimlite.sync.targets import runs
from scimlite.sync.targets.abilities import Abilities
from scimlite.sync.targets.links import MOST_TRIES
from scimlite.sync.targets.runs import Means
from scimlite.sync.targets.stored import Options

OPERATOR = Origin("cli:ann", actor=Actor.CLI)
EXTENSION = "urn:example:params:scim:schemas:extension:acts:2.0:User"
SCHEMA = {"id": EXTENSION, "name": "Acts", "attributes": [{"name": "badge"}]}
_numbers = itertools.count(1)

Announced = tuple[str, str | None]


@dataclass
class Site:
    """An app of an embedding application: its client, its operator, and what is announced."""

    installation: Installation
    slug: str
    heard: list[Announced] = field(default_factory=list)
    after: int = 0
    token: str = ""

    @property
    def app(self) -> App:
        return apps.get(self.installation.db, self.slug)

    @property
    def scope(self) -> Scope:
        return Scope(self.installation.db, OPERATOR)

    @property
    def workspace(self) -> Workspace:
        return Workspace.of(self.scope, self.app)

    def features(self, **features: str) -> None:
        apps.edit(self.scope, self.slug, features={name.replace("_", "-"): text for name, text in features.items()})

    def send(self, method: str, path: str, body: Any = None) -> Any:
        if not self.token:
            self.token = tokens.issue(self.workspace, self.installation.keyring)[1]
        application = Flask("application")
        application.register_blueprint(self.installation.blueprint(), url_prefix="/scim")
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/scim+json"}
        return application.test_client().open(f"/scim/{self.slug}{path}", method=method, json=body, headers=headers)

    def user(self, name: str = "ann", **attributes: Any) -> str:
        return str(self.send("POST", "/Users", {"userName": name, **attributes}).get_json(force=True)["id"])

    def group(self, name: str = "staff", *members: str) -> str:
        body = {"displayName": name, "members": [{"value": id} for id in members]}
        return str(self.send("POST", "/Groups", body).get_json(force=True)["id"])

    def patch(self, path: str, op: str, attribute: str | None, value: Any = None) -> Any:
        operation = {"op": op, "value": value} | ({"path": attribute} if attribute else {})
        return self.send("PATCH", path, {"Operations": [operation]})

    def rows(self) -> list[tuple[str, str, int | None]]:
        """Action, outcome and status of what was recorded since `watch`."""
        found = report.read(self.installation.db, Selection(after_id=self.after))
        return [(row.action, row.outcome, row.status) for row in found if row.app in (self.slug, None)]

    def watch(self) -> None:
        """Forget what was recorded and announced until now."""
        self.after = report.latest_id(self.installation.db)
        self.heard.clear()


@pytest.fixture(scope="module", params=databases.KINDS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    key = "a key for tests and never for a service"
    with databases.upgraded_url(request.param, request, tmp_path_factory.mktemp("acts")) as url:
        made = Installation(url, key)
        yield made
        made.db.close()


@pytest.fixture
def site(installation: Installation) -> Iterator[Site]:
    slug = f"acts-{next(_numbers)}"
    apps.create(Scope(installation.db, OPERATOR), slug)
    made = Site(installation, slug)
    receivers = []
    for name in signals.__all__:

        def receive(sender: str, name: str = name, **facts: Any) -> None:
            assert sender == facts["app"]
            if sender in (slug, made.slug):
                made.heard.append((name, facts.get("change")))

        getattr(signals, name).connect(receive)
        receivers.append((name, receive))
    yield made
    for name, receiver in receivers:
        getattr(signals, name).disconnect(receiver)


# --- acts: each prepares, begins to watch, and acts ---------------------------------------------------------------


def create_user(site: Site) -> None:
    site.send("GET", "/Users")
    site.watch()
    site.user()


def create_taken_user(site: Site) -> None:
    site.user()
    site.watch()
    assert site.send("POST", "/Users", {"userName": "ANN"}).status_code == 409


def revive_user(site: Site) -> None:
    site.features(revive="on")
    id = site.user(externalId="7")
    site.send("DELETE", f"/Users/{id}")
    site.watch()
    assert site.user(externalId="7") == id


def replace_user(site: Site) -> None:
    id = site.user()
    site.watch()
    assert site.send("PUT", f"/Users/{id}", {"userName": "ann", "title": "Dr"}).status_code == 200


def change_user(site: Site) -> None:
    id = site.user()
    site.watch()
    assert site.patch(f"/Users/{id}", "replace", "title", "Dr").status_code == 200


def change_nothing(site: Site) -> None:
    id = site.user(title="Dr")
    site.watch()
    assert site.patch(f"/Users/{id}", "replace", "title", "Dr").status_code == 200


def change_user_with_an_empty_answer(site: Site) -> None:
    site.features(patch_answer="empty")
    id = site.user()
    site.watch()
    assert site.patch(f"/Users/{id}", "replace", "title", "Dr").status_code == 204


def disable_user(site: Site) -> None:
    id = site.user(active=True)
    site.watch()
    assert site.patch(f"/Users/{id}", "replace", "active", False).status_code == 200


def enable_user(site: Site) -> None:
    id = site.user(active=False)
    site.watch()
    assert site.patch(f"/Users/{id}", "replace", "active", True).status_code == 200


def deprovision_user(site: Site) -> None:
    site.features(delete_the_deactivated="on")
    id = site.user(active=True)
    site.watch()
    assert site.patch(f"/Users/{id}", "replace", "active", False).status_code == 204


def deprovision_user_by_put(site: Site) -> None:
    site.features(delete_the_deactivated="on")
    id = site.user(active=True)
    site.watch()
    assert site.send("PUT", f"/Users/{id}", {"userName": "ann", "active": False}).status_code == 200


def delete_user(site: Site) -> None:
    id = site.user()
    site.watch()
    assert site.send("DELETE", f"/Users/{id}").status_code == 204


def set_password(site: Site) -> None:
    site.features(passwords="hash")
    id = site.user()
    site.watch()
    assert site.patch(f"/Users/{id}", "add", "password", "correct horse").status_code == 200


def create_group(site: Site) -> None:
    id = site.user()
    site.watch()
    site.group("staff", id)


def add_member(site: Site) -> None:
    id, group = site.user(), site.group()
    site.watch()
    assert site.patch(f"/Groups/{group}", "add", "members", [{"value": id}]).status_code == 200


def add_unknown_member(site: Site) -> None:
    group = site.group()
    site.watch()
    assert site.patch(f"/Groups/{group}", "add", "members", [{"value": "nobody"}]).status_code == 200


def add_member_to_a_large_group(site: Site) -> None:
    people = [site.user(f"u{number}") for number in range(101)]
    group = site.group("staff", *people)
    id = site.user()
    site.watch()
    assert site.patch(f"/Groups/{group}", "add", "members", [{"value": id}]).status_code == 204


def remove_member(site: Site) -> None:
    id = site.user()
    group = site.group("staff", id)
    site.watch()
    assert site.patch(f"/Groups/{group}", "remove", f'members[value eq "{id}"]').status_code == 200


def rename_group(site: Site) -> None:
    group = site.group()
    site.watch()
    assert site.patch(f"/Groups/{group}", "replace", "displayName", "crew").status_code == 200


def delete_group(site: Site) -> None:
    group = site.group("staff", site.user())
    site.watch()
    assert site.send("DELETE", f"/Groups/{group}").status_code == 204


def refuse_search(site: Site) -> None:
    site.send("GET", "/Users")
    site.watch()
    assert site.send("GET", "/Users?filter=nonsense").status_code == 400


def refuse_bulk(site: Site) -> None:
    site.send("GET", "/Users")
    site.watch()
    assert site.send("POST", "/Bulk", {"Operations": "none"}).status_code == 400


def bulk(site: Site) -> None:
    id = site.user()
    site.watch()
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "bob"}},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "bob"}},
        {"method": "PATCH", "path": f"/Users/{id}", "data": {"Operations": [{"op": "remove", "path": "userName"}]}},
        {"method": "DELETE", "path": f"/Users/{id}"},
    ]
    answer = site.send("POST", "/Bulk", {"Operations": operations}).get_json(force=True)
    assert [each["status"] for each in answer["Operations"]] == ["201", "409", "400", "204"]


def bulk_circle(site: Site) -> None:
    site.send("GET", "/Users")
    site.watch()
    operations = [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": name,
            "data": {"displayName": name, "members": [{"value": f"bulkId:{other}"}]},
        }
        for name, other in (("one", "two"), ("two", "one"))
    ]
    answer = site.send("POST", "/Bulk", {"Operations": operations}).get_json(force=True)
    assert [each["status"] for each in answer["Operations"]] == ["201", "201"]


def use_revoked_token(site: Site) -> None:
    site.send("GET", "/Users")
    tokens.revoke(site.workspace, tokens.get(site.installation.db, site.app))
    site.watch()
    assert site.send("GET", "/Users").status_code == 401


def trip_brake(site: Site) -> None:
    site.features(brake_users="0", brake_percent="0", brake_window="1m")
    id = site.user()
    # The brake counts users who were active when its window began.
    site.installation.db.execute(ResourceRow.update(active_since=now() - DAY).where(ResourceRow.app_id == site.app.id))
    site.watch()
    assert site.send("DELETE", f"/Users/{id}").status_code == 429


def create_app(site: Site) -> None:
    site.watch()
    site.slug += "-second"
    apps.create(site.scope, "Second", site.slug)


def edit_app(site: Site) -> None:
    site.watch()
    site.features(revive="on")


def disable_app(site: Site) -> None:
    site.watch()
    apps.set_enabled(site.scope, site.slug, enabled=False)


def enable_app(site: Site) -> None:
    apps.set_enabled(site.scope, site.slug, enabled=False)
    site.watch()
    apps.set_enabled(site.scope, site.slug, enabled=True)


def delete_app(site: Site) -> None:
    site.user()
    site.watch()
    apps.delete(site.scope, site.slug)


def release_brakes(site: Site) -> None:
    site.watch()
    brakes.release(site.scope, site.slug)


def declare_schema(site: Site) -> None:
    site.watch()
    schemas.add(site.scope, site.slug, SCHEMA, to=["User"])


def remove_schema(site: Site) -> None:
    schemas.add(site.scope, site.slug, SCHEMA, to=["User"])
    site.user(**{EXTENSION: {"badge": "7"}})
    site.watch()
    schemas.remove(site.scope, site.slug, EXTENSION, force=True)


def edit_mapping(site: Site) -> None:
    site.watch()
    mapping.change(site.scope, site.slug, lambda current: current.with_row("User", Row("job", "title")))


def restore_user(site: Site) -> None:
    id = site.user()
    site.send("DELETE", f"/Users/{id}")
    site.watch()
    deleted.restore(site.workspace, site.app.resource_types["Users"], id)


def restore_user_whose_name_is_taken(site: Site) -> None:
    id = site.user()
    site.send("DELETE", f"/Users/{id}")
    site.user()
    site.watch()
    with pytest.raises(apps.AppError):
        deleted.restore(site.workspace, site.app.resource_types["Users"], id)


def restore_group(site: Site) -> None:
    group = site.group("staff", site.user())
    site.send("DELETE", f"/Groups/{group}")
    site.watch()
    deleted.restore(site.workspace, site.app.resource_types["Groups"], group)


def purge(site: Site) -> None:
    site.features(delete_the_deactivated="on")
    user, group = site.user(), site.group()
    site.send("DELETE", f"/Users/{user}")
    site.send("DELETE", f"/Groups/{group}")
    site.watch()
    assert list(deleted.purge(site.scope, [site.app], now() + DAY)) == [2]


def erase_living_user(site: Site) -> None:
    id = site.user()
    site.watch()
    erasure.erase(site.workspace, id, "ann")


def issue_token(site: Site) -> None:
    site.watch()
    tokens.issue(site.workspace, site.installation.keyring, label="second")


def show_token(site: Site) -> None:
    token, _ = tokens.issue(site.workspace, site.installation.keyring)
    site.watch()
    tokens.show(site.workspace, site.installation.keyring, token)


def rotate_token(site: Site) -> None:
    token, _ = tokens.issue(site.workspace, site.installation.keyring)
    site.watch()
    tokens.rotate(site.workspace, site.installation.keyring, token, overlap=0)


def revoke_token(site: Site) -> None:
    token, _ = tokens.issue(site.workspace, site.installation.keyring)
    site.watch()
    tokens.revoke(site.workspace, token)


def invite(site: Site) -> None:
    site.watch()
    made, text = invitations.make(site.workspace, site.installation.keyring)
    assert site.installation.keyring.link_id(text) == made.link_id
    for _ in range(2):
        invitations.note_opening(site.workspace, made)
    for _ in range(2):
        invitations.revoke(site.workspace, made)


def prune_journal(site: Site) -> None:
    site.watch()
    assert sum(pruning.prune(site.scope, now() + DAY))


def begin_the_feed_anew(site: Site) -> None:
    site.watch()
    epoch.begin(site.scope)


def manage_operator(site: Site) -> None:
    keep_an_owner(site)
    site.watch()
    made = accounts.add(site.scope, f"{site.slug} bob", Role.AUDITOR)
    made = accounts.edit(site.scope, made, role=Role.OPERATOR, apps=[site.app])
    made = accounts.set_enabled(site.scope, made, enabled=False)
    made = accounts.set_enabled(site.scope, made, enabled=True)
    accounts.remove(site.scope, made)


def keep_an_owner(site: Site) -> None:
    accounts.add(site.scope, f"{site.slug} owner", Role.OWNER)


def use_the_console(site: Site) -> None:
    keep_an_owner(site)
    site.watch()
    db = site.installation.db
    operator = links.use(db, links.make(site.scope, accounts.get(db, f"{site.slug} owner")))
    assert operator is not None
    session = sessions.find(db, sessions.begin(site.scope, operator, Way.LINK))
    assert session is not None
    sessions.end(site.scope, session)


def export_a_person(site: Site) -> None:
    id = site.user()
    site.watch()
    subject = person.user(site.installation.db, site.app, id)
    assert subject is not None
    assert "".join(export_person.export(site.workspace, subject))


def fail_to_sign_in(site: Site) -> None:
    site.watch()
    attempts.fail(site.scope, None, "a sign-in link that is too old")


def do_what_the_role_does_not_allow(site: Site) -> None:
    keep_an_owner(site)
    auditor = accounts.add(site.scope, f"{site.slug} eve", Role.AUDITOR)
    site.watch()
    desk = Desk(site.installation.db, site.installation.keyring, auditor, OPERATOR, fresh=True)
    with pytest.raises(NotAllowed):
        desk.workspace(Act.EDIT_APP, site.app)


def manage_webhook(site: Site) -> None:
    site.watch()
    workspace, keyring = site.workspace, site.installation.keyring
    made, secret = webhooks.add(workspace, keyring, "https://crm.example.com/hook")
    assert webhooks.show_secret(workspace, keyring, made) == secret
    made = webhooks.edit(workspace, made, lanes=2)
    webhooks.edit(workspace, made, lanes=2)
    webhooks.pause(workspace, made)
    webhooks.resume(workspace, made)
    assert webhooks.rotate(workspace, keyring, made, overlap=DAY) != secret
    assert not webhook_trial.send(workspace, Service(keyring, None), Client(resolve=resolve_nothing), made).confirmed
    assert replays.from_place(workspace, made, BEGINNING) == 0
    webhooks.remove(workspace, made)


def manage_source(site: Site) -> None:
    file = Path(tempfile.mkdtemp()) / "users.csv"
    file.write_text("id,userName\n1,sourced\n")
    site.watch()
    db, settings, workspace = site.installation.db, site.installation.settings, site.workspace
    made = sources.add(workspace, "corp", "csv", {"file": str(file)})
    made = sources.edit(workspace, made, rules=Rules(missing_after=1))
    sources.set_state(workspace, made, enabled=False)
    sources.set_state(workspace, sources.get(db, site.app), enabled=True)
    with source_runs.ground(db, settings) as place:
        source_runs.sync(place, site.workspace, made)
        file.write_text("id,userName\n")
        source_runs.sync(place, site.workspace, made)
    sources.accept(workspace, sources.get(db, site.app), {"removals": 1})
    sources.remove(workspace, made, users=sources.KEEP, state_dir=settings.state_dir)
    shutil.rmtree(file.parent)


def resolve_nothing(*_: Any) -> list[str]:
    raise OSError("no such name")


def switch_webhook_off(site: Site) -> None:
    site.watch()
    db, held = (
        site.installation.db,
        webhooks.add(site.workspace, site.installation.keyring, "https://crm.example.com")[0],
    )
    assert progress.take(db, held, "worker", now(), now() + DAY)
    restarts.begin_anew(db, held, "worker", held.epoch + 1)
    progress.switch_off(site.workspace, held, "its receiver answered 410")
    assert webhooks.get(db, site.app).state == "off"


def manage_target(site: Site) -> None:
    site.watch()
    workspace, folder = site.workspace, Path()
    made = targets.add(workspace, "crm", "https://crm.example.com/scim", "file:/nonexistent/token")
    made = targets.edit(workspace, made, every=60_000_000)
    targets.edit(workspace, made, every=60_000_000)
    with Client(resolve=resolve_nothing) as client:
        means = Means(site.installation.db, client, folder)
        assert [each.ok for each in target_trial.check(workspace, means, made)] == [False]
    targets.disable(workspace, made)
    targets.enable(workspace, targets.get(workspace.db, site.app))
    assert targets.retry(workspace, made) == 0
    targets.remove(workspace, made, folder)


def answer_all_but_bob(asked: Asked) -> Said:
    if asked.method == "GET":
        return Said(200, {"totalResults": 0})
    return Said(400, {}) if "bob" in str(asked.body) else Said(201, {"id": "1"})


def push_to_a_target(site: Site) -> None:
    ann = site.user()
    site.user("bob")
    networks = (ip_network("127.0.0.0/8"),)
    with (
        tempfile.TemporaryDirectory() as folder,
        QuirkyTarget("", "").serving() as server,
        Client(networks) as client,
    ):
        server.before = answer_all_but_bob
        token = Path(folder) / "token"
        token.write_text("a")
        made = targets.add(site.workspace, "crm", server.url, f"file:{token}", Options(most_users=0), networks=networks)
        db, means = site.installation.db, Means(site.installation.db, client, Path(folder))
        abilities = Abilities(read_at=now()).to_json()
        db.execute(TargetRow.update(abilities=abilities).where(TargetRow.id == made.id))
        site.watch()
        for _ in range(MOST_TRIES):
            runs.sync(means, made.id, OPERATOR)
            db.execute(TargetLinkRow.update(retry_at=0))
        token.unlink()
        for _ in range(2):
            runs.sync(means, made.id, OPERATOR)
        token.write_text("a")
        site.send("DELETE", f"/Users/{ann}")
        for _ in range(2):
            runs.sync(means, made.id, OPERATOR)


OK, REFUSED = "ok", "refused"

#: The act, the rows that it leaves (action, outcome, HTTP status), and what is announced (signal, its `change`).
ACTS: list[tuple[Callable[[Site], None], list[tuple[Action, str, int | None]], list[Announced]]] = [
    (create_user, [(Action.CREATED, OK, 201)], [("user_created", None)]),
    (create_taken_user, [(Action.CREATED, REFUSED, 409)], []),
    (revive_user, [(Action.RESTORED, OK, 201)], [("user_created", None)]),
    (replace_user, [(Action.UPDATED, OK, 200)], [("user_updated", None)]),
    (change_user, [(Action.UPDATED, OK, 200)], [("user_updated", None)]),
    (change_nothing, [], []),
    (change_user_with_an_empty_answer, [(Action.UPDATED, OK, 204)], [("user_updated", None)]),
    (disable_user, [(Action.DISABLED, OK, 200)], [("user_disabled", None)]),
    (enable_user, [(Action.ENABLED, OK, 200)], [("user_enabled", None)]),
    (deprovision_user, [(Action.DELETED, OK, 204)], [("user_deleted", None)]),
    (deprovision_user_by_put, [(Action.DELETED, OK, 200)], [("user_deleted", None)]),
    (delete_user, [(Action.DELETED, OK, 204)], [("user_deleted", None)]),
    (set_password, [(Action.UPDATED, OK, 200)], [("user_updated", None)]),
    (
        create_group,
        [(Action.CREATED, OK, 201), (Action.MEMBER_ADDED, OK, 201)],
        [("group_changed", "created"), ("member_added", None)],
    ),
    (add_member, [(Action.MEMBER_ADDED, OK, 200)], [("member_added", None)]),
    (add_unknown_member, [(Action.MEMBER_ADDED, REFUSED, 200)], []),
    (add_member_to_a_large_group, [(Action.MEMBER_ADDED, OK, 204)], [("member_added", None)]),
    (remove_member, [(Action.MEMBER_REMOVED, OK, 200)], [("member_removed", None)]),
    (rename_group, [(Action.UPDATED, OK, 200)], [("group_changed", "updated")]),
    (
        delete_group,
        [(Action.DELETED, OK, 204), (Action.MEMBER_REMOVED, OK, 204)],
        [("group_changed", "deleted"), ("member_removed", None)],
    ),
    (refuse_search, [(Action.SEARCHED, REFUSED, 400)], []),
    (refuse_bulk, [(Action.BULK, REFUSED, 400)], []),
    (
        bulk,
        [
            (Action.CREATED, OK, 201),
            (Action.CREATED, REFUSED, 409),
            (Action.UPDATED, REFUSED, 400),
            (Action.DELETED, OK, 204),
        ],
        [("user_created", None), ("user_deleted", None)],
    ),
    (
        bulk_circle,
        [
            (Action.CREATED, OK, 201),
            (Action.CREATED, OK, 201),
            (Action.MEMBER_ADDED, OK, 201),
            (Action.MEMBER_ADDED, OK, 201),
        ],
        [("group_changed", change) for change in ("created", "created", "members", "members")],
    ),
    (use_revoked_token, [(Action.AUTHENTICATED, REFUSED, 401)], []),
    (
        trip_brake,
        [(Action.BRAKE_TRIPPED, OK, None), (Action.DELETED, REFUSED, 429)],
        [("app_changed", "brake_tripped")],
    ),
    (create_app, [(Action.APP_CREATED, OK, None)], [("app_changed", "created")]),
    (edit_app, [(Action.APP_EDITED, OK, None)], [("app_changed", "edited")]),
    (disable_app, [(Action.APP_DISABLED, OK, None)], [("app_changed", "disabled")]),
    (enable_app, [(Action.APP_ENABLED, OK, None)], [("app_changed", "enabled")]),
    (delete_app, [(Action.APP_DELETED, OK, None)], [("app_changed", "deleted")]),
    (release_brakes, [(Action.RELEASED, OK, None)], [("app_changed", "released")]),
    (declare_schema, [(Action.SCHEMA_DECLARED, OK, None)], [("app_changed", "schema_declared")]),
    (remove_schema, [(Action.SCHEMA_REMOVED, OK, None)], [("app_changed", "schema_removed")]),
    (edit_mapping, [(Action.MAPPING_EDITED, OK, None)], [("app_changed", "mapping_edited")]),
    (restore_user, [(Action.RESTORED, OK, None)], [("user_created", None)]),
    (restore_user_whose_name_is_taken, [(Action.RESTORED, REFUSED, None)], []),
    (
        restore_group,
        [(Action.RESTORED, OK, None), (Action.MEMBER_ADDED, OK, None)],
        [("group_changed", "restored"), ("member_added", None)],
    ),
    (
        purge,
        [(Action.PURGED, OK, None), (Action.PURGED, OK, None)],
        [("user_purged", None), ("group_changed", "purged")],
    ),
    (erase_living_user, [(Action.ERASED, OK, None)], [("user_deleted", None), ("user_erased", None)]),
    (issue_token, [(Action.TOKEN_ISSUED, OK, None)], []),
    (show_token, [(Action.TOKEN_SHOWN, OK, None)], []),
    (rotate_token, [(Action.TOKEN_ROTATED, OK, None)], []),
    (revoke_token, [(Action.TOKEN_REVOKED, OK, None)], []),
    (
        invite,
        [
            (Action.INVITED, OK, None),
            (Action.INVITATION_OPENED, OK, None),
            (Action.INVITATION_REVOKED, OK, None),
        ],
        [],
    ),
    (prune_journal, [(Action.JOURNAL_PRUNED, OK, None)], []),
    (begin_the_feed_anew, [(Action.FEED_BEGUN, OK, None)], []),
    (
        manage_operator,
        [
            (Action.OPERATOR_ADDED, OK, None),
            (Action.OPERATOR_EDITED, OK, None),
            (Action.OPERATOR_DISABLED, OK, None),
            (Action.OPERATOR_ENABLED, OK, None),
            (Action.OPERATOR_REMOVED, OK, None),
        ],
        [],
    ),
    (
        use_the_console,
        [(Action.LINK_MADE, OK, None), (Action.SIGNED_IN, OK, None), (Action.SIGNED_OUT, OK, None)],
        [],
    ),
    (export_a_person, [(Action.EXPORTED, OK, None)], []),
    (fail_to_sign_in, [(Action.SIGNED_IN, REFUSED, None)], []),
    (
        manage_webhook,
        [
            (Action.WEBHOOK_ADDED, OK, None),
            (Action.WEBHOOK_SECRET_SHOWN, OK, None),
            (Action.WEBHOOK_EDITED, OK, None),
            (Action.WEBHOOK_PAUSED, OK, None),
            (Action.WEBHOOK_RESUMED, OK, None),
            (Action.WEBHOOK_ROTATED, OK, None),
            (Action.WEBHOOK_TESTED, OK, None),
            (Action.WEBHOOK_REPLAYED, OK, None),
            (Action.WEBHOOK_REMOVED, OK, None),
        ],
        [],
    ),
    (
        switch_webhook_off,
        [
            (Action.WEBHOOK_ADDED, OK, None),
            (Action.WEBHOOK_MOVED, OK, None),
            (Action.WEBHOOK_OFF, OK, None),
        ],
        [],
    ),
    (
        manage_source,
        [
            (Action.SOURCE_ADDED, OK, None),
            (Action.SOURCE_EDITED, OK, None),
            (Action.SOURCE_DISABLED, OK, None),
            (Action.SOURCE_ENABLED, OK, None),
            (Action.CREATED, OK, None),
            (Action.SOURCE_SYNCED, OK, None),
            (Action.SOURCE_HELD, REFUSED, None),
            (Action.SOURCE_ACCEPTED, OK, None),
            (Action.SOURCE_REMOVED, OK, None),
        ],
        [("user_created", None)],
    ),
    (
        manage_target,
        [
            (Action.TARGET_ADDED, OK, None),
            (Action.TARGET_EDITED, OK, None),
            (Action.TARGET_TESTED, OK, None),
            (Action.TARGET_DISABLED, OK, None),
            (Action.TARGET_ENABLED, OK, None),
            (Action.TARGET_RETRIED, OK, None),
            (Action.TARGET_REMOVED, OK, None),
        ],
        [],
    ),
    (
        push_to_a_target,
        [
            (Action.TARGET_SYNCED, OK, None),
            (Action.TARGET_PARKED, REFUSED, None),
            (Action.TARGET_FAILED, "failed", None),
            (Action.DELETED, OK, 204),
            (Action.TARGET_HELD, REFUSED, None),
        ],
        [("user_deleted", None)],
    ),
    (do_what_the_role_does_not_allow, [(Action.DENIED, REFUSED, None)], []),
]


@pytest.mark.parametrize(("act", "rows", "announced"), ACTS, ids=[act.__name__ for act, _, _ in ACTS])
def test_an_act_is_recorded_and_announced(
    site: Site,
    act: Callable[[Site], None],
    rows: list[tuple[Action, str, int | None]],
    announced: list[Announced],
) -> None:
    act(site)
    assert site.rows() == [(action.value, outcome, status) for action, outcome, status in rows]
    assert site.heard == announced


def test_every_action_is_tried() -> None:
    assert {action for _, rows, _ in ACTS for action, _, _ in rows} == set(Action)


def test_every_signal_is_heard() -> None:
    assert {signal for _, _, announced in ACTS for signal, _ in announced} == set(signals.__all__)
