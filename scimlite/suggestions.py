"""Names that an operator may have meant by one that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(text: str, names: Iterable[str]) -> str:
    """Returns ` Did you mean 'x'?` with the name that is most like a text, compared without case; else an empty text.

    The blank in front lets it follow a sentence.
    """
    by_key = {name.lower(): name for name in names}
    close = difflib.get_close_matches(text.lower(), by_key, n=1)
    return f" Did you mean {by_key[close[0]]!r}?" if close else ""
