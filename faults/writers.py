"""Clients that write without a pause, each a ledger of its own users, while something happens to the service."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from ledger import Ledger, State, Verdict

from scim_client import Answer, ScimClient, add_members

CLIENTS = 4
#: Seconds after which a client gives up; the service's deadline is far below.
PATIENCE = 30.0
#: Seconds between the turns of a client, so that the ledger stays readable, and after trouble.
PAUSE, PAUSE_AFTER_TROUBLE = 0.01, 0.05
#: The group to which all writers add; each has one of its own too.
EVERYBODY = "everybody"

Request = Callable[[ScimClient], Answer]


@dataclass(frozen=True)
class Allowed:
    """What answers may be while something happens to the service."""

    #: A connection may break or be refused.
    resets: bool = False
    #: A change that was answered with 503 may have been made.
    doubtful: bool = False
    #: What was created meanwhile may be 404: a server answers that does not know yet that another one has taken over.
    stale: bool = False


NOTHING_ELSE = Allowed()


class Writers:
    """Several clients of one app. `client` makes a new connection to where the service is now."""

    def __init__(self, client: Callable[[], ScimClient], ledger: Ledger, allowed: Allowed) -> None:
        self.ledger = ledger
        self._client = client
        self._allowed = allowed
        self._stopped = threading.Event()
        #: Name to id of each group.
        self.groups: dict[str, str] = {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """They write as long as the block lasts."""
        for name in (EVERYBODY, *(f"group {number}" for number in range(CLIENTS))):
            self.groups[name] = self._client().group(name).ok(201).id
        with ThreadPoolExecutor(CLIENTS) as pool:
            writers = [pool.submit(self._write, number) for number in range(CLIENTS)]
            try:
                yield
            finally:
                self._stopped.set()
            for writer in writers:
                writer.result()

    def compare(self) -> None:
        """Compare the ledger with what the service holds now."""
        client = self._client()
        users: list[dict[str, str]] = []
        while page := client.find("Users", startIndex=len(users) + 1, count=1000)["Resources"]:
            users += page
        self.ledger.compare(users, {name: client.members(id) for name, id in self.groups.items()})

    def _write(self, number: int) -> None:
        writer = _Writer(self._client, self.ledger, self._allowed, number, self.groups)
        turn = 0
        while not self._stopped.wait(PAUSE):
            turn += 1
            writer.take_turn(turn)


class _Writer:
    """One client: its connection, and the user of its present turn."""

    def __init__(
        self,
        client: Callable[[], ScimClient],
        ledger: Ledger,
        allowed: Allowed,
        number: int,
        groups: dict[str, str],
    ) -> None:
        self._client, self._ledger, self._allowed = client, ledger, allowed
        self._number, self._groups = number, groups
        self._connection: ScimClient | None = None

    def take_turn(self, turn: int) -> None:
        """Create a user, change it, put it into two groups; delete every third one; want a name that others want."""
        name = f"user {self._number}-{turn}"
        self._create(name)
        account = self._ledger.accounts[name]
        state = State(0)
        for step in range(3):
            if not account.certain or account.id is None:
                break
            if step == 0:
                state = self._change(name, account.id, state)
            else:
                state = self._join(name, account.id, state, EVERYBODY if step == 1 else f"group {self._number}")
        if turn % 3 == 0 and account.certain and account.id is not None:
            id = account.id
            self._send(name, None, 204, lambda client: client.delete(f"/Users/{id}"))
        self._create(f"wanted {turn}", contested=True)

    def _create(self, name: str, *, contested: bool = False) -> None:
        values = dict.fromkeys(("title", "nickName", "displayName"), "0")
        self._send(name, State(0), 201, lambda client: client.user(name, **values), 409 if contested else 201)

    def _change(self, name: str, id: str, state: State) -> State:
        values = dict.fromkeys(("title", "nickName", "displayName"), str(state.turn + 1))
        return self._patch(name, state, State(state.turn + 1, state.groups), f"/Users/{id}", "replace", values)

    def _join(self, name: str, id: str, state: State, group: str) -> State:
        added = State(state.turn, state.groups | {group})
        path = f"/Groups/{self._groups[group]}?excludedAttributes=members"
        done = self._send(name, added, 200, lambda client: client.patch(path, add_members(id)))
        return added if done else state

    def _patch(self, name: str, state: State, after: State, path: str, op: str, values: dict[str, str]) -> State:
        done = self._send(name, after, 200, lambda client: client.patch(path, {"op": op, "value": values}))
        return after if done else state

    def _send(self, name: str, state: State | None, status: int, request: Request, harmless: int = 0) -> bool:
        """Send a write and enter its outcome; returns whether it was acknowledged.

        `harmless` is a status that says that somebody else was first.
        """
        began = time.monotonic()
        try:
            answer = request(self._connected())
        except (http.client.HTTPException, OSError) as error:
            self._ledger.took(time.monotonic() - began)
            self._lost_connection(name, state, error)
            return False
        self._ledger.took(time.monotonic() - began)
        verdict = self._judge(answer, status, harmless)
        id = answer.id if verdict is Verdict.DONE and status == 201 else None
        self._ledger.enter(name, state, verdict, id=id)
        return verdict is Verdict.DONE

    def _connected(self) -> ScimClient:
        if self._connection is None:
            self._connection = self._client().another(again=False, timeout=PATIENCE)
        return self._connection

    def _lost_connection(self, name: str, state: State | None, error: Exception) -> None:
        # The next one goes to where the service is then.
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        refused = isinstance(error, ConnectionRefusedError)
        self._ledger.enter(name, state, Verdict.REFUSED if refused else Verdict.UNKNOWN)
        if isinstance(error, TimeoutError):
            label = "no answer"
        else:
            label = "connection refused" if refused else "connection reset"
        self._ledger.trouble_came(label)
        if label == "no answer" or not self._allowed.resets:
            self._ledger.find("answer", f"{label}: {error!r}")
        time.sleep(PAUSE_AFTER_TROUBLE)

    def _judge(self, answer: Answer, status: int, harmless: int) -> Verdict:
        if answer.status == status:
            return Verdict.DONE
        if answer.status == harmless:
            return Verdict.REFUSED
        self._ledger.trouble_came(str(answer.status))
        time.sleep(PAUSE_AFTER_TROUBLE)
        if answer.status == 404 and self._allowed.stale:
            return Verdict.UNKNOWN
        if answer.status != 503:
            self._ledger.find("answer", f"{answer.status}: {answer.content[:300]!r}")
            return Verdict.UNKNOWN
        if not answer.headers.get("retry-after", "").isdigit():
            self._ledger.find("answer", f"503 without Retry-After: {answer.content[:300]!r}")
        doubtful = self._allowed.doubtful or b"may have been made" in answer.content
        return Verdict.UNKNOWN if doubtful else Verdict.REFUSED
