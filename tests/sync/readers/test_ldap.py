"""Sources of the kind ldap, with a real OpenLDAP: what is read, what ends early, what it says about trouble."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import openldap
from certificates import write_certificates
from openldap import ADMIN, GROUPS, PASSWORD, PEOPLE, OpenLdap, group, person
from scimlite.admin import sources
from scimlite.outbound import Client
from scimlite.sync import kinds, secret_references
from scimlite.sync.readers import ldap_connection, ldap_network
from scimlite.sync.reading import IncompleteError, Opening, Record, SourceError
from scimlite.sync.rules import Rules
from scimlite.sync.shaping import Expression
from sourced import Sourced

KIND = kinds.get("ldap")
SMALL, BLIND = f"uid=small,{PEOPLE}", f"uid=blind,{PEOPLE}"
_numbers = itertools.count(1)

ENTRIES = [
    person("ann", "mail: ann@example.com", "mail: a@example.org", "title: Clerk", f"manager: uid=bob,{PEOPLE}"),
    person("bob", "mail: bob@example.com", "title;lang-de: Chef", "displayName: Bob", "displayName;lang-ja: ボブ"),
    person("umlaut", f"title:: {base64.b64encode('Löwe'.encode()).decode()}"),
    person("bytes", f"jpegPhoto:: {base64.b64encode(bytes([255, 254])).decode()}"),
    *(person(f"p{number}", "employeeNumber: 7") for number in range(12)),
    person("small", f"userPassword: {PASSWORD}"),
    person("blind", f"userPassword: {PASSWORD}"),
    openldap.entry(
        f"uid=unix,{PEOPLE}",
        *("objectClass: account", "objectClass: posixAccount", "uid: unix", "cn: Unix", "uidNumber: 1", "gidNumber: 1"),
        "homeDirectory: /home/unix",
    ),
    openldap.entry(
        f"uid=old,{PEOPLE}",
        *("objectClass: inetOrgPerson", "objectClass: shadowAccount", "uid: old", "cn: Old", "sn: Old"),
        "shadowExpire: 1",
    ),
    openldap.entry(
        f"cn=Comma\\, Inc,{PEOPLE}", "objectClass: inetOrgPerson", "cn: Comma, Inc", "sn: Comma", "uid: comma"
    ),
    group("Staff", "ann", "BOB", f"cn=Inner,{GROUPS}", f"cn=Comma\\2C Inc,{PEOPLE}", "gone"),
    group("Inner", "p0", f"cn=Staff,{GROUPS}"),
    group("Empty"),
    openldap.entry(
        f"cn=unix,{GROUPS}", "objectClass: posixGroup", "cn: unix", "gidNumber: 1", "memberUid: unix", "memberUid: ann"
    ),
    openldap.entry(
        f"cn=Unique,{GROUPS}", "objectClass: groupOfUniqueNames", "cn: Unique", f"uniqueMember: uid=ann,{PEOPLE}"
    ),
]
RIGHTS = (
    f'limits dn.exact="{SMALL}" size.soft=5 size.hard=5 size.prtotal=5\n'
    "access to attrs=userPassword by anonymous auth by * none\n"
    f'access to dn.children="{PEOPLE}" attrs=entry by dn.exact="{BLIND}" none by * read\n'
    "access to * by * read\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLdap]:
    with openldap.serving(tmp_path_factory.mktemp("slapd") / "server", ENTRIES, more=RIGHTS) as running:
        yield running


def opened(server: OpenLdap, secret: str | None = PASSWORD, **settings: Any) -> Any:
    """A reader of the server, with the attributes that the usual mapping reads."""
    attributes = {
        type: frozenset(name for text in rows.values() for name in Expression.parse(text).attributes)
        for type, rows in KIND.mapping.items()
    }
    # No text, if somebody has one.
    attributes["User"] |= {"jpegPhoto", "displayName;lang-ja"}
    given = {"url": server.url, "bind": ADMIN, "base": [PEOPLE], "groups": [GROUPS], "page-size": "4"}
    given |= {name.replace("_", "-"): value for name, value in settings.items()}
    made = {name: value for name, value in given.items() if value}
    return KIND.open(Opening(made, secret, openldap.CLIENT, attributes))


def read(server: OpenLdap, **settings: Any) -> dict[str, Record]:
    """Everything, by the first part of the name there."""
    reader = opened(server, **settings)
    try:
        return {record.name.split(",ou=")[0]: record for record in reader.everything()}
    finally:
        reader.close()


def test_users_come_with_their_values(server):
    found = read(server)
    ann = found["uid=ann"]
    assert ann.values["mail"] == ["ann@example.com", "a@example.org"]
    assert ann.values["manager"] == [f"uid=bob,{PEOPLE}"]
    assert len(ann.key) == 36
    assert found["uid=umlaut"].values["title"] == ["Löwe"]
    bob = {name: found["uid=bob"].values[name] for name in ("title", "displayName", "displayName;lang-ja")}
    assert bob == {"title": ["Chef"], "displayName": ["Bob"], "displayName;lang-ja": ["ボブ"]}
    assert found["uid=unix"].values["uid"] == ["unix"]
    assert {name for name, record in found.items() if not record.active} == {"uid=old"}


def test_bytes_that_are_no_text_are_a_fault_of_their_entry_only(server):
    found = read(server)
    assert found["uid=bytes"].fault == "jpegPhoto holds bytes that are no text"
    assert {name for name, record in found.items() if record.fault} == {"uid=bytes"}


def test_members_are_found_however_their_names_are_written(server):
    reader = opened(server)
    found = {record.name.split(",ou=")[0]: record for record in reader.everything()}
    keys = {record.key: name for name, record in found.items()}

    def members(name: str) -> set[str]:
        resolved = [reader.resolve(each) for each in found[name].members]
        return {keys[key] for key in resolved if key is not None}

    assert members("cn=Staff") == {"uid=ann", "uid=bob", "cn=Inner", "cn=Comma\\2C Inc"}
    assert members("cn=Inner") == {"uid=p0", "cn=Staff"}
    assert members("cn=Empty") == set()
    assert members("cn=unix") == {"uid=unix", "uid=ann"}
    assert members("cn=Unique") == {"uid=ann"}
    reader.close()


@pytest.mark.parametrize(
    ("settings", "users"),
    [
        ({"filter": "(title=Clerk)"}, {"uid=ann"}),
        ({"members_of": [f"cn=Staff,{GROUPS}"]}, {"uid=ann", "uid=bob", "uid=p0", "cn=Comma\\2C Inc"}),
        ({"base": [PEOPLE, openldap.SUFFIX], "filter": "(uid=ann)"}, {"uid=ann"}),
        ({"base": [f"uid=ann,{PEOPLE}"]}, {"uid=ann"}),
        ({"page_size": "0", "filter": "(uid=bob)"}, {"uid=bob"}),
    ],
    ids=["filter", "members-of", "bases that overlap", "one entry", "without pages"],
)
def test_only_some_users(server, settings, users):
    found = read(server, **settings)
    assert {name for name, record in found.items() if record.type == "User"} == users


def test_groups_can_be_left_out_and_users_be_disabled_by_a_filter(server):
    found = read(server, groups=["none"], disabled_when="(employeeNumber=7)")
    assert {record.type for record in found.values()} == {"User"}
    assert not found["uid=p3"].active
    assert found["uid=ann"].active


# --- what looks like success ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["4", "0"])
def test_a_size_limit_is_no_end(server, size):
    with pytest.raises(IncompleteError, match="size limit"):
        read(server, bind=SMALL, page_size=size)


def test_a_server_that_gives_no_answer_ends_the_run(server, monkeypatch):
    monkeypatch.setattr(ldap_connection, "TIMEOUT", 0.3)
    reader, other = opened(server), opened(server)
    reading = reader.everything()
    next(reading)
    with server.frozen():
        with pytest.raises(IncompleteError, match=r"no answer within 0\.3 seconds"):
            for _ in reading:
                pass
        # The system takes the connection, and nobody answers to the sign-in.
        assert [each.ok for each in other.check()][-1] is False
    reader.close()
    other.close()


def test_a_search_for_changes_that_a_limit_ends_is_none(server):
    limited, whole = opened(server, bind=SMALL), opened(server)
    assert whole.position() is not None
    assert limited.changed(whole.position().replace('"numbers":{', '"numbers":{"dc=none":["1"],')) is None
    limited.close()
    whole.close()


def test_an_account_that_may_not_see_the_users_is_told_so(server):
    reader = opened(server, bind=BLIND)
    last = list(reader.check())[-1]
    assert last.ok is False
    assert "may be seen by this account" in last.text
    reader.close()


@pytest.mark.parametrize(
    ("settings", "step", "said"),
    [
        ({"secret": "wrong"}, "bind", "the name or the password is wrong"),
        ({"base": ["ou=nobody,dc=example,dc=com"]}, "base", "has no base ou=nobody"),
        ({"base": ["nonsense"]}, "base", "has no base nonsense"),
        ({"filter": "(title=Nobody)"}, "users", "No user below ou=people"),
        ({"bind": SMALL}, "users", "at its size limit"),
        ({"key": "jpegPhoto"}, "users", "has no jpegPhoto"),
        ({"url": "ldap://127.0.0.1:1"}, "TCP", "Port 1 of 127.0.0.1: connection refused"),
        ({"url": "ldap://nowhere.invalid"}, "name", "The name nowhere.invalid cannot be resolved"),
        ({"url": "ldaps://169.254.169.254"}, "name", "is a link-local address: if scimlite is to connect to it"),
    ],
)
def test_a_test_says_what_is_wrong(server, settings, step, said):
    reader = opened(server, **settings)
    last = list(reader.check())[-1]
    assert (last.ok, last.step) == (False, step), last
    assert said in last.text
    assert PASSWORD not in last.text
    reader.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "http://example.com"}, "--url is ldaps://HOST"),
        ({"url": "ldap://example.com:notaport"}, "--url is ldaps://HOST"),
        ({"page_size": "many"}, "--page-size is a number"),
        ({"ca": "/nowhere.pem"}, "--ca: there is no file"),
        ({"url": "ldaps://example.com", "starttls": "on"}, "--starttls is for ldap://"),
        ({"filter": "(title=Clerk"}, "--filter is no LDAP filter"),
        ({"group_filter": "(cn=a))(|(cn=b)"}, "--group-filter is no LDAP filter"),
        ({"secret": None}, "--bind needs a password"),
        ({"secret": ""}, "--bind needs a password"),
        ({"bind": None}, "name the account with --bind"),
        ({"members_of": [f"cn=Nobody,{GROUPS}"]}, "There is no group cn=Nobody"),
    ],
)
def test_options_that_cannot_be(server, settings, said):
    with pytest.raises(SourceError, match=said):
        read(server, **settings)


def test_a_right_server_passes(server):
    reader = opened(server)
    found = {each.step: each for each in reader.check()}
    assert list(found) == ["name", "TCP", "TLS", "bind", "base", "users", "entries", "groups", "changes"]
    assert {step for step, each in found.items() if each.ok is None} == {"TLS", "entries"}
    assert found["users"].text == "21 users, 1 of them disabled"
    assert (
        found["entries"].text
        == f"1 cannot be taken, such as uid=bytes,{PEOPLE}: jpegPhoto holds bytes that are no text"
    )
    assert found["groups"].text == "5 groups, 4 of them with members"
    reader.close()


def test_a_network_of_ones_own_needs_no_setting(server):
    reader = KIND.open(Opening({"url": server.url, "base": [PEOPLE]}, None, Client(), {}))
    assert next(reader.check()).ok
    reader.close()


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "[fe80::1]"])
def test_addresses_that_are_no_directorys_are_not_connected_to(address):
    reader = KIND.open(Opening({"url": f"ldap://{address}", "base": [PEOPLE]}, None, Client(), {}))
    with pytest.raises(SourceError, match="SCIMLITE_OUTBOUND_NETWORKS"):
        next(reader.everything())
    assert [(each.step, each.ok) for each in reader.check()] == [("name", False)]
    reader.close()


# --- TLS ------------------------------------------------------------------------------------------------------------


def certificates(folder: Path, host: str = "127.0.0.1", *, expired: bool = False) -> tuple[Path, str]:
    """An authority's certificate, and the lines of slapd that use one that it signed."""
    made = write_certificates(folder, host, expired=expired)
    return made.authority, f"TLSCertificateFile {made.certificate}\nTLSCertificateKeyFile {made.key}\n"


