"""Sources of the kind ad, with a real domain controller of Samba's: ids, who is active, members, what changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import samba_dc
from samba_dc import ADMIN, DOMAIN, PASSWORD, DomainController
from scimlite.admin import sources
from scimlite.outbound import Client
from scimlite.sync import kinds, secret_references
from scimlite.sync.history import Outcome
from scimlite.sync.readers import active_directory
from scimlite.sync.reading import Opening, Record, SourceError
from scimlite.sync.rules import Rules
from scimlite.sync.shaping import Expression
from sourced import Sourced

KIND = kinds.get("ad")
PEOPLE, OTHERS, GROUPS = f"OU=People,{DOMAIN}", f"OU=Others,{DOMAIN}", f"OU=Groups,{DOMAIN}"
READER = f"scimlite@{DOMAIN.replace('DC=', '').replace(',', '.')}"
#: A FILETIME of the year 2001, and one of the year 2100.
PAST, FUTURE = 126_227_808_000_000_000, 157_469_184_000_000_000


def ou(name: str) -> str:
    return f"dn: {name}\nchangetype: add\nobjectClass: organizationalUnit\n\n"


def user(name: str, *attributes: str, at: str = PEOPLE, control: int = 544) -> str:
    """A user as LDIF: 544 is an ordinary account that needs no password, 546 the same and disabled."""
    lines = [f"dn: CN={name},{at}", "changetype: add", "objectClass: user", f"sAMAccountName: {name}"]
    return "\n".join(
        [*lines, f"userPrincipalName: {name}@example.test", f"userAccountControl: {control}", *attributes, "", ""]
    )


def group(name: str, *members: str) -> str:
    lines = [f"dn: CN={name},{GROUPS}", "changetype: add", "objectClass: group", f"sAMAccountName: {name}"]
    return "\n".join([*lines, *(f"member: {each}" for each in members), "", ""])


SEED = "".join(
    (
        *(ou(name) for name in (PEOPLE, OTHERS, GROUPS)),
        user("scimlite", at=OTHERS),
        user("boss", "title: Chief"),
        user("ann", "mail: ann@example.com", "givenName: Ann", f"manager: CN=boss,{PEOPLE}"),
        user("off", control=546),
        user("expired", f"accountExpires: {PAST}"),
        user("later", f"accountExpires: {FUTURE}"),
        user("moved", at=OTHERS),
        *(user(f"p{number}") for number in range(8)),
        group("Inner", f"CN=boss,{PEOPLE}"),
        group("Staff", f"CN=ann,{PEOPLE}", f"CN=Inner,{GROUPS}", *(f"CN=p{number},{PEOPLE}" for number in range(8))),
        group("Empty"),
    )
)


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DomainController]:
    with samba_dc.serving(tmp_path_factory.mktemp("dc") / "dc") as running:
        running.modify(SEED)
        running.tool("user", "setpassword", "scimlite", f"--newpassword={PASSWORD}")
        yield running


@pytest.fixture(scope="module")
def ticket(controller: DomainController) -> Iterator[None]:
    """The account of the reader may sign in with Kerberos."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in controller.keytab("scimlite").items():
            patch.setenv(name, value)
        yield


def opened(
    controller: DomainController, secret: str | None = PASSWORD, client: Client = samba_dc.CLIENT, **settings: Any
) -> Any:
    """A reader by an ordinary account, as security teams give one."""
    attributes = {
        type: frozenset(name for text in rows.values() for name in Expression.parse(text).attributes)
        for type, rows in KIND.mapping.items()
    }
    given = {
        "url": controller.url,
        "ca": str(controller.authority),
        "bind": READER,
        "base": [PEOPLE],
        "groups": [GROUPS],
        "page-size": "3",
    }
    given |= {name.replace("_", "-"): value for name, value in settings.items()}
    return KIND.open(Opening({name: value for name, value in given.items() if value}, secret, client, attributes))


def read(reader: Any) -> dict[str, Record]:
    return {record.name.split(",")[0].removeprefix("CN="): record for record in reader.everything()}


def members(reader: Any, found: dict[str, Record], name: str) -> set[str]:
    keys = {record.key: each for each, record in found.items()}
    return {keys[key] for each in found[name].members if (key := reader.resolve(each)) in keys}


def test_users_and_groups(controller):
    reader = opened(controller)
    found = read(reader)
    people = {name for name, record in found.items() if record.type == "User"}
    assert people == {"boss", "ann", "off", "expired", "later", *(f"p{number}" for number in range(8))}
    assert {name for name in people if not found[name].active} == {"off", "expired"}
    assert found["ann"].values["mail"] == ["ann@example.com"]
    assert reader.resolve(found["ann"].values["manager"][0]) == found["boss"].key
    # The id is found by the name that Windows gives it.
    by_guid = reader.session.entry(f"<GUID={found['ann'].key}>", ["sAMAccountName"])
    assert by_guid["samaccountname"] == [b"ann"]
    assert members(reader, found, "Staff") == {"ann", "Inner", *(f"p{number}" for number in range(8))}
    assert members(reader, found, "Inner") == {"boss"}
    assert members(reader, found, "Empty") == set()
    reader.close()


