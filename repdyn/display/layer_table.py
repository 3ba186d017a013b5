"""What is known of each layer, as rows of text: its probes and its change points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from repdyn.display.reading import probe_splits
from repdyn.display.wording import accuracy, joint_changes, lacks_changes, layer_changes, plain
from repdyn.records import PROBE_SPLITS, Dynamics, Phases

SOME_LACK = "– no change that stands out from a steady drift"
NONE_HAS = "no layer has a change that stands out from a steady drift"

CHANGES = "change points"
"""The head of their column, which is the last."""

JOINTLY = "all jointly"
"""The name of the row after the layers, of their joint change points."""


@dataclass(frozen=True)
class LayerTable:
    """A row for each layer.

    Attributes:
        head: of the columns after the name; without a column the table says nothing.
        rows: a layer's name and its cells.
        note: a line below it; empty if there is nothing to explain.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def layer_table(dynamics: Dynamics, phases: Phases) -> LayerTable:
    """Return the table with the columns that any layer has a value in."""
    splits = probe_splits(dynamics)
    changed = bool(phases.joint) or any(phases.change_points)
    head = [f"probe, {split}" for split in splits]
    rows = []
    for i, name in enumerate(dynamics.layers):
        last = dynamics.probe_acc[i, -1]
        cells = [accuracy(float(last[PROBE_SPLITS.index(split)])) for split in splits]
        rows.append([plain(name), *cells])
    if changed:
        head.append(CHANGES)
        for i, row in enumerate(rows):
            row.append(layer_changes(phases, i))
    if phases.joint:
        rows.append([JOINTLY, *("" for _ in splits), joint_changes(phases)])
    note = (SOME_LACK if changed else NONE_HAS) if lacks_changes(phases) else ""
    return LayerTable(tuple(head), tuple(map(tuple, rows)), note)


def drawn(shown: LayerTable, new_table: Callable[..., Table]) -> RenderableType:
    """Return the table and the note below it.

    Args:
        shown: what is known of the layers.
        new_table: returns an empty table, by the heads of its columns, names first.
    """
    table = new_table("", *shown.head)
    for name, *cells in shown.rows:
        table.add_row(Text(name, "dim" if name == JOINTLY else ""), *cells)
    if shown.head[-1:] == (CHANGES,):
        table.columns[-1].justify = "left"
    parts: list[RenderableType] = [table] if shown.head else []
    return Group(*parts, *([Text(shown.note, "dim")] if shown.note else []))
