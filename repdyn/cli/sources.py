"""Further sources of a command's settings: a YAML file, and the params of the run at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from repdyn.settings.schema import MeasureConfig, StoreConfig
from repdyn.settings.text import given_settings
from repdyn.settings.yaml_file import read_yaml


def settings_file(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Take settings from the --config file; command-line options take precedence."""
    option = arguments.get("--config", None)
    if option is None or not option.tokens:
        return
    path = Path(option.tokens[0].value)
    _source(read_yaml(path), str(path), commands)(app, commands, arguments)


def settings_of_run(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
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
