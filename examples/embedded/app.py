"""A small application with a users page; an identity provider fills it through scimlite.

Settings: SCIM_DATABASE_URL, SCIM_SECRET_KEY (as SCIMLITE_SECRET_KEY of the commands), APP_DATABASE (a SQLite file).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from flask import Flask, render_template

from scimlite import Installation, signals

SCHEMA = """
CREATE TABLE IF NOT EXISTS person (id TEXT PRIMARY KEY, name TEXT, email TEXT, active INTEGER, groups TEXT);
CREATE TABLE IF NOT EXISTS event (at TEXT, what TEXT);
"""


def create_app() -> Flask:
    """The application: its own users page at `/`, and SCIM below `/scim/v2`."""
    app = Flask(__name__)
    own = os.environ.get("APP_DATABASE", "people.db")
    scim = Installation(os.environ.get("SCIM_DATABASE_URL", "sqlite:///scim.db"), os.environ["SCIM_SECRET_KEY"])
    app.register_blueprint(scim.blueprint(), url_prefix="/scim/v2")
    people = People(own)
    people.listen()
    # Receivers live as long as somebody knows them.
    app.extensions["people"] = people

    @app.get("/")
    def users() -> str:
        return render_template("users.html", people=people.everybody(), events=people.events())

    @app.errorhandler(404)
    def not_found(error: Exception) -> tuple[str, int]:
        return "This application has no such page.", 404

    return app


class People:
    """The application's own table of people, kept up to date by scimlite's signals."""

    def __init__(self, path: str) -> None:
        self.path = path
        with closing(self._open()) as db:
            db.executescript(SCHEMA)

    def listen(self) -> None:
        """Follow what happens to users and their groups."""
        for signal in (signals.user_created, signals.user_updated, signals.user_disabled, signals.user_enabled):
            signal.connect(self.store)
        signals.member_added.connect(self.store)
        signals.member_removed.connect(self.store)
        signals.user_deleted.connect(self.remove)
        for name in ("user_created", "user_updated", "user_disabled", "user_enabled", "user_deleted"):
            getattr(signals, name).connect(self._noting(name), weak=False)

    def store(self, sender: str, *, user_id: str, profile: dict[str, Any], **_: Any) -> None:
        """Write down a person as the profile says."""
        row = (user_id, profile["displayName"] or profile["userName"], profile["email"], profile["active"])
        with closing(self._open()) as db, db:
            db.execute("INSERT OR REPLACE INTO person VALUES (?, ?, ?, ?, ?)", (*row, ", ".join(profile["groups"])))

    def remove(self, sender: str, *, user_id: str, **_: Any) -> None:
        """Forget a person."""
        with closing(self._open()) as db, db:
            db.execute("DELETE FROM person WHERE id = ?", (user_id,))

    def _noting(self, name: str) -> Any:
        def note(sender: str, *, profile: dict[str, Any], **_: Any) -> None:
            with closing(self._open()) as db, db:
                at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
                db.execute("INSERT INTO event VALUES (?, ?)", (at, f"{name} {profile['userName']}"))

        return note

    def everybody(self) -> list[tuple[Any, ...]]:
        """Name, e-mail address, whether active, and groups of everybody."""
        with closing(self._open()) as db:
            return db.execute("SELECT name, email, active, groups FROM person ORDER BY name").fetchall()

    def events(self) -> list[tuple[str, str]]:
        """What happened last, the newest first."""
        with closing(self._open()) as db:
            return db.execute("SELECT at, what FROM event ORDER BY rowid DESC LIMIT 20").fetchall()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10)
