"""Commands that read runs: print, draw, compare and show them; a command's own modules are imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from repdyn.cli.options import (
    RUN,
    NamesOption,
    StoreOptions,
)
from repdyn.errors import UserError
from repdyn.settings.schema import (
    StoreConfig,
)


def compare(
    *runs: Annotated[
        str,
        Parameter(help="Runs to compare, named as for repdyn show, or files written with --csv."),
    ],
    sweep: str | None = None,
    json: bool = False,
    csv: bool = False,
    scores: bool = False,
    epoch: int | None = None,
    store: StoreOptions | None = None,
) -> None:
    """Compare runs, and report which of the paper's findings they support.

    Args:
        sweep: compare the finished runs of this sweep, given by name or id.
        json: print all numbers as JSON, for scripts.
        csv: print one row of numbers per run, as CSV.
        scores: show all scores, not only those by which the findings are judged.
        epoch: epoch of the CKA between two runs' layers (default: the last that both have).
    """
    from repdyn.cli.compare import run_comparison

    if json and csv:
        raise UserError("--json and --csv: give only one")
    run_comparison(
        runs,
        sweep,
        store or StoreConfig(),
        form="json" if json else "csv" if csv else "text",
        epoch=epoch,
        scores=scores,
    )


def report(
    *runs: Annotated[str, Parameter(help="A run (or last), a sweep, or several runs.")],
    out: Path | None = None,
    store: StoreOptions | None = None,
) -> None:
    """Write a run, the comparison of a sweep's runs, or that of several runs, as one HTML file.

    The report of a run or a sweep is logged to its artifacts, too.

    Args:
        out: output file (default: named after the run or sweep).
    """
    from repdyn.cli.report import write_report

    if not runs:
        raise UserError("RUNS: give a run, the name or id of a sweep, or last")
    write_report(runs, store or StoreConfig(), out)


def figures(
    *runs: Annotated[str, Parameter(help="Runs, named as for repdyn show, or sweeps.")],
    out: Path = Path("figures"),
    format: NamesOption = ("pdf",),  # noqa: A002 - the name of the option
    width: NamesOption = ("3.25", "6.75"),
    title: bool = False,
    scale: Literal["fixed", "run", "linear"] = "fixed",
    store: StoreOptions | None = None,
) -> None:
    """Write the figures of runs for a paper: at the width of its columns, with captions beside them.

    Runs that differ in their seed only are one group; of a sweep the finished runs are drawn.

    Args:
        out: folder of the figures; files of the same names are replaced.
        format: pdf, svg and png, or some of them (default: pdf).
        width: widths in inches, such as 3.25 for a column, 5.5 or 6.75 for the page (default:
            3.25,6.75).
        title: write what a figure shows above it; a paper has it in the caption.
        scale: what colours span: fixed limits, so that figures compare; the range of these runs (run);
            or fixed limits, even in the similarity itself (linear).
    """
    if not runs:
        raise UserError("RUNS: give runs or a sweep; repdyn runs lists them")
    from repdyn.cli.figures import run_figures

    run_figures(
        runs,
        store or StoreConfig(),
        out,
        formats=format,
        widths=width,
        title=title,
        scale=scale,
    )


def show(
    run: RUN = "last",
    /,
    store: StoreOptions | None = None,
    *,
    scores: bool = False,
    json: bool = False,
    csv: bool = False,
) -> None:
    """Print a run: what it shows, its layer × epoch heatmap, phases, key epochs and layers.

    Args:
        scores: print its scores too, what they mean, and why others are undefined.
        json: print all numbers as JSON, for scripts.
        csv: print one row of numbers, as compare does.
    """
    from repdyn.cli.show import show_run

    if json and csv:
        raise UserError("--json and --csv: give only one")
    form: Literal["text", "json", "csv"] = "json" if json else "csv" if csv else "text"
    show_run(run, store or StoreConfig(), form=form, scores=scores)


def runs(store: StoreOptions | None = None, *, limit: int = 50, json: bool = False) -> None:
    """List the runs, newest first.

    Args:
        limit: maximum number of runs.
        json: print them as JSON, for scripts, with all params, tags and last metrics.
    """
    from repdyn.cli.show import list_all

    list_all(store or StoreConfig(), limit, as_json_text=json)


def tui(
    run: Annotated[str | None, Parameter(help="Run to open (default: the list).")] = None,
    /,
    store: StoreOptions | None = None,
    *,
    demo: bool = False,
) -> None:
    """Watch runs in the terminal, while they train and afterwards.

    Args:
        demo: show the recorded runs bundled with repdyn instead of a store's.
    """
    from tui.app import run as show_app

    show_app(run, store or StoreConfig(), demo=demo)


def demo(folder: Path = Path("repdyn-demo"), /) -> None:
    """Write the demo's four recorded runs to a store of their own, for all commands to read.

    `repdyn tui --demo` shows them without one.

    Args:
        folder: where to; it must be new, or hold them already.
    """
    from repdyn.cli.demo import run_demo

    run_demo(folder)
