"""Sources of the kind graph, at a stand-in that pages, selects and forgets as Microsoft Graph does."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from graph_stand_in import GraphStandIn
from scimlite.sync.readers import api
from scimlite.sync.reading import IncompleteError, SourceError
from stand_ins import everything, failed, json_reply, reading


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(api, "PAUSES", (0.0, 0.0))


@pytest.fixture
def graph():
    stand_in = GraphStandIn()
    with stand_in.listening():
        yield stand_in


def opened(graph, secret="s&cret", **more):
    return reading(
        "graph", secret, **{"url": graph.base, "login_url": graph.base, "tenant": "t1", "client_id": "me", **more}
    )


@pytest.fixture
def reader(graph):
    with opened(graph) as made:
        yield made


def test_everything_is_read(graph, reader):
    graph.user("boss", jobTitle="Chief", employeeOrgData={"costCenter": "7"}, businessPhones=["1", "2"])
    graph.user("ann", manager="boss", mail="ann@example.com", otherMails=["a@example.org", "b@example.org"])
    graph.user("gone", accountEnabled=False)
    graph.group("staff", "Staff", "boss", "ann", "gone", "inner")
    graph.group("inner", "Inner", "ann")
    graph.group("empty", "Empty")
    found = everything(reader)
    assert {key: each.active for key, each in found.items() if each.type == "User"} == {
        "boss": True,
        "ann": True,
        "gone": False,
    }
    assert found["ann"].values["manager"] == ["boss"]
    assert found["ann"].values["otherMails"] == ["a@example.org", "b@example.org"]
    assert found["boss"].values["employeeOrgData.costCenter"] == ["7"]
    assert (found["boss"].name, found["boss"].values.get("mail")) == ("boss@example.com", None)
    assert {key: list(each.members) for key, each in found.items() if each.type == "Group"} == {
        "staff": ["boss", "ann", "gone", "inner"],
        "inner": ["ann"],
        "empty": [],
    }
    assert found["staff"].values["displayName"] == ["Staff"]
    assert reader.identity() == "https://login.example/0000-t1/v2.0"
    assert [step.ok for step in reader.check()] == [True] * 5


def test_changes_are_those_since_a_link_and_deletions_are_among_them(graph, reader):
    for name in ("ann", "bob", "cid"):
        graph.user(name)
    graph.group("staff", "Staff", "ann")
    graph.group("other", "Other", "ann")
    position = reader.position()
    assert list(reader.changed(position)) == []
    graph.user("ann", jobTitle="Chief", manager="bob")
    del graph.users["bob"]
    graph.changes.append(("users", "bob"))
    graph.group("staff", "Staff", "ann", "cid")
    del graph.groups["other"]
    graph.changes.append(("groups", "other"))
    keys = list(reader.changed(position))
    assert set(keys) == {"ann", "bob", "staff", "other"}
    read = {record.key: record for record in reader.read(keys)}
    assert read.keys() == {"ann", "staff"}
    assert read["ann"].values["jobTitle"] == ["Chief"]
    assert read["ann"].values["manager"] == ["bob"]
    assert list(read["staff"].members) == ["ann", "cid"]
    graph.forgotten = len(graph.changes)
    assert reader.changed(position) is None


def test_only_who_is_in_a_group_is_read(graph):
    for number in range(40):
        graph.user(f"u{number}")
    graph.group("staff", "Staff", *(f"u{number}" for number in range(0, 34, 2)), "inner")
    graph.group("inner", "Inner", "u1", "u2")
    with opened(graph, members_of=["staff"], groups="no") as reader:
        assert everything(reader).keys() == {f"u{number}" for number in range(0, 34, 2)} | {"u1"}
        assert reader.position() is None
    with opened(graph, members_of=["none"]) as reader:
        assert "has no group none (404, Request_ResourceNotFound)" in failed(reader.check())[1]


def test_a_token_that_expires_is_renewed(graph, reader):
    for number in range(5):
        graph.user(f"u{number}")
    records = reader.everything()
    next(records)
    graph.token = "another"
    assert len([*records]) == 4


def test_a_certificate_signs_in(graph, tmp_path):
    graph.user("ann")
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scimlite")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), 1, now, now + timedelta(days=1))
    certificate = builder.sign(private, hashes.SHA256())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = tmp_path / "graph.pem"
    file.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    graph.key = RSAKey.import_key(pem)
    digest = certificate.fingerprint(hashes.SHA256())
    graph.thumbprint = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    with opened(graph, None, key_file=str(file)) as reader:
        assert everything(reader).keys() == {"ann"}
    file.write_bytes(pem)
    with pytest.raises(SourceError, match="has no certificate"), opened(graph, None, key_file=str(file)):
        pass


@pytest.mark.parametrize(
    ("options", "secret", "step", "said"),
    [
        ({"tenant": "t2"}, "s&cret", "answer", "knows no such tenant"),
        ({}, "wrong", "sign-in", "gives no access token (401, AADSTS7000215): the client secret is not right"),
        ({"client_id": "you"}, "s&cret", "sign-in", "gives no access token (401"),
    ],
)
def test_a_wrong_sign_in_is_told(graph, options, secret, step, said):
    with opened(graph, secret, **options) as reader:
        found = failed(reader.check())
    assert (found[0], said in found[1]) == (step, True), found
    assert secret not in found[1]


def test_a_right_that_is_lacking_is_named(graph, reader):
    denied = json_reply({"error": {"code": "Authorization_RequestDenied", "message": "Insufficient privileges"}}, 403)
    graph.before = lambda got: denied if got.path.startswith("/v1.0/groups") else None
    step, said = failed(reader.check())
    assert (step, "(403, Authorization_RequestDenied). It needs the application permission GroupM" in said) == (
        "rights",
        True,
    )


@pytest.mark.parametrize(
    ("place", "document", "said"),
    [
        ("/v1.0/users", {"value": [], "@odata.nextLink": "https://evil.example/v1.0/users"}, "at https://evil.example"),
        ("/v1.0/users", {"value": [{"id": "u"}, {"id": "u"}]}, "u came twice"),
        ("/v1.0/users", {"value": [{}]}, "has no id"),
        ("/v1.0/users", {"value": 1}, "not what this kind of server sends"),
        ("/v1.0/groups/delta", {"value": []}, "without its last link"),
    ],
)
def test_a_list_that_cannot_be_trusted_is_no_directory(graph, reader, place, document, said):
    graph.before = lambda got: json_reply(document) if got.path.startswith(place) else None
    with pytest.raises(IncompleteError, match=said):
        everything(reader)


def test_a_source_without_its_secret_is_told(graph):
    with pytest.raises(SourceError, match="Give the client secret"), opened(graph, None):
        pass
