"""Wording about runs, for figures and text alike. Names of runs are untrusted text."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from repdyn.display.labels import MARKS, PHASES, SCORES
from repdyn.measures.spec import MEASURES
from repdyn.own_runs import is_own, is_sweep
from repdyn.step_words import step

if TYPE_CHECKING:  # numpy is slow to import, and the screen's first frame needs none of it
    from repdyn.records import Interval, Phases, RunSummary
    from repdyn.score_key import ScoreKey

NOT_TESTABLE = "not testable"

NO_PAIR = f"{NOT_TESTABLE}: no matched pair has this score"
"""Shown for an effect without values; for a share of runs, NO_RUN."""

NO_RUN = f"{NOT_TESTABLE}: no run has this score"

UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
"""Units of time in seconds."""

BYTES = ("B", "kB", "MB", "GB", "TB")
"""Units of sizes, each a thousand of the one before."""


def plain(text: str) -> str:
    """Return the text on one line, without terminal control or bidirectional characters."""
    kept = (" " if c in "\t\r\n" else c for c in text)
    return "".join(c for c in kept if not unicodedata.category(c).startswith("C"))


def ending(name: str, room: int) -> str:
    """Return the end of a name that is too long: it tells `model.layers.31` from its neighbours."""
    return name if len(name) <= room else f"…{name[len(name) - room + 1 :]}" if room > 0 else ""


def both_ends(name: str, room: int) -> str:
    """Return the name, or its beginning and its end, `resnet18-adam…-s0`: runs differ in either."""
    if len(name) <= room:
        return name
    tail = max(0, room - 1) // 3
    return f"{name[: max(0, room - 1 - tail)]}…{name[len(name) - tail :]}" if room > 0 else ""


def arch(summary: RunSummary) -> str:
    """Return the architecture with its width, `resnet18 ×0.25`."""
    name, width = plain(summary.params.get("arch", "")), plain(summary.params.get("width", ""))
    return f"{name} ×{width}" if width not in ("", "None", "1", "1.0") else name


def noise(summary: RunSummary) -> str:
    """Return the label noise as a percentage, `15 %`, or nothing if there is none."""
    text = plain(summary.params.get("label_noise", ""))
    try:
        share = float(text)
    except ValueError:
        return ""
    return f"{100 * share:g} %" if share > 0 else ""


def data(summary: RunSummary) -> str:
    """Return the data in words, `digits, 1000 images, 15 % label noise`."""
    size = plain(summary.params.get("train_size", ""))
    parts = [
        plain(summary.params.get("dataset", "")),
        "" if size in ("", "None") else f"{size} {_inputs(summary)}",
        noise(summary) and f"{noise(summary)} label noise",
    ]
    return ", ".join(part for part in parts if part)


def trained_here(summary: RunSummary) -> bool:
    """Return whether `repdyn train` has trained the run, not a user's own loop."""
    return {"arch", "dataset", "train_size"} <= summary.params.keys()


def _inputs(summary: RunSummary) -> str:
    return "images" if trained_here(summary) else "examples"


def optimizer(summary: RunSummary) -> str:
    """Return the optimizer with its learning rate, `sgd 0.0015`."""
    name, rate = optimizer_name(summary), plain(summary.params.get("lr", ""))
    if rate in ("", "None"):
        return name
    return f"{name or 'lr'} {rate}"


def optimizer_name(summary: RunSummary) -> str:
    """Return the optimizer; other programs' runs may have the param under its whole name."""
    name = plain(summary.params.get("opt") or summary.params.get("optimizer", ""))
    return "" if name == "None" else name


def settings(summary: RunSummary) -> str:
    """Return model, optimizer and data on one line."""
    parts = (arch(summary), optimizer(summary), data(summary))
    return " · ".join(part for part in parts if part)


STOPPED = {"DIED": "its process is gone", "KILLED": "stopped", "FAILED": "failed"}
"""States from which a run can be resumed, in words."""


def going_on(summary: RunSummary) -> str:
    """Return why a run has stopped and how to resume it, or nothing if it ended or is training."""
    why = STOPPED.get(summary.status, "")
    if not why or not is_own(summary.tags):
        return ""
    if is_sweep(summary.tags):
        return f"{why}; resume with the same repdyn sweep command"
    if not trained_here(summary):
        return f'{why}; resume in its own loop with start_run(run_id="{plain(summary.run_id)}")'
    command = f"repdyn train --resume {plain(summary.run_id)[:8]}"
    return f"{why}; resume with {command}"


def end_words(unit: str) -> str:
    """Return how the last step is called, `last epoch`."""
    return "end" if unit.endswith("s") else f"last {unit}"


def boundaries(phases: Phases) -> dict[str, int]:
    """Return the epochs of the existing phase boundaries, by their names in words."""
    return {PHASES[name]: epoch for name, epoch in phases.markers().items()}


