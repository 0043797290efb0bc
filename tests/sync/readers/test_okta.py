"""Sources of the kind okta, at a stand-in that pages, forgets and limits as Okta does."""

from __future__ import annotations

import time

import pytest
from joserfc.jwk import ECKey, RSAKey

from okta_stand_in import OktaStandIn
from scimlite.sync.readers import api
from scimlite.sync.reading import IncompleteError, SourceError
from stand_ins import everything, failed, json_reply, reading

KEY = RSAKey.generate_key(2048)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(api, "PAUSES", (0.0, 0.0))


@pytest.fixture
def org():
    stand_in = OktaStandIn(key=KEY)
    with stand_in.listening():
        yield stand_in


@pytest.fixture
def reader(org):
    with reading("okta", "right", url=org.base) as made:
        yield made


def test_everything_is_read_and_who_is_deprovisioned_is_inactive(org, reader):
    states = [
        "ACTIVE",
        "STAGED",
        "SUSPENDED",
        "LOCKED_OUT",
        "DEPROVISIONED",
        "RECOVERY",
        "DEPROVISIONED",
        "PROVISIONED",
    ]
    for number, status in enumerate(states):
        org.user(f"00u{number}", status, firstName="Ann", managerId="00u1@EXAMPLE.com", tags=["a", "b"])
    org.group("00g1", "Staff", "00u0", "00u3", "00u5")
    org.group("00g0", "Everyone", "00u0", type="BUILT_IN")
    found = everything(reader)
    assert {key for key, each in found.items() if each.active and each.type == "User"} == {"00u0", "00u3", "00u5"}
    assert len(found) == 9
    assert found["00g1"].members == ["00u0", "00u3", "00u5"]
    assert found["00u4"].values["firstName"] == ["Ann"]
    assert found["00u4"].values["tags"] == ["a", "b"]
    assert (found["00u4"].name, found["00u4"].values["status"]) == ("00u4@example.com", ["DEPROVISIONED"])
    assert reader.resolve("00u1@EXAMPLE.com") == "00u1"
    assert reader.resolve("nobody") is None
    assert reader.identity() == "00o1"


def test_who_is_deprovisioned_meanwhile_comes_once(org, reader):
    for number in range(4):
        org.user(f"00u{number}")
    records = reader.everything()
    first = next(records)
    org.users["00u0"]["status"] = "DEPROVISIONED"
    assert [first.key, *(record.key for record in records)] == [f"00u{number}" for number in range(4)]


def test_changes_are_those_since_a_time_with_who_is_deprovisioned(org, reader):
    now = "2999-01-01T00:00:00.000Z"
    org.user("00u1")
    org.user("00u2", updated=now, managerId="00u1@example.com")
    org.user("00u3", "DEPROVISIONED", updated=now)
    org.user("00u4", email="boss@example.com")
    org.group("00g1", "Staff", "00u1")
    org.group("00g2", "Others", "00u1", updated=now)
    position = reader.position()
    assert position < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 240))
    assert set(reader.changed(position)) == {"00u2", "00u3", "00g2"}
    read = {record.key: record for record in reader.read(["00u2", "00u3", "00g2", "gone"])}
    assert read.keys() == {"00u2", "00u3", "00g2"}
    assert not read["00u3"].active
    # Whom they refer to was not read.
    assert [reader.resolve(each) for each in ("00u1@example.com", "boss@example.com", "nobody", "no@example.com")] == [
        "00u1",
        "00u4",
        None,
        None,
    ]


def test_only_the_members_of_groups_are_read(org):
    for number in range(6):
        org.user(f"00u{number}")
    org.group("00g1", "Staff", "00u0", "00u1", "00u2")
    org.group("00g2", "Others", "00u2", "00u3")
    with reading("okta", "right", url=org.base, members_of=["00g1", "00g2"], groups="no") as reader:
        assert everything(reader).keys() == {"00u0", "00u1", "00u2", "00u3"}
        assert reader.position() is None
        assert [step.ok for step in reader.check()] == [True] * 5
    with reading("okta", "right", url=org.base, members_of=["none"]) as reader:
        assert "has no group none (404" in failed(reader.check())[1]