@pytest.mark.parametrize(
    ("host", "expired", "trusted", "said"),
    [
        ("127.0.0.1", False, True, None),
        ("127.0.0.1", False, False, "an authority that is not trusted: "),
        ("ldap.example.com", False, True, "for another host, not for 127.0.0.1"),
        ("127.0.0.1", True, True, "has expired"),
    ],
    ids=["right", "unknown authority", "another host", "expired"],
)
def test_tls(tmp_path, host, expired, trusted, said):
    ca, lines = certificates(tmp_path / "tls", host, expired=expired)
    other, _ = certificates(tmp_path / "other")
    with openldap.serving(tmp_path / "server", [person("ann")], tls=lines) as server:
        ldaps, plain = f"ldaps://127.0.0.1:{server.tls_port}", server.url
        for settings in ({"url": ldaps}, {"url": plain, "starttls": "on"}):
            reader = opened(server, **settings, ca=str(ca if trusted else other))
            found = list(reader.check())
            tls = next(each for each in found if each.step == "TLS")
            if said is None:
                assert found[-1].ok is not False
                assert "TLSv1" in tls.text
                assert {record.name for record in reader.everything()} == {f"uid=ann,{PEOPLE}"}
            else:
                assert (tls.ok, found[-1]) == (False, tls)
                assert said in tls.text
                # A run says the same.
                with pytest.raises(SourceError, match=said):
                    next(reader.everything())
            reader.close()


