"""Runs side by side, and which epoch of one corresponds to which epoch of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.cells import cell_len

from repdyn.display import axis
from repdyn.display.labels import MARKS
from repdyn.display.reading import last_epoch
from repdyn.display.similarity import Similarity, similarity
from repdyn.display.wording import arch, data, optimizer, plain
from repdyn.records import Curve, Phases, RunRecord, RunSummary
from repdyn.step_words import step
from tui.screens.comparing.short_names import shortened, told_apart
from tui.screens.view_state import ViewState
from tui.widgets.colormap import SERIES_COLOURS
from tui.widgets.epoch_axis import AxisView
from tui.widgets.phase_bands import FITTED, MEMORISING, Band, phase_bands
from tui.widgets.phase_rows import PhaseRow

LETTERS = "ABCD"
"""The letters of the runs."""


@dataclass(frozen=True)
class Linked:
    """Two to four runs.

    Attributes:
        records: of the runs; a ViewState's epochs are those of the first.
        by_phase: whether epochs are linked by phase, as `phase_aligned`, or are the same; runs whose
            steps have different units are always linked by phase.
    """

    records: tuple[RunRecord, ...]
    by_phase: bool = False

    @property
    def heads(self) -> list[str]:
        """The runs' letters and names."""
        named = zip(LETTERS, self.records, strict=False)
        return [f"{letter} {plain(record.summary.name)}" for letter, record in named]

    def heads_in(self, room: int) -> list[str]:
        """Return the same within some columns; what the runs have in common is left out first."""
        return _lettered(told_apart(self._names, room - 2, "-"))

    def heads_fitting(self, fit: Callable[[Sequence[str]], bool]) -> list[str]:
        """Return the same, no shorter than it takes to fit."""
        texts = shortened(self._names, "-", lambda texts: fit(_lettered(texts)))
        return _lettered(texts)

    def heads_line(self, width: int) -> str:
        """Return the runs' letters and names on one line, shortened to fit likewise."""
        wide, narrow = (self._joined(gap, width) for gap in (" · ", "  "))
        return wide if cell_len(wide) <= width else narrow

    def _joined(self, gap: str, width: int) -> str:
        return gap.join(self.heads_fitting(lambda heads: cell_len(gap.join(heads)) <= width))

    @property
    def _names(self) -> list[list[str]]:
        return [plain(record.summary.name).split("-") for record in self.records]

    def settings_in(self, room: int) -> list[str]:
        """Return the runs' letters and settings, likewise; letters alone if one run's do not fit."""
        parts = [_settings(record.summary) for record in self.records]
        texts = told_apart(parts, room - 2, " · ")
        return _lettered(texts if all(texts) else [""] * len(texts))

    @property
    def boundaries(self) -> set[int]:
        """The corresponding epochs of the first run of all runs' phase boundaries."""
        found = enumerate(record.phases.markers().values() for record in self.records)
        return {self.translated(epoch, run, 0) for run, epochs in found for epoch in epochs}

    @property
    def one_unit(self) -> bool:
        """Whether the steps of all runs have the same unit."""
        return len({record.unit for record in self.records}) == 1

    @property
    def link(self) -> str:
        """What links the runs' cursors, in words."""
        return "phase" if self.aligned else self.records[0].unit

    @property
    def aligned(self) -> bool:
        """Whether the runs are linked by phase."""
        return self.by_phase or not self.one_unit

    def at(self, epoch: int, run: int) -> str:
        """Return an epoch of a run in its unit, `epoch 20`."""
        return f"{self.records[run].unit} {step(epoch)}"

    def translated(self, epoch: int, origin: int, target: int) -> int:
        """Return the epoch of a run that corresponds to another's."""
        if not self.aligned or origin == target:
            return epoch
        return phase_aligned(epoch, self.records[origin], self.records[target])

    def epoch_in(self, epoch: int | None, run: int) -> int | None:
        """Return the epoch of a run that corresponds to the first run's; None stays None, the last."""
        return None if epoch is None else self.translated(epoch, 0, run)

    def axis_in(self, view: AxisView, run: int) -> AxisView:
        """Return the part of a run's epoch axis that corresponds to a part of the first run's."""
        if view.span is None:
            return view
        first, last = (self.translated(epoch, 0, run) for epoch in view.span)
        return replace(view, span=(first, last))

    def similar(self, measure: str) -> list[Similarity | None]:
        """Return one similarity measure of each run; None for runs that lack it so far."""
        found = [record.dynamics for record in self.records]
        return [
            None
            if dynamics is None or measure not in dynamics.similarity
            else similarity(dynamics, measure)
            for dynamics in found
        ]

    def on_first(self, curve: Curve, run: int) -> Curve:
        """Return a run's curve over the corresponding epochs of the first run."""
        epochs = np.array([self.translated(int(e), run, 0) for e in curve.steps], dtype=np.int64)
        last = np.append(epochs[1:] != epochs[:-1], True)[: len(epochs)]
        return Curve(epochs[last], curve.values[last])


def phase_rows(runs: Linked) -> list[PhaseRow]:
    """Return the phases of each run over the corresponding epochs of the first run."""
    rows = []
    for run, record in enumerate(runs.records):
        bands = phase_bands(record.phases)
        shifted = [replace(band, first=runs.translated(band.first, run, 0)) for band in bands]
        names = [boundary(band, record.phases) for band in bands]
        last = runs.translated(last_epoch(record), run, 0)
        rows.append(PhaseRow(LETTERS[run], SERIES_COLOURS[run], tuple(shifted), tuple(names), last))
    return rows


def boundary(band: Band, phases: Phases) -> str:
    """Return the boundary at which a phase starts, `fit 31`; nothing for the first phase."""
    starting = {MEMORISING: "onset", FITTED: "fit"}.get(band.kind)
    return "" if starting is None else f"{MARKS[starting]} {step(phases.markers()[starting])}"


def row_of(shown: Similarity, look: ViewState) -> int:
    """Return the current layer, or the last one of a run with fewer layers."""
    return min(look.layer, len(shown.names) - 1)


def phase_aligned(epoch: int, origin: RunRecord, target: RunRecord) -> int:
    """Return the epoch at the same relative position between phase boundaries as another run's.

    Linear on the log-epoch axis between those of start, onset, fit and end that both runs have.
    """
    names = [n for n in ("onset", "fit") if _both(origin, target, n)]
    ends = [(0, 0), *((_at(origin, n), _at(target, n)) for n in names)]
    ends.append((last_epoch(origin), last_epoch(target)))
    knots = [ends[0]]
    for pair in ends[1:]:
        if pair[0] > knots[-1][0] and pair[1] > knots[-1][1]:
            knots.append(pair)
    here, there = zip(*knots, strict=True)
    unit, other = _grain(origin), _grain(target)
    places = axis.position(here, unit), axis.position(there, other)
    return round(float(axis.epoch_at(np.interp(axis.position(epoch, unit), *places), other)))


def _grain(record: RunRecord) -> int:
    return 1 if record.dynamics is None else axis.grain(record.dynamics.steps)


def _lettered(texts: Sequence[str]) -> list[str]:
    return [f"{letter} {text}".rstrip() for letter, text in zip(LETTERS, texts, strict=False)]


def _settings(summary: RunSummary) -> list[str]:
    return [arch(summary), optimizer(summary), data(summary)]


def _both(origin: RunRecord, target: RunRecord, name: str) -> bool:
    return name in origin.phases.markers() and name in target.phases.markers()


def _at(record: RunRecord, name: str) -> int:
    return record.phases.markers()[name]
