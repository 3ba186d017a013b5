"""The command line; a command's own modules are imported when it runs.

Cyclopts reads options, help and types from the dataclasses of settings/schema.py (see options.py). A
YAML file and, for `analyze`, the params of the run at hand are further sources of the same settings.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from repdyn.cli.options import (
    CheckpointsOption,
    DataOptions,
    HowOptions,
    MeasureOptions,
    ModelOptions,
    NamesOption,
    OptimOptions,
    StoreOptions,
    given_pairs,
    in_options,
)
from repdyn.cli.terminal import guarded_errors, tell_error
from repdyn.errors import UserError
from repdyn.measures.settings import MeasureSettings
from repdyn.settings.schema import (
    DataConfig,
    MeasureConfig,
    ModelConfig,
    OptimConfig,
    StoreConfig,
    TrainConfig,
)
from repdyn.settings.text import given_settings
from repdyn.settings.yaml_file import read_yaml
from repdyn.signals import Terminated, taken

RUN = Annotated[
    str, Parameter(help="Run id, unique id prefix, run name, or last.", show_default=False)
]

Source = Callable[[App, tuple[str, ...], ArgumentCollection], None]


def _settings_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take settings from the --config file; command-line options take precedence."""
    option = arguments.get("--config", None)
    if option is None or not option.tokens:
        return
    path = Path(option.tokens[0].value)
    _source(read_yaml(path), str(path), commands)(app, commands, arguments)


