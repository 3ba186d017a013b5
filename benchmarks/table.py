"""A sitting as a Markdown table and a picture: python -m benchmarks.table FILE [--picture FILE]."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.sitting import SittingError, Summary, failures, load, summaries


def table(sitting: dict[str, Any]) -> str:
    """Return all figures: medians with their smallest and largest value, and the aims."""
    machine = ", ".join(f"{name} {value}" for name, value in sitting["machine"].items())
    lines = [f"Commit {sitting['commit']}; {machine}."]
    for name, benchmark in sitting["benchmarks"].items():
        runs = [run for run in benchmark["runs"] if "figures" in run]
        lines += ["", f"### `{name}`", ""]
        if runs:
            minutes = median(run["seconds"] for run in runs) / 60
            times = f"{len(runs)} time{'s' * (len(runs) > 1)}, {minutes:.1f} minutes each"
            lines += [f"{benchmark['title']}. {times}.", ""]
            lines += ["| | median (smallest–largest) | aim |", "|---|---:|---|"]
            lines += [_row(one) for one in summaries(benchmark)]
        lines += [f"\nFailed: {_escaped(reason)}" for reason in failures(benchmark)]
    return "\n".join(lines) + "\n"


def _row(one: Summary) -> str:
    said = f" ({one.note})" if one.note else ""
    if not one.values:
        return f"| {_escaped(one.name + said)} | – | {one.aim} |"
    number = _number(median(one.values))
    if len(set(one.values)) > 1:
        number += f" ({_number(min(one.values))}–{_number(max(one.values))})"
    missed = one.reached is not None and one.reached <= 0.5
    aim = f"**{one.aim}, missed**" if missed else one.aim
    return f"| {_escaped(one.name + said)} | {number} {one.unit} | {aim} |".replace("  |", " |")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def ratios(sitting: dict[str, Any]) -> Iterator[tuple[str, tuple[float, ...], bool]]:
    """Yield each figure with one aim: its name, values relative to the aim, and whether less is better."""
    for name, benchmark in sitting["benchmarks"].items():
        for one in summaries(benchmark):
            aim = re.fullmatch(r"([≤≥]) ([-+.e\d]+)(?: .*)?", one.aim)
            if aim and float(aim[2]) > 0 and one.values and min(one.values) > 0:
                relative = tuple(value / float(aim[2]) for value in one.values)
                yield f"{name}: {one.name}", relative, aim[1] == "≤"


def draw(sitting: dict[str, Any], path: Path) -> None:
    """Save a picture of the figures that have an aim, relative to it.

    Raises:
        SittingError: there is none.
    """
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    drawn = list(ratios(sitting))
    if not drawn:
        raise SittingError("nothing to draw: no figure of this sitting has an aim")
    figure, axes = plt.subplots(figsize=(10, 0.24 * len(drawn) + 1), layout="constrained")
    for y, (_, values, less) in enumerate(drawn):
        middle = median(values)
        reached = middle <= 1 if less else middle >= 1
        colour = "#0072b2" if reached else "#d55e00"
        axes.plot([min(values), max(values)], [y, y], color=colour, linewidth=1)
        axes.plot(middle, y, "<" if less else ">", color=colour, markersize=5)
    axes.axvline(1, color="0.5", linewidth=0.8)
    axes.set(
        xscale="log",
        ylim=(len(drawn) - 0.5, -0.5),
        xlabel="relative to the aim; ◂ less is better, ▸ more is; orange: missed",
    )
    axes.xaxis.set_major_formatter("{x:g} ×")
    axes.set_yticks(range(len(drawn)), [name for name, *_ in drawn], fontsize=7)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Print the table of a sitting."""
    parser = argparse.ArgumentParser(description="A sitting of the benchmarks as a Markdown table.")
    parser.add_argument("sitting", type=Path, help="what python -m benchmarks --save wrote")
    parser.add_argument("--picture", type=Path, help="also draw the figures that have an aim")
    options = parser.parse_args()
    try:
        sitting = load(options.sitting)
        print(table(sitting), end="")
        if options.picture:
            draw(sitting, options.picture)
    except SittingError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
