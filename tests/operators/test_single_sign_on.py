"""Single sign-on judges what a provider says: anything that is not the answer to this very departure is refused."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from openid_provider import HandmadeProvider, handmade
from scimlite.operators.single_sign_on import Departure, Provider, Settings, SignOnError

BACK = "http://127.0.0.1:8000/console/signed-on"
SECRET = "the secret of the client, which is long enough"


@pytest.fixture
def remote():
    with handmade() as made:
        yield made


@pytest.fixture
def provider(remote) -> Provider:
    return Provider(Settings(remote.issuer, "console", SECRET))


@dataclass(frozen=True)
class Seconds:
    """A moment so many seconds from now: what time it is must not be in the name of a test."""

    from_now: int


def claims(remote: HandmadeProvider, departure: Departure, **changed) -> dict:
    now = int(time.time())
    changed = {name: now + value.from_now if isinstance(value, Seconds) else value for name, value in changed.items()}
    good = {"iss": remote.issuer, "aud": "console", "sub": "42", "exp": now + 60, "iat": now, "nonce": departure.nonce}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def arrive(provider: Provider, departure: Departure, **answer: str):
    return provider.arrive(BACK, departure, {"state": departure.state, "code": "c", **answer})


def test_the_way_there_has_pkce_state_and_nonce(provider):
    url, departure = provider.depart(BACK)
    for part in (f"state={departure.state}", f"nonce={departure.nonce}", "code_challenge_method=S256"):
        assert part in url
    assert departure.verifier not in url
    assert "prompt=login" in provider.depart(BACK, again=True)[0]


def test_a_good_answer_says_who_it_is(remote, provider):
    departure = provider.depart(BACK)[1]
    remote.sign(claims(remote, departure, email="ann@example.com", preferred_username="ann"))
    identity = arrive(provider, departure)
    assert (identity.issuer, identity.subject) == (remote.issuer, "42")
    assert identity.names == ["ann@example.com", "ann"]


def test_an_address_that_is_not_verified_is_no_name(remote, provider):
    departure = provider.depart(BACK)[1]
    remote.sign(claims(remote, departure, email="ann@example.com", email_verified=False))
    assert arrive(provider, departure).names == []


WRONG = [
    ({"nonce": "another"}, "nonce"),
    ({"nonce": None}, "nonce"),
    ({"iss": "https://evil.example"}, "iss"),
    ({"iss": None}, "iss"),
    ({"aud": "another"}, "aud"),
    ({"aud": None}, "aud"),
    ({"aud": ["console", "another"]}, "azp"),
    ({"aud": ["console", "another"], "azp": "another"}, "azp"),
    ({"exp": Seconds(-3600)}, "exp|Expired"),
    ({"exp": None}, "exp"),
    ({"iat": Seconds(3600)}, "iat|Token"),
    ({"sub": None}, "sub"),
    ({"sub": ""}, "sub"),
    ({"sub": 42}, "sub"),
]


@pytest.mark.parametrize(("changed", "said"), WRONG, ids=[repr(changed) for changed, _ in WRONG])
def test_a_wrong_token_is_refused(remote, provider, changed, said):
    departure = provider.depart(BACK)[1]
    remote.sign(claims(remote, departure, **changed))
    with pytest.raises(SignOnError, match=said):
        arrive(provider, departure)


@pytest.mark.parametrize(("alg", "secret"), [("HS256", SECRET), ("none", None)])
def test_only_the_provider_can_sign(remote, provider, alg, secret):
    departure = provider.depart(BACK)[1]
    remote.sign(claims(remote, departure), alg=alg, secret=secret)
    with pytest.raises(SignOnError, match="not good"):
        arrive(provider, departure)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a.b.c.d.e", "é"])
def test_what_is_no_token_is_refused(remote, provider, token):
    departure = provider.depart(BACK)[1]
    remote.token = token
    with pytest.raises(SignOnError):
        arrive(provider, departure)


def test_the_signature_of_another_key_is_refused_and_a_new_key_is_taken(remote, provider):
    departure = provider.depart(BACK)[1]
    remote.sign(claims(remote, departure))
    arrive(provider, departure)
    published, remote.key = remote.key, RSAKey.generate_key(2048)
    remote.sign(claims(remote, departure))
    # It signs with a key that it publishes: a rotation.
    assert arrive(provider, departure).subject == "42"
    remote.key, foreign = published, RSAKey.generate_key(2048)
    remote.token = jwt.encode({"alg": "RS256"}, claims(remote, departure), foreign)
    with pytest.raises(SignOnError):
        arrive(provider, departure)


def test_an_answer_to_another_departure_is_refused(remote, provider):
    departure, other = provider.depart(BACK)[1], provider.depart(BACK)[1]
    remote.sign(claims(remote, departure))
    for answer in ({"state": other.state}, {"state": ""}, {"state": "é"}, {"iss": "https://evil.example"}):
        with pytest.raises(SignOnError):
            arrive(provider, departure, **answer)
    with pytest.raises(SignOnError, match="refused: no"):
        arrive(provider, departure, error="access_denied", error_description="no")


def test_userinfo_about_somebody_else_is_refused(remote, provider):
    remote.discovery["userinfo_endpoint"] = f"{remote.issuer}/userinfo"
    departure = provider.depart(BACK)[1]
    remote.sign(claims(remote, departure))
    remote.userinfo = {"sub": "43", "groups": ["owners"]}
    with pytest.raises(SignOnError, match="somebody else"):
        arrive(provider, departure)
    remote.userinfo["sub"] = "42"
    assert arrive(provider, departure).claims["groups"] == ["owners"]


@pytest.mark.parametrize("auth_time", [None, 0, "now", Seconds(-4000)], ids=repr)
def test_when_it_is_asked_again_the_password_was_given_just_now(remote, provider, auth_time):
    departure = provider.depart(BACK, again=True)[1]
    remote.sign(claims(remote, departure, auth_time=auth_time))
    with pytest.raises(SignOnError, match="auth_time"):
        arrive(provider, departure)
    remote.sign(claims(remote, departure, auth_time=Seconds(0)))
    assert arrive(provider, departure).subject == "42"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"issuer": "https://other.example"}, "another issuer"),
        ({"token_endpoint": "http://evil.example/token"}, "no https address|not an https"),
        ({"jwks_uri": None}, "jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not an https"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_discovery_document_is_refused(remote, provider, changed, said):
    remote.discovery.update(changed)
    with pytest.raises(SignOnError, match=said):
        provider.depart(BACK)


def test_a_provider_that_is_gone_is_said_in_words():
    with pytest.raises(SignOnError, match="cannot be reached"):
        Provider(Settings("http://127.0.0.1:1", "console")).depart(BACK)