def test_tls_where_there_is_none(server, tmp_path):
    ca, _ = certificates(tmp_path / "tls")
    for settings, said in (
        ({"starttls": "on"}, r"refuses --starttls \(result 2\)"),
        ({"url": server.url.replace("ldap:", "ldaps:")}, "does not speak TLS|closed the connection before TLS"),
    ):
        reader = opened(server, **settings, ca=str(ca))
        with pytest.raises(SourceError, match=said):
            next(reader.everything())
        reader.close()


def test_a_connection_over_tls_that_is_lost_is_no_end(tmp_path, monkeypatch):
    ca, lines = certificates(tmp_path / "tls")
    people = [person(f"p{number}") for number in range(9)]
    with openldap.serving(tmp_path / "server", people, tls=lines) as server:
        reader = opened(server, url=f"ldaps://127.0.0.1:{server.tls_port}", ca=str(ca))
        reading = reader.everything()
        next(reading)
        monkeypatch.setattr(ldap_network, "CONNECT", 0.3)
        with server.frozen(), pytest.raises(SourceError, match=r"does not answer with TLS within 0\.3 seconds"):
            opened(server, url=f"ldaps://127.0.0.1:{server.tls_port}", ca=str(ca)).identity()
        server.process.kill()
        with pytest.raises(IncompleteError, match="was lost before its answer was complete"):
            for _ in reading:
                pass
        reader.close()


