"""What each SCIMLITE_* variable accepts, what it refuses, and how the secret key's file comes to be."""

import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from scimlite.clock import DAY
from scimlite.config import VARIABLES, Settings
from scimlite.errors import ConfigError
from scimlite.secret_keys import load_or_create

KEY = "k" * 32
OLD_KEY = "o" * 32
POSTGRES = {"SCIMLITE_DATABASE_URL": "postgresql://db/scim", "SCIMLITE_SECRET_KEY": KEY}


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


def read(**variables):
    return Settings.from_environment({"HOME": "/home/alice", **variables})


def refused(**variables):
    with pytest.raises(ConfigError) as caught:
        read(**variables)
    return caught.value


def test_an_empty_environment_is_a_working_sqlite_installation():
    settings = Settings.from_environment({"HOME": "/home/alice"})
    assert settings.state_dir == Path("/home/alice/.local/state/scimlite")
    assert settings.database_url == "sqlite:////home/alice/.local/state/scimlite/scimlite.db"
    assert settings.database_is_default
    assert settings.secret_keys == ()
    assert settings.base_url is None
    assert settings.trusted_proxies == ()
    assert (settings.max_body, settings.max_results, settings.default_count) == (16 * 2**20, 1000, 100)
    assert (settings.max_operations, settings.max_comparisons) == (1000, 1_000_000)
    assert (settings.max_values, settings.max_attribute_values) == (50_000, 10_000)
    assert (settings.max_name, settings.max_text, settings.max_document) == (4096, 65_536, 2**20)
    assert (settings.max_passwords, settings.max_hashes) == (50, 2)
    assert settings.retention == 30 * DAY
    assert (settings.busy_timeout, settings.prepare_threshold) == (5.0, "auto")


def test_every_variable_is_read(tmp_path):
    settings = Settings.from_environment(
        {
            "SCIMLITE_STATE_DIR": str(tmp_path),
            "SCIMLITE_DATABASE_URL": "postgres://scim:pw@db:5433/scim?sslmode=require",
            "SCIMLITE_SECRET_KEY": f"{KEY}, {OLD_KEY}\n",
            "SCIMLITE_BASE_URL": "https://scim.example.com/hr/",
            "SCIMLITE_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,2001:db8::/32",
            "SCIMLITE_MAX_BODY": "1048576",
            "SCIMLITE_MAX_RESULTS": "500",
            "SCIMLITE_DEFAULT_COUNT": "50",
            "SCIMLITE_MAX_OPERATIONS": "200",
            "SCIMLITE_MAX_COMPARISONS": "5000",
            "SCIMLITE_MAX_VALUES": "500",
            "SCIMLITE_MAX_ATTRIBUTE_VALUES": "100",
            "SCIMLITE_MAX_NAME": "256",
            "SCIMLITE_MAX_TEXT": "4096",
            "SCIMLITE_MAX_DOCUMENT": "65536",
            "SCIMLITE_MAX_PASSWORDS": "5",
            "SCIMLITE_MAX_HASHES": "4",
            "SCIMLITE_RETENTION": "7d",
            "SCIMLITE_BUSY_TIMEOUT": "0.5",
            "SCIMLITE_PREPARE_THRESHOLD": "off",
            "SCIMLITE_HOST": "0.0.0.0",
            "SCIMLITE_PORT": "8080",
            "SCIMLITE_WORKERS": "8",
            "SCIMLITE_THREADS": "16",
            "SCIMLITE_LOG": "json",
            "SCIMLITE_OUTBOUND_NETWORKS": "127.0.0.0/8,fd00::/8",
            "SCIMLITE_APP": "entra-id",
        }
    )
    assert settings == Settings(
        state_dir=tmp_path,
        database_url="postgresql://scim:pw@db:5433/scim?sslmode=require",
        database_is_default=False,
        secret_keys=(KEY, OLD_KEY),
        base_url="https://scim.example.com/hr",
        trusted_proxies=tuple(map(ip_network, ("127.0.0.1/32", "10.0.0.0/8", "2001:db8::/32"))),
        max_body=1048576,
        max_results=500,
        default_count=50,
        max_operations=200,
        max_comparisons=5000,
        max_values=500,
        max_attribute_values=100,
        max_name=256,
        max_text=4096,
        max_document=65536,
        max_passwords=5,
        max_hashes=4,
        retention=7 * DAY,
        busy_timeout=0.5,
        prepare_threshold=None,
        host="0.0.0.0",
        port=8080,
        workers=8,
        threads=16,
        log="json",
        outbound_networks=(ip_network("127.0.0.0/8"), ip_network("fd00::/8")),
        app="entra-id",
    )


