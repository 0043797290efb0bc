"""What changed in an OpenLDAP since a position, by its content synchronization (RFC 4533)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def changed_since(connection: Any, base: str, filter: str, numbers: Sequence[str]) -> list[str] | None:
    """The ids (entryUUID) of entries that changed, came or went below a base since these change numbers.

    None when the server lists what is present instead, because it keeps no log of the session: then reading everything
    is as cheap. Raises the library's errors.
    """
    import ldap
    from ldap.syncrepl import SyncDoneControl, SyncInfoMessage, SyncRequestControl, SyncStateControl

    cookie = f"rid=000,csn={';'.join(numbers)}"
    request = SyncRequestControl(criticality=True, cookie=cookie, mode="refreshOnly")
    known = {SyncStateControl.controlType: SyncStateControl, SyncDoneControl.controlType: SyncDoneControl}
    message = connection.search_ext(base, ldap.SCOPE_SUBTREE, filter, ["1.1"], serverctrls=[request])
    made: list[str] = []
    while True:
        try:
            kind, data, _, controls, _, _ = connection.result4(
                message, all=0, add_ctrls=1, add_intermediates=1, resp_ctrl_classes=known
            )
        except ldap.UNAVAILABLE_CRITICAL_EXTENSION:
            # The control is known, and nothing keeps what changed below this base.
            return None
        if kind == ldap.RES_SEARCH_RESULT:
            done = next((each for each in controls if each.controlType == SyncDoneControl.controlType), None)
            # Without the word that deletions were told, what is not listed may be gone.
            return made if done is not None and done.refreshDeletes else None
        for first, second, own in data:
            if kind == ldap.RES_SEARCH_ENTRY:
                state = next((each for each in own if each.controlType == SyncStateControl.controlType), None)
                if state is None or state.state == "present":
                    return None
                made.append(state.entryUUID)
            elif kind == ldap.RES_INTERMEDIATE and first == SyncInfoMessage.responseName:
                told = SyncInfoMessage(second)
                if told.refreshPresent is not None:
                    return None
                if told.syncIdSet is not None:
                    if not told.syncIdSet["refreshDeletes"]:
                        return None
                    made += told.syncIdSet["syncUUIDs"]
