"""Parts of the readers of LDAP without a server: names, filters, parts of groups, addresses, ids."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import openldap
from scimlite.sync import kinds
from scimlite.sync.readers import active_directory, ldap_ranges
from scimlite.sync.readers.ldap_connection import in_words, library
from scimlite.sync.readers.ldap_filters import checked
from scimlite.sync.readers.ldap_members import Names, closure
from scimlite.sync.readers.ldap_names import below, normal
from scimlite.sync.readers.ldap_network import Address
from scimlite.sync.readers.ldap_reader import outermost
from scimlite.sync.reading import IncompleteError, Opening, SourceError


@pytest.fixture(scope="module", autouse=True)
def _library():
    openldap.require()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=Ann,DC=Example", "cn=ann,dc=example"),
        ("cn=ann, dc=example", "cn=ann,dc=example"),
        ("cn = ann ,dc=example", "cn=ann,dc=example"),
        (r"cn=Ash\, Ann,dc=x", r"cn=ash\2c  ann,dc=x"),
        ('cn="Ash, Ann",dc=x', r"cn=Ash\, Ann,dc=x"),
        (r"cn=a\20,dc=x", "cn=a,dc=x"),
        ("uid=a+cn=b,dc=x", "CN=B + UID=A,DC=X"),
        (r"cn=L\c3\b6we,dc=x", "cn=LÖWE,dc=x"),
        ("cn=Lo\u0308we,dc=x", "cn=löwe,dc=x"),
        ("cn=Straße,dc=x", "cn=STRASSE,dc=x"),
        ("2.5.4.3=ann,dc=x", "cn=ann,dc=x"),
        (r"cn=\#1,dc=x", r"cn=\231,dc=x"),
    ],
)
def test_spellings_of_one_name(one, other):
    assert normal(one) == normal(other)
    assert normal(normal(one)) == normal(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=a,dc=x", "cn=a+dc=x"),
        (r"cn=a\,dc\=x", "cn=a,dc=x"),
        (r"cn=a\+b,dc=x", "cn=a+b=,dc=x"),
        ("cn=a b,dc=x", "cn=ab,dc=x"),
        ("uid=ann,dc=x", "cn=ann,dc=x"),
    ],
)
def test_names_that_differ(one, other):
    assert normal(one) != normal(other)


def test_bases_below_others_are_read_once():
    assert below("cn=a,ou=b,dc=c", "ou=b,dc=c")
    assert below("dc=c", "dc=c")
    assert not below("cn=a,ou=bb,dc=c", "ou=b,dc=c")
    assert not below("dc=c", "ou=b,dc=c")
    assert not below("ou=a,xdc=c", "dc=c")
    assert outermost(["ou=b, dc=c", "DC=d", "ou=b,dc=c", "ou=a,ou=b,dc=c"]) == ["ou=b, dc=c", "DC=d"]
    assert outermost([]) == []


@pytest.mark.parametrize(
    ("text", "made"),
    [("department=*", "(department=*)"), ("(a=b)", "(a=b)"), ("(&(a=b)(!(c=d)))", "(&(a=b)(!(c=d)))"), (" ", None)],
)
def test_filters(text, made):
    assert checked("filter", Opening({"filter": text}, None, None)) == made  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["(a=b", "(a=b))(|(c=d)", "(a=b)(c=d)", "nonsense", "(&)"])
def test_filters_that_are_none(text):
    with pytest.raises(SourceError, match="--filter is no LDAP filter"):
        checked("filter", Opening({"filter": text}, None, None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "host", "port", "shown"),
    [
        ("ldaps://dc1.corp.example", "dc1.corp.example", 636, "ldaps://dc1.corp.example:636"),
        ("LDAP://dc1.corp.example:3389/", "dc1.corp.example", 3389, "ldap://dc1.corp.example:3389"),
        ("ldap://[::1]", "::1", 389, "ldap://[::1]:389"),
        ("ldaps://dc1.corp.example.", "dc1.corp.example", 636, "ldaps://dc1.corp.example:636"),
        ("ldaps://bücher.example", "xn--bcher-kva.example", 636, "ldaps://xn--bcher-kva.example:636"),
    ],
)
def test_addresses(url, host, port, shown):
    made = Address.of(url, starttls=False, ca=None)
    assert (made.host, made.port, made.url) == (host, port, shown)


@pytest.mark.parametrize(
    "url",
    [
        "ldap://",
        "ldap://h/dc=x",
        "ldap://h?sub",
        "ldap://user@h",
        "ldapi:///run/x",
        "h",
        "ldap://h:0",
        "ldap://[",
        "ldap://a..b",
    ],
)
def test_addresses_that_are_none(url):
    with pytest.raises(SourceError, match="--url is ldaps://HOST"):
        Address.of(url, starttls=False, ca=None)


def test_a_file_of_another_form_is_no_certificate(tmp_path):
    (tmp_path / "ca.cer").write_bytes(b"0\x82\x03")
    address = Address.of("ldaps://h", starttls=False, ca=str(tmp_path / "ca.cer"))
    with pytest.raises(SourceError, match="holds no certificate as PEM"):
        _ = address.context


# --- groups ---------------------------------------------------------------------------------------------------------


class Server:
    """A group as a domain controller gives it: so many members at once, and another version after some answers."""

    def __init__(self, count: int, most: int, changes: int = 0) -> None:
        self.members = [f"cn={number}".encode() for number in range(count)]
        self.most = most
        self.changes = changes
        self.asked = 0

    def ask(self, name: str, attributes: list[str]) -> dict[str, list[bytes]]:
        self.asked += 1
        begin = int(attributes[0].split("=")[1].split("-")[0])
        version = [str(min(self.asked, self.changes)).encode()]
        part = self.members[begin : begin + self.most]
        end = "*" if begin + len(part) >= len(self.members) else str(begin + len(part) - 1)
        given = {f"member;range={begin}-{end}": part} if part else {}
        return {"member": [], "uSNChanged": version, **given}


@pytest.mark.parametrize(
    ("count", "most", "changes"),
    [(0, 1500, 0), (1, 1500, 0), (1500, 1500, 0), (1501, 1500, 0), (4500, 1500, 0), (10, 3, 0), (10, 3, 3)],
)
def test_the_parts_of_a_group_are_joined(count, most, changes):
    server = Server(count, most, changes)
    given = server.ask("cn=g", ldap_ranges.asked(0, 1500))
    assert list(ldap_ranges.members("cn=g", given, server.ask, 1500)) == server.members


def test_a_small_group_comes_whole():
    assert ldap_ranges.members("cn=g", {"member": [b"cn=a"]}, Server(0, 1).ask, 1500) == [b"cn=a"]


def test_a_group_that_never_rests_is_no_group_with_fewer_members():
    server = Server(10, 3, changes=1_000_000)
    with pytest.raises(IncompleteError, match="change faster than they can be read"):
        ldap_ranges.members("cn=g", server.ask("cn=g", ldap_ranges.asked(0, 3)), server.ask, 3)


def test_groups_in_groups_also_in_a_circle():
    groups = {"cn=a": ["cn=b", "cn=ann"], "cn=b": ["CN=A", "cn=bob", "uid:Cid"], "cn=c": ["cn=dan"]}
    asked: list[int] = []

    def every() -> list[str]:
        asked.append(1)
        return list(groups)

    assert closure(["cn=A"], lambda name: groups.get(name.lower()), every) == {
        *("cn=a", "cn=b", "cn=ann", "cn=bob", "uid:cid")
    }
    assert len(asked) == 1
    with pytest.raises(SourceError, match="There is no group cn=x"):
        closure(["cn=x"], lambda name: None, every)


def test_a_uid_of_two_people_is_nobody():
    names = Names()
    names.add("cn=a", "1", ["ann", "both"])
    names.add("cn=b", "2", ["Both"])
    assert [names.key(each) for each in ("CN=A", "uid:ANN", "uid:both", "cn=c")] == ["1", "1", None, None]


def test_ids_of_active_directory_are_shown_as_windows_shows_them():
    shown = active_directory.FLAVOUR.shown
    sid = bytes.fromhex("010500000000000515000000a065cf7e784b9b5fe77c8770091c0100")
    assert shown["objectsid"](sid) == "S-1-5-21-2127521184-1604012920-1887927527-72713"
    assert shown["objectguid"](bytes(range(16))) == "03020100-0504-0706-0809-0a0b0c0d0e0f"
    for name, value in (("objectsid", sid[:-1]), ("objectguid", b"short")):
        with pytest.raises(ValueError):
            shown[name](value)


def test_without_the_library_the_kinds_are_there_and_say_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ldap", None)
    for name in ("ldap", "ad"):
        with pytest.raises(SourceError, match=r"pip install 'scimlite\[ldap\]'"):
            kinds.get(name).open(Opening({"url": "ldap://h", "base": ["dc=x"]}, None, openldap.CLIENT))


def test_the_global_catalog_is_no_source():
    with pytest.raises(SourceError, match="a source for each domain"):
        kinds.get("ad").open(Opening({"url": "ldaps://h:3269", "base": ["dc=x"]}, None, openldap.CLIENT))


# --- words ----------------------------------------------------------------------------------------------------------

_AD = "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data {}, v4563\0"


@pytest.mark.parametrize(
    ("name", "info", "said"),
    [
        ("INVALID_CREDENTIALS", "", "the name or the password is wrong"),
        ("INVALID_CREDENTIALS", _AD.format("52e"), "the name or the password is wrong"),
        ("INVALID_CREDENTIALS", _AD.format("775"), "the account is locked"),
        ("INVALID_CREDENTIALS", _AD.format("532"), "its password has expired"),
        ("INVALID_CREDENTIALS", _AD.format("533"), "the account is disabled"),
        ("INVALID_CREDENTIALS", _AD.format("701"), "the account has expired"),
        ("INVALID_CREDENTIALS", _AD.format("773"), "its password must be changed first"),
        ("STRONG_AUTH_REQUIRED", "BindSimple: Transport encryption required.", "use ldaps://, or --starttls on"),
        ("CONFIDENTIALITY_REQUIRED", "", "use ldaps://, or --starttls on"),
        ("NO_SUCH_OBJECT", "", "does not have the base dc=x"),
        ("REFERRAL", "", "names another server for it"),
        ("INSUFFICIENT_ACCESS", "", "does not allow this account to read the base dc=x"),
        ("OPERATIONS_ERROR", "a successful bind must be completed", "without --bind it may want an account"),
        ("UNWILLING_TO_PERFORM", "no", "answers: Server is unwilling to perform (no)"),
    ],
)
def test_what_errors_mean(name, info, said):
    ldap = library()
    error = getattr(ldap, name)({"desc": "Server is unwilling to perform", "info": info})
    made = in_words(error, "ldap://h", "dc=x")
    assert said in str(made)
    assert "\0" not in str(made)
    assert not isinstance(made, IncompleteError)


@pytest.mark.parametrize(
    "name",
    [
        "SIZELIMIT_EXCEEDED",
        "TIMELIMIT_EXCEEDED",
        "ADMINLIMIT_EXCEEDED",
        "TIMEOUT",
        "SERVER_DOWN",
        "BUSY",
        "UNAVAILABLE",
    ],
)
def test_what_ends_early_is_incomplete(name):
    assert isinstance(in_words(getattr(library(), name)(), "ldap://h"), IncompleteError)


#: Control characters are always escaped.
_letters = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6)


@given(st.lists(_letters.filter(str.strip), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_a_name_is_the_same_however_it_is_escaped(values):
    from ldap.dn import escape_dn_chars

    short = ",".join(f"cn={escape_dn_chars(value)}" for value in values)
    long = ", ".join("CN=" + "".join(f"\\{byte:02X}" for byte in value.encode()) for value in values)
    assert normal(short) == normal(long)
    assert normal(normal(short)) == normal(short)
    assert normal(short) != normal(f"{short},cn=more")
