"""Compare: two to four runs beside each other, with one cursor, and their numbers in a table."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from repdyn.records import FloatArray, RunRecord
from repdyn.report import axis
from repdyn.report.reading import last_epoch, value_at
from repdyn.report.similarity import Scale, Similarity, cka_scale, regions_scale, similarity
from repdyn.report.wording import ACCURACIES, PHASES, accuracy, plain, settings
from tui import actions
from tui.live import POLL_SECONDS, Desk
from tui.screens.frame import Frame
from tui.screens.look import KINDS, REFERENCES, Look, nearest, number, to_reference
from tui.screens.phases import SUFFIXES, by_kind, new_table
from tui.screens.run import LIVE, news
from tui.screens.saving import save
from tui.screens.view import Table, markers, read_out
from tui.source import Source
from tui.widgets.colorbar import Colorbar
from tui.widgets.colormap import DIVERGING, SEQUENTIAL
from tui.widgets.heatmap import Heatmap

LETTERS = "ABCD"

WIDEST_LABELS = 12

REFERENCE_WORDS = {
    "last": "the last checkpoint",
    "previous": "the checkpoint before",
    "first": "the initial model",
    "cursor": "the epoch of the cursor",
}


class Panel(Vertical):
    """A run's name over its heatmap."""

    def compose(self) -> ComposeResult:
        """Yield name and heatmap."""
        yield Static("", classes="name")
        yield Heatmap()

    @property
    def heatmap(self) -> Heatmap:
        """The heatmap."""
        return self.query_one(Heatmap)

    def head(self, text: Text) -> None:
        """Write above the heatmap."""
        self.query_one(".name", Static).update(text)


