"""Numbers where texts belong are stored exactly as they are written in the body."""

from __future__ import annotations

import pytest

from scimlite.errors import InvalidValue
from scimlite.scim import intake, messages, patch, patch_apply, quirks, written
from scimlite.scim.core import ENTERPRISE_URN, USER

NUMBERS = ["701984", "-5", "0", "1e10", "1E+2", "1.50", "0.0", "-0.5", "9" * 25, "18446744073709551615", "-0.0"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_stored_as_it_is_written(number: str) -> None:
    text = '{"userName": @, "emails": [{"value": @}], "URN": {"department": @}}'.replace("URN", ENTERPRISE_URN)
    stored = intake.clean(USER, messages.load_json(text.replace("@", number).encode())).document
    assert stored["userName"] == stored["emails"][0]["value"] == stored[ENTERPRISE_URN]["department"] == number


@pytest.mark.parametrize("number", NUMBERS)
def test_a_patch_stores_a_number_as_it_is_written(number: str) -> None:
    operations = '[{"op": "add", "path": "title", "value": @}, {"op": "add", "value": {"externalId": @}}]'
    body = messages.load_json(f'{{"Operations": {operations.replace("@", number)}}}'.encode())
    edits = patch.plan(messages.load_patch(body), USER).edits
    changed = patch_apply.apply(edits, USER, {"id": "1", "userName": "ada"})
    assert (changed["title"], changed["externalId"]) == (number, number)


def test_equal_numbers_keep_their_own_texts() -> None:
    body = messages.load_json(b'\xef\xbb\xbf{"title": 1.5, "nickName": 1.50, "locale": 15e-1, "userName": "1.500"}')
    stored = intake.clean(USER, body).document
    assert [stored[name] for name in ("title", "nickName", "locale", "userName")] == ["1.5", "1.50", "15e-1", "1.500"]


def test_a_number_from_elsewhere_has_the_text_of_python() -> None:
    messages.load_json(b'{"title": 1.50}')
    assert written.text(2.5) == "2.5"
    written.forget()
    assert quirks.number_as_text(1e22) == "1e+22"


@pytest.mark.parametrize("value", ["true", "[1, 2]", "{}"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(InvalidValue, match="title takes a string"):
        intake.clean(USER, messages.load_json(f'{{"userName": "ada", "title": {value}}}'.encode()))
