"""What a run was trained with: versions, commit, command line, device; a tag of the run.

The tag holds JSON with an entry for each start of the run: one that was stopped and resumed has
several. Runs of older versions have none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT

from repdyn.records import RunSummary
from repdyn.storage import schema

MOST_WRITTEN = 5000
"""Characters of the tag, MLflow's limit in older servers: middle starts that do not fit are left out."""

MOST_TEXT = 300
"""Characters of a text; longer ones are cut."""

MOST_READ, MOST_STARTS, MOST_VERSIONS = 2**16, 32, 32
"""Bounds of a tag that is read: it is untrusted."""


@dataclass(frozen=True)
class Provenance:
    """What a run was started with; an empty text, or None, is not known.

    Attributes:
        started: date and time, ISO 8601 in UTC.
        versions: of packages and of Python, by name.
        command: the command line, without secrets.
        commit: of the git repository of the working folder.
        dirty: whether that folder had changes that were not committed.
        device: on which the model was measured.
    """

    started: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    commit: str = ""
    dirty: bool | None = None
    device: str = ""


def encode(starts: Sequence[Provenance]) -> str:
    """Return the tag's value, in ASCII whatever the texts hold; of many starts the first and last."""
    kept = [_bounded(asdict(one)) for one in starts]
    while len(text := json.dumps(kept)) > MOST_WRITTEN:
        if len(kept) == 1:
            return json.dumps([{"started": kept[0]["started"]}])
        del kept[1 if len(kept) > 2 else 0]
    return text


def _bounded(entry: dict[str, Any]) -> dict[str, Any]:
    cut = {name: value[:MOST_TEXT] for name, value in entry.items() if isinstance(value, str)}
    return entry | cut


def starts_of(run: RunSummary) -> tuple[Provenance, ...]:
    """Return what a run was started with, once for each start; none of an older run.

    Without a commit of the working folder, the one that MLflow recorded of the program stands in.
    """
    found = _decoded(run.tags.get(schema.PROVENANCE_TAG, ""))
    commit = run.tags.get(MLFLOW_GIT_COMMIT, "")[:MOST_TEXT]
    return tuple(one if one.commit or not commit else replace(one, commit=commit) for one in found)


def _decoded(text: str) -> list[Provenance]:
    """Return the entries of a tag, which is untrusted: what is not of its type is left out."""
    try:
        entries = json.loads(text) if len(text) <= MOST_READ else None
    except (ValueError, RecursionError):
        return []
    if not isinstance(entries, list):
        return []
    return [_entry(one) for one in entries[:MOST_STARTS] if isinstance(one, dict)]


def _entry(found: Mapping[str, Any]) -> Provenance:
    def text(name: str) -> str:
        value = found.get(name)
        return value[:MOST_TEXT] if isinstance(value, str) else ""

    versions, dirty = found.get("versions"), found.get("dirty")
    named = versions.items() if isinstance(versions, dict) else ()
    return Provenance(
        started=text("started"),
        versions={
            name[:MOST_TEXT]: version[:MOST_TEXT]
            for name, version in list(named)[:MOST_VERSIONS]
            if isinstance(version, str)
        },
        command=text("command"),
        commit=text("commit"),
        dirty=dirty if isinstance(dirty, bool) else None,
        device=text("device"),
    )