class CompareScreen(Frame):
    """Runs beside each other; of two, the difference too."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("compare")

    def __init__(self, source: Source, desk: Desk, runs: tuple[str, ...]) -> None:
        super().__init__(source, desk)
        self._runs = runs
        self._records: dict[str, RunRecord] = {}
        self._asked: set[str] = set()
        self._look = Look()
        self._square = False
        self._by_phase = False

    def compose_body(self) -> ComposeResult:
        """Yield a panel for each run, one for the difference, and the table."""
        yield Static("", id="header")
        with Horizontal(classes="bar"):
            yield Static("", classes="what")
            yield Colorbar()
        with Horizontal(classes="panels"):
            for _ in self._runs:
                yield Panel(classes="of-run")
            if len(self._runs) == 2:
                yield Panel(id="difference")
        yield Static("", classes="readout")
        with VerticalScroll(id="compared"):
            yield Static("", classes="text")

    def on_mount(self) -> None:
        """Ask for the runs."""
        self._say("Opening the runs …")
        self._poll()
        self.set_interval(POLL_SECONDS, self._poll)

    # --- asking

    def _poll(self) -> None:
        for run in self._runs:
            known = self._records.get(run)
            waits = known is None or known.summary.status in LIVE
            if waits and run not in self._asked and self.is_current:
                self._asked.add(run)
                question = partial(news, self.source, run, known)
                got, failed = partial(self._got, run), partial(self._failed, run)
                self.desk.ask(self, question, got, failed)

    def _got(self, run: str, record: RunRecord | None) -> None:
        self._asked.discard(run)
        self.show_notice()
        if record is not None:
            first = not self._there()
            self._records[run] = record
            if first and self._there():
                self._panels()[0].heatmap.focus()
                self.refresh_bindings()
            self._draw()

    def _failed(self, run: str, line: str) -> None:
        self._asked.discard(run)
        self.show_notice(f"{line}; trying again")

    # --- what there is

    def _there(self) -> bool:
        return len(self._records) == len(self._runs)

    def _panels(self) -> list[Panel]:
        return list(self.query(".of-run").results(Panel))

    def _similar(self) -> list[Similarity | None]:
        records = [self._records[run] for run in self._runs]
        return [
            None if r.dynamics is None else similarity(r.dynamics, self._look.kind) for r in records
        ]

    def _values(self, shown: Similarity, which: int) -> FloatArray:
        if self._square:
            return np.asarray(shown.matrices[self._row(shown)])
        epoch = self._epoch_of(which)
        return to_reference(shown, replace(self._look, epoch=epoch))

    def _row(self, shown: Similarity) -> int:
        return min(self._look.layer, len(shown.names) - 1)

    def _epoch_of(self, which: int) -> int | None:
        """Return the cursor's epoch in a run; the look has that of the first."""
        if self._look.epoch is None:
            return None
        return self._translated(self._look.epoch, 0, which)

    def _translated(self, epoch: int, origin: int, target: int) -> int:
        if not self._by_phase or origin == target:
            return epoch
        first, second = (self._records[self._runs[i]] for i in (origin, target))
        return phase_aligned(epoch, first, second)

    # --- showing

    def _draw(self) -> None:
        if not self._there():
            return
        names = " · ".join(f"{LETTERS[i]} {plain(r.summary.name)}" for i, r in self._numbered())
        self.query_one("#header", Static).update(Text(names, "bold", no_wrap=True))
        similar = self._similar()
        known = [shown for shown in similar if shown is not None]
        scale = common_scale(known) if known else None
        for which, (panel, shown) in enumerate(zip(self._panels(), similar, strict=True)):
            self._fill(panel, which, shown, scale)
        if len(self._runs) == 2:
            self._draw_difference(similar)
        self._describe()
        self._link(None)
        self._tabulate()

    def _numbered(self) -> list[tuple[int, RunRecord]]:
        return [(i, self._records[run]) for i, run in enumerate(self._runs)]

    def _fill(
        self, panel: Panel, which: int, shown: Similarity | None, scale: Scale | None
    ) -> None:
        record = self._records[self._runs[which]]
        head = Text.assemble((f"{LETTERS[which]} ", "bold"), settings(record.summary))
        head.no_wrap = True
        panel.head(head)
        if shown is None or scale is None:
            panel.head(Text.assemble((f"{LETTERS[which]} ", "bold"), "no checkpoint yet"))
            return
        heatmap = panel.heatmap
        heatmap.cmap, heatmap.stretch = self._look.cmap, self._look.stretch
        epochs = shown.epochs.tolist()
        heatmap.label_width = 6 if self._square else self._gutter(shown)
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.set_data(
                self._values(shown, which),
                rows=list(map(str, epochs)) if self._square else shown.names,
                columns=epochs,
                low=scale.low,
                high=scale.high,
                logarithmic=scale.logarithmic,
                markers=markers(record.phases),
                change_points=() if self._square else record.phases.change_points,
                square=self._square,
            )

    @staticmethod
    def _gutter(shown: Similarity) -> int:
        return min(WIDEST_LABELS, 1 + max(cell_len(plain(name)) for name in shown.names))

    def _draw_difference(self, similar: list[Similarity | None]) -> None:
        panel = self.query_one("#difference", Panel)
        first, second = similar
        same = first is not None and second is not None and first.names == second.names
        panel.display = same or (self._square and first is not None and second is not None)
        if not panel.display or first is None or second is None:
            return
        values = self._difference(first, second)
        reach = max(0.01, float(np.nanquantile(np.abs(values), 0.98, method="higher")))
        panel.head(Text.assemble(("B − A", "bold"), f"   from {-reach:.2g} to {reach:.2g}"))
        heatmap, epochs = panel.heatmap, first.epochs.tolist()
        heatmap.cmap, heatmap.label_width = DIVERGING, self._panels()[0].heatmap.label_width
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.set_data(
                values,
                rows=list(map(str, epochs)) if self._square else first.names,
                columns=epochs,
                low=-reach,
                high=reach,
                markers=markers(self._records[self._runs[0]].phases),
                square=self._square,
            )

    def _difference(self, first: Similarity, second: Similarity) -> FloatArray:
        """Return B - A at A's checkpoints; B's are those nearest to them as they are linked."""
        there = [
            nearest(second.epochs, self._translated(int(epoch), 0, 1)) for epoch in first.epochs
        ]
        values = self._values(second, 1)
        values = values[np.ix_(there, there)] if self._square else values[:, there]
        return np.asarray(values - self._values(first, 0))

    def _describe(self) -> None:
        if self._square:
            layer = next((s.names[self._row(s)] for s in self._similar() if s is not None), "")
            text = f"{KINDS[self._look.kind]} of two checkpoints, {plain(layer)}"
        else:
            text = f"{KINDS[self._look.kind]} to {REFERENCE_WORDS[self._look.reference]}"
        link = "cursors linked by phase" if self._by_phase else "cursors linked by epoch"
        self.query_one(".what", Static).update(Text.assemble((text, "bold"), (f"   {link}", "dim")))

    def _say(self, words: str) -> None:
        self.query_one("#header", Static).update(Text(words, "bold"))

    # --- the cursor

    @on(Heatmap.CursorMoved)
    def _moved(self, event: Heatmap.CursorMoved) -> None:
        panels = self._panels()
        heatmaps = [panel.heatmap for panel in panels]
        which = heatmaps.index(event.heatmap) if event.heatmap in heatmaps else 0
        epoch = self._translated(event.epoch, which, 0)
        if self._square:
            other = self._translated(int(event.heatmap.epochs[event.row]), which, 0)
            self._look = replace(self._look, epoch=epoch, other=other)
        else:
            self._look = replace(self._look, epoch=epoch, layer=event.row)
        if self._look.reference == "cursor" and not self._square:
            self._draw()
        self._link(event.heatmap)

    def _link(self, moved: Heatmap | None) -> None:
        """Move the other cursors to where the moved one is, and read all out."""
        similar = self._similar()
        parts: dict[str, str] = {}
        for which, (panel, shown) in enumerate(zip(self._panels(), similar, strict=True)):
            if shown is None:
                continue
            column = nearest(shown.epochs, self._epoch_of(which))
            row = self._row(shown)
            if self._square:
                other = self._look.other
                there = None if other is None else self._translated(other, 0, which)
                row = nearest(shown.epochs, there)
            _put(panel.heatmap, moved, (row, column))
            where = shown.epochs[row] if self._square else shown.names[row]
            value = float(self._values(shown, which)[row, column])
            parts[f"{LETTERS[which]} {where}, {shown.epochs[column]}"] = number(value)
            if which == 0 and len(self._runs) == 2:
                _put(self.query_one("#difference", Panel).heatmap, moved, (row, column))
        self.query_one(".readout", Static).update(read_out(parts))

    @on(Heatmap.ScaleChanged)
    def _scale(self, event: Heatmap.ScaleChanged) -> None:
        if event.cmap != DIVERGING:
            bar = self.query_one(Colorbar)
            bar.scale, bar.cmap = event.scale, event.cmap

    # --- the table

    def _tabulate(self) -> None:
        found = self._table()
        table = new_table("", *found.head[1:])
        for row in found.rows:
            table.add_row(*(Text(plain(str(cell))) for cell in row))
        self.query_one("#compared .text", Static).update(table)

    def _table(self) -> Table:
        """Return boundaries, accuracies and scores, a column for each run."""
        records = [record for _, record in self._numbered()]
        rows: list[tuple[str, ...]] = []
        for name, label in PHASES.items():
            found = [record.phases.markers().get(name) for record in records]
            rows.append((label, *("–" if e is None else str(e) for e in found)))
        for name, label in ACCURACIES.items():
            ends = [value_at(r.curves.get(name), last_epoch(r)) for r in records]
            rows.append((f"{label} accuracy", *map(accuracy, ends)))
        scores = [by_kind(record.scores) for record in records]
        for name in dict.fromkeys(name for found in scores for name in found):
            for kind in SUFFIXES.values():
                values = [found.get(name, {}).get(kind, math.nan) for found in scores]
                cells = ("–" if math.isnan(value) else f"{value:.3f}" for value in values)
                rows.append((f"{name.replace('_', ' ')}, {kind}", *cells))
        heads = (f"{LETTERS[i]} {record.summary.name}" for i, record in self._numbered())
        return Table(("", *heads), rows)

    # --- acting

    def _look_at(self, look: Look) -> None:
        self._look = look
        self._draw()

    def action_kind(self) -> None:
        """Switch the kind of similarity."""
        self._look_at(replace(self._look, kind="regions" if self._look.kind == "cka" else "cka"))

    def action_reference(self) -> None:
        """Compare checkpoints with something else."""
        at = REFERENCES.index(self._look.reference)
        self._look_at(replace(self._look, reference=REFERENCES[(at + 1) % len(REFERENCES)]))

    def action_square(self, square: bool) -> None:
        """Show the E×E matrices of a layer, or layers over checkpoints."""
        self._square = square
        self._draw()

    def action_layer(self, steps: int) -> None:
        """Go to another layer."""
        counts = [len(shown.names) for shown in self._similar() if shown is not None]
        if counts:
            layer = (min(self._look.layer, max(counts) - 1) + steps) % max(counts)
            self._look_at(replace(self._look, layer=layer))

    def action_align(self) -> None:
        """Link the cursors by phase, or by epoch."""
        self._by_phase = not self._by_phase
        self._draw()

    def action_stretch(self) -> None:
        """Stretch the colours, or not."""
        self._look_at(replace(self._look, stretch=not self._look.stretch))

    def action_colours(self) -> None:
        """Take the next colour map."""
        at = SEQUENTIAL.index(self._look.cmap)
        self._look_at(replace(self._look, cmap=SEQUENTIAL[(at + 1) % len(SEQUENTIAL)]))

    def action_export(self) -> None:
        """Save the table."""
        if self._there():
            stem = "repdyn-compare-" + "-".join(run[:8] for run in self._runs)
            job = partial(save, stem, self._table(), None)
            self.desk.ask(self, job, lambda paths: self.tell(f"saved {paths[0]}"), self.tell)

    def action_back(self) -> None:
        """Go back to the runs."""
        self.dismiss()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tell whether an action can be done: none on runs that are not there yet."""
        del parameters
        return action == "back" or self._there() or not action.startswith(TAKES_RUNS)


TAKES_RUNS = ("kind", "reference", "square", "layer", "align", "stretch", "colours")


def _put(heatmap: Heatmap, moved: Heatmap | None, cell: tuple[int, int]) -> None:
    if heatmap is not moved:
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.cursor = cell


def common_scale(similar: list[Similarity]) -> Scale:
    """Return one scale for all matrices of runs, of one kind of similarity."""
    values = [
        shown.matrices[:, ~np.eye(len(shown.epochs), dtype=bool)].ravel() for shown in similar
    ]
    scale = cka_scale if similar[0].kind == "cka" else regions_scale
    return scale(np.concatenate(values))


def phase_aligned(epoch: int, origin: RunRecord, target: RunRecord) -> int:
    """Return the epoch that is in a run where another's is between the same phase boundaries.

    On the log-epoch axis, linear between start, onset, fit and end, those that both runs have.
    """
    names = [n for n in ("onset", "fit") if _both(origin, target, n)]
    ends = [(0, 0), *((_at(origin, n), _at(target, n)) for n in names)]
    ends.append((last_epoch(origin), last_epoch(target)))
    knots = [ends[0]]
    for pair in ends[1:]:
        if pair[0] > knots[-1][0] and pair[1] > knots[-1][1]:
            knots.append(pair)
    here, there = (axis.position([pair[i] for pair in knots]) for i in (0, 1))
    return round(float(np.expm1(np.interp(axis.position(epoch), here, there))))


def _both(origin: RunRecord, target: RunRecord, name: str) -> bool:
    return name in origin.phases.markers() and name in target.phases.markers()


def _at(record: RunRecord, name: str) -> int:
    return record.phases.markers()[name]
