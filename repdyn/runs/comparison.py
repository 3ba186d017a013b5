"""Compares runs, and tests the paper's findings on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from repdyn.analysis.by_similarity import verdicts_by_similarity
from repdyn.analysis.findings import findings, findings_without_falls
from repdyn.analysis.pairs import RATE, RATE_FACTOR, Observation
from repdyn.analysis.phases import find_phases
from repdyn.analysis.scores import compute_scores
from repdyn.display.reading import measured
from repdyn.errors import UserError
from repdyn.records import RunRecord, RunSummary
from repdyn.report import description
from repdyn.report.comparison import Comparison, CrossCka
from repdyn.report.comparison_json import as_json
from repdyn.report.figures import png
from repdyn.report.figures.comparison import comparison_figures
from repdyn.report.page import page
from repdyn.runs.cross import cross_cka
from repdyn.runs.crossed_pairs import CrossedPair, crossed_pairs
from repdyn.settings.defaults import optimizer_kind
from repdyn.settings.schema import StoreConfig
from repdyn.settings.sweep_grid import DATA_SEED, SEED, compared_params
from repdyn.settings.text import UNSET
from repdyn.step_words import counted
from repdyn.storage import schema
from repdyn.storage.reader import load_run
from repdyn.storage.search import sweep_runs
from repdyn.storage.writer import RunWriter

MOST_NAMES = 6
"""Most runs that a note names."""


def log_report(comparison: Comparison, writer: RunWriter) -> str:
    """Log the figures of a comparison and its report to the run of the sweep; return the report."""
    html, figures = report_of(comparison)
    for name, content in figures.items():
        writer.put(schema.figure_path(name), content)
    writer.put(schema.REPORT, html.encode())
    writer.put(schema.COMPARISON, as_json(comparison).encode())
    writer.describe(description.of_sweep(comparison, writer.run_id))
    writer.flush()
    return html


def report_of(comparison: Comparison) -> tuple[str, dict[str, bytes]]:
    """Return the page of a comparison, and its figures as PNGs by name."""
    figures = {name: png(figure) for name, figure in comparison_figures(comparison).items()}
    return page(comparison, figures), figures


def of_sweep(sweep: RunSummary, store: StoreConfig) -> Comparison:
    """Return the comparison of a sweep's finished runs.

    Raises:
        UserError: fewer than two are finished.
    """
    finished = finished_runs(sweep_runs(store, sweep))
    records, damaged = _loaded(finished, store)
    if len(records) < 2:
        left_out = "".join(f"; {why}" for why in damaged)
        raise UserError(
            f"{sweep.name}: {len(finished)} finished runs; a comparison needs at least 2{left_out}"
        )
    comparison = compared(records, store, f"sweep {sweep.name}")
    return replace(comparison, notes=(*(f"Left out: {why}." for why in damaged), *comparison.notes))


def finished_runs(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """Return the finished runs of a sweep in display order, the last of each of its points."""
    finished = {
        run.tags.get(schema.POINT_TAG, run.run_id): run for run in runs if run.status == "FINISHED"
    }
    return sorted(finished.values(), key=_order)


def _loaded(runs: Sequence[RunSummary], store: StoreConfig) -> tuple[list[RunRecord], list[str]]:
    """Read runs; return those that can be read, and what is wrong with each of the others."""
    records, damaged = [], []
    for run in runs:
        try:
            record = load_run(store, run.run_id)
            measured(record)
            records.append(record)
        except UserError as error:
            damaged.append(str(error))
    return records, damaged


def compared(
    records: Sequence[RunRecord],
    store: StoreConfig,
    title: str = "",
    *,
    kept: Sequence[RunRecord] = (),
) -> Comparison:
    """Build a comparison, named after the runs if it has no title.

    Args:
        records: runs of the store; their phases and scores are recomputed by their current definitions.
        store: where they are.
        title: what is compared.
        kept: further runs, of which there are only phases and scores, taken as they are.

    Raises:
        UserError: a run of the store has no checkpoint.
    """
    stored = tuple(with_scores(record) for record in records)
    runs = (*stored, *kept)
    names = [run.summary.name for run in runs]
    varied = varied_settings([run.summary for run in runs])
    pairs, no_baseline = crossed_pairs(stored)
    cross, missing = _crossed(pairs, store)
    seen = [observation(run) for run in runs]
    return Comparison(
        title=title or (" and ".join(names) if len(names) == 2 else f"{len(names)} runs"),
        runs=runs,
        findings=findings(seen),
        varied=varied,
        cross=cross,
        notes=(*notes(runs), *missing, *_kept_note(kept)),
        by_similarity=verdicts_by_similarity(seen),
        without_falls=findings_without_falls(seen),
        no_baseline=no_baseline,
    )


def _kept_note(kept: Sequence[RunRecord]) -> tuple[str, ...]:
    n = len(kept)
    return (f"Phases and scores of {counted(n, 'run')} as they stand in files.",) if n else ()


def observation(run: RunRecord) -> Observation:
    """Return what the findings need of a run."""
    params = run.summary.params
    return Observation(
        family=run.summary.tags.get(schema.FAMILY_TAG, "other"),
        optimizer=optimizer_kind(params.get("opt", "")) or params.get("opt", ""),
        settings=compared_params(params),
        scores=run.scores,
        double_descent=run.phases.test_peak is not None,
        fit=run.phases.fit,
        falls=bool(run.phases.spikes),
    )


def varied_settings(runs: Sequence[RunSummary]) -> tuple[str, ...]:
    """Return the settings in which runs differ, except seed, places and derived ones.

    A data seed goes with the seed, as in a sweep, unless runs of one seed differ in it.
    The learning rate, epsilon, width and arguments of an architecture that come from defaults are not
    settings of their own: they count if runs of equal architecture, optimizer and factor of the
    learning rate differ in them.
    """
    names = dict.fromkeys(name for run in runs for name in compared_params(run.params))
    ignored = {SEED} | (set() if _own_data_seeds(runs) else {DATA_SEED})
    return tuple(n for n in names if n not in ignored and _varies(n, runs))


def _own_data_seeds(runs: Sequence[RunSummary]) -> bool:
    """Say whether runs of one seed have several data seeds."""
    both = {(run.params.get(SEED), run.params.get(DATA_SEED)) for run in runs}
    return len(both) > len({seed for seed, _ in both})


def _varies(name: str, runs: Sequence[RunSummary]) -> bool:
    # runs of former versions have no factor of the learning rate, and no epsilon
    if name not in {RATE, "eps", "width", "arch_arg"}:
        return len({run.params.get(name, UNSET) for run in runs}) > 1
    by_kind: dict[tuple[str | None, ...], set[str | None]] = {}
    for run in runs:
        kind = tuple(map(run.params.get, ("arch", "opt", RATE_FACTOR)))
        by_kind.setdefault(kind, set()).add(run.params.get(name, UNSET))
    return any(len(values) > 1 for values in by_kind.values())


def notes(runs: Sequence[RunRecord]) -> tuple[str, ...]:
    """Return what a reader of the findings needs to know.

    Spikes, runs without a fit, learning rates, and seeds that all share their data.
    """
    spiky = [run.summary.name for run in runs if run.phases.spikes]
    logged = [run for run in runs if run.logs_accuracy]
    unfit = [run.summary.name for run in logged if run.phases.fit is None]
    rates = {(run.summary.params.get("opt"), run.summary.params.get(RATE)) for run in runs}
    said = []
    if spiky:
        said.append(
            "Training accuracy fell back after perfect fit, which moves all layers at once and "
            f"raises their synchrony: {_listed(spiky, runs)}."
        )
    if unfit:
        said.append(f"Perfect fit was not reached, so no break there: {_listed(unfit, runs)}.")
    if len({run.summary.params.get(RATE_FACTOR, "None") for run in runs}) > 1:
        said.append(
            "Sides are compared at equal epoch of perfect fit, over the epochs at which both have "
            "runs; the effects at the default learning rates do not count."
        )
    elif len({opt for opt, _ in rates}) > 1:
        said.append(
            "Optimizers are compared at their own learning rates; different ones may give "
            "a different answer (repdyn sweep --lr-factor 0.1,0.3,1,3)."
        )
    seeds, data_seeds = ({run.summary.params.get(n) for run in runs} for n in (SEED, DATA_SEED))
    if len(seeds) > 1 and len(data_seeds) == 1:
        said.append(
            f"All seeds share data seed {data_seeds.pop()}: the intervals do not cover another draw "
            "of images and label noise."
        )
    return tuple(said)


def _listed(names: Sequence[str], runs: Sequence[RunRecord]) -> str:
    """Return the names of some of the runs, or how many they are; the table counts them by group."""
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{len(names)} of {len(runs)} runs"


def _order(run: RunSummary) -> tuple[object, ...]:
    """Return a run's sort key in a sweep: SGD first, seeds together, whenever it was trained."""
    params = dict(run.params)
    seeds = [params.pop(name, "").zfill(20) for name in (SEED, DATA_SEED)]
    return params.get("arch"), params.get("opt") != "sgd", sorted(params.items()), seeds


def with_scores(record: RunRecord) -> RunRecord:
    """Return a run with its phases and scores by their current definitions.

    Raises:
        UserError: it has no checkpoint.
    """
    dynamics = measured(record)
    phases = find_phases(record.curves, dynamics)
    return replace(record, phases=phases, scores=compute_scores(dynamics, phases))


def _crossed(
    pairs: Sequence[CrossedPair], store: StoreConfig
) -> tuple[tuple[CrossCka, ...], tuple[str, ...]]:
    """Return the CKA from run to run, and why it is missing where it is."""
    found, missing = [], []
    for pair in pairs:
        a, b = pair.runs
        try:
            found.append(replace(cross_cka(a, b, store), baseline=pair.baseline))
        except UserError as error:
            missing.append(f"No CKA between {a.summary.name} and {b.summary.name}: {error}.")
    return tuple(found), tuple(missing)
