"""Which process of a running service holds which connections, as Linux tells it."""

from __future__ import annotations

import os
import re
from pathlib import Path

_ESTABLISHED = "01"


def workers(pid: int) -> list[int]:
    """The process ids of the workers of a service."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def clients(worker: int, port: int) -> set[int]:
    """The ports of the clients whose connections to a port a process has accepted and not ended."""
    by_inode = {}
    for line in Path(f"/proc/{worker}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port and fields[3] == _ESTABLISHED:
            by_inode[fields[9]] = int(fields[2].split(":")[1], 16)
    held = set()
    for descriptor in Path(f"/proc/{worker}/fd").iterdir():
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor))
        except FileNotFoundError:
            continue
        if found and found[1] in by_inode:
            held.add(by_inode[found[1]])
    return held
