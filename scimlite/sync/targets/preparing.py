"""Makes tasks of users and groups: what the target is to have, what it has, and whether that needs a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ...db import Database
from ...scim import core
from ...scim.schema import ResourceType
from . import documents, links, memberships
from .abilities import Abilities
from .documents import Shaped
from .links import Item
from .memberships import Member
from .pushing import Act, Task
from .stored import Leavers, LinkState, Target

#: The part of a group that stands for all its members, where they are sent as a whole.
_MEMBERS = "members"


@dataclass(slots=True)
class Prepared:
    """A user or group, and the task for it; without a task it is settled as it is."""

    item: Item
    act: Act
    task: Task | None = None
    #: None for what is disabled or deleted.
    shaped: Shaped | None = None
    members: Sequence[Member] | None = None
    #: The state that the link gets when all went well.
    state: LinkState = LinkState.OK
    #: The digests of the values that the target has then.
    digests: Mapping[str, str] = field(default_factory=dict)


class Preparer:
    """Prepares the users and groups of one run."""

    def __init__(self, db: Database, target: Target, abilities: Abilities) -> None:
        self._db = db
        self._target = target
        self._options = target.options
        self._abilities = abilities
        #: The attributes that the target does not take.
        self.left_out: set[str] = set()

    def prepare(
        self, resource_type: ResourceType, items: Sequence[Item], wanted: Mapping[int, bool], *, patch: bool
    ) -> list[Prepared]:
        """What is to be done with items.

        In: by key, whether the target is to have them; whether it takes PATCH, so that members go by themselves.
        """
        pushed = [item for item in items if item.living and wanted.get(item.link.resource_id)]
        parsed = {item.link.uuid: orjson.loads(item.document) for item in pushed}
        referred = {id for document in parsed.values() for id in documents.references(resource_type, document)}
        ids = links.remote_ids(self._db, self._target, referred)
        urls = {uuid: (id, self._target.url + self._abilities.path(type, id)) for uuid, (type, id) in ids.items()}
        found = []
        for item in items:
            document = parsed.get(item.link.uuid)
            if document is not None:
                found.append(self._push(resource_type, item, document, urls, patch=patch))
            elif item.linked:
                found.append(self._end(item))
        return found

    def _push(
        self,
        resource_type: ResourceType,
        item: Item,
        document: dict[str, Any],
        urls: Mapping[str, tuple[str, str]],
        *,
        patch: bool,
    ) -> Prepared:
        link = item.link
        shaped = documents.shape(resource_type, document, link.uuid, self._abilities, urls)
        self.left_out |= shaped.left_out
        members, known = None, link.known
        if link.type == core.GROUP.name and not patch:
            members = memberships.all_of(self._db, self._target, link.resource_id)
            # For the comparison alone: there is no PATCH.
            shaped.parts[_MEMBERS] = sorted(member.remote_id for member in members)
        else:
            # What is left of a time without PATCH would have all members removed.
            known.pop(_MEMBERS, None)
        # Nothing is removed that the target does not know any more.
        known = {
            path: text
            for path, text in known.items()
            if path == _MEMBERS or self._abilities.takes_path(link.type, path)
        }
        digests = shaped.digests
        state = LinkState.WAITS if shaped.waits else LinkState.OK
        prepared = Prepared(item, Act.PUSH, None, shaped, members, state, digests)
        if link.remote_id is None or known != digests:
            prepared.task = Task(
                Act.PUSH,
                link.type,
                link.uuid,
                link.remote_id,
                item.linked,
                shaped.document,
                shaped.parts,
                known,
                bool(link.active),
                members,
            )
        return prepared

    def _end(self, item: Item) -> Prepared:
        """What becomes of somebody whom the target is not to have."""
        link, options = item.link, self._options
        if item.living and options.leavers == Leavers.IGNORE:
            return Prepared(item, Act.DISABLE, state=LinkState.LEFT, digests=link.known)
        deletes = options.delete and not (item.living and options.leavers == Leavers.DISABLE)
        if deletes:
            act, state = Act.DELETE, LinkState.OK
        else:
            act, state = Act.DISABLE, LinkState.LEFT if item.living else LinkState.KEPT
        if act is Act.DISABLE and link.type == core.GROUP.name:
            # There is nothing to disable.
            return Prepared(item, act, state=state, digests=link.known)
        task = Task(act, link.type, link.uuid, link.remote_id, link.remote_id is None, was_active=bool(link.active))
        inactive = {**link.known, "active": documents.digest(False)}
        return Prepared(item, act, task, state=state, digests=inactive)