@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_value_is_refused_rather_than_ignored(name):
    error = refused(**{name: " "})
    assert error.variable == name
    assert "is empty" in str(error)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SCIMLITE_DATABSE_URL", "did you mean SCIMLITE_DATABASE_URL?"),
        ("SCIMLITE_SECRET_KEYS", "did you mean SCIMLITE_SECRET_KEY?"),
        ("SCIMLITE_XYZZY", "the settings are SCIMLITE_STATE_DIR, "),
    ],
)
def test_a_misspelt_variable_is_refused(name, hint):
    error = refused(**{name: "x"})
    assert error.variable == name
    assert hint in str(error)


@pytest.mark.parametrize(
    "name",
    [
        "SCIMLITE_TEST_PG_URL",
        "SCIMLITE_SERVICE_HOST",
        "SCIMLITE_SERVICE_PORT",
        "SCIMLITE_SERVICE_PORT_HTTP",
        "SCIMLITE_PORT",
        "SCIMLITE_PORT_8000_TCP",
        "SCIMLITE_PORT_8000_TCP_ADDR",
        "SCIMLITE_DB_SERVICE_HOST",
        "SCIMLITE_DB_PORT_5432_TCP_PROTO",
    ],
)
def test_what_kubernetes_and_the_tests_put_into_the_environment_is_no_misspelling(name):
    assert read(**{name: "tcp://10.0.0.1:8000"}) == read()


class TestStateDir:
    def test_xdg_state_home_comes_before_home(self):
        assert read(XDG_STATE_HOME="/srv/state").state_dir == Path("/srv/state/scimlite")

    def test_a_relative_xdg_state_home_is_ignored(self):
        assert read(XDG_STATE_HOME="state").state_dir == Path("/home/alice/.local/state/scimlite")

    def test_a_relative_folder_begins_where_the_command_was_started(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        settings = read(SCIMLITE_STATE_DIR="./var")
        assert settings.state_dir == tmp_path / "var"
        assert settings.database_url == f"sqlite:///{tmp_path}/var/scimlite.db"

    @pytest.mark.parametrize("value", ["sqlite:///scim.db", "file:///srv", "/srv/a\nb", "/srv/\x1b[2J"])
    def test_what_is_no_folder_is_refused(self, value):
        error = refused(SCIMLITE_STATE_DIR=value)
        assert error.variable == "SCIMLITE_STATE_DIR"
        assert str(error).isprintable()

    def test_reading_settings_creates_nothing(self, state_dir):
        read(SCIMLITE_STATE_DIR=str(state_dir))
        assert not state_dir.exists()


class TestDatabaseURL:
    def test_a_sqlite_path_is_taken_as_it_is_written(self):
        settings = read(SCIMLITE_DATABASE_URL="sqlite:////srv/100%25 übung#1.db")
        assert settings.database_url == "sqlite:////srv/100%25 übung#1.db"
        assert not settings.database_is_default

    def test_a_relative_sqlite_path_begins_where_the_command_was_started(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        settings = read(SCIMLITE_DATABASE_URL="sqlite:///data/x.db")
        assert settings.database_url == f"sqlite:///{tmp_path}/data/x.db"

    @pytest.mark.parametrize("url", ["postgresql://", "postgresql://a,b:5433/x?target_session_attrs=read-write"])
    def test_libpq_decides_what_a_postgresql_url_is(self, url):
        assert read(**POSTGRES | {"SCIMLITE_DATABASE_URL": url}).database_url == url

    @pytest.mark.parametrize(
        "url",
        [
            "/srv/scim.db",
            "mysql://db/scim",
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite:///data/",
            "sqlite://data.db",
            "sqlite:///x.db?timeout=5",
            "postgresql:db",
            "postgresql://db:port/scim",
            "postgresql://db/scim?sslmod=require",
        ],
    )
    def test_other_urls_are_refused(self, url):
        error = refused(SCIMLITE_DATABASE_URL=url, SCIMLITE_SECRET_KEY=KEY)
        assert error.variable == "SCIMLITE_DATABASE_URL"
        assert repr(url) in str(error)

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://scim:hunter2@db:port/scim",
            "postgresql://scim:hunter2@x@db/scim?nonsense",
            "postgresql://scim:hunter2/x@db/scim",
            "postgresql://db/scim?password=hunter2&nonsense=1",
            "mysql://scim:hunter2@db/scim",
            "postgresql:scim:hunter2@db/scim",
            "scim:hunter2@db/scim",
            "host=db user=scim password=hunter2 dbname=scim",
            "host=db password = 'hunter2 \\'hunter2'",
            "postgresql://db/scim?%70assword=hunter2&nonsense=1",
        ],
    )
    def test_a_refusal_does_not_show_the_password(self, url):
        error = refused(SCIMLITE_DATABASE_URL=url, SCIMLITE_SECRET_KEY=KEY)
        assert "hunter2" not in str(error)
        assert "***" in str(error)
        assert error.__cause__ is None

    def test_a_secret_in_the_wrong_variable_is_not_shown(self):
        assert KEY not in str(refused(SCIMLITE_DATABASE_URL=KEY, SCIMLITE_SECRET_KEY=KEY))

    @pytest.mark.parametrize(
        ("url", "label"),
        [
            ("postgresql://scim:hunter2@db/scim", "postgresql://scim:***@db/scim"),
            ("postgresql://scim@db/scim", "postgresql://scim@db/scim"),
            ("postgresql://db:5432/scim", "postgresql://db:5432/scim"),
            (
                "postgresql://db/scim?password=hunter2&sslmode=require",
                "postgresql://db/scim?password=***&sslmode=require",
            ),
            ("postgresql://db/scim?%70assword=hunter2", "postgresql://db/scim?%70assword=***"),
            ("postgresql://db/scim?sslpassword=hunter2", "postgresql://db/scim?sslpassword=***"),
        ],
    )
    def test_people_see_the_database_without_its_password(self, url, label):
        settings = read(**POSTGRES | {"SCIMLITE_DATABASE_URL": url})
        assert settings.database_label == label
        assert "hunter2" not in repr(settings)


