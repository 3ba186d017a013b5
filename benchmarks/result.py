"""Results of a benchmark: figures, each with its target, if any."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import platform
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        name: what was measured.
        value: the number.
        unit: of it; `×` for a ratio.
        most: the target, if it is an upper bound.
        least: the target, if it is a lower bound.
        note: how it was obtained, if the name does not say so.
    """

    name: str
    value: float
    unit: str = "×"
    most: float | None = None
    least: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.most is None and self.least is None:
            return None
        above = self.least is None or self.value >= self.least
        # numpy's numbers compare to its own truth values, which JSON does not know
        return bool(above and (self.most is None or self.value <= self.most))

    @property
    def aim(self) -> str:
        """The target in words, empty without one."""
        ends = (("≥", self.least), ("≤", self.most))
        said = (f"{sign} {end:.4g} {self.unit}" for sign, end in ends if end is not None)
        return ", ".join(map(str.rstrip, said))


@dataclass(frozen=True)
class Result:
    """The figures of one benchmark, and how they were obtained."""

    title: str
    figures: Sequence[Figure]
    how: str = ""


Benchmark = Callable[[bool], Result]
"""Runs a benchmark; True for a quick run, which only shows that it works."""


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    import numpy as np
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def show(result: Result, console: Console) -> None:
    """Print a table of the figures."""
    table = Table(box=box.SIMPLE_HEAD, title=Text(result.title, "bold"), title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("target")
    table.add_column("")
    words = {True: Text("reached", "green"), False: Text("missed", "red"), None: Text("")}
    for figure in result.figures:
        digits = ",.0f" if abs(figure.value) >= 1000 else ".3g"
        number = f"{figure.value:{digits}} {figure.unit}"
        name = Text(figure.name)
        if figure.note:
            name.append(f"  {figure.note}", "dim")
        table.add_row(name, number, figure.aim, words[figure.reached])
    console.print(table)
    if result.how:
        console.print(Text(result.how, "dim"))
    console.print()


def as_json(results: Iterable[tuple[str, Result]]) -> str:
    """Return all figures, with the machine."""
    each = {
        name: {
            "title": result.title,
            "how": result.how,
            "figures": [
                {
                    "name": figure.name,
                    "value": figure.value if math.isfinite(figure.value) else None,
                    "unit": figure.unit,
                    "aim": figure.aim or None,
                    "reached": figure.reached,
                    "note": figure.note or None,
                }
                for figure in result.figures
            ],
        }
        for name, result in results
    }
    return json.dumps({"machine": machine(), "benchmarks": each}, indent=2, ensure_ascii=False)


@contextmanager
def quietly() -> Iterator[None]:
    """Hide the progress bars and warnings of other packages."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def main(names: Sequence[str], description: str) -> None:
    """Run benchmarks with the options of the command line and print the results."""
    options = parser_of(description).parse_args()
    run(names, quick=options.quick, as_text=not options.json)


def parser_of(description: str) -> argparse.ArgumentParser:
    """Return the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quick", action="store_true", help="only check that it runs")
    return parser


def run(names: Sequence[str], *, quick: bool, as_text: bool) -> None:
    """Run modules of this package in this process and print their results, as tables or as JSON."""
    console = Console(stderr=not as_text)
    if not console.is_terminal:
        console.width = 120
    console.print(Text(", ".join(f"{k} {v}" for k, v in machine().items()), "dim"))
    results = []
    for name in names:
        result: Result = import_module(f"benchmarks.{name}").run(quick)
        show(result, console)
        results.append((name, result))
    if not as_text:
        print(as_json(results))
