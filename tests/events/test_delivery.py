"""Webhooks: each event arrives, signed, in order for each person, whatever the receiver and the workers do."""

from __future__ import annotations

import itertools
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Judge

import databases
import worker_process
from people import ORIGIN
from receiver import Got, Receiver, Reply, receiving
from scimlite.admin import apps, confirmations, replays, webhook_state, webhooks
from scimlite.admin.wording import description_of
from scimlite.apps.workspace import Workspace
from scimlite.clock import now
from scimlite.config import Settings
from scimlite.db import feed_order
from scimlite.db.feed_order import Place
from scimlite.db.feed_tables import DeliveryRow, ReceiptRow, WebhookRow
from scimlite.db.tables import JournalRow
from scimlite.events import epoch, progress
from scimlite.events.webhooks import Webhook
from scimlite.installation import Installation
from scimlite.journal import Action, Entry, pruning, record, report
from scimlite.journal.selection import Selection
from scimlite.worker import Worker
from tcp_forwarder import Forwarder

_numbers = itertools.count(1)


def environment(folder: Path, url: str) -> dict[str, str]:
    return {
        "SCIMLITE_STATE_DIR": str(folder),
        "SCIMLITE_DATABASE_URL": url,
        "SCIMLITE_SECRET_KEY": "a key for tests and never for a service",
        "SCIMLITE_OUTBOUND_NETWORKS": "127.0.0.0/8",
    }


@pytest.fixture(scope="module", params=databases.KINDS)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("delivery")
    with databases.upgraded_url(request.param, request, folder) as url:
        opened = Installation.open(Settings.from_environment(environment(folder, url)), create=True)
        yield opened
        opened.db.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@dataclass
class Site:
    """An app with a webhook."""

    installation: Installation
    workspace: Workspace
    receiver: Receiver
    webhook: Webhook
    secret: str

    def happen(self, *users: str, action: Action = Action.UPDATED) -> None:
        """Something happens to users, one after the other."""
        for user in users:
            entry = Entry(action, user=(user, user))
            self.workspace.db.transact(lambda entry=entry: record(self.workspace, [entry]))  # type: ignore[misc]

    @property
    def row(self) -> Webhook:
        return webhooks.get(self.workspace.db, self.workspace.app, self.webhook.name)

    @property
    def status(self) -> webhook_state.Status:
        return webhook_state.of(self.workspace.db, self.workspace.app, self.row)

    def receipts(self) -> list[Any]:
        return self.workspace.db.records(
            ReceiptRow.select().where(ReceiptRow.webhook_id == self.webhook.id).order_by(ReceiptRow.journal_id)
        )

    def waiting(self) -> list[Any]:
        return self.workspace.db.records(
            DeliveryRow.select().where(DeliveryRow.webhook_id == self.webhook.id).order_by(DeliveryRow.journal_id)
        )

    def make_due(self) -> None:
        """Let the time of the next tries come."""
        waits = DeliveryRow.webhook_id == self.webhook.id
        self.workspace.db.execute(DeliveryRow.update(next_at=0).where(waits, DeliveryRow.dead_at.is_null()))
        webhooks.change(self.workspace.db, self.webhook, not_before=0)

    def work(self) -> None:
        """A worker does what there is to do now, once no older transaction of the server keeps the feed from it."""
        of_app = JournalRow.app_id == self.workspace.app.id
        query = JournalRow.select(JournalRow.tx, JournalRow.id).where(of_app).order_by(JournalRow.id.desc())
        newest = Place(*self.workspace.db.rows(query.limit(1))[0])
        soon(lambda: feed_order.end(self.workspace.db) >= newest)
        Worker(self.installation, lease=5).run(once=True)

    def users(self) -> list[str]:
        """Whom the events are about that came, in their order."""
        return [got.event["data"]["user"]["id"] for got in self.receiver.got]

    def actions(self) -> list[str]:
        """What was recorded about the app, in order."""
        of_app = JournalRow.app_id == self.workspace.app.id
        query = JournalRow.select(JournalRow.action).where(of_app).order_by(JournalRow.id)
        return [row[0] for row in self.workspace.db.rows(query)]


@pytest.fixture
def site(installation: Installation, receiver: Receiver) -> Iterator[Site]:
    db = installation.db
    app = apps.create(Workspace(db, ORIGIN, None), f"hooks-{next(_numbers)}")  # type: ignore[arg-type]  # any scope
    workspace = Workspace(db, ORIGIN, app)
    networks = installation.settings.outbound_networks
    webhook, secret = webhooks.add(workspace, installation.keyring, receiver.url, name="crm", networks=networks)
    made = Site(installation, workspace, receiver, webhook, secret)
    yield made
    if db.row(WebhookRow.select().where(WebhookRow.id == webhook.id, WebhookRow.removed_at.is_null())):
        webhooks.remove(workspace, webhook)


