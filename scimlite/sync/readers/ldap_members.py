"""Who is meant by a member or a manager, and who is in a group with all the groups in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..reading import SourceError
from .ldap_names import normal

#: References that are no distinguished names begin with this: a posix account is a member by its uid.
UID = "uid:"


class Names:
    """Keys by what entries are called.

    Distinguished names are kept in their normal form, uids in lower case; a uid that two users have is nobody's.
    """

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}
        self._twice: set[str] = set()

    def add(self, folded: str, key: str, uids: Iterable[str] = ()) -> None:
        """Adds an entry with its normal name."""
        self._keys[folded] = key
        for uid in uids:
            name = f"{UID}{uid.lower()}"
            if self._keys.setdefault(name, key) != key:
                self._twice.add(name)

    def forget(self) -> None:
        """Forgets all entries."""
        self._keys.clear()
        self._twice.clear()

    def key(self, reference: str) -> str | None:
        """The key of what a reference means; None when it is not known."""
        name = as_known(reference)
        return None if name in self._twice else self._keys.get(name)


def as_known(reference: str) -> str:
    """The form of a reference by which it is found."""
    return reference.lower() if reference.startswith(UID) else normal(reference)


def closure(
    groups: Sequence[str],
    members_of: Callable[[str], Sequence[str] | None],
    all_groups: Callable[[], Iterable[str]],
) -> set[str]:
    """The forms of all who are in groups, directly or by groups in them; groups that contain each other do no harm.

    In: what gives the members of a group, None for one that is not there; what gives the names of all groups, which
    is asked once, because asking each member what it is costs minutes for a large group. Raises SourceError.
    """
    made: set[str] = set()
    waiting, seen = list(groups), set[str]()
    known: set[str] | None = None
    while waiting:
        name = waiting.pop()
        if (folded := normal(name)) in seen:
            continue
        seen.add(folded)
        members = members_of(name)
        if members is None:
            if name in groups:
                raise SourceError(f"There is no group {name}, or this account may not see it: look at --members-of.")
            continue
        made.update(map(as_known, members))
        if known is None:
            known = {normal(each) for each in all_groups()}
        waiting += [member for member in members if as_known(member) in known]
    return made
