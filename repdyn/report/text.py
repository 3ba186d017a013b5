"""A run as text for the terminal. Names of runs and layers are never parsed as markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, repeat

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from repdyn.display.findings import findings
from repdyn.display.labels import ACCURACIES, PHASES
from repdyn.display.layer_table import drawn, layer_table
from repdyn.display.metric_names import ACCURACY
from repdyn.display.metrics import MetricGroup, metric_groups
from repdyn.display.reading import last_epoch, undefined, value_at
from repdyn.display.score_table import with_scores
from repdyn.display.similarity import measured_by, similarity
from repdyn.display.text_heatmap import TextHeatmaps
from repdyn.display.wording import (
    accuracy,
    boundaries,
    by_measure,
    duration,
    end_words,
    going_on,
    label,
    plain,
    settings,
    spanned,
    undefined_lines,
)
from repdyn.records import EPOCH, Dynamics, RunRecord, plural
from repdyn.report.export import as_json
from repdyn.report.runs import runs_table, status
from repdyn.score_key import ScoreKey
from repdyn.step_words import counted, step

MOST_METRICS = 6
"""Most columns of metrics in a table."""

__all__ = ["as_json", "runs_table", "show", "summary"]


def show(record: RunRecord, *, scores: bool = True) -> RenderableType:
    """Return a run, for a console of any width.

    Its settings, what it shows, the similarity of each layer to its last checkpoint over the epochs,
    accuracies at the phase boundaries, each layer's probes and change points.

    Args:
        record: of the run.
        scores: show the scores too, with their meaning, and why others are undefined.
    """
    parts: list[RenderableType] = [_header(record)]
    parts += [Text(plain(str(found))) for found in findings(record)]
    if record.dynamics is None:
        parts.append(Text("no checkpoint yet", "italic"))
    elif record.dynamics.similarity and len(record.dynamics.steps) == 1:
        parts.append(Text("one checkpoint so far; similarities compare two", "italic"))
    elif record.dynamics.similarity:
        heatmaps = _heatmaps(record, record.dynamics)
        errors = Text("\n".join(_errors(record.dynamics)), "dim")
        body = Group(heatmaps, errors) if errors else heatmaps
        parts.append(_section("Similarity to the last checkpoint", body))
    if groups := metric_groups(record.curves):
        what = "Accuracy" if groups[0].title == ACCURACY else "Metrics"
        parts.append(_section(f"{what} at key {plural(record.unit)}", _key_steps(record, groups)))
    missing = undefined(record)
    if record.scores and scores:
        parts.append(_section("Scores", _scores(record)))
    if missing and scores:
        parts.append(_section("Undefined", _undefined(record, missing)))
    if record.phases.spikes:
        parts.append(_spikes(record))
    if record.dynamics is not None:
        table = layer_table(record.dynamics, record.phases)
        if table.head or table.note:
            parts.append(_section("Layers", drawn(table, _table)))
    if not scores and (record.scores or missing):
        parts += [
            Text(),
            Text("--scores: the scores, what they mean, and why others are undefined", "dim"),
        ]
    return Group(*parts)


def summary(record: RunRecord) -> RenderableType:
    """Return the summary at the end of training: final accuracies, phases, what the run shows."""
    ended = replace(record, summary=replace(record.summary, status="FINISHED"))
    phases = [f"{name} {epoch}" for name, epoch in _boundaries(record).items()]
    final = [
        f"{word} {accuracy(value_at(record.curves.get(name), last_epoch(record)))}"
        for name, word in ACCURACIES.items()
        if name in record.curves
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for head, words in (("accuracy", final), ("phases", phases)):
        if words:
            table.add_row(Text(head), Text(" · ".join(words)))
    for head, found in zip(chain(["shows"], repeat("")), findings(ended), strict=False):
        table.add_row(Text(head), Text(plain(str(found))))
    if record.phases.spikes:
        table.add_row(Text("beware"), _spikes(record))
    return table


def _undefined(record: RunRecord, reasons: Mapping[str | ScoreKey, str]) -> RenderableType:
    measures = () if record.dynamics is None else record.dynamics.similarity
    return Group(*(Text(plain(line)) for line in undefined_lines(reasons, measures)))


def _spikes(record: RunRecord) -> Text:
    steps = " ".join(map(step, record.phases.spikes))
    return Text(
        f"training accuracy fell back after perfect fit ({record.unit} {steps}): such a spike moves all "
        "layers at once and raises their synchrony",
        "yellow",
    )


def _header(record: RunRecord) -> RenderableType:
    run = record.summary
    title = Text.assemble(
        (plain(run.name), "bold"), "  ", (plain(run.run_id)[:8], "cyan"), "  ", status(run)
    )
    planned = plain(run.params.get("epochs", "")) if record.unit == EPOCH else ""
    done = counted(last_epoch(record), record.unit)
    counts = [f"{planned} {plural(record.unit)}" if planned else done]
    if record.dynamics is not None:
        counts.append(counted(len(record.dynamics.steps), "checkpoint"))
        counts.append(counted(len(record.dynamics.layers), "layer"))
    if run.ended is not None:
        counts.append(duration((run.ended - run.started) / 1000))
    lines = [title, Text(" · ".join(counts), "dim")]
    if settings(run):
        lines.insert(1, Text(settings(run)))
    if going_on(run):
        lines.append(Text(going_on(run), "yellow"))
    return Group(*lines)


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(), Text(title, "bold underline"), body)


def _heatmaps(record: RunRecord, dynamics: Dynamics) -> TextHeatmaps:
    shown = [similarity(dynamics, one.name) for one in measured_by(dynamics)]
    return TextHeatmaps(
        tuple(
            one.by_layer(one.to_last(), one.scale(), record.phases, one.measure.long_label)
            for one in shown
        )
    )


def _errors(dynamics: Dynamics) -> Iterator[str]:
    """Yield a line for each measure with standard errors: their median and largest."""
    for one in measured_by(dynamics):
        shown = similarity(dynamics, one.name)
        if shown.errors is not None and np.isfinite(shown.errors[:, :-1, -1]).any():
            found = shown.errors[:, :-1, -1]
            usual, most = float(np.nanmedian(found)), float(np.nanmax(found))
            yield (
                f"standard error of {one.long_label} over {one.error_over}: "
                f"median {usual:.1g}, at most {most:.1g}"
            )


def _boundaries(record: RunRecord) -> dict[str, str]:
    """Return the existing boundaries with their intervals, by their names in words."""
    phases = record.phases
    return {
        PHASES[name]: spanned(epoch, phases.intervals.get(name))
        for name, epoch in phases.markers().items()
    }


def _key_steps(record: RunRecord, groups: Sequence[MetricGroup]) -> RenderableType:
    """Return a table of the accuracies, or, without any, of the first of the other metrics."""
    shown = groups[:1] if groups[0].title == ACCURACY else groups
    there = [(group, name) for group in shown for name in group.curves][:MOST_METRICS]
    table = _table("", record.unit, *(group.full(name) for group, name in there))
    table.columns[1].justify = "left"  # its intervals would push the epochs apart
    last = last_epoch(record)
    ending = end_words(record.unit)
    said = _boundaries(record) | {ending: step(last)}
    for name, epoch in (boundaries(record.phases) | {ending: last}).items():
        values = [group.written(value_at(group.curves[one], epoch)) for group, one in there]
        table.add_row(Text(name), said[name], *values)
    return table


def _scores(record: RunRecord) -> RenderableType:
    """Return a row for each score, with a column for each measure it is computed on, and meanings."""
    rows = by_measure(record.scores)
    measures = list(dict.fromkeys(key.measure for key in record.scores))
    table = _table("", *map(label, measures))
    numbers = {
        score: [f"{row[one]:.3f}" if one in row else "" for one in measures]
        for score, row in rows.items()
    }
    return with_scores(table, numbers)


def _table(first: str, *numbers: str) -> Table:
    """Return a table without lines: a column of names, then columns of numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(first, no_wrap=True, overflow="ellipsis")
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True)
    return table
