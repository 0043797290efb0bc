"""Users in the output: lists as tables, JSON and CSV; one user with attributes, groups and history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scimlite.admin import attributes, facts
from scimlite.admin.people import Found
from scimlite.admin.wording import actor_of, description_of
from scimlite.journal.report import Record
from scimlite.visible_text import visible

from .kit.columns import Column, Columns
from .kit.output import print_fields, print_heading, print_title
from .kit.times import iso_time, local_time
from .report_output import ENTRIES

if TYPE_CHECKING:
    from scimlite.admin.target_state import Place
    from scimlite.directory.members import Link

#: Entries of the report that `scimlite user show` has.
RECENT = 10

USERS = Columns[Found](
    Column("app", "App", value=facts.USER["app"], rank=2),
    Column("id", "Id", value=facts.USER["id"], rank=5),
    Column("user_name", "userName", value=facts.USER["user_name"]),
    Column("display_name", "Name", facts.USER["display_name"], lambda user: user.display or "", rank=4),
    Column(
        "email",
        "E-mail",
        value=facts.USER["email"],
        # Most userNames are the e-mail address: then it says nothing new.
        shown=lambda user: "" if user.email.lower() == user.name.lower() else user.email,
        rank=3,
    ),
    Column("external_id", value=facts.USER["external_id"]),
    Column("state", "State", value=facts.USER["state"]),
    Column("created_at", value=facts.USER["created_at"]),
    Column(
        "modified_at",
        "Changed",
        value=facts.USER["modified_at"],
        shown=lambda user: local_time(user.modified_at, seconds=False),
        rank=1,
    ),
    table=("userName", "Name", "E-mail", "State", "App", "Changed", "Id"),
)
GROUPS_OF_ONE: Columns[Link] = Columns(
    Column("id", "Id", value=lambda group: group.id),
    Column("display_name", "Group", value=lambda group: group.name, old="name"),
    Column("membership", "Membership", value=lambda group: group.kind),
    table=("Group", "Membership", "Id"),
)
_HISTORY = Columns[Record](
    Column(heading="Time", shown=lambda entry: local_time(entry.at)),
    Column(heading="Action", shown=lambda entry: entry.action),
    Column(heading="Outcome", shown=lambda entry: entry.outcome, rank=1),
    Column(heading="What", shown=description_of, wraps=True, lines=True),
    Column(heading="By", shown=actor_of, rank=2),
)


_PLACES: Columns[Place] = Columns(
    Column("target", "Target", value=lambda place: place.target),
    Column("state", "State", value=lambda place: place.state),
    Column(
        "changed_at",
        "Pushed",
        value=lambda place: iso_time(place.changed_at),
        shown=lambda place: local_time(place.changed_at),
    ),
    Column("id", "Id there", value=lambda place: place.remote_id, shown=lambda place: visible(place.remote_id or "")),
    Column(
        "reason",
        "Reason",
        value=lambda place: place.reason,
        shown=lambda place: visible(place.reason or ""),
        wraps=True,
    ),
)


def print_users(users: Sequence[Found], *, one_app: bool, empty: str) -> None:
    """Print users as a table, without columns that say nothing new."""
    USERS.print_table(users, empty=empty, hidden=["App"] if one_app else [], hidden_when_empty=["Name", "E-mail"])


def user_data(
    user: Found, groups: Sequence[Link], history: Sequence[Record], places: Sequence[Place]
) -> dict[str, Any]:
    """Return one user with attributes, groups, targets and the newest entries of the report, as JSON data."""
    return {
        **USERS.data(user),
        "deleted_at": iso_time(user.deleted_at),
        "version": user.version,
        "attributes": {name: value for name, value in user.attributes.items() if name not in attributes.NOT_SHOWN},
        "groups": [GROUPS_OF_ONE.data(group) for group in groups],
        "targets": [_PLACES.data(place) for place in places],
        "history": [ENTRIES.data(entry) for entry in history],
    }


def print_user(user: Found, groups: Sequence[Link], history: Sequence[Record], places: Sequence[Place]) -> None:
    """Print one user with attributes, groups, targets and the newest entries of the report."""
    print_title(user.name)
    print_fields(
        [
            ("State", user.state),
            ("App", user.app.slug),
            ("Id", user.id),
            ("Created", local_time(user.created_at)),
            ("Changed", f"{local_time(user.modified_at)}, version {user.version}"),
            ("Deleted", local_time(user.deleted_at)),
        ]
    )
    print_heading("Attributes")
    print_fields(list(attributes.flat(user.attributes)))
    print_heading("Groups")
    GROUPS_OF_ONE.print_table(groups, empty="In no group.")
    if places:
        print_heading("Targets")
        _PLACES.print_table(places, empty="", hidden_when_empty=("Reason",))
    print_heading(f"Last {RECENT} entries of the report" if len(history) == RECENT else "History")
    _HISTORY.print_table(history, empty="The report has no entry about this user.")


def profile_cell(value: Any) -> str:
    """Return a profile's value as a cell of CSV: values of a list are separated by semicolons."""
    if isinstance(value, list):
        return ";".join(map(attributes.text_of, value))
    return "" if value is None else attributes.text_of(value)
