"""Reading sources at an operator's word: test, preview and sync."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ..apps import App
from ..apps.workspace import Workspace
from ..config import Settings
from ..db import Database
from ..outbound import Client
from ..sync import kinds, secret_references, shaping
from ..sync.guard import Acceptance
from ..sync.previews import Preview
from ..sync.reading import USER, Finding, Opening, Record, SourceError
from ..sync.runs import Report, Run, nothing_told
from ..sync.sources import Source
from ..sync.survey import Ground, Told
from .sources import record_acceptance

#: Entries that a test shows as they would look.
_SAMPLES = 3


@contextmanager
def ground(db: Database, settings: Settings) -> Iterator[Ground]:
    """Where runs take place, with a client of its own."""
    with closing(Client(settings.outbound_networks)) as client:
        yield ground_of(db, client, settings.state_dir)


def ground_of(db: Database, client: Client, state_dir: Path) -> Ground:
    """Where runs take place, with a client that others use too."""
    return Ground(db, client, partial(secret_references.read, state_dir=state_dir))


# --- trying -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """An entry, and the resource that the mapping makes of it."""

    record: Record
    resource: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Trial:
    """What a test found out, and some entries as they would look."""

    findings: list[Finding]
    samples: list[Sample]

    @property
    def passed(self) -> bool:
        """True when nothing is wrong."""
        return all(finding.ok is not False for finding in self.findings)


def trial(place: Ground, app: App, source: Source, *, wanted: str | None = None) -> Trial:
    """Tries a source without writing anything: the connection, the rights, and how some users would look.

    In: `wanted`, to look for one entry by its key, its name there or its userName. What is wrong with the source is a
    finding; raises MappingError when the mapping cannot be.
    """
    mapping = shaping.compile_mapping(app.resource_types.values(), source.rows)
    attributes = {type: compiled.attributes for type, compiled in mapping.items()}
    findings: list[Finding] = []
    samples: list[Sample] = []
    try:
        secret = place.secret(source.secret) if source.secret else None
        reader = kinds.get(source.kind).open(Opening(source.options, secret, place.client, attributes))
        try:
            findings += reader.check()
            if all(finding.ok is not False for finding in findings):
                chosen = (record for record in reader.everything() if _is_wanted(record, mapping, wanted))
                samples = [_sample(record, mapping) for record in islice(chosen, _SAMPLES)]
        finally:
            reader.close()
    except SourceError as error:
        findings.append(Finding("source", False, str(error)))
    if wanted is not None and not samples and all(finding.ok is not False for finding in findings):
        findings.append(Finding("entry", False, f"nobody with the key or the name {wanted!r} was found"))
    return Trial(findings, samples)


def _is_wanted(record: Record, mapping: Mapping[str, shaping.Compiled], wanted: str | None) -> bool:
    if record.type not in mapping:
        return False
    if wanted is None:
        return record.type == USER
    names = [record.key, record.name]
    if record.fault is None:
        body = mapping[record.type].shape(record)
        names += [str(body.get(name)) for name in ("userName", "displayName")]
    return wanted.lower() in [name.lower() for name in names]


def _sample(record: Record, mapping: Mapping[str, shaping.Compiled]) -> Sample:
    return Sample(record, None if record.fault else mapping[record.type].shape(record))


# --- running ------------------------------------------------------------------------------------------------------


@contextmanager
def preview(place: Ground, app: App, source: Source, *, told: Told = nothing_told) -> Iterator[Preview]:
    """Reads a source and says what a run would write; writes nothing. Raises SourceError."""
    with Run(place, app, source, told=told).preview() as seen:
        yield seen


def sync(
    place: Ground,
    workspace: Workspace,
    source: Source,
    *,
    whole: bool = False,
    accepted: Mapping[str, Any] | None = None,
    told: Told = nothing_told,
) -> Report:
    """Reads a source now, whatever its schedule, and writes what differs.

    In: `accepted`, what the operator accepts: `removals` and `changes` as numbers, `identity` as True. Raises
    BusyError when another process runs it, and SourceError when the app is disabled.
    """
    if not workspace.app.enabled:
        raise SourceError(f"The app {workspace.app.slug} is disabled, so nothing is written to it.")
    if accepted:
        workspace.db.transact(partial(record_acceptance, workspace, source, accepted))
    acceptance = Acceptance(**accepted) if accepted else None
    return Run(place, workspace.app, source, whole=whole or bool(accepted), accepted=acceptance, told=told).carry_out()
