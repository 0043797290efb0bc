"""The parser of filters (RFC 7644 section 3.4.2.2): from text to the tree of `filter`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from ..errors import InvalidFilter, InvalidPath
from .filter import And, Bare, Compare, Filter, Not, Or, Scalar, ValuePath
from .leniency import Leniency, note
from .path import BLANKS, AttrPath, quote, split_attr_path, split_sub_attribute

MAX_LENGTH = 8192
MAX_TERMS = 100
MAX_DEPTH = 20


def parse_filter(
    text: str,
    urns: Collection[str] = (),
    *,
    max_length: int = MAX_LENGTH,
    max_terms: int = MAX_TERMS,
    max_depth: int = MAX_DEPTH,
) -> Filter:
    """Reads a filter; `urns` are the known schema URNs, without which a path after a URN cannot be split.

    Limits: characters, comparisons, and brackets one in another. Raises InvalidFilter with the place, the word that was
    expected there, and the text that stands there.
    """
    limits = {"max_length": max_length, "max_terms": max_terms, "max_depth": max_depth}
    return _Parser(text, urns, InvalidFilter, **limits).whole_filter()


def parse_value_path(text: str, urns: Collection[str] = ()) -> tuple[AttrPath, Filter, str | None]:
    """Reads the path `attribute[filter]` of a PATCH operation, and the sub-attribute after it if there is one.

    Raises InvalidPath where `parse_filter` raises InvalidFilter.
    """
    return _Parser(text, urns, InvalidPath).whole_value_path()


# -- words -------------------------------------------------------------------------------------------------

# RFC 7644 asks for blanks between words. A bracket separates words as well; a quotation mark does not, because a
# string that touches a word mostly lacks a backslash. Quirk: a string may touch the operator before it, as in
# RFC 7644's own example `members[value eq"2819…"]` (section 3.5.2.2). A `"` that begins no string is a word.
_STRING = r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"'
_TOUCHABLE = rf"(?<=[{BLANKS}](?i:eq|ne|co|sw|ew|gt|ge|lt|le))"
_WORD = re.compile(rf'(?:(?<=[{BLANKS}])|{_TOUCHABLE}){_STRING}(?=[{BLANKS})\]]|\Z)|[^{BLANKS}"()\[\]]+|[()\[\]"]')
_NO_VALUE = frozenset({"", "(", ")", "[", "]", '"'})
_CLOSED_STRING = re.compile(_STRING)
_STRING_BODY = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*')
_CONTROLS = frozenset(map(chr, range(0x20)))
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")

_LOGICAL = frozenset({"and", "or", "not"})
_COMPARISONS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")
_RESERVED = _LOGICAL.union(_COMPARISONS, {"pr"})
# Entra capitalises booleans (MicrosoftDocs/entra-docs,
# application-provisioning-config-problem-scim-compatibility.md), so case does not count.
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def _bare_value(word: str) -> Bare | None:
    """A number, or (quirk) a word without quotation marks, which is read as a text; None for a word that is refused.

    RFC 7644 section 3.4.2.2 wants JSON. authentik sends `userName eq x` (goauthentik/authentik#16455), Entra
    sent `id eq 2819c223-… and members eq 9067729b-…` (MicrosoftDocs/azure-docs,
    active-directory-scim-provisioning.md, 2017), and its documentation has `filter=externalId eq jyoung`. Words of the
    filter language stand where a value was forgotten, and single quotation marks are a mistake, so both are refused.
    """
    if word in _NO_VALUE or word.lower() in _RESERVED or word.startswith("'") or not word.isprintable():
        return None
    return Bare(word)


class _Parser:
    """Recursive descent over the words of one filter or path; `depth` counts the brackets around the current word."""

    __slots__ = ("at", "error", "inside", "max_depth", "max_terms", "noun", "terms", "text", "urns", "words")

    def __init__(
        self,
        text: str,
        urns: Collection[str],
        error: type[InvalidFilter] | type[InvalidPath],
        *,
        max_length: int = MAX_LENGTH,
        max_terms: int = MAX_TERMS,
        max_depth: int = MAX_DEPTH,
    ) -> None:
        self.text = text
        self.urns = urns
        self.error = error
        self.noun = "path" if error is InvalidPath else "filter"
        self.max_terms = max_terms
        self.max_depth = max_depth
        self.terms = 0
        self.inside = False  # the square brackets of a value path
        self.at = 0
        if len(text) > max_length:
            raise self.refuse(f"it is longer than {max_length} characters")
        if match := _NOT_TEXT.search(text):
            raise self.refuse(f"character {match.start() + 1} is NUL or half of a surrogate pair")
        self.words = _WORD.findall(text)
        self.words.append("")  # marks the end, so that looking ahead needs no check

    def whole_filter(self) -> Filter:
        node = self.disjunction(0)
        if self.words[self.at]:
            raise self.expected('"and", "or" or the end of the filter')
        return node

    def whole_value_path(self) -> tuple[AttrPath, Filter, str | None]:
        path = self.attr_path()
        if self.words[self.at] != "[":
            raise self.expected('"["')
        term = self.bracketed_term(path, 0)
        sub = self.sub_attribute()
        if self.words[self.at]:
            raise self.expected("the end of the path" if sub else '".sub-attribute" or the end of the path')
        return path, term, sub

    def disjunction(self, depth: int) -> Filter:
        first = self.conjunction(depth)
        if self.words[self.at].lower() != "or":
            return first
        terms = [first]
        while self.words[self.at].lower() == "or":
            self.at += 1
            terms.append(self.conjunction(depth))
        return Or(tuple(terms))

    def conjunction(self, depth: int) -> Filter:
        first = self.term(depth)
        if self.words[self.at].lower() != "and":
            return first
        terms = [first]
        while self.words[self.at].lower() == "and":
            self.at += 1
            terms.append(self.term(depth))
        return And(tuple(terms))

    def term(self, depth: int) -> Filter:
        word = self.words[self.at]
        if word == "(":
            return self.group(depth)
        if word.lower() == "not":
            self.at += 1
            if self.words[self.at] != "(":
                raise self.expected('"(" after "not"')
            return Not(self.group(depth))
        path = self.attr_path()
        return self.value_path(path, depth) if self.words[self.at] == "[" else self.comparison(path)

    def group(self, depth: int) -> Filter:
        self.check_depth(depth)
        self.at += 1
        node = self.disjunction(depth + 1)
        if self.words[self.at] != ")":
            raise self.expected('"and", "or" or ")"')
        self.at += 1
        return node

    def value_path(self, path: AttrPath, depth: int) -> Filter:
        """Reads `emails[type eq "work"]`, or the same with `.value eq "x"` after it.

        RFC 7644 has the second form in PATCH paths only. Entra filters with it (learn.microsoft.com,
        use-scim-to-provision-users-and-groups; FusionAuth/fusionauth-issues#2456) and means a comparison
        of the same item of the attribute.
        """
        term = self.bracketed_term(path, depth)
        if sub := self.sub_attribute():
            note(Leniency.SUB_AFTER_FILTER)
            comparison = self.comparison(AttrPath(sub))
            term = And((*term.terms, comparison) if isinstance(term, And) else (term, comparison))
        return ValuePath(path, term)

    def bracketed_term(self, path: AttrPath, depth: int) -> Filter:
        # RFC 7643 section 2.3.8: no complex attribute holds another, so a value filter holds no other value filter.
        if self.inside:
            raise self.expected("an operator (a value filter cannot hold another)")
        if path.sub:
            raise self.expected("an operator (a sub-attribute has no value filter)")
        self.check_depth(depth)
        self.at += 1
        self.inside = True
        term = self.disjunction(depth + 1)
        self.inside = False
        if self.words[self.at] != "]":
            raise self.expected('"and", "or" or "]"')
        self.at += 1
        return term

    def sub_attribute(self) -> str | None:
        sub = split_sub_attribute(self.words[self.at])
        if sub:
            self.at += 1
        return sub

    def comparison(self, path: AttrPath) -> Compare:
        op = self.words[self.at].lower()
        if op != "pr" and op not in _COMPARISONS:
            raise self.expected(f"an operator ({', '.join(_COMPARISONS)}, pr)")
        if self.terms == self.max_terms:
            raise self.refuse(f"it has more than {self.max_terms} comparisons")
        self.terms += 1
        self.at += 1
        return Compare(path, op) if op == "pr" else Compare(path, op, self.value())

    def attr_path(self) -> AttrPath:
        word = self.words[self.at]
        path = split_attr_path(word, self.urns) if word.lower() not in _LOGICAL else None
        if self.inside and (path is None or path.sub or path.urn):
            raise self.expected("the name of a sub-attribute")
        if path is None or not path.name:
            raise self.expected("an attribute (name, name.sub or one of them after a schema URN)")
        self.at += 1
        return path

    def value(self) -> Scalar:
        word = self.words[self.at]
        value: Scalar
        if len(word) > 1 and word[0] == '"':
            value = self.string(word)
        elif (literal := word.lower()) in _LITERALS:
            value = _LITERALS[literal]
        else:
            value = _bare_value(word)
            if value is None:
                raise self.no_value(word)
        self.at += 1
        return value

    def string(self, word: str) -> str:
        if "\\" not in word:
            return word[1:-1]
        try:
            value: str = json.loads(word)
        except json.JSONDecodeError as error:
            raise self.expected("a JSON escape", error.pos) from None
        if _NOT_TEXT.search(value):
            raise self.expected("a string without NUL and without half of a surrogate pair")
        return value

    def no_value(self, word: str) -> InvalidFilter | InvalidPath:
        """The error for a word that is no value, as exact as possible."""
        if word != '"':
            return self.expected('a value: "text", a number, true, false or null')
        start = self.start()
        if match := _CLOSED_STRING.match(self.text, start):
            return self.expected("a blank after the string", len(match[0]))
        match = _STRING_BODY.match(self.text, start)
        if match and self.text[match.end() :][:1] in _CONTROLS:
            return self.expected("an escape in place of a control character", len(match[0]))
        return self.expected('a string that ends with a quotation mark (one inside it is written as \\")')

    def check_depth(self, depth: int) -> None:
        if depth >= self.max_depth:
            place = f"at character {self.start() + 1}"
            raise self.refuse(f"its brackets are more than {self.max_depth} deep {place}")

    def start(self) -> int:
        """The index of the current word in the text; only errors need it, so the words are searched once more."""
        starts = [match.start() for match in _WORD.finditer(self.text)]
        return starts[self.at] if self.at < len(starts) else len(self.text)

    def expected(self, wanted: str, offset: int = 0) -> InvalidFilter | InvalidPath:
        start = self.start() + offset
        place = f"near {quote(self.text, start)}" if start < len(self.text) else f"where the {self.noun} ends"
        return self.refuse(f"expected {wanted} at character {start + 1}, {place}")

    def refuse(self, reason: str) -> InvalidFilter | InvalidPath:
        return self.error(f"The {self.noun} is not valid: {reason}.")