@contextmanager
def working(installation: Installation, lease: float = 5) -> Iterator[Worker]:
    """A worker in a thread."""
    worker = Worker(installation, lease=lease)

    def run() -> None:
        worker.run()
        installation.db.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(30)
        assert not thread.is_alive()


def soon(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """What the condition gives once it is true."""
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, "it did not come true"
        time.sleep(0.01)
    return found


# --- what arrives -------------------------------------------------------------------------------------------------


def test_an_event_arrives_within_a_second_signed_and_confirmed(site: Site) -> None:
    with working(site.installation):
        soon(lambda: site.row.holder)
        began = now()
        site.happen("ann")
        got: Got = soon(lambda: site.receiver.got)[0]
        assert now() - began < 1_000_000
        soon(site.receipts)
    assert Judge(site.secret).verify(got.body, got.headers) == got.event
    assert got.headers["content-type"] == "application/json"
    assert (got.event["id"], got.event["type"], got.event["app"]) == (got.id, "user.updated", site.workspace.app.slug)
    (receipt,) = site.receipts()
    assert (receipt.status, receipt.attempts) == (204, 1)
    assert site.row.holder is None
    assert (site.status.state, site.status.behind_since, site.waiting()) == ("active", None, [])
    # A second worker has nothing to do.
    site.work()
    assert len(site.receiver.got) == 1


# --- receivers with faults ----------------------------------------------------------------------------------------

#: How a receiver answers about ann: the reply, and what is kept of it.
FAULTS: dict[str, tuple[Reply, int | None, str]] = {
    "500": (Reply(500, body=b"no  such\ntable"), 500, "answered 500: no such table"),
    "503": (Reply(503), 503, "answered 503"),
    "400 with a long body": (Reply(400, body=b"x" * 5000), 400, "answered 400: " + "x" * 200),
    "redirect": (Reply(302, {"Location": "http://127.0.0.1:1/"}), 302, "answered 302 to http://127.0.0.1:1/"),
    "half an answer": (Reply(200, body=b"0123456789", fault="half"), None, "closed the connection"),
    "reset": (Reply(fault="reset"), None, "closed the connection"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_holds_up_that_person_alone(site: Site, fault: str) -> None:
    reply, status, error = FAULTS[fault]
    site.receiver.reply = lambda got: reply if b'"ann"' in got.body else Reply()
    site.happen("ann", "bob", "ann", "bob", "eve")
    site.work()
    assert sorted(site.users()) == ["ann", "bob", "bob", "eve"]
    first, second = site.waiting()
    assert (first.attempts, first.last_status, second.attempts) == (1, status, 0)
    assert error in first.last_error
    assert 4_000_000 < first.next_at - now() < 6_000_000
    assert (site.status.waiting, len(site.receipts())) == (2, 3)
    assert site.status.behind_since is not None
    # It is mended: both arrive in order, with the ids that they had.
    site.receiver.reply = lambda got: Reply()
    site.make_due()
    site.work()
    assert site.users()[4:] == ["ann", "ann"]
    assert site.receiver.got[4].id in {got.id for got in site.receiver.got[:4]}
    assert site.waiting() == []
    assert [receipt.attempts for receipt in site.receipts()] == [2, 1, 1, 1, 1]


def test_a_slow_answer_holds_up_nobody_else(site: Site) -> None:
    site.receiver.reply = lambda got: Reply(after=1.5 if b'"ann"' in got.body else 0)
    site.happen("ann", *(f"user-{number}" for number in range(30)))
    with working(site.installation):
        soon(lambda: len(site.receipts()) == 30, 1.4)
        soon(lambda: len(site.receipts()) == 31)


def test_retry_after_is_respected(site: Site) -> None:
    site.receiver.reply = lambda got: Reply(429, {"Retry-After": "3600"})
    site.happen("ann")
    site.work()
    site.happen("bob")
    site.work()
    assert len(site.receiver.got) == 1
    assert 3_590_000_000 < site.row.not_before - now() < 3_610_000_000
    # An operator who mended it need not wait.
    site.receiver.reply = lambda got: Reply()
    webhooks.resume(site.workspace, site.row)
    site.work()
    assert sorted(site.users()) == ["ann", "ann", "bob"]


def test_410_switches_the_webhook_off(site: Site) -> None:
    site.receiver.reply = lambda got: Reply(410)
    site.happen("ann")
    site.work()
    assert site.status.state == "off"
    assert site.actions()[-1] == "webhook_off"
    site.happen("bob")
    site.work()
    assert len(site.receiver.got) == 1


def test_three_days_without_a_success_switch_the_webhook_off(site: Site) -> None:
    site.receiver.reply = lambda got: Reply(500)
    site.happen("ann")
    site.work()
    values = {"failing_since": now() - 3 * 86_400_000_000 - 1}
    webhooks.change(site.workspace.db, site.webhook, **values)
    site.make_due()
    site.work()
    assert site.status.state == "off"
    assert site.actions()[-1] == "webhook_off"


def test_the_last_try_makes_a_dead_letter(site: Site) -> None:
    site.receiver.reply = lambda got: Reply(500 if b'"ann"' in got.body else 200)
    site.happen("ann", "bob")
    for _ in range(10):
        site.make_due()
        site.work()
    assert site.users().count("ann") == 10
    (dead,) = site.waiting()
    assert dead.dead_at is not None
    assert (site.status.waiting, site.status.dead, site.status.behind_since) == (0, 1, None)
    # The next event about the same person is tried.
    site.happen("ann")
    site.work()
    assert site.users().count("ann") == 11


def test_a_receiver_that_is_down_fills_no_table_and_gets_all_when_it_is_back(site: Site) -> None:
    site.receiver.reply = lambda got: Reply(fault="reset")
    users = [f"user-{number}" for number in range(300)]
    site.happen(*users)
    site.work()
    tried = len(site.waiting())
    assert 5 <= tried <= 5 + site.webhook.lanes
    assert site.status.state == "failing"
    site.receiver.reply = lambda got: Reply()
    with working(site.installation):
        soon(lambda: len(site.receipts()) == 300)
    assert site.waiting() == []
    assert {got.event["data"]["user"]["id"] for got in site.receiver.confirmed} == set(users)


# --- workers that are killed, and stopped past their lease --------------------------------------------------------


@pytest.fixture
def worker_env(installation: Installation) -> dict[str, str]:
    """The settings of the installation as its workers get them."""
    return environment(installation.settings.state_dir, installation.settings.database_url)


def assert_all_arrived_in_order(site: Site) -> None:
    """Each event was confirmed, and those about each person came in order; some may have come again."""
    assert site.waiting() == []
    of_app = (JournalRow.app_id == site.workspace.app.id) & (JournalRow.action == "updated")
    happened: dict[str, list[str]] = {}
    for user, id in site.workspace.db.rows(JournalRow.select(JournalRow.user_uuid, JournalRow.id).where(of_app)):
        happened.setdefault(user, []).append(f"evt_1_{id}")
    first: dict[str, list[str]] = {}
    for got in site.receiver.confirmed:
        seen = first.setdefault(got.event["data"]["user"]["id"], [])
        if got.id not in seen:
            seen.append(got.id)
    assert first == {user: sorted(ids, key=lambda id: int(id[6:])) for user, ids in happened.items()}


def test_killed_workers_lose_nothing_and_keep_the_order(site: Site, worker_env: dict[str, str]) -> None:
    chance = random.Random(7)
    site.receiver.reply = lambda got: Reply(500 if chance.random() < 0.02 else 204, after=0.002)
    users = [f"user-{number}" for number in range(20)]

    def happen(times: int) -> None:
        entries = [Entry(Action.UPDATED, user=(user, user)) for user in users for _ in range(times)]
        site.workspace.db.transact(lambda: record(site.workspace, entries))

    for _ in range(4):
        before = len(site.receiver.got)
        happen(20)
        with worker_process.started(worker_env) as worker:
            soon(lambda before=before: len(site.receiver.got) > before + 150)
            worker.kill()
    site.receiver.reply = lambda got: Reply()
    soon(lambda: site.row.holder is None or site.row.leased_until < now())
    site.make_due()
    site.work()
    assert_all_arrived_in_order(site)
    assert len(site.receipts()) == 1600


def test_a_worker_that_was_stopped_past_its_lease_moves_nothing(site: Site, worker_env: dict[str, str]) -> None:
    site.receiver.reply = lambda got: Reply(after=0.005)
    users = [f"user-{number}" for number in range(20)]
    entries = [Entry(Action.UPDATED, user=(user, user)) for user in users for _ in range(10)]
    site.workspace.db.transact(lambda: record(site.workspace, entries))
    with worker_process.started(worker_env) as stalled:
        soon(lambda: len(site.receiver.got) > 20)
        stalled.send_signal(signal.SIGSTOP)
        holder = site.row.holder
        with worker_process.started(worker_env) as other:
            soon(lambda: len(site.receipts()) == 200)
            assert site.row.holder not in (holder, None)
            position = site.row.position
            stalled.send_signal(signal.SIGCONT)
            site.happen("user-1")
            soon(lambda: len(site.receipts()) == 201)
            assert site.row.position >= position
            assert site.row.holder != holder
            for process in (stalled, other):
                process.terminate()
                assert process.wait(20) == 0
    assert site.row.holder is None
    assert_all_arrived_in_order(site)


def test_a_worker_goes_on_when_the_database_is_back(site: Site, worker_env: dict[str, str]) -> None:
    url = worker_env["SCIMLITE_DATABASE_URL"]
    if not url.startswith("postgres"):
        pytest.skip("SQLite is a file.")
    with (
        Forwarder.to(url) as forwarder,
        worker_process.started({**worker_env, "SCIMLITE_DATABASE_URL": forwarder.url(url)}) as worker,
    ):
        soon(lambda: site.row.holder)
        forwarder.cut()
        site.happen("ann", "bob")
        time.sleep(0.5)
        assert worker.poll() is None
        forwarder.mend()
        soon(lambda: len(site.receipts()) == 2, 20)
    assert sorted(site.users()) == ["ann", "bob"]


def test_sigterm_waits_for_what_is_being_sent(site: Site, worker_env: dict[str, str]) -> None:
    site.receiver.reply = lambda got: Reply(after=1)
    site.happen("ann")
    with worker_process.started(worker_env) as worker:
        soon(lambda: site.receiver.got)
        worker.terminate()
        assert worker.wait(10) == 0
    assert len(site.receipts()) == len(site.receiver.got) == 1
    assert site.row.holder is None


# --- what the operator sees ---------------------------------------------------------------------------------------


def test_the_report_says_what_was_confirmed_and_what_not(site: Site) -> None:
    db, of_app = site.workspace.db, Selection(app_id=site.workspace.app.id)
    site.receiver.reply = lambda got: Reply(500 if b'"ann"' in got.body else 200)
    site.happen("ann", "bob")
    site.work()
    (waiting,) = confirmations.unconfirmed(db, of_app)
    assert waiting.user == "ann"
    site.receiver.reply = lambda got: Reply()
    site.make_due()
    site.work()
    assert list(confirmations.unconfirmed(db, of_app)) == []
    ann, bob = [entry for entry in confirmations.add(db, report.iterate(db, of_app)) if entry.action == "updated"]
    assert [(each.webhook, each.attempts) for each in (*ann.confirmations, *bob.confirmations)] == [
        ("crm", 2),
        ("crm", 1),
    ]
    assert re.search(r"\nconfirmed by webhook crm \d\d:\d\d:\d\d \(2 tries\)$", "\n" + description_of(ann))


def test_pruning_keeps_what_a_webhook_has_not_got(site: Site) -> None:
    db = site.workspace.db
    site.receiver.reply = lambda got: Reply(500)
    site.happen("ann")
    site.work()
    (holding,) = webhook_state.holding(db, now())
    assert holding.behind_since is not None
    assert webhook_state.holding(db, holding.behind_since) == []
    webhooks.pause(site.workspace, site.row)
    assert len(webhook_state.holding(db, now())) == 1
    # Its receiver was gone for days: it holds nothing up any more.
    db.transact(lambda: progress.switch_off(site.workspace, site.row, "nothing was confirmed for three days"))
    assert webhook_state.holding(db, now()) == []
    assert sum(pruning.prune(site.workspace, now() + 1))
    assert site.waiting() == site.receipts() == []


def test_a_new_epoch_sends_what_has_no_receipt(site: Site) -> None:
    site.happen("ann", "bob")
    site.work()
    site.happen("eve")
    epoch.begin(site.workspace)
    site.work()
    assert sorted(site.users()[:2]) == ["ann", "bob"]
    assert site.users()[2:] == ["eve"]
    assert "webhook_moved" in site.actions()


def test_replayed_events_have_their_ids_again(site: Site) -> None:
    site.happen("ann", "bob")
    site.work()
    ids = [got.id for got in site.receiver.got]
    assert replays.of_user(site.workspace, site.row, ("ann", "ann")) == 1
    site.work()
    assert site.users()[2:] == ["ann"]
    assert replays.since(site.workspace, site.row, site.row.created_at) == 2
    site.work()
    assert sorted(got.id for got in site.receiver.got[3:]) == sorted(ids)
    assert len(site.receipts()) == 2


def test_a_worker_without_a_database_waits_before_it_tries_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file is taken away; another one takes a second to be looked for."""
    file = tmp_path / "scimlite.db"
    opened = Installation.open(Settings.from_environment(environment(tmp_path, f"sqlite:///{file}")), create=True)
    worker = Worker(opened)
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        for path in tmp_path.glob("scimlite.db*"):
            path.unlink()
        time.sleep(2.5)
    finally:
        worker.stop()
        running.join(timeout=30)
        opened.db.close()
    assert not running.is_alive()
    told = [record for record in caplog.records if "worker:" in record.getMessage()]
    assert 1 <= len(told) <= 4