def test_members_of_large_groups_come_in_parts(controller, monkeypatch):
    monkeypatch.setattr(active_directory, "RANGE", 3)
    reader = opened(controller)
    found = read(reader)
    assert len(found["Staff"].members) == 10
    assert members(reader, found, "Staff") == {"ann", "Inner", *(f"p{number}" for number in range(8))}
    reader.close()


def test_the_domain_as_a_base_has_no_accounts_of_the_system(controller):
    reader = opened(controller, base=[DOMAIN], groups=[DOMAIN])
    found = read(reader)
    assert {"ann", "moved", "scimlite"} <= found.keys()
    assert not {"krbtgt", "Guest", "Domain Users"} & found.keys()
    reader.close()


def test_the_primary_group_has_its_members_when_it_is_asked_for(controller):
    reader = opened(controller, base=[DOMAIN], groups=[DOMAIN], primary_group="on")
    found = read(reader)
    assert {"ann", "boss", "moved"} <= members(reader, found, "Domain Users")
    reader.close()


@pytest.mark.parametrize(
    ("settings", "users"),
    [
        ({"members_of": [f"CN=Inner,{GROUPS}"]}, {"boss"}),
        ({"members_of": [f"CN=Staff,{GROUPS}"]}, {"ann", "boss", *(f"p{number}" for number in range(8))}),
        ({"filter": "(title=Chief)"}, {"boss"}),
        ({"base": [PEOPLE, OTHERS], "filter": "(|(cn=ann)(cn=moved))"}, {"ann", "moved"}),
    ],
    ids=["a group", "groups in a group", "a filter", "two bases"],
)
def test_only_some_users(controller, settings, users):
    reader = opened(controller, **settings)
    assert {name for name, record in read(reader).items() if record.type == "User"} == users
    reader.close()


def test_what_changed_and_what_only_a_full_run_sees(controller):
    reader = opened(controller)
    found, before = read(reader), reader.position()
    controller.modify(
        f"dn: CN=p0,{PEOPLE}\nchangetype: modify\nreplace: title\ntitle: New\n\n"
        f"dn: CN=p1,{PEOPLE}\nchangetype: delete\n\n"
        f"dn: CN=Empty,{GROUPS}\nchangetype: modify\nadd: member\nmember: CN=p2,{PEOPLE}\n\n" + user("fresh")
    )
    changed = set(reader.changed(before))
    assert {found["p0"].key, found["Empty"].key} <= changed
    assert found["p1"].key not in changed, "an ordinary account does not see deletions"
    again = {record.name.split(",")[0]: record for record in reader.read(sorted(changed))}
    assert {"CN=p0", "CN=fresh", "CN=Empty"} <= again.keys()
    assert reader.resolve(f"CN=p2,{PEOPLE}") == found["p2"].key
    assert "p1" not in read(reader)
    other = reader.position().replace('"invocation":"', '"invocation":"00')
    assert reader.changed(other) is None, "another domain controller has other numbers"
    controller.modify(f"dn: {PEOPLE}\nchangetype: modrdn\nnewrdn: OU=Staff\ndeleteoldrdn: 1\n\n")
    moved = opened(controller, base=[f"OU=Staff,{DOMAIN}"])
    after = read(moved)
    assert after["ann"].key == found["ann"].key
    controller.modify(f"dn: OU=Staff,{DOMAIN}\nchangetype: modrdn\nnewrdn: OU=People\ndeleteoldrdn: 1\n\n")
    for each in (reader, moved):
        each.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"secret": "wrong"}, "refuses the sign-in: the name or the password is wrong"),
        ({"bind": "nobody@example.test"}, "refuses the sign-in"),
        ({"base": [f"OU=Nobody,{DOMAIN}"]}, "has no base OU=Nobody"),
    ],
)
def test_a_test_says_what_is_wrong(controller, settings, said):
    reader = opened(controller, **settings)
    last = list(reader.check())[-1]
    assert last.ok is False
    assert said in last.text
    reader.close()


def test_a_right_domain_passes(controller):
    reader = opened(controller)
    found = list(reader.check())
    assert all(each.ok is not False for each in found), found
    assert "update numbers" in found[-1].text
    reader.close()


def test_a_disabled_account_cannot_read(controller):
    with pytest.raises(SourceError, match="refuses the sign-in"):
        opened(controller, bind="off@example.test", secret="x").identity()
    assert ADMIN not in READER