def boundary_marks(phases: Phases) -> dict[str, int]:
    """Return the epochs of the existing phase boundaries, by their labels on an axis."""
    return {MARKS[name]: epoch for name, epoch in phases.markers().items()}


def undefined_lines(
    reasons: Mapping[str | ScoreKey, str],
    measures: Collection[str],
    words: Callable[[str], str] | None = None,
) -> list[str]:
    """Return a line for each reason: what is undefined, then why.

    Args:
        reasons: by the name of a boundary, or a score.
        measures: of the run; a score that is undefined for only some is followed by their names.
        words: names a score (default: score_words).
    """
    names: dict[str, list[str | ScoreKey]] = {}
    for name, why in reasons.items():
        names.setdefault(why, []).append(name)
    named = words or score_words
    return [f"{_together(same, measures, named)}: {why}" for why, same in names.items()]


def _together(
    names: Sequence[str | ScoreKey], measures: Collection[str], words: Callable[[str], str]
) -> str:
    if set(names) == PHASES.keys():
        return "No phases"
    return ", ".join(_joined(names, measures, words))


def _joined(
    names: Sequence[str | ScoreKey], measures: Collection[str], named: Callable[[str], str]
) -> list[str]:
    """Return names in words, each score once."""
    words = [PHASES.get(name, name) for name in names if isinstance(name, str)]
    scores: dict[str, list[str]] = {}
    for name in names:
        if not isinstance(name, str):
            scores.setdefault(name.score, []).append(name.measure)
    for score, of in scores.items():
        said = "" if len(of) == len(measures) else f" ({', '.join(map(label, of))})"
        words.append(f"{named(score)}{said}")
    return words


def score_words(score: str) -> str:
    """Return the display name of a score, `fit break`."""
    return plain(score).replace("_", " ")


RANK = "_rank"
"""Ends the name of a score that is another one's place among what chance gives."""


def score_title(score: str) -> str:
    """Return the name of a score where there is space, `synchrony away from perfect fit, rank`."""
    if score in SCORES:
        return SCORES[score]
    of = score.removesuffix(RANK)
    return f"{SCORES[of]}, rank" if of in SCORES else score_words(score)


def key_title(key: ScoreKey) -> str:
    """Return the name of a score on a measure where there is space."""
    return f"{score_title(key.score)} ({label(key.measure)})"


def key_words(key: ScoreKey) -> str:
    """Return the display name of a score on a measure, `fit break (CKA)`."""
    return f"{score_words(key.score)} ({label(key.measure)})"


def by_measure(scores: Mapping[ScoreKey, float]) -> dict[str, dict[str, float]]:
    """Return scores ordered by name, then by measure."""
    rows: dict[str, dict[str, float]] = {}
    for key, value in scores.items():
        rows.setdefault(key.score, {})[key.measure] = value
    return rows


def label(measure: str) -> str:
    """Return the name of a similarity measure in tables."""
    return MEASURES[measure].label if measure in MEASURES else plain(measure)


def spanned(epoch: int, interval: Interval | None) -> str:
    """Return an epoch with its interval, `37 (35–39)`, or alone if it is certain."""
    if interval is None or interval == (epoch, epoch):
        return step(epoch)
    return f"{step(epoch)} ({step(interval[0])}–{step(interval[1])})"


def layer_changes(phases: Phases, layer: int) -> str:
    """Return the change points of a layer with their intervals, or a dash."""
    points = phases.change_points[layer] if layer < len(phases.change_points) else ()
    intervals = phases.change_intervals[layer] if phases.change_intervals and points else ()
    return _changes(points, intervals)


def lacks_changes(phases: Phases) -> bool:
    """Return whether a layer was analysed and has no change point."""
    return not all(phases.change_points)


def joint_changes(phases: Phases) -> str:
    """Return the change points of all layers jointly with their intervals, or a dash."""
    return _changes(phases.joint, phases.joint_intervals)


def _changes(points: Sequence[int], intervals: Sequence[Interval]) -> str:
    # older runs have points without intervals
    known: Sequence[Interval | None] = intervals or [None] * len(points)
    return " ".join(map(spanned, points, known)) or "–"


def accuracy(value: float) -> str:
    """Return an accuracy to three decimals, `.872`, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.3f}".removeprefix("0")


def duration(seconds: float) -> str:
    """Return a time span in its largest whole unit, `4 min`."""
    size, unit = next(((n, unit) for n, unit in UNITS if seconds >= n), UNITS[-1])
    return f"{max(0, int(seconds // size))} {unit}"


def size(count: int) -> str:
    """Return a number of bytes with three digits, `721 kB`."""
    amount = float(count)
    for unit in BYTES:
        if amount < 1000 or unit == BYTES[-1]:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    raise AssertionError
