"""An application that knows who may use it: from scimlite's profiles, and then from its feed or a webhook.

It has a database of its own, in which what an event changes, and that it was applied, is one transaction. So nothing is
lost or done twice, whoever is killed and when.

    python app.py pull              reads everything, and then the feed, every other second
    python app.py begin             reads everything once, for who gets the rest by a webhook
    flask --app app.py run          has the page /people, and takes a webhook at /hooks/scim
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from flask import Flask, request

#: The API address and the token that `scimlite token issue SLUG --kind reader` prints, and the webhook's secret.
API = os.environ.get("SCIM_API", "http://127.0.0.1:8000/api/v1/entra-id")
TOKEN = os.environ.get("SCIM_TOKEN", "")
SECRET = os.environ.get("SCIM_WEBHOOK_SECRET", "")
DATABASE = os.environ.get("DATABASE", "consumer.db")

TABLES = """
CREATE TABLE IF NOT EXISTS person (id TEXT PRIMARY KEY, name TEXT, active INTEGER, version INTEGER, profile TEXT);
CREATE TABLE IF NOT EXISTS team (id TEXT PRIMARY KEY, name TEXT, version INTEGER);
CREATE TABLE IF NOT EXISTS team_member (team TEXT, person TEXT, PRIMARY KEY (team, person));
CREATE TABLE IF NOT EXISTS browser_session (person TEXT, cookie TEXT);
CREATE TABLE IF NOT EXISTS feed (cursor TEXT);
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY);
"""


def database() -> sqlite3.Connection:
    """A connection to the application's own database."""
    db = sqlite3.connect(DATABASE, isolation_level=None, timeout=30)
    db.executescript(TABLES)
    return db


# --- what an event changes ----------------------------------------------------------------------------------------


def apply(db: sqlite3.Connection, event: dict[str, Any]) -> None:
    """Brings this database to what an event says, within the caller's transaction."""
    data, kind = event["data"], event["type"]
    if "user" in data:
        apply_person(db, data["user"])
    if "group" in data:
        apply_team(db, data["group"])
    if kind == "group.member_added":
        db.execute("INSERT OR IGNORE INTO team_member VALUES (?, ?)", (data["group"]["id"], data["user"]["id"]))
    elif kind == "group.member_removed":
        db.execute("DELETE FROM team_member WHERE team = ? AND person = ?", (data["group"]["id"], data["user"]["id"]))


def apply_person(db: sqlite3.Connection, user: dict[str, Any]) -> None:
    """The state of a user is the newest there is; one with a lower version than ours was overtaken."""
    if not user.get("active"):
        # Disabled, deleted or erased: whoever it was is signed out, now.
        db.execute("DELETE FROM browser_session WHERE person = ?", (user["id"],))
    if "ended" in user:
        db.execute("DELETE FROM person WHERE id = ?", (user["id"],))
        db.execute("DELETE FROM team_member WHERE person = ?", (user["id"],))
        return
    db.execute(
        """INSERT INTO person VALUES (:id, :name, :active, :version, :profile)
        ON CONFLICT (id) DO UPDATE SET name = :name, active = :active, version = :version, profile = :profile
        WHERE person.version <= :version""",
        {**user, "active": int(user["active"]), "profile": json.dumps(user["profile"])},
    )


def apply_team(db: sqlite3.Connection, group: dict[str, Any]) -> None:
    """The same for a group."""
    if "ended" in group:
        db.execute("DELETE FROM team WHERE id = ?", (group["id"],))
        db.execute("DELETE FROM team_member WHERE team = ?", (group["id"],))
        return
    db.execute(
        """INSERT INTO team VALUES (:id, :name, :version)
        ON CONFLICT (id) DO UPDATE SET name = :name, version = :version WHERE team.version <= :version""",
        {name: group[name] for name in ("id", "name", "version")},
    )


# --- the feed -----------------------------------------------------------------------------------------------------


