"""The description of a run, or of a sweep, that MLflow shows above its numbers, as Markdown."""

from __future__ import annotations

import re
from dataclasses import replace

from repdyn.display.findings import findings
from repdyn.display.labels import PHASES
from repdyn.display.reading import last_epoch
from repdyn.display.wording import plain, settings, spanned
from repdyn.records import RunRecord, plural
from repdyn.report.comparison import Comparison, finding_words, groups
from repdyn.step_words import counted, step

SPECIAL = re.compile(r"([\\`*_\[\]<>|#])")


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return SPECIAL.sub(r"\\\1", plain(text))


def of_run(record: RunRecord) -> str:
    """Return what a run is, what it shows, its boundaries with their intervals, and how to open it.

    It is written at the end of the run, while the run is still recorded as running.
    """
    record = replace(record, summary=replace(record.summary, status="FINISHED"))
    run, dynamics = record.summary, record.dynamics
    measured = "no checkpoint" if dynamics is None else counted(len(dynamics.steps), "checkpoint")
    what = [settings(run), counted(last_epoch(record), record.unit), measured]
    parts = [f"**{escaped(' · '.join(part for part in what if part))}**"]
    parts += ["\n".join(f"- {escaped(str(finding))}" for finding in findings(record))]
    if record.phases.spikes:
        at = ", ".join(map(step, record.phases.spikes))
        parts += [f"Training accuracy falls back after perfect fit, at {plural(record.unit)} {at}."]
    markers = record.phases.markers()
    if markers:
        rows = [
            f"| {PHASES[name]} | {spanned(epoch, record.phases.intervals.get(name))} |"
            for name, epoch in markers.items()
        ]
        parts += ["\n".join([f"| boundary | {record.unit} |", "|---|---:|", *rows])]
    short = plain(run.run_id)[:8]
    parts += [f"Open it with `repdyn tui {short}`, or print it: `repdyn show {short}`."]
    return "\n\n".join(part for part in parts if part)


def of_sweep(comparison: Comparison, run_id: str) -> str:
    """Return what a sweep compares, the verdicts on the findings, and how to open it."""
    shown = groups(comparison)
    runs = counted(len(comparison.runs), "run")
    of = ", ".join(escaped(group.label) for group in shown)
    parts = [f"**{escaped(comparison.title)}: {runs} of {counted(len(shown), 'group')}**", of]
    rows = [
        f"| {escaped(finding.claim)} | {escaped(finding_words(finding))} |"
        for finding in comparison.findings
    ]
    if rows:
        parts += ["\n".join(["| finding | verdict |", "|---|---|", *rows])]
    parts += [
        "The page `report.html` among the artifacts has the effects with their intervals, and so has "
        f"`repdyn compare --sweep {plain(run_id)[:8]}`.",
    ]
    return "\n\n".join(parts)