class TestBaseURL:
    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("http://localhost:8000", "http://localhost:8000"),
            ("https://scim.example.com/", "https://scim.example.com"),
            ("https://[2001:db8::1]:8443/hr//", "https://[2001:db8::1]:8443/hr"),
        ],
    )
    def test_slashes_at_the_end_are_dropped(self, url, address):
        assert read(SCIMLITE_BASE_URL=url).base_url == address

    @pytest.mark.parametrize(
        "url",
        [
            "scim.example.com",
            "ftp://scim.example.com",
            "https://",
            "https:///path",
            "https://scim.example.com:port",
            "https://scim.example.com:0",
            "https://[2001:db8::1",
            "https://scim.example.com?x=1",
            "https://scim.example.com/?",
            "https://scim.example.com/#top",
            "https://scim.example.com/a b",
            "https://scim.exämple.com",
        ],
    )
    def test_what_is_no_address_is_refused(self, url):
        error = refused(SCIMLITE_BASE_URL=url)
        assert error.variable == "SCIMLITE_BASE_URL"
        assert repr(url) in str(error)

    @pytest.mark.parametrize("url", ["https://scim.example.com/scim/v2", "https://example.com/x/SCIM/v2/"])
    def test_the_path_scimlite_adds_itself_is_refused_with_a_reason(self, url):
        assert "leave out /scim/v2" in str(refused(SCIMLITE_BASE_URL=url))

    def test_credentials_are_refused_and_not_shown(self):
        error = refused(SCIMLITE_BASE_URL="https://alice:hunter2@scim.example.com")
        assert "hunter2" not in str(error)


@pytest.mark.parametrize("variable", ["SCIMLITE_TRUSTED_PROXIES", "SCIMLITE_OUTBOUND_NETWORKS"])
@pytest.mark.parametrize("value", ["proxy.example.com", "10.0.0.1/8", "10.0.0.0/33", "127.0.0.1,", "*"])
def test_networks_are_addresses_and_networks(variable, value):
    error = refused(**{variable: value})
    assert error.variable == variable
    assert f"holds {value.split(',')[-1]!r}: give IP addresses or networks" in str(error)


