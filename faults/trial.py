"""One fault on one scene while clients write, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace

from ledger import Finding, Ledger
from scene import Scene
from strikes import Fault
from writers import Writers

#: Seconds of writing before the first blow and after the last.
BEFORE, AFTER = 0.3, 0.3


@dataclass(frozen=True)
class Outcome:
    """What one fault led to."""

    fault: str
    database: str
    times: int
    acknowledged: int
    trouble: Counter[str]
    #: Seconds.
    longest: float
    findings: tuple[Finding, ...]

    def count(self, *kinds: str) -> int:
        """How many findings there are of some kinds."""
        return sum(finding.kind in kinds for finding in self.findings)

    def __add__(self, other: Outcome) -> Outcome:
        """This trial and another one of the same fault and database."""
        return replace(
            self,
            times=self.times + other.times,
            acknowledged=self.acknowledged + other.acknowledged,
            trouble=self.trouble + other.trouble,
            longest=max(self.longest, other.longest),
            findings=self.findings + other.findings,
        )


def suffer(fault: Fault, scene: Scene, times: int | None = None) -> Outcome:
    """Let clients write, do the fault so many times, and compare what was acknowledged with what is there.

    Raises AssertionError when the service does not work again.
    """
    times = fault.times if times is None else times
    app, ledger = scene.app(), Ledger()
    writers = Writers(lambda: scene.client(app), ledger, fault.allowed)
    with writers.writing():
        time.sleep(BEFORE)
        fault.strike(scene, app, times)
        scene.recover()
        acknowledged = ledger.acknowledged
        time.sleep(AFTER)
        if ledger.acknowledged == acknowledged:
            ledger.find("answer", "nothing is acknowledged any more")
    writers.compare()
    if ledger.longest > fault.patience:
        ledger.find("answer", f"an answer took {ledger.longest:.1f} s; at most {fault.patience:.1f} s are right")
    for text in scene.unsound(app):
        ledger.find("half-done", f"db check: {text}")
    if "Traceback (most recent call last)" in scene.installation.log():
        ledger.find("answer", "the log has a traceback")
    findings = tuple(ledger.findings)
    database = scene.database
    return Outcome(fault.name, database, times, ledger.acknowledged, ledger.trouble, ledger.longest, findings)
