"""The end of a training or of an analysis: phases, scores, figures, summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from shlex import quote

from rich.console import Console

from repdyn.analysis.phases import find_phases
from repdyn.analysis.scores import compute_scores
from repdyn.records import Curve, Dynamics, LabelMaps, PlaneSet, RunRecord, RunSummary
from repdyn.report.figures import png, standard_figures
from repdyn.report.text import summary
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.location import is_remote
from repdyn.storage.store import tracking_uri
from repdyn.storage.writer import RunWriter


def finish(
    writer: RunWriter,
    run: RunSummary,
    dynamics: Dynamics,
    curves: Mapping[str, Curve],
    planes: PlaneSet,
    maps: Sequence[LabelMaps],
    seconds: Mapping[str, float],
) -> RunRecord:
    """Log what follows from all that was measured; nothing is read back, the server may be away.

    Args:
        writer: of the run.
        run: as it began.
        dynamics, curves: of all its epochs.
        planes, maps: of all its checkpoints.
        seconds: spent, by part of the work.

    Returns:
        The run, with phases and scores.
    """
    phases = find_phases(curves, dynamics)
    scores = compute_scores(dynamics, phases)
    record = RunRecord(run, dynamics, curves, phases, scores)
    writer.log_phases(phases, scores, dynamics.layers)
    rounded = {part: round(spent, 3) for part, spent in seconds.items()}
    writer.put(schema.TIMINGS, json.dumps(rounded, indent=1).encode())
    for name, figure in standard_figures(record, planes, maps, planes.classes).items():
        writer.put(schema.figure_path(name), png(figure))
    return record


def sum_up(console: Console, record: RunRecord, store: StoreConfig) -> None:
    """Print what to know of a finished run, and how to look at it."""
    console.print()
    console.print(summary(record))
    _tell_where(console, record.summary.name, record.summary.run_id, store)


def _tell_where(console: Console, name: str, run: str, store: StoreConfig) -> None:
    """Say where the run is, and the two commands to look at it."""
    uri = tracking_uri(store)
    of_store = "" if store.tracking_uri is None else f" --tracking-uri {quote(uri)}"
    of_ui = "" if store.tracking_uri is None else f" --backend-store-uri {quote(uri)}"
    lines = [
        f"run {name} ({run[:8]}) is in {uri}; look at it with",
        f"  repdyn show {run[:8]}{of_store}",
        f"  {uri}" if is_remote(uri) else f"  mlflow ui{of_ui}",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