# --- changes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", ["log", "present", "none"])
def test_what_changed(tmp_path, changes):
    entries = [person("ann"), person("bob"), person("cid"), group("Staff", "ann")]
    with openldap.serving(tmp_path / "server", entries, changes=changes) as server:
        reader = opened(server)
        found = {record.name.split(",")[0]: record for record in reader.everything()}
        before = reader.position()
        server.modify(
            f"dn: uid=ann,{PEOPLE}\nchangetype: modify\nreplace: title\ntitle: New\n\n"
            f"dn: uid=bob,{PEOPLE}\nchangetype: delete\n\n"
            f"dn: uid=new,{PEOPLE}\nchangetype: add\nobjectClass: inetOrgPerson\nuid: new\ncn: New\nsn: New\n\n"
            f"dn: cn=Staff,{GROUPS}\nchangetype: modify\nadd: member\nmember: uid=new,{PEOPLE}\n\n"
        )
        keys = reader.changed(before)
        assert {found[name].key for name in ("uid=ann", "cn=Staff")} < set(keys)
        # Only a log knows who went; by the times of changes somebody more is read again.
        assert (found["uid=bob"].key in keys) is (changes == "log")
        assert (found["uid=cid"].key in keys) is (changes != "log")
        read_again = {record.name.split(",")[0]: record for record in reader.read(keys)}
        assert {"uid=ann", "uid=new", "cn=Staff"} <= read_again.keys()
        assert "uid=bob" not in read_again
        assert reader.resolve(f"uid=new,{PEOPLE}") == read_again["uid=new"].key
        assert reader.resolve(f"uid=cid,{PEOPLE}") == found["uid=cid"].key
        assert reader.resolve(f"uid=bob,{PEOPLE}") in (None, found["uid=bob"].key)
        assert reader.changed(reader.position()) == [] or changes != "log"
        assert ("and deletions" in reader.tells()[1]) is (changes != "none")
        reader.close()


# --- into an app ----------------------------------------------------------------------------------------------------


def test_a_person_of_ldap_is_known_in_the_app(installation, tmp_path):
    entries = [
        person("ann", "mail: ann@example.com", f"manager: uid=bob,{PEOPLE}"),
        person("bob"),
        group("Staff", "ann"),
    ]
    with openldap.serving(tmp_path / "server", entries) as server:
        site = Sourced.new(installation, f"ldap-{installation.db.kind}")
        sources.remove(site.workspace, site.source, users=sources.KEEP, state_dir=tmp_path)
        reference = secret_references.keep(installation.settings.state_dir, "corp", PASSWORD)
        options = {"url": server.url, "bind": ADMIN, "base": [PEOPLE], "groups": [GROUPS]}
        sources.add(site.workspace, "corp", "ldap", options, secret=reference, rules=Rules(missing_after=1))
        assert site.sync().whole
        assert site.users()["ann"]["emails"] == [{"type": "work", "value": "ann@example.com", "primary": True}]
        assert site.members("Staff") == {"ann"}
        server.modify(f"dn: uid=ann,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=anna\ndeleteoldrdn: 1\n\n")
        server.modify(
            f"dn: cn=Staff,{GROUPS}\nchangetype: modify\nreplace: member\nmember: uid=anna,{PEOPLE}\n"
            f"member: uid=bob,{PEOPLE}\n\n"
        )
        done = site.sync()
        assert (done.whole, done.numbers["change"]) == (False, 1)
        assert site.members("Staff") == {"anna", "bob"}
        server.modify(f"dn: uid=bob,{PEOPLE}\nchangetype: delete\n\n")
        assert site.sync().numbers["miss"] == 1
        assert site.active() == {"anna", "bob"}
        site.sync(whole=True)
        assert site.active() == {"anna"}
