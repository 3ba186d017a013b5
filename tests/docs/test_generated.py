"""The reference that is made from the code leaves nothing out."""

from __future__ import annotations

import pytest

import repdyn
from repdyn.analysis.scores import MEANINGS
from repdyn.cli.app import app
from repdyn.settings.schema import TrainConfig
from repdyn.storage import schema
from tui.actions import ACTIONS

pytestmark = pytest.mark.slow  # Sphinx is for developers

generated = pytest.importorskip("docs.generated")


def test_every_setting_has_a_row_with_what_it_does() -> None:
    rows = generated.settings().splitlines()
    for name, _ in TrainConfig().settings():
        (row,) = (row for row in rows if row.startswith(f"| `{name}` |"))
        assert len(row.split(" | ")[2]) > 10


def test_every_action_has_its_keys() -> None:
    page = generated.keys()
    assert [action.name for action in ACTIONS if f"`{action.name}`" not in page] == []


def test_every_command_score_and_public_name_is_there() -> None:
    commands, scores, api = generated.commands(), generated.scores(), generated.api()
    assert [
        name for name in app if not name.startswith("-") and f"## repdyn {name}" not in commands
    ] == []
    assert [score for score in MEANINGS if f"`{schema.SCORE}{score}_…`" not in scores] == []
    assert [name for name in repdyn.__all__ if f"repdyn.{name}\n" not in api] == []


def test_every_array_and_tag_is_there() -> None:
    page = generated.artifacts()
    tags = [value for name, value in vars(schema).items() if name.endswith("_TAG")]
    paths = [schema.array_path(name) for name in schema.SHAPES]
    assert [name for name in (*tags, *paths) if f"`{name}`" not in page] == []