class TestNumbers:
    @pytest.mark.parametrize(
        "name",
        [
            "SCIMLITE_MAX_BODY",
            "SCIMLITE_MAX_RESULTS",
            "SCIMLITE_DEFAULT_COUNT",
            "SCIMLITE_MAX_OPERATIONS",
            "SCIMLITE_MAX_COMPARISONS",
            "SCIMLITE_MAX_VALUES",
            "SCIMLITE_MAX_ATTRIBUTE_VALUES",
            "SCIMLITE_MAX_NAME",
            "SCIMLITE_MAX_TEXT",
            "SCIMLITE_MAX_DOCUMENT",
            "SCIMLITE_MAX_PASSWORDS",
        ],
    )
    @pytest.mark.parametrize("value", ["0", "-1", "+5", "1_000", "1e3", "16M", "٥", "ten", "9" * 13])
    def test_a_limit_is_a_whole_number_of_at_least_one(self, name, value):
        error = refused(**{name: value})
        assert error.variable == name
        assert repr(value) in str(error)

    @pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e3", "3601", "5s", "1_0"])
    def test_the_busy_timeout_is_seconds(self, value):
        assert refused(SCIMLITE_BUSY_TIMEOUT=value).variable == "SCIMLITE_BUSY_TIMEOUT"

    @pytest.mark.parametrize("value", ["-1", "1.5", "30h", "d", "100000"])
    def test_the_retention_time_is_days(self, value):
        assert refused(SCIMLITE_RETENTION=value).variable == "SCIMLITE_RETENTION"

    @pytest.mark.parametrize("value", ["-1", "never", "1.5"])
    def test_the_prepare_threshold_is_a_number_or_off(self, value):
        assert refused(SCIMLITE_PREPARE_THRESHOLD=value).variable == "SCIMLITE_PREPARE_THRESHOLD"

    def test_zero_is_a_timeout_and_a_threshold(self):
        settings = read(SCIMLITE_BUSY_TIMEOUT="0", SCIMLITE_PREPARE_THRESHOLD="0")
        assert (settings.busy_timeout, settings.prepare_threshold) == (0.0, 0)

    def test_a_page_holds_no_more_than_the_most_results(self):
        assert read(SCIMLITE_MAX_RESULTS="50").default_count == 50
        error = refused(SCIMLITE_MAX_RESULTS="50", SCIMLITE_DEFAULT_COUNT="51")
        assert error.variable == "SCIMLITE_DEFAULT_COUNT"


class TestSecretKeys:
    def test_postgresql_needs_a_given_key(self):
        error = refused(SCIMLITE_DATABASE_URL="postgresql://db/scim")
        assert error.variable == "SCIMLITE_SECRET_KEY"
        assert "is not set" in str(error)

    @pytest.mark.parametrize("keys", ["hunter2", f"{KEY},", f"{KEY},hunter2", f",{KEY}", "hunter2" * 4])
    def test_a_short_key_is_refused_and_not_shown(self, keys):
        error = refused(SCIMLITE_SECRET_KEY=keys)
        assert error.variable == "SCIMLITE_SECRET_KEY"
        assert "at least 32 random bytes" in str(error)
        assert "hunter2" not in str(error)

    def test_bytes_are_counted_not_characters(self):
        assert read(SCIMLITE_SECRET_KEY="ü" * 16).secret_keys == ("ü" * 16,)

    def test_a_key_that_is_not_utf8_is_refused_and_not_shown(self):
        error = refused(SCIMLITE_SECRET_KEY=os.fsdecode(b"hunter2\xff" * 8))
        assert "is not UTF-8" in str(error)
        assert "hunter2" not in str(error)
        assert error.__cause__ is None

    def test_repr_shows_no_key(self):
        assert KEY not in repr(read(SCIMLITE_SECRET_KEY=KEY))

    def test_a_given_key_creates_no_file(self, state_dir):
        settings = read(SCIMLITE_STATE_DIR=str(state_dir), SCIMLITE_SECRET_KEY=KEY)
        assert settings.with_secret_keys() is settings
        assert not state_dir.exists()


