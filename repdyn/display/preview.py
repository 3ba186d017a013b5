"""What a preview shows of a run: enough to tell it from others, little enough to keep for many."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from repdyn.display import axis
from repdyn.display.findings import Finding, findings, first_measure
from repdyn.display.heatmap import HeatmapData
from repdyn.display.labels import ACCURACIES, PHASES
from repdyn.display.live import pace
from repdyn.display.metric_names import ACCURACY, LOSS, group_title, telling_first
from repdyn.display.metrics import MetricGroup, main_groups
from repdyn.display.reading import last_epoch
from repdyn.display.scale import Scale
from repdyn.display.similarity import Similarity, similarity
from repdyn.display.wording import plain, spanned
from repdyn.records import SYSTEM_METRICS, Phases, RunRecord, RunSummary
from repdyn.step_words import step

PLACES = 10
"""Of the epoch axis, in a run's fingerprint."""

NEAREST = 0.999
"""Similarity from which fingerprints have the last colour of a map, if it is of log distances."""

MOST_CURVES = 4
MOST_NAMED = 3
"""Spikes, or metrics, that a warning names."""

DERIVED = ("phase/", "score/")
"""Prefixes of the metrics that are computed from others at the end of a run."""


@dataclass(frozen=True)
class Preview:
    """An outline of a run.

    Attributes:
        summary: of the run when it was read.
        title: of the picture, what is drawn in it.
        picture: each layer's similarity to the last checkpoint, layers × checkpoints; None if there
            is none yet.
        fingerprint: the same as PLACES places on a colour map, from 0 to 1, mean over layers, the
            same for all runs; empty without a picture, NaN where a place has no value.
        findings: what the run shows, in sentences; none without a picture.
        curves: the metrics that are drawn; None if there are none.
        phases: their boundaries.
        last: its last step.
        unit: of its steps.
        pace: its recent speed and what is left, in words, while it trains.
    """

    summary: RunSummary
    title: str
    picture: HeatmapData | None
    fingerprint: tuple[float, ...]
    findings: tuple[Finding, ...]
    curves: MetricGroup | None
    phases: Phases
    last: int
    unit: str
    pace: str = ""


def preview_of(record: RunRecord) -> Preview:
    """Return the outline of a run; it does not keep the run's matrices."""
    groups = main_groups(record.curves)
    title, picture, fingerprint, found = "", None, tuple[float, ...](), tuple[Finding, ...]()
    measure = first_measure(record.dynamics)
    if record.dynamics is not None and measure:
        shown = similarity(record.dynamics, measure)
        title = f"{shown.measure.quantity} with last checkpoint"
        picture = shown.by_layer(shown.to_last().copy(), shown.scale(), record.phases)
        fingerprint, found = _fingerprint(shown), findings(record, measure)
    return Preview(
        record.summary,
        title,
        picture,
        fingerprint,
        found,
        groups[0] if groups else None,
        record.phases,
        last_epoch(record),
        record.unit,
        pace(record, time.time() * 1000),
    )


def _fingerprint(shown: Similarity) -> tuple[float, ...]:
    """Return the mean similarity to the last checkpoint along the axis, on one scale for all runs."""
    steps, values = shown.steps[:-1], shown.to_last()[:, :-1]  # the last is equal to itself
    if not len(steps):
        return ()
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        means = np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)
    unit = axis.grain(shown.steps)
    spots = axis.position(steps, unit)
    wanted = np.linspace(spots[0], spots[-1], PLACES)
    nearest = abs(spots[:, None] - wanted).argmin(axis=0)
    logarithmic = shown.measure.log_distance
    scale = Scale("", 0.0, NEAREST if logarithmic else 1.0, (), logarithmic)
    return tuple(scale.place(means[nearest]).tolist())


def drawn_metrics(names: Collection[str]) -> list[str]:
    """Return which of a run's metrics a preview draws: accuracies, else losses, else one of any.

    Ours are enough where held-out data are among them: other programs have `train/acc`, too.
    """
    ours = [name for name in ACCURACIES if name in names]
    if "test/acc" in ours:
        return ours
    kinds = {name: group_title(name) for name in dict.fromkeys([*ours, *sorted(names)])}
    alike = ([n for n, kind in kinds.items() if kind == wanted] for wanted in (ACCURACY, LOSS))
    others = telling_first(name for name in kinds if not name.startswith(SYSTEM_METRICS))
    return next((found for found in alike if found), others[:1])[:MOST_CURVES]


def phase_lines(preview: Preview) -> dict[str, str]:
    """Return the boundaries of the phases that were found, by their names, with their intervals."""
    intervals = preview.phases.intervals
    return {
        PHASES[name]: spanned(epoch, intervals.get(name))
        for name, epoch in preview.phases.markers().items()
    }


def warnings(summary: RunSummary, preview: Preview | None) -> list[str]:
    """Return what may be wrong with a run: metrics without a number, training that fell back."""
    odd = [n for n, v in shown_metrics(summary).items() if not math.isfinite(v)]
    lines = [f"not a number: {_some(odd)}"] if odd else []
    if preview is not None and preview.phases.spikes:
        spikes = [step(at) for at in preview.phases.spikes]
        lines.append(f"accuracy fell back at {preview.unit} {_some(spikes)}")
    return lines


def shown_metrics(summary: RunSummary) -> Mapping[str, float]:
    """Return the last values of a run's own metrics, without those computed at its end."""
    derived = (*DERIVED, SYSTEM_METRICS)
    return {plain(n): v for n, v in sorted(summary.metrics.items()) if not n.startswith(derived)}


def _some(names: list[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
