"""What is printed at the end of a run."""

import io
import shlex

import pytest
from rich.console import Console

from repdyn.cli.summary import _tell_where
from repdyn.settings.schema import StoreConfig


@pytest.mark.parametrize("folder", ["My%20Docs", "My Docs", "it's", "a;b", "a&b", "$HOME", "plain"])
def test_the_commands_can_be_pasted_into_a_shell(folder: str) -> None:
    uri = f"sqlite:////{folder}/mlflow.db"
    printed = io.StringIO()
    _tell_where(Console(file=printed), "name", "0123456789", StoreConfig(tracking_uri=uri))
    tui, show, ui = printed.getvalue().splitlines()[1:]
    assert shlex.split(tui) == ["repdyn", "tui", "01234567", "--tracking-uri", uri]
    assert shlex.split(show) == ["repdyn", "show", "01234567", "--scores", "--tracking-uri", uri]
    assert shlex.split(ui) == ["mlflow", "ui", "--backend-store-uri", uri]