def test_who_cannot_be_understood_is_refused_and_no_leaver(org, reader):
    org.user("00u1", "ON_LEAVE")
    org.user("00u2")
    del org.users["00u2"]["profile"]
    found = everything(reader)
    assert found["00u1"].fault == "its status is 'ON_LEAVE', which this version does not know"
    assert found["00u2"].values.keys() == {"status"}


def test_a_link_may_spell_the_host_in_another_way(org):
    for number in range(5):
        org.user(f"00u{number}")
    org.base = org.base.replace("127.0.0.1", "org.example")
    with reading("okta", "right", url=org.base.replace("org.example", "Org.Example")) as reader:
        assert len(everything(reader)) == 5


def test_half_of_the_rate_limit_is_left_to_others(org, reader):
    for number in range(8):
        org.user(f"00u{number}")
    org.limit, org.left, org.reset = 4, 3, time.time() + 1
    began = time.monotonic()
    assert len(everything(reader)) == 8
    assert time.monotonic() - began > 0.5
    assert org.left >= 0


def test_a_limit_that_is_reached_is_waited_for(org, reader):
    org.user("00u1")
    org.left, org.reset = 0, int(time.time()) + 1
    assert everything(reader).keys() == {"00u1"}


def test_a_key_gets_tokens_that_are_renewed(org, tmp_path):
    for number in range(5):
        org.user(f"00u{number}")
    file = tmp_path / "key.pem"
    file.write_bytes(KEY.as_pem(private=True))
    with reading("okta", None, url=org.base, client_id="me", key_file=str(file), key_id="k1") as reader:
        records = reader.everything()
        next(records)
        org.accepted = set()
        assert len([*records]) == 4
        assert sum(path == "/oauth2/v1/token" for path in org.asked) == 2
    with reading("okta", None, url=org.base, client_id="you", key_file=str(file)) as reader:
        step, said = failed(reader.check())
        assert (step, said.split(": ", 1)[1]) == (
            "sign-in",
            "the client id, or its secret or key, is not right.",
        )


@pytest.mark.parametrize(
    ("secret", "options", "said"),
    [
        (None, {}, "Give the API token as the secret"),
        ("tök", {}, "a character that no token has"),
        (None, {"client_id": "me"}, "Give the key"),
        (None, {"client_id": "me", "key_file": "/nowhere"}, "cannot be read: No such file"),
        ("right", {"url": "https://example-admin.okta.com"}, "leave -admin out"),
    ],
)
def test_options_that_cannot_be_are_told(org, secret, options, said):
    with pytest.raises(SourceError, match=said), reading("okta", secret, **{"url": org.base, **options}):
        pass


CURVE = ECKey.generate_key("P-384").as_pem(private=True).decode()


@pytest.mark.parametrize("key", ["no key", "{", '{"kty": "RSA"}', CURVE], ids=["text", "JSON", "public", "P-384"])
def test_a_key_that_is_none_is_told_without_it(org, key):
    with reading("okta", key, url=org.base, client_id="me") as reader:
        step, said = failed(reader.check())
    assert (step, key in said) == ("answer", False)


def test_rights_that_are_lacking_are_named(org, reader):
    org.before = lambda got: json_reply({"errorCode": "E0000006"}, 403) if "/groups" in got.path else None
    org.user("00u1")
    step, said = failed(reader.check())
    assert (step, "(403, E0000006). It needs the scope okta.groups.read" in said) == ("rights", True)
    org.before = lambda got: None
    org.accepted = set()
    assert failed(reader.check())[0] == "sign-in"


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("<https://evil.example/api/v1/users?after=2>", "go on at https://evil.example, and not at http://127"),
        ("<{base}/api/v1/users?limit=200>", "leads in a circle through the users"),
        ("<{base}/api/v1/users?limit=200&x=1>", "00u0 came twice among the users"),
    ],
)
def test_a_next_page_that_cannot_be_is_refused(org, reader, link, said):
    org.user("00u0")
    wrong = f'{link.format(base=org.base)}; rel="next"'
    org.before = lambda got: json_reply(list(org.users.values()), Link=wrong) if "/users" in got.path else None
    with pytest.raises(IncompleteError, match=said):
        everything(reader)
