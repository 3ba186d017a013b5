"""A single run as one self-contained HTML file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from repdyn.analysis.scores import MEANINGS
from repdyn.display import axis
from repdyn.display.findings import findings
from repdyn.display.labels import PHASE_MEANINGS, PHASES
from repdyn.display.layer_table import layer_table
from repdyn.display.metric_names import ACCURACY
from repdyn.display.metrics import metric_groups
from repdyn.display.reading import last_epoch, undefined, value_at
from repdyn.display.score_sentences import score_sentences
from repdyn.display.similarity import measured_by, similarity
from repdyn.display.wording import (
    boundaries,
    by_measure,
    duration,
    end_words,
    going_on,
    label,
    plain,
    score_title,
    settings,
    spanned,
    undefined_lines,
)
from repdyn.evenly import evenly
from repdyn.measures.spec import MEASURES
from repdyn.records import Interval, RunRecord, plural
from repdyn.report.figures.matrices import MOST_PANELS
from repdyn.report.forest import Tick
from repdyn.report.html import render
from repdyn.report.provenance import NOT_RECORDED, differences, facts
from repdyn.report.tiles import colour_bar, tiles
from repdyn.step_words import counted, short_step, step

MOST_METRICS = 6
"""Most columns of metrics in a table."""

OVERVIEW = "overview_"
"""How the names of figures begin that are shown first."""

CAPTIONS = {
    "curves": "Accuracies and losses over training, and the linear probes of each layer.",
    "fragmentation": "Number of connected regions of a plane, by layer.",
    "decision_regions": "The classes predicted on a plane through three images, by epoch.",
}


@dataclass(frozen=True)
class Times:
    """A row of steps with their intervals, in percent of the axis."""

    name: str
    at: tuple[float, ...]
    ends: tuple[tuple[float, float], ...]
    numbers: str


@dataclass(frozen=True)
class Boundaries:
    """Phase boundaries on one axis of steps."""

    rows: tuple[Times, ...]
    ticks: tuple[Tick, ...]
    unit: str


def run_page(record: RunRecord, figures: Mapping[str, bytes]) -> str:
    """Return the page of a run, without what the run lacks.

    Args:
        record: of the run.
        figures: PNGs by name: the first overview is shown, the others are folded away.
    """
    run, dynamics = record.summary, record.dynamics
    measures = [] if dynamics is None else [one.name for one in measured_by(dynamics)]
    shown = {name: b64encode(png).decode() for name, png in figures.items()}
    first = [name for name in shown if name.startswith(OVERVIEW)][:1]
    sentences = [(MEASURES[name].title, score_sentences(record, name)) for name in measures]
    missing = undefined(record)
    return render(
        "run",
        title=plain(run.name),
        what=_what(record),
        findings=[str(one) for one in findings(record)],
        phases=_boundaries(record),
        notes=_notes(record),
        units=plural(record.unit),
        overview=[(_caption(name), shown[name]) for name in first],
        figures=[(_caption(name), png) for name, png in shown.items() if name not in first],
        heatmaps=list(_heatmaps(record)),
        scores=[(name, said) for name, said in sentences if said],
        undefined=undefined_lines(missing, measures, score_title),
        tables=list(_tables(record)),
        score_table=_score_table(record),
        meanings=[
            (score_title(s), MEANINGS[s]) for s in by_measure(record.scores) if s in MEANINGS
        ],
        settings=[(name, value) for name, value in run.params.items() if value != "None"],
        provenance=facts(run) or [(NOT_RECORDED, "by the version of repdyn that logged this run")],
    )


def _caption(name: str) -> str:
    measure = name.removeprefix(OVERVIEW)
    if measure not in MEASURES:
        return CAPTIONS.get(name, name)
    title = MEASURES[measure].title
    return f"{title} of each layer with the last checkpoint, as colours and as curves."


def _what(record: RunRecord) -> list[str]:
    run, dynamics = record.summary, record.dynamics
    parts = [run.status.lower(), counted(last_epoch(record), record.unit)]
    if dynamics is not None:
        parts.append(counted(len(dynamics.steps), "checkpoint"))
        parts.append(counted(len(dynamics.layers), "layer"))
    if run.ended is not None:
        parts.append(duration((run.ended - run.started) / 1000))
    known = (
        settings(run) if any(run.params.get(name) for name in ("arch", "opt", "dataset")) else ""
    )
    return [line for line in (known, " · ".join([*parts, f"run {run.run_id}"])) if line]


def _notes(record: RunRecord) -> list[str]:
    said = [going_on(record.summary)] if going_on(record.summary) else []
    if record.dynamics is None:
        said.append("No checkpoint has been measured yet.")
    if record.phases.spikes:
        at = " ".join(map(step, record.phases.spikes))
        said.append(
            f"Training accuracy fell back after perfect fit ({record.unit} {at}): such a spike moves all "
            "layers at once and raises their synchrony."
        )
    return [*said, *differences([record.summary])]


def _boundaries(record: RunRecord) -> Boundaries | None:
    phases, markers = record.phases, record.phases.markers()
    if not markers:
        return None
    last = last_epoch(record)
    grain = axis.grain(np.array([0, 1]) if record.dynamics is None else record.dynamics.steps)
    whole = float(axis.position(last, grain)) or 1.0

    def place(at: float) -> float:
        return round(min(100.0, 100 * float(axis.position(at, grain)) / whole), 2)

    def row(name: str, at: Sequence[int], known: Sequence[Interval | None]) -> Times:
        said = "; ".join(spanned(one, interval) for one, interval in zip(at, known, strict=True))
        ends = tuple((place(one[0]), place(one[1])) for one in known if one is not None)
        return Times(name, tuple(map(place, at)), ends, said)

    rows = [row(PHASES[n], [at], [phases.intervals.get(n)]) for n, at in markers.items()]
    if phases.joint:
        known: Sequence[Interval | None] = phases.joint_intervals or [None] * len(phases.joint)
        rows.append(row("all layers change", phases.joint, known))
    ticks = [Tick(place(at), short_step(at)) for at in axis.ticks(last, 0, 6, grain)]
    return Boundaries(tuple(rows), tuple(ticks), record.unit)


def _heatmaps(record: RunRecord) -> Iterator[dict[str, Any]]:
    dynamics = record.dynamics
    if dynamics is None or len(dynamics.steps) < 2:
        return
    for measure in measured_by(dynamics):
        one = similarity(dynamics, measure.name)
        scale, chosen = one.scale(), evenly(len(one.names), MOST_PANELS)
        some = (
            "" if len(chosen) == len(one.names) else f"; {len(chosen)} of {len(one.names)} layers"
        )
        drawn = tiles("", one, scale, chosen, [record])
        yield {
            "title": f"{measure.title} between checkpoints",
            "lead": f"Each layer with itself at every other checkpoint{some}. Both axes: {one.unit}. "
            + drawn.legend,
            "tiles": drawn,
            "bar": colour_bar(scale),
        }


def _tables(record: RunRecord) -> Iterator[dict[str, Any]]:
    groups = metric_groups(record.curves)
    if groups:
        accurate = groups[0].title == ACCURACY
        shown = groups[:1] if accurate else groups
        there = [(group, name) for group in shown for name in group.curves][:MOST_METRICS]
        at = boundaries(record.phases) | {end_words(record.unit): last_epoch(record)}
        rows = [
            (name, step(epoch), *(g.written(value_at(g.curves[one], epoch)) for g, one in there))
            for name, epoch in at.items()
        ]
        what = "Accuracy" if accurate else "Metrics"
        yield {
            "title": f"{what} at key {plural(record.unit)}",
            "head": ["", record.unit, *(group.full(name) for group, name in there)],
            "rows": rows,
            "note": "; ".join(
                f"{PHASES[name]}: {PHASE_MEANINGS[name]}" for name in record.phases.markers()
            ),
        }
    if record.dynamics is not None:
        table = layer_table(record.dynamics, record.phases)
        if table.head:
            yield {
                "title": "Layers",
                "head": ["", *table.head],
                "rows": table.rows,
                "note": table.note,
            }


def _score_table(record: RunRecord) -> dict[str, Any] | None:
    if not record.scores:
        return None
    measures = list(dict.fromkeys(key.measure for key in record.scores))
    rows = [
        (score_title(score), *(f"{row[one]:.3f}" if one in row else "–" for one in measures))
        for score, row in by_measure(record.scores).items()
    ]
    return {"head": ["", *map(label, measures)], "rows": rows}
