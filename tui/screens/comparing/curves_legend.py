"""The legend of curves of many runs: a line for each run, a column for each metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from repdyn.display.wording import plain
from tui.widgets.curve_picture import SAMPLE, Dash, sample
from tui.widgets.value_axis import number

GAP = 2
LEAST_VALUE = SAMPLE + len(" 0.000")
MORE = "…"


def legend(
    corner: str,
    heads: Callable[[int], Sequence[str]],
    colours: Sequence[str],
    metrics: Mapping[str, Sequence[tuple[Dash, float] | None]],
    width: int,
) -> Text:
    """Return the legend with the value of each curve.

    Args:
        corner: what the values are of, `epoch 20`.
        heads: returns the runs' names within some columns.
        colours: of the runs.
        metrics: the dash and the value of each run's curve by metric; None where there is none.
        width: columns; metrics for which there is no room are left out, and an ellipsis says so.
    """
    columns = {name: max(cell_len(plain(name)), LEAST_VALUE) + GAP for name in metrics}
    room, shown = width - max(cell_len(corner), LEAST_HEAD), []
    for name, size in columns.items():
        if size > room:
            break
        room -= size
        shown.append(name)
    cut = len(shown) < len(metrics)
    names = heads(width - sum(columns[name] for name in shown) - cut * (GAP + 1))
    first = max(map(cell_len, [corner, *names]))
    text = Text(no_wrap=True)
    text.append(set_cell_size(corner, first), "dim")
    for name in shown:
        text.append(" " * GAP + set_cell_size(plain(name), columns[name] - GAP), "dim")
    text.append(" " * GAP + MORE if cut else "", "dim")
    for run, (head, colour) in enumerate(zip(names, colours, strict=False)):
        text.append("\n").append(set_cell_size(head, first), f"bold {colour}")
        for name in shown:
            text.append(" " * GAP)
            text.append_text(_entry(metrics[name][run], colour, columns[name] - GAP))
    return text


LEAST_HEAD = 2
"""Columns for a run's letter."""


def _entry(curve: tuple[Dash, float] | None, colour: str, width: int) -> Text:
    if curve is None:
        return Text(set_cell_size("–", width), "dim")
    dash, value = curve
    entry = Text(sample(dash), colour).append(f" {number(value)}", "bold not dim")
    entry.pad_right(max(0, width - entry.cell_len))
    return entry
