"""What docs/when-it-breaks.md says that clients, the log, health and commands show of a PostgreSQL in trouble."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from commands import Commands
from installation import Installation
from postgres_server import empty_database
from scim_client import ScimClient, assert_scim_error

#: It takes the database away.
OWN_SERVICE = True

PAGE = (Path(__file__).parents[2] / "docs" / "when-it-breaks.md").read_text()
#: Roles are the whole server's, which other processes of the test run use too.
ROLE, PASSWORD = f"outage{os.getpid()}", "a password for tests"


class Site:
    """A service whose role and database the administrator of PostgreSQL changes under it."""

    def __init__(self, installation: Installation, admin: psycopg.Connection, url: str) -> None:
        self.installation, self.admin, self.url = installation, admin, url
        self.app = installation.app()
        installation.db.close()

    def do(self, *statements: str) -> None:
        """Run statements as the administrator, then end the sessions of the service."""
        for statement in statements:
            self.admin.execute(statement.encode())
        self.admin.execute("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = %s", (ROLE,))

    def client(self) -> ScimClient:
        return self.app.client.another()

    @contextmanager
    def logs(self, pattern: str) -> Iterator[None]:
        """Check that the log says within the block that the database is unavailable, and why."""
        before = len(self.installation.log())
        yield
        said = self.installation.log()[before:]
        assert re.search(rf"database unavailable since \S+ \S+: {pattern}", said), said

    def assert_not_ready(self, words: str) -> None:
        """Both health checks say in a few words what is wrong, and no more; the process is alive."""
        for path in ("/healthz", "/readyz"):
            answer = ScimClient(self.installation.url).get(path)
            assert answer.status == 503
            assert words in answer.content.decode()
            assert ROLE not in answer.content.decode()
        assert ScimClient(self.installation.url).get("/livez").status == 200

    def assert_command_says(self, words: str) -> None:
        said = Commands(self.installation.env).process("app", "disable", self.app.slug)
        assert (said.code, said.out) == (1, "")
        assert words in said.err
        assert said.err.count("\n") == 1


@pytest.fixture(scope="module")
def site(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with psycopg.connect(postgres_url, autocommit=True) as admin, empty_database(postgres_url) as url:
        name = urlsplit(url).path.lstrip("/")
        admin.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'".encode())
        admin.execute(f"ALTER DATABASE {name} OWNER TO {ROLE}".encode())
        host = urlsplit(url).netloc.rsplit("@", 1)[1]
        own = urlunsplit(urlsplit(url)._replace(netloc=f"{ROLE}:{PASSWORD.replace(' ', '%20')}@{host}"))
        installation = Installation.new(own, tmp_path_factory.mktemp("outages"))
        try:
            installation.start(workers=1)
            yield Site(installation, admin, own)
        finally:
            installation.stop()
            admin.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER".encode())
            admin.execute(f"REASSIGN OWNED BY {ROLE} TO CURRENT_USER".encode())
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"DROP ROLE {ROLE}".encode())


def assert_works(site: Site, name: str) -> None:
    site.client().user(name).ok(201)
    ScimClient(site.installation.url).get("/healthz").ok(200)


def test_read_only(site: Site) -> None:
    database = urlsplit(site.url).path.lstrip("/")
    site.do(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with site.logs(re.escape("it is read-only (25006 ")):
        assert_scim_error(site.client().user("a"), 503)
    site.client().get("/Users").ok(200)
    site.assert_not_ready("it is read-only")
    site.assert_command_says("it is read-only (25006 ")
    site.admin.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only".encode())
    # Without a restart, and without anybody who ends its sessions.
    assert_works(site, "after read-only")


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1", f"FATAL: too many connections for role {ROLE}"),
        ("PASSWORD 'x'", f"PASSWORD '{PASSWORD}'", f"FATAL: password authentication failed for user {ROLE}"),
    ],
    ids=["no connection left", "a wrong password"],
)
def test_connections_that_the_server_refuses(site: Site, wrong: str, right: str, words: str) -> None:
    site.do(f"ALTER ROLE {ROLE} {wrong}")
    with site.logs(rf"it cannot be reached \(.*{words}"):
        for answer in (site.client().user("a"), site.client().get("/Users")):
            assert_scim_error(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
    site.assert_not_ready("it cannot be reached")
    site.assert_command_says(words)
    assert words.replace(ROLE, "scimlite") in " ".join(PAGE.split())
    site.do(f"ALTER ROLE {ROLE} {right}")
    assert_works(site, f"after {wrong}")