def _settings_of_run(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take the measure settings of the analysed run; command-line options take precedence."""
    run, uri, experiment = (
        argument.tokens[0].value if argument is not None and argument.tokens else None
        for argument in (
            arguments.get(name, None) for name in ("RUN", "--tracking-uri", "--experiment")
        )
    )
    from repdyn.storage.search import find_run

    store = StoreConfig(tracking_uri=uri, experiment=experiment)
    params = dict(find_run(store, run or "last").params)
    measures = given_settings(params, MeasureConfig)
    _source(measures, "the run", commands)(app, commands, arguments)


def _source(settings: dict[str, Any], name: str, commands: tuple[str, ...]) -> Dict:
    """Return settings in the form that cyclopts expects for one command.

    Nested under the command's name: at the top level, `layers` would be taken for the command.
    """
    for command in reversed(commands):
        settings = {command: settings}
    return Dict(settings, source=name)


def _version() -> str:
    from importlib.metadata import version

    return version("repdyn")


app = App(
    name="repdyn",
    help="See how representations form while a network trains, layer by layer.",
    version=_version,
    help_format="plaintext",
    default_parameter=Parameter(negative_iterable=()),
    suppress_keyboard_interrupt=False,  # the exit code tells which signal it was
)
app["--help"].group = app["--version"].group = Group("Options")


@app.command(config=_settings_file)
def train(
    data: DataOptions | None = None,
    model: ModelOptions | None = None,
    optim: OptimOptions | None = None,
    measure: MeasureOptions | None = None,
    store: StoreOptions | None = None,
    *,
    config: Path | None = None,
    run_name: str | None = None,
    resume: str | None = None,
) -> None:
    """Train a model, measure it at its checkpoints, and log everything to MLflow.

    Args:
        config: YAML file of settings, `name: value`; command-line options override it.
        run_name: name of the run (default: built from architecture, optimizer, data and seed).
        resume: resume this stopped run, with its own settings.
    """
    del config  # read by _settings_file
    settings = TrainConfig(
        data=data or DataConfig(),
        model=model or ModelConfig(),
        optim=optim or OptimConfig(),
        measure=measure or MeasureConfig(),
    )
    if resume is not None:
        from repdyn.cli.resume import run_resume

        run_resume(resume, settings, store or StoreConfig())
        return
    from repdyn.cli.train import run_training

    run_training(settings, store or StoreConfig(), run_name)


@app.command(config=_settings_of_run)
def analyze(
    run: RUN = "last",
    /,
    measures: MeasureOptions | None = None,
    store: StoreOptions | None = None,
    *,
    in_place: bool = False,
    drs_error: float | None = None,
) -> None:
    """Measure a run's saved checkpoints again, with different settings.

    Settings that are not given default to the run's own.

    Args:
        in_place: replace the run's measurements instead of logging them as a nested run.
        drs_error: use only as many of the planes as give decision-region similarity (DRS) this
            standard error in all layers and pairs of checkpoints, judged by the first 60.
    """
    from repdyn.cli.analyze import run_analysis

    run_analysis(
        run,
        measures or MeasureConfig(),
        store or StoreConfig(),
        in_place=in_place,
        drs_error=drs_error,
    )


@app.command(name="import")
def import_(
    path: Annotated[Path, Parameter(help="Folder of the checkpoints.")],
    /,
    settings: HowOptions | None = None,
    store: StoreOptions | None = None,
    *,
    model: str,
    data: str,
    pattern: str | None = None,
    key: str | None = None,
    strip_prefix: str | None = None,
    unit: str | None = None,
    checkpoints: CheckpointsOption = None,
    layers: Annotated[str, Parameter(show_default=False)] = "",
    run_name: str | None = None,
    resume: str | None = None,
) -> None:
    """Measure the checkpoints that another program saved, as one run.

    Files are .pt .pth .bin .pth.tar .ckpt .safetensors; nothing in them is unpickled.

    Args:
        model: function that returns the model: package.module:name or file.py:name.
        data: function that returns repdyn.Inputs, or a training and a test set, named likewise.
        pattern: glob, or regular expression with a group (?P<step>...), that selects files.
        key: where the weights are in a file (default: found).
        strip_prefix: prefix of the weights' names to remove, such as model. for Lightning's.
        unit: of the numbers in the names: step or epoch (default: found).
        checkpoints: how many of them, log-spaced, or a list of steps (default: all).
        layers: regular expression that selects layers (default: those of repdyn.watched_layers).
        run_name: name of the run (default: the model's class).
        resume: id of a stopped import to go on with.
    """
    from repdyn.cli.importing import run_import

    run_import(
        path,
        model,
        data,
        settings or MeasureSettings(),
        store or StoreConfig(),
        pattern=pattern,
        key=key,
        strip_prefix=strip_prefix,
        unit=unit,
        checkpoints=checkpoints,
        layers=layers,
        run_name=run_name,
        resume=resume,
    )


@app.command
def rebind(store: StoreOptions | None = None, *, yes: bool = False) -> None:
    """Update the artifact paths recorded in a copied or moved SQLite store.

    Args:
        yes: apply the changes instead of only listing them.
    """
    from repdyn.cli.rebind import run_rebind

    run_rebind(store or StoreConfig(), yes=yes)


@app.command
def sweep(
    *settings: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            show_default=False,
            help="Settings of repdyn train, as --name value or --name value,value: --lr 0.1,0.01.",
        ),
    ],
    preset: str | None = None,
    config: Path | None = None,
    seeds: int | None = None,
    name: str | None = None,
    dry_run: bool = False,
    ray: Annotated[bool | str, Parameter(negative=(), show_default=False)] = False,
    cpus_per_run: float = 1,
    gpus_per_run: float = 0,
    store: StoreOptions | None = None,
) -> None:
    """Train a grid of runs under one parent, and compare them.

    Running the same command again trains only unfinished runs; --seeds may be increased.

    Args:
        preset: digits or fashion-mnist; or paper-cifar10 or paper-tiny-imagenet, with
            decision-region similarity (DRS) at the paper's size.
        config: YAML file of the grid, `name: value` or `name: [value, value]`; options override it.
        seeds: seeds per grid point, counted from 0; also used as data seeds unless --data-seed is
            given.
        name: name of the sweep (default: that of a sweep with the same settings; else the preset's or
            file's name and a digest of the settings).
        dry_run: only list the runs, and whether they are finished.
        ray: train runs in parallel as Ray tasks, on this machine or the cluster at ADDRESS
            (pip install 'repdyn[ray]').
        cpus_per_run: CPU cores per run on Ray.
        gpus_per_run: GPUs per run on Ray; 0.25 puts four runs on one GPU.
    """
    from repdyn.settings.sweep_grid import make_grid

    grid = make_grid(given_pairs(settings), preset=preset, file=config, seeds=seeds)
    from repdyn.cli.sweep import run_sweep
    from repdyn.runs.child import Resources

    run_sweep(
        grid,
        store or StoreConfig(),
        name,
        dry_run=dry_run,
        ray=("local" if ray is True else ray) or None,
        resources=Resources(cpus_per_run, gpus_per_run),
    )


@app.command
def compare(
    *runs: Annotated[str, Parameter(help="Runs to compare, named as for repdyn show.")],
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


@app.command
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


@app.command
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


@app.command
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


@app.command
def sync(
    folder: Annotated[Path, Parameter(help="Folder of queued data.")] = Path("repdyn-spool"),
    /,
    *,
    tracking_uri: str | None = None,
) -> None:
    """Send what runs logged while their MLflow server was unreachable.

    Args:
        tracking_uri: URI of the server, if it has changed.
    """
    from repdyn.cli.sync import run_sync

    run_sync(folder, tracking_uri)


@app.command
def runs(store: StoreOptions | None = None, *, limit: int = 50, json: bool = False) -> None:
    """List the runs, newest first.

    Args:
        limit: maximum number of runs.
        json: print them as JSON, for scripts, with all params, tags and last metrics.
    """
    from repdyn.cli.show import list_all

    list_all(store or StoreConfig(), limit, as_json_text=json)


@app.command
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


@app.command
def demo(folder: Path = Path("repdyn-demo"), /) -> None:
    """Write the demo's four recorded runs to a store of their own, for all commands to read.

    `repdyn tui --demo` shows them without one.

    Args:
        folder: where to; it must be new, or hold them already.
    """
    from repdyn.cli.demo import run_demo

    run_demo(folder)


@app.command
def layers(
    model: ModelOptions | None = None,
    *,
    dataset: str = "digits",
    image_size: int | None = None,
    layers: str = "",
) -> None:
    """List the layers that would be watched, with the shapes of their activations.

    Args:
        dataset: data set that determines image size, channels and defaults.
        image_size: side of the images in pixels (default: the data set's).
        layers: regular expression that selects layers by name.
    """
    from repdyn.cli.layers import list_layers

    list_layers(model or ModelConfig(), dataset, image_size, layers)


@app.command
def doctor(store: StoreOptions | None = None, *, data_dir: Path = DataConfig.data_dir) -> None:
    """Check what repdyn needs: packages, devices, store, data sets, disk, terminal.

    Exits with code 1 if something is wrong.

    Args:
        data_dir: folder to search for data sets.
    """
    from repdyn.cli.doctor import run_doctor

    run_doctor(store or StoreConfig(), data_dir)


def _check_words(words: Sequence[str]) -> None:
    """Reject text that cannot be stored or printed: invalid UTF-8 arrives as lone surrogates."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UserError(f"{ascii(word)[1:-1]}: is not valid UTF-8; rename it") from None


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 (a str, with surrogates for invalid UTF-8)
    except FileNotFoundError:
        raise UserError("the working folder no longer exists; change to one that does") from None


def main() -> None:
    """Run the command line: errors that the user can fix become one line and an exit code."""
    with guarded_errors():
        try:
            with taken():
                _check_words([*sys.argv[1:], _working_folder()])
                app(sys.argv[1:], exit_on_error=False, print_error=False)
        except (UserError, CycloptsError) as error:
            tell_error(in_options(error))
            sys.exit(error.exit_code if isinstance(error, UserError) else 2)
        except KeyboardInterrupt as stop:
            sys.exit(143 if isinstance(stop, Terminated) else 130)
        except Exception:  # printed here: Python would print it after the guard is gone
            traceback.print_exc()
            sys.exit(1)
