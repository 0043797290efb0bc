"""The secret keys: the newest signs, all verify, and nothing is signed or read without the right one."""

from __future__ import annotations

import pytest

from scimlite.apps.keyring import Keyring, TokenError, fingerprint

OLD, NEW = "the key of last year", "the key of this year"


def test_there_must_be_a_key() -> None:
    with pytest.raises(TokenError, match="no secret key"):
        Keyring([])


def test_the_newest_key_signs_and_all_verify() -> None:
    before, after = Keyring([OLD]), Keyring([NEW, OLD])
    assert after.fingerprints == [fingerprint(NEW), fingerprint(OLD)]
    assert after.newest == fingerprint(NEW)
    assert after.token_id(before.sign("id", before.newest)) == "id"
    assert before.token_id(after.sign("id", after.newest)) is None


def test_a_token_is_shown_with_the_key_that_signed_it_or_not_at_all() -> None:
    before, after = Keyring([OLD]), Keyring([NEW, OLD])
    assert after.sign("id", fingerprint(OLD)) == before.sign("id", before.newest)
    with pytest.raises(TokenError, match=fingerprint(OLD)):
        Keyring([NEW]).sign("id", fingerprint(OLD))


@pytest.mark.parametrize("text", ["", "scimlite_", "scimlite_id.signature", "id", "scimlite_" + "x" * 200])
def test_what_was_never_signed_is_no_token(text: str) -> None:
    assert Keyring([NEW]).token_id(text) is None