@pytest.mark.parametrize("mapped", ["objectGUID", "objectSid"])
def test_ids_that_are_bytes_can_be_mapped(controller, mapped):
    reader = KIND.open(
        Opening(
            {"url": controller.url, "ca": str(controller.authority), "bind": READER, "base": [PEOPLE]},
            *(PASSWORD, samba_dc.CLIENT, {"User": frozenset([mapped])}),
        )
    )
    ann = next(record for record in reader.everything() if record.name.startswith("CN=ann,"))
    (value,) = ann.values[mapped]
    assert value == ann.key if mapped == "objectGUID" else value.startswith("S-1-5-21-")
    reader.close()


def test_who_must_change_the_password_is_still_active(controller):
    controller.modify(user("oldpw", "pwdLastSet: 0"))
    reader = opened(controller)
    assert read(reader)["oldpw"].active
    controller.modify(f"dn: CN=oldpw,{PEOPLE}\nchangetype: delete\n\n")
    reader.close()


def test_an_app_follows_the_domain(installation, controller, tmp_path):
    base = f"OU=App,{DOMAIN}"
    controller.modify(ou(base) + "".join(user(f"{name}9", at=base) for name in ("ann", "bob", "cid", "dan")))
    site = Sourced.new(installation, f"ad-{installation.db.kind}")
    sources.remove(site.workspace, site.source, users=sources.KEEP, state_dir=tmp_path)
    reference = secret_references.keep(installation.settings.state_dir, "ad", PASSWORD)
    place = {"url": f"ldaps://{samba_dc.ADDRESS}", "ca": str(controller.authority)}
    options = {**place, "bind": READER, "base": [base], "groups": ["none"]}
    sources.add(site.workspace, "corp", "ad", options, secret=reference, rules=Rules(missing_after=1, hold_below=0))
    assert site.sync().whole
    names = [f"{name}9@example.test" for name in ("ann", "bob", "cid", "dan")]
    assert site.active() == set(names)
    controller.modify(
        f"dn: CN=ann9,{base}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 546\n\n"
        f"dn: CN=bob9,{base}\nchangetype: modrdn\nnewrdn: CN=bob9\ndeleteoldrdn: 1\nnewsuperior: {OTHERS}\n\n"
        f"dn: CN=cid9,{base}\nchangetype: delete\n\n"
    )
    # By its new number who was disabled is found; who went, and who was deleted, by the full run.
    assert not site.sync().whole
    assert site.active() == set(names[1:])
    assert site.sync(whole=True).whole
    assert site.active() == set(names[3:])
    # A base with a new name is an error, and no domain without people.
    controller.modify(f"dn: {base}\nchangetype: modrdn\nnewrdn: OU=Apps\ndeleteoldrdn: 1\n\n")
    assert "has no base OU=App," in (site.sync(outcome=Outcome.FAILED).detail or "")
    assert site.active() == set(names[3:])
    left = (f"CN=bob9,{OTHERS}", f"CN=ann9,OU=Apps,{DOMAIN}", f"CN=dan9,OU=Apps,{DOMAIN}", f"OU=Apps,{DOMAIN}")
    controller.modify("".join(f"dn: {name}\nchangetype: delete\n\n" for name in left))


def test_who_is_active_is_not_guessed_where_it_may_not_be_read(controller):
    controller.modify(user("hidden"))
    name = f"CN=hidden,{PEOPLE}"
    # Denies reading userAccountControl to all accounts of the domain.
    denied = "(OD;;RP;bf967a68-0de6-11d0-a285-00aa003049e2;;AU)"
    controller.tool(
        "dsacl", "set", "-H", f"{controller.folder}/private/sam.ldb", f"--objectdn={name}", f"--sddl={denied}"
    )
    reader = opened(controller)
    found = read(reader)
    assert found["hidden"].fault == "this account may not read whether the user is active"
    assert not found["ann"].fault
    controller.modify(f"dn: {name}\nchangetype: delete\n\n")
    reader.close()


def test_a_kerberos_ticket_signs_in_and_encrypts(controller, ticket):
    kerberos = {"auth": "gssapi", "bind": None, "secret": None}
    reader = opened(controller, url=f"ldap://{samba_dc.NAME}", **kerberos)
    found = list(reader.check())
    assert all(each.ok for each in found), found
    assert "TLS" not in {each.step for each in found}
    other = opened(controller, url="ldap://other.example.test", **kerberos)
    with pytest.raises(SourceError, match="is not signed in to by Kerberos"):
        other.identity()
    for each in (reader, other):
        each.close()
    with pytest.raises(SourceError, match="--auth gssapi encrypts by itself"):
        opened(controller, **kerberos)


def test_a_password_goes_encrypted_only(controller):
    clear, started = (
        opened(controller, url=f"ldap://{samba_dc.NAME}"),
        opened(controller, url=f"ldap://{samba_dc.NAME}", starttls="on"),
    )
    with pytest.raises(SourceError, match="wants encryption: use ldaps://, or --starttls on"):
        clear.identity()
    assert "example" in started.identity()
    clear.close()
    started.close()
