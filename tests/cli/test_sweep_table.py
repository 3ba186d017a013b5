"""What a dry run of a sweep lists: the runs, and the settings in which they differ."""

from __future__ import annotations

import pytest

from repdyn.cli.sweep import run_sweep
from repdyn.runs.child import Resources
from repdyn.settings.schema import StoreConfig
from repdyn.settings.sweep_grid import make_grid


def rows(
    capsys: pytest.CaptureFixture[str], store: StoreConfig, **settings: str
) -> list[dict[str, str]]:
    """Return a dry run's table by heading; no cell may have a space but the last, without one."""
    given = {"epochs": "2", "train_size": "64"} | settings
    grid = make_grid(given.items(), preset=None, file=None, seeds=2)
    run_sweep(grid, store, None, dry_run=True, ray=None, resources=Resources(1, 0))
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("run "))
    heads = lines[at].replace("label noise", "label_noise").split()
    return [dict(zip(heads, line.split(), strict=False)) for line in lines[at + 1 :]]


def test_what_goes_with_the_optimizer_has_a_column(
    capsys: pytest.CaptureFixture[str], sqlite_store: StoreConfig
) -> None:
    found = rows(capsys, sqlite_store, opt="sgd,adam")
    assert len(found) == 4
    for row in found:
        assert ("adam" in row["run"]) == (row["eps"] != "–")
    assert {"lr", "label_noise", "epochs"} <= set(found[0])
    assert "momentum" not in found[0]  # the same in all


def test_data_seeds_have_a_column_where_they_are_not_the_seeds(
    capsys: pytest.CaptureFixture[str], sqlite_store: StoreConfig
) -> None:
    assert "data" not in rows(capsys, sqlite_store)[0]
    found = rows(capsys, sqlite_store, data_seed="5,6")
    assert "data" in found[0]
