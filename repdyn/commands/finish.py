"""The end of a training or of an analysis: phases, scores, figures, summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from rich.console import Console

from repdyn.config import StoreConfig
from repdyn.dynamics.phases import find_phases
from repdyn.dynamics.scores import compute_scores
from repdyn.records import RunRecord
from repdyn.report.figures import png, standard_figures
from repdyn.report.reading import measured
from repdyn.report.text import summary
from repdyn.tracking import artifacts
from repdyn.tracking.reader import load_label_maps, load_planes, load_run
from repdyn.tracking.store import is_remote, tracking_uri
from repdyn.tracking.writer import RunWriter


def finish(writer: RunWriter, store: StoreConfig, seconds: Mapping[str, float]) -> RunRecord:
    """Read back what the run logged, and log what follows from it.

    Args:
        writer: of the run.
        store: where the run is.
        seconds: spent, by part of the work.

    Returns:
        The run, with phases and scores.
    """
    writer.flush()
    run = writer.run_id
    record = load_run(store, run)
    dynamics = measured(record)
    phases = find_phases(record.curves, dynamics)
    scores = compute_scores(dynamics, phases)
    record = replace(record, phases=phases, scores=scores)
    writer.log_phases(phases, scores, dynamics.layers)
    rounded = {part: round(spent, 3) for part, spent in seconds.items()}
    writer.put(artifacts.TIMINGS, json.dumps(rounded, indent=1).encode())
    planes = load_planes(store, run)
    maps = [load_label_maps(store, run, int(epoch)) for epoch in dynamics.epochs]
    for name, figure in standard_figures(record, planes, maps, planes.classes).items():
        writer.put(artifacts.figure_path(name), png(figure))
    writer.flush()
    return record


def sum_up(console: Console, record: RunRecord, store: StoreConfig) -> None:
    """Print what to know of a finished run, and how to look at it."""
    console.print()
    console.print(summary(record))
    _tell_where(console, record.summary.name, record.summary.run_id, store)


def _tell_where(console: Console, name: str, run: str, store: StoreConfig) -> None:
    """Say where the run is, and the two commands to look at it."""
    uri = tracking_uri(store)
    of_store = "" if store.tracking_uri is None else f" --tracking-uri {uri}"
    of_ui = "" if store.tracking_uri is None else f" --backend-store-uri {uri}"
    lines = [
        f"run {name} ({run[:8]}) is in {uri}; look at it with",
        f"  repdyn show {run[:8]}{of_store}",
        f"  {uri}" if is_remote(store) else f"  mlflow ui{of_ui}",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