class TestSecretsInFiles:
    """`SCIMLITE_SECRET_KEY_FILE` and `SCIMLITE_DATABASE_URL_FILE`, for credentials of systemd and of containers."""

    def test_the_text_of_the_file_counts(self, tmp_path):
        key, url = tmp_path / "key", tmp_path / "url"
        key.write_text(f"{KEY},{OLD_KEY}\n")
        # What Kubernetes mounts can be read by everybody in the container.
        key.chmod(0o444)
        url.write_text(" postgresql://scim:pw@db/scim\n")
        settings = read(SCIMLITE_SECRET_KEY_FILE=str(key), SCIMLITE_DATABASE_URL_FILE=str(url))
        assert settings.secret_keys == (KEY, OLD_KEY)
        assert settings.database_url == "postgresql://scim:pw@db/scim"
        assert not settings.database_is_default

    def test_what_editors_add_is_no_part_of_the_secret(self, tmp_path):
        path = tmp_path / "key"
        for before, after in ((b"", b"\r\n"), (b"\xef\xbb\xbf", b"\n\n"), (b"\xef\xbb\xbf \t", b" \r\n")):
            path.write_bytes(before + KEY.encode() + after)
            assert read(SCIMLITE_SECRET_KEY_FILE=str(path)).secret_keys == (KEY,)

    @pytest.mark.parametrize("between", ["\n", "\r\n", "\0", "\t", "\u2028"])
    def test_keys_on_several_lines_are_refused(self, tmp_path, between):
        path = tmp_path / "key"
        path.write_bytes(f"{KEY}{between}{OLD_KEY}\n".encode())
        error = refused(SCIMLITE_SECRET_KEY_FILE=str(path))
        assert "several keys separated by commas" in str(error)
        assert KEY not in str(error)

    @pytest.mark.parametrize("name", ["SCIMLITE_SECRET_KEY", "SCIMLITE_DATABASE_URL"])
    def test_a_file_that_cannot_be_used_is_named(self, tmp_path, name):
        path = tmp_path / "secret"
        for content, problem in ((None, "No such file"), (b" \n", "is empty"), (b"\xff" * 40, "is not UTF-8")):
            if content is not None:
                path.write_bytes(content)
            error = refused(**{f"{name}_FILE": str(path)})
            assert error.variable == f"{name}_FILE"
            assert str(path) in str(error)
            assert problem in str(error)
        assert "directory" in str(refused(**{f"{name}_FILE": str(tmp_path)}))
        assert "no file can have this name" in str(refused(**{f"{name}_FILE": "a\0b"}))

    def test_what_is_wrong_in_it_is_said_of_the_file_and_not_shown(self, tmp_path):
        path = tmp_path / "secret"
        path.write_text("hunter2")
        for name in ("SCIMLITE_SECRET_KEY", "SCIMLITE_DATABASE_URL"):
            error = refused(**{f"{name}_FILE": str(path)})
            assert error.variable == f"{name}_FILE"
            assert "hunter2" not in str(error).replace(str(path), "")

    def test_a_variable_and_its_file_are_one_too_many(self, tmp_path):
        path = tmp_path / "secret"
        path.write_text(KEY)
        error = refused(SCIMLITE_SECRET_KEY=KEY, SCIMLITE_SECRET_KEY_FILE=str(path))
        assert error.variable == "SCIMLITE_SECRET_KEY_FILE"
        assert "both set" in str(error)


