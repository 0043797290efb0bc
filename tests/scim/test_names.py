"""Names: which texts are the same without case (RFC 8265), and which can be the userName of a user."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimlite.errors import InvalidValue
from scimlite.scim.names import check_user_name, fold

# -- comparison without case -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("BJensen@Example.com", "bjensen@EXAMPLE.COM"),
        ("ẞ", "ß"),
        ("Ärger", "ärger"),
        ("Zo\u00eb", "Zoe\u0308"),
        ("ZOE\u0308", "zo\u00eb"),
        ("\u00c5", "\u212b"),  # the letter and the sign of the unit
        ("K", "\u212a"),  # the letter and the sign of Kelvin
        ("\u03a9", "\u2126"),  # omega and the sign of Ohm
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        ("\u0130", "I\u0307"),  # the Turkish capital with a dot, composed or not
        ("q\u0323\u0307", "Q\u0307\u0323"),
        ("ǅ", "ǆ"),
        ("\uff2d\uff41\uff58", "max"),  # full width
        ("a\u3000b", "a b"),
        ("\uff21\uff20\uff22\uff0e\uff23", "a@b.c"),
        ("\uff76\uff9e", "\u30ac"),  # half-width kana and its mark become one letter
        ("\uffa1", "\u3131"),
    ],
)
def test_the_same_without_case(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "b"),
        ("weiß", "weiss"),
        ("Straße", "STRASSE"),
        ("σίσυφος", "σίσυφοσ"),  # RFC 8265 section 3.5: the final sigma is a letter of its own
        ("\ufb01x", "fix"),  # a ligature is only compatible
        ("\u0149", "\u02bcn"),
        ("\u1f80", "\u1f00\u03b9"),
        ("i", "\u0131"),  # a Turkish letter without a dot is another one
        ("i", "\u0130"),
        ("ſ", "s"),
        ("e", "é"),
        ("a", "a "),
        ("a", "\u0430"),  # the Cyrillic letter that looks alike
        ("1", "\u00b9"),  # only compatible, not the same
        ("x", "\u24e7"),
        ("", " "),
    ],
)
def test_different_without_case(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_every_character_has_one_form() -> None:
    """The key is the same however a character is composed, and the key of a key is the key."""
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if not 0xD800 <= code < 0xE000:
            key = fold(char)
            assert fold(unicodedata.normalize("NFD", char)) == fold(unicodedata.normalize("NFC", char)) == key
            assert fold(key) == key
            wide = unicodedata.decomposition(char).startswith(("<wide>", "<narrow>"))
            assert wide or key == unicodedata.normalize("NFC", char.lower())


@given(st.text())
def test_a_key_is_final(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)


@given(st.text())
def test_a_key_does_not_see_how_letters_are_composed(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@given(st.text(st.characters(max_codepoint=127)))
def test_a_key_of_ascii_is_lower_case(text: str) -> None:
    assert fold(text) == text.lower()


# -- userName ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("ada", "a b", "a  b", "a\u00a0b", "Zoë", "ß", "🙂", "o'malley"),
        "علی\u200cرضا",  # a Persian name with its non-joiner
        "ശ്രീ\u0d28\u0d4d\u200d",  # a Malayalam letter that ends with a joiner
        "👩\u200d💻",
        "❤\ufe0f",
        "葛\U000e0100城",  # the variant of a letter
        "🏴\U000e0067\U000e0062\U000e007f",  # a flag that is made of tags
    ],
)
def test_a_user_name(name: str) -> None:
    check_user_name(name)


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r", "\u00a0", "\u2003", "\u3000", "\u2028", "\x1f", "\x85"])
def test_white_space_at_an_end_is_refused(blank: str) -> None:
    for name in (f"{blank}ada", f"ada{blank}", f"{blank}ada b{blank}"):
        with pytest.raises(InvalidValue, match=r"^userName “.*” begins or ends with white space\.$"):
            check_user_name(name)


@pytest.mark.parametrize("control", ["\t", "\n", "\x01", "\x7f", "\x80", "\x9f"])
def test_a_control_character_is_refused(control: str) -> None:
    with pytest.raises(InvalidValue, match=r"^userName “.*” has a control character\.$"):
        check_user_name(f"a{control}b")


@pytest.mark.parametrize(
    "invisible",
    [
        *("\u00ad", "\u034f", "\u061c", "\u180e", "\u200b", "\u200e", "\u200f", "\u2028", "\u202a", "\u202e"),
        *("\u2060", "\u2064", "\u2066", "\u3164", "\ufeff", "\uffa0", "\ufffb", "\U000e0001"),
    ],
)
def test_an_invisible_character_is_refused(invisible: str) -> None:
    with pytest.raises(InvalidValue, match=rf"^userName “.*” has the invisible character U\+{ord(invisible):04X}\.$"):
        check_user_name(f"a{invisible}b")
    if not invisible.isspace():
        for name in (f"{invisible}a", f"a{invisible}"):
            with pytest.raises(InvalidValue, match="invisible"):
                check_user_name(name)


def test_what_is_invisible_is_what_no_identifier_can_have() -> None:
    """Each format character but the joiners, tags and signs that are seen, as Unicode's own database has them."""
    seen = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
    formed = {0x200C, 0x200D, *range(0xE0020, 0xE0080)}
    for code in range(0xA0, sys.maxunicode + 1):
        if unicodedata.category(chr(code)) == "Cf" and code not in seen | formed:
            with pytest.raises(InvalidValue, match="invisible"):
                check_user_name(f"a{chr(code)}b")
