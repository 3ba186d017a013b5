"""The command line; a command's own modules are imported when it runs.

Cyclopts reads options, help and types from the dataclasses of config.py. A YAML file and, for
`analyze`, the params of the run at hand are further sources of the same settings.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from repdyn.config import MeasureConfig, ModelConfig, StoreConfig, TrainConfig, given_settings
from repdyn.errors import UserError

RUN = Annotated[
    str, Parameter(help="Run id, unique prefix of one, run name, or last.", show_default=False)
]

Source = Callable[[App, tuple[str, ...], ArgumentCollection], None]


def _settings_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take the settings of the file that --config names; options given beside it win."""
    option = arguments.get("--config", None)
    if option is None or not option.tokens:
        return
    path = Path(option.tokens[0].value)
    _source(_read_yaml(path), str(path), commands)(app, commands, arguments)


def _settings_of_run(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take the measures of the run that is analysed; options given beside it win."""
    run, uri, experiment = (
        argument.tokens[0].value if argument is not None and argument.tokens else None
        for argument in (
            arguments.get(name, None) for name in ("RUN", "--tracking-uri", "--experiment")
        )
    )
    from repdyn.tracking.reader import find_run

    store = StoreConfig(tracking_uri=uri, experiment=experiment)
    params = dict(find_run(store, run or "last").params)
    measures = given_settings(params, MeasureConfig)
    _source(measures, "the run", commands)(app, commands, arguments)


def _source(settings: dict[str, Any], name: str, commands: tuple[str, ...]) -> Dict:
    """Return settings as cyclopts takes them for one command.

    Below the command's name: at the top, `layers` would be taken for the command `layers`.
    """
    for command in reversed(commands):
        settings = {command: settings}
    return Dict(settings, source=name)


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: no YAML: {' '.join(str(error).split())}") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise UserError(f"--config {path}: write settings as `name: value` lines")
    return {str(name): value for name, value in settings.items() if value is not None}


def _version() -> str:
    from importlib.metadata import version

    return version("repdyn")


app = App(
    name="repdyn",
    help="See how representations form while a network trains, layer by layer.",
    version=_version,
    help_format="plaintext",
    default_parameter=Parameter(negative_iterable=()),
)
app["--help"].group = app["--version"].group = Group("Options")


@app.command(config=_settings_file)
def train(
    settings: TrainConfig | None = None,
    store: StoreConfig | None = None,
    *,
    config: Path | None = None,
    run_name: str | None = None,
) -> None:
    """Train a model, measure it at its checkpoints, and log all of it to MLflow.

    Args:
        config: YAML file of settings, written as `name: value`; options win over it.
        run_name: name of the run (default: from architecture, optimizer, data and seed).
    """
    del config  # read by _settings_file
    from repdyn.commands.train import run_training

    run_training(settings or TrainConfig(), store or StoreConfig(), run_name)


@app.command(config=_settings_of_run)
def analyze(
    run: RUN = "last",
    /,
    measures: MeasureConfig | None = None,
    store: StoreConfig | None = None,
    *,
    in_place: bool = False,
) -> None:
    """Measure a run's saved checkpoints again, with other settings.

    Settings that are not given are the run's own.

    Args:
        in_place: replace the run's measures instead of logging them as a nested run.
    """
    from repdyn.commands.analyze import run_analysis

    run_analysis(run, measures or MeasureConfig(), store or StoreConfig(), in_place=in_place)


@app.command
def show(run: RUN = "last", /, store: StoreConfig | None = None, *, json: bool = False) -> None:
    """Print a run: its layer × epoch heatmap, phases, key epochs and scores.

    Args:
        json: print all numbers as JSON, for scripts.
    """
    from repdyn.commands.show import show_run

    show_run(run, store or StoreConfig(), as_json_text=json)


@app.command
def runs(store: StoreConfig | None = None, *, limit: int = 50) -> None:
    """List the runs, newest first.

    Args:
        limit: how many at most.
    """
    from repdyn.commands.show import list_all

    list_all(store or StoreConfig(), limit)


@app.command
def tui(
    run: Annotated[str | None, Parameter(help="Run to open (default: the list).")] = None,
    /,
    store: StoreConfig | None = None,
    *,
    demo: bool = False,
) -> None:
    """Watch runs in the terminal, while they train and afterwards.

    Args:
        demo: show the recorded runs that come with repdyn, instead of a store's.
    """
    from tui.app import run as show_app

    show_app(run, store or StoreConfig(), demo=demo)


@app.command
def layers(
    model: ModelConfig | None = None,
    *,
    dataset: str = "digits",
    image_size: int | None = None,
    layers: str = "",
) -> None:
    """List the layers that would be watched, with the shapes of their activations.

    Args:
        dataset: whose image size, channels and defaults are taken.
        image_size: side of the images in pixels (default: the data set's).
        layers: regular expression; only layers whose name it finds.
    """
    from repdyn.commands.layers import list_layers

    list_layers(model or ModelConfig(), dataset, image_size, layers)


def main() -> None:
    """Run the command line: exit code 2 and one line for a mistake that the user can mend."""
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False)
    except (UserError, CycloptsError) as error:
        print(f"repdyn: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201 (rich is not loaded yet)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
