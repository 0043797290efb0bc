"""How many statements a read takes: none for each row of a page, and none for groups beside the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask

from installation import OPERATOR
from scimlite import installation, scim_blueprint
from scimlite.admin import apps, tokens
from scimlite.apps.keyring import Keyring
from scimlite.apps.workspace import Workspace
from scimlite.config import Settings
from scimlite.db import Database, migration
from scimlite.journal import Scope

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
#: What `{user}` and `{group}` stand for is asked for, and how many statements that takes, authentication included.
READS = [
    ("/Users/{user}", 2),
    ("/Users/{user}?excludedAttributes=groups", 2),
    ("/Users?filter=" + quote('userName eq "user3@example.com"'), 2),
    ("/Users?filter=" + quote('externalId eq "ext-3"'), 2),
    ("/Users?filter=" + quote('emails[type eq "work"].value eq "user3@example.com"'), 2),
    ("/Users?filter=" + quote('userName eq "nobody"'), 2),
    ("/Users/nobody", 2),
    ("/Groups/{group}", 3),
    ("/Groups/{group}?excludedAttributes=members", 2),
    ("/Groups?excludedAttributes=members&filter=" + quote('displayName eq "everybody"'), 2),
    # The page and the groups of its users; the total where the page does not tell it.
    ("/Users?count=100", 3),
    ("/Users?count=5", 4),
    ("/Users?startIndex=3&count=5", 4),
    ("/Users?startIndex=9&count=5&excludedAttributes=groups", 3),
]


class Client:
    """Asks an application in this process and counts the statements that it runs."""

    def __init__(self, db: Database, keyring: Keyring) -> None:
        app = Flask("statements")
        app.register_blueprint(scim_blueprint(db, keyring), url_prefix="/scim/v2")
        self._client = app.test_client()
        made = apps.create(Scope(db, OPERATOR), "statements")
        _, token = tokens.issue(Workspace(db, OPERATOR, made), keyring)
        self._base = f"/scim/v2/{made.slug}"
        self._headers = {"Authorization": f"Bearer {token}"}
        self.db = db
        #: Those of the last `get`.
        self.statements: list[str] = []

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._client.post(self._base + path, json=body, headers=self._headers)
        assert answer.status_code == 201, answer.text
        return answer.json

    def get(self, path: str) -> Any:
        with self.db.counting() as statements:
            answer = self._client.get(self._base + path, headers=self._headers)
        # The state of the data reads no table.
        self.statements = [sql for sql in statements if "data_version" not in sql and "pg_current_snapshot" not in sql]
        return answer


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    """An app, and a client that counts."""
    db = installation.database(settings)
    migration.upgrade(db)
    yield Client(db, Keyring(settings.secret_keys))
    db.close()


@pytest.fixture
def places(client: Client) -> dict[str, str]:
    """Ten users who are all in a group that is in another one."""
    users = []
    for number in range(10):
        name = f"user{number}@example.com"
        body = {"userName": name, "externalId": f"ext-{number}", "emails": [{"value": name, "type": "work"}]}
        users.append(client.post("/Users", {"schemas": [USER], **body}))
    members = [{"value": user["id"]} for user in users]
    group = client.post("/Groups", {"schemas": [GROUP], "displayName": "everybody", "members": members})
    client.post("/Groups", {"schemas": [GROUP], "displayName": "above", "members": [{"value": group["id"]}]})
    client.get(f"/Users/{users[3]['id']}")
    return {"user": users[3]["id"], "group": group["id"]}


def test_reads_take_few_statements(client: Client, places: dict[str, str]) -> None:
    for path, most in READS:
        answer = client.get(path.format_map(places))
        assert answer.status_code == (404 if path.endswith("/nobody") else 200)
        # Fewer where the total is still known.
        assert len(client.statements) <= most, (path, client.statements)


def test_a_total_is_counted_again_when_anything_was_written(client: Client, places: dict[str, str]) -> None:
    def total() -> int:
        return int(client.get("/Users?count=2").json["totalResults"])

    assert total() == 10
    client.post("/Users", {"schemas": [USER], "userName": "written by the same connection"})
    assert total() == 11
    with ThreadPoolExecutor(1) as another:
        another.submit(client.post, "/Users", {"schemas": [USER], "userName": "and by another one"}).result()
        another.submit(client.db.close).result()
    assert total() == 12
    # On PostgreSQL a write to any database of the server has it counted again, and other tests write.
    for _ in range(20):
        assert int(client.get("/Users?startIndex=3&count=2").json["totalResults"]) == 12
        if not [each for each in client.statements if "count(" in each.lower()]:
            break
    else:
        pytest.fail("the total is counted each time")


def test_groups_are_the_same_however_a_user_is_found(client: Client, places: dict[str, str]) -> None:
    alone = client.get(f"/Users/{places['user']}").json
    assert [(each["display"], each["type"]) for each in alone["groups"]] == [
        ("everybody", "direct"),
        ("above", "indirect"),
    ]
    found = client.get("/Users?filter=" + quote('userName eq "user3@example.com"')).json["Resources"]
    page = [each for each in client.get("/Users").json["Resources"] if each["id"] == alone["id"]]
    assert found == page == [alone]