def ask(path: str, **parameters: str) -> Any:
    """GET from scimlite."""
    wanted = urllib.request.Request(f"{API}{path}?{urllib.parse.urlencode(parameters)}")
    wanted.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(wanted, timeout=30) as answer:
        return json.load(answer)


def pages(path: str, **parameters: str) -> Any:
    """All pages of a list."""
    while True:
        page = ask(path, **parameters)
        yield page
        if not page["more"]:
            return
        parameters["after"] = page["cursor"]


def begin(db: sqlite3.Connection) -> None:
    """Reads everything there is; the feed goes on from before the first page, so nothing is missing."""
    db.execute("BEGIN IMMEDIATE")
    for table in ("person", "team", "team_member", "feed"):
        db.execute(f"DELETE FROM {table}")
    cursor = None
    for page in pages("/profiles", limit="1000"):
        cursor = cursor or page["feed"]
        for user in page["profiles"]:
            apply_person(db, user)
    for page in pages("/groups", limit="1000"):
        for group in page["groups"]:
            apply_team(db, group)
            for members in pages(f"/groups/{group['id']}/members", limit="1000"):
                ids = [(group["id"], each["id"]) for each in members["members"] if each["type"] == "User"]
                db.executemany("INSERT OR IGNORE INTO team_member VALUES (?, ?)", ids)
    db.execute("INSERT INTO feed VALUES (?)", (cursor,))
    db.execute("COMMIT")


def pull(db: sqlite3.Connection) -> bool:
    """Applies one page of the feed; returns whether there is more."""
    row = db.execute("SELECT cursor FROM feed").fetchone()
    if row is None:
        begin(db)
        return True
    page = ask("/events", after=row[0], limit="500")
    db.execute("BEGIN IMMEDIATE")
    for event in page["events"]:
        apply(db, event)
    # In the transaction of what the events changed: each is applied once.
    db.execute("UPDATE feed SET cursor = ?", (page["cursor"],))
    db.execute("COMMIT")
    return bool(page["more"])


def pull_for_ever(pause: float) -> None:
    """Follows the feed; what scimlite cannot answer now is asked again."""
    db = database()
    while True:
        try:
            while pull(db):
                pass
        except urllib.error.HTTPError as error:
            if error.code == 410:
                db.execute("DELETE FROM feed")
                continue
            print(f"scimlite answers {error.code}", file=sys.stderr)
        except OSError as error:
            print(f"scimlite cannot be reached: {error}", file=sys.stderr)
        if db.in_transaction:
            db.execute("ROLLBACK")
        time.sleep(pause)


# --- the web application ------------------------------------------------------------------------------------------

app = Flask(__name__)


@app.get("/people")
def people() -> list[dict[str, Any]]:
    """Who may use the application."""
    with database() as db:
        rows = db.execute("SELECT name, active FROM person ORDER BY name").fetchall()
    return [{"name": name, "active": bool(active)} for name, active in rows]


@app.post("/hooks/scim")
def hook() -> tuple[str, int]:
    """One event of a webhook: verified, and applied unless it came before."""
    body = request.get_data()
    if not is_signed(body):
        return "not signed by scimlite", 401
    db = database()
    db.execute("BEGIN IMMEDIATE")
    new = db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (request.headers["webhook-id"],)).rowcount
    if new:
        apply(db, json.loads(body))
    db.execute("COMMIT")
    db.close()
    return "", 204


def is_signed(body: bytes) -> bool:
    """Whether a request has a signature of Standard Webhooks by our secret, made within five minutes."""
    id, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > 300:
        return False
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{id}.{stamp}.".encode() + body, hashlib.sha256)
    expected = f"v1,{base64.b64encode(digest).decode()}"
    given = request.headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected, each) for each in given)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["pull"]:
            pull_for_ever(float(os.environ.get("PAUSE", "2")))
        case ["begin"]:
            begin(database())
        case _:
            sys.exit("Usage: python app.py pull | begin")