class TestSecretKeyFile:
    def test_sqlite_creates_a_key_once(self, state_dir):
        settings = read(SCIMLITE_STATE_DIR=str(state_dir))
        first = settings.with_secret_keys()
        assert len(first.secret_keys) == 1
        assert first.secret_keys == settings.with_secret_keys().secret_keys

    def test_only_the_owner_can_read_what_is_created(self, tmp_path):
        before = os.umask(0)
        try:
            load_or_create(tmp_path / "a" / "b")
        finally:
            os.umask(before)
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a" / "b" / "secret_key").stat().st_mode & 0o777 == 0o600

    def test_nothing_else_stays_in_the_folder(self, state_dir):
        load_or_create(state_dir)
        assert [path.name for path in state_dir.iterdir()] == ["secret_key"]

    def test_the_file_may_hold_several_keys_as_the_variable_does(self, state_dir):
        state_dir.mkdir()
        write_secret(state_dir, f"{KEY},{OLD_KEY}\n")
        settings = read(SCIMLITE_STATE_DIR=str(state_dir)).with_secret_keys()
        assert settings.secret_keys == (KEY, OLD_KEY)

    def test_processes_that_start_together_agree(self, state_dir):
        program = (
            "import sys, pathlib; from scimlite.secret_keys import load_or_create as load; "
            "print('ready', flush=True); sys.stdin.read(); print(load(pathlib.Path(sys.argv[1])))"
        )
        command = [sys.executable, "-c", program, str(state_dir)]
        pipe = subprocess.PIPE
        started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
        for process in started:
            assert process.stdout.readline() == "ready\n"
        for process in started:
            process.stdin.close()
        keys = set()
        for process in started:
            keys.add(process.stdout.read())
            process.stdout.close()
            assert process.wait() == 0
        assert len(keys) == 1
        assert [path.name for path in state_dir.iterdir()] == ["secret_key"]

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
    def test_a_file_open_to_others_is_refused(self, state_dir, mode):
        state_dir.mkdir()
        write_secret(state_dir, KEY, mode=mode)
        error = refused_file(state_dir)
        assert f"mode {mode:04o}" in str(error)
        assert "chmod 600" in str(error)

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ("", "is empty"),
            ("\n", "is empty"),
            ("hunter2", "holds a key of 7 bytes"),
            (b"hunter2\xff" * 8, "is not UTF-8"),
        ],
    )
    def test_a_file_without_a_usable_key_is_refused(self, state_dir, content, problem):
        state_dir.mkdir()
        write_secret(state_dir, content)
        error = refused_file(state_dir)
        assert problem in str(error)
        assert str(state_dir / "secret_key") in str(error)
        assert "hunter2" not in str(error)

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path):
        (tmp_path / "file").write_text("")
        assert "cannot be read or created" in str(refused_file(tmp_path / "file"))


def write_secret(state_dir, content, mode=0o600):
    path = state_dir / "secret_key"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)


def refused_file(state_dir):
    with pytest.raises(ConfigError) as caught:
        read(SCIMLITE_STATE_DIR=str(state_dir)).with_secret_keys()
    return caught.value


# --- where `serve` listens ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({}, 8000),
        ({"PORT": "5000"}, 5000),
        ({"SCIMLITE_PORT": "9000", "PORT": "5000"}, 9000),
        ({"SCIMLITE_PORT": "9000", "PORT": "of another program"}, 9000),
        # Kubernetes sets it for a service called "scimlite".
        ({"SCIMLITE_PORT": "tcp://10.0.0.1:8000"}, 8000),
        ({"SCIMLITE_PORT": "tcp://10.0.0.1:8000", "PORT": "5000"}, 5000),
    ],
)
def test_the_port_is_the_setting_else_the_platforms_else_8000(environ, port):
    assert read(**environ).port_to_serve(environ) == port


@pytest.mark.parametrize("text", ["", "0", "65536", "http", "80 90", "tcp://10.0.0.1:80"])
def test_a_port_of_the_platform_that_is_none_is_refused_by_its_name_and_only_when_serving(text):
    settings = read(PORT=text)
    with pytest.raises(ConfigError) as caught:
        settings.port_to_serve({"PORT": text})
    assert caught.value.variable == "PORT"


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("SCIMLITE_PORT", ["0", "65536", "http", "+80", "8_000", "\u0664\u0662"]),
        ("SCIMLITE_WORKERS", ["0", "65", "two", "1.5", "-1"]),
        ("SCIMLITE_THREADS", ["0", "65", "many"]),
        ("SCIMLITE_HOST", ["http://localhost", "0.0.0.0:8000", "a b", "[::"]),
    ],
)
def test_what_the_service_cannot_listen_with_is_refused_by_its_name(name, texts):
    for text in texts:
        error = refused(**{name: text})
        assert error.variable == name
        assert repr(text) in error.problem


@pytest.mark.parametrize(("text", "host"), [("::", "::"), ("[::1]", "::1"), ("localhost", "localhost")])
def test_a_host_is_an_address_or_a_name(text, host):
    assert read(SCIMLITE_HOST=text).host == host
