"""Sweeps that were begun when all seeds had one data seed: known again, resumed as they were."""

from dataclasses import replace

import pytest

from repdyn.cli.sweep import run_sweep
from repdyn.runs.child import Resources
from repdyn.runs.sweep import _checked
from repdyn.settings.schema import StoreConfig
from repdyn.settings.sweep_grid import Grid, make_grid, point
from repdyn.storage import schema
from repdyn.storage.writer import RunWriter


def grid(**given: str) -> Grid:
    return make_grid([("opt", "sgd,adam"), *given.items()], preset=None, file=None, seeds=2)


@pytest.fixture
def store(sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch) -> StoreConfig:
    monkeypatch.setenv("COLUMNS", "200")
    return sqlite_store


def trained(store: StoreConfig, made: Grid, name: str) -> None:
    """Log a sweep whose runs have all finished."""
    with RunWriter.create(store, name, made.params(), {schema.SWEEP_TAG: made.digest}) as parent:
        for config in map(_checked, made.runs()):
            tags = {schema.POINT_TAG: point(config), "mlflow.parentRunId": parent.run_id}
            with RunWriter.create(store, "run", config.params(), tags):
                pass


def said_of(
    capsys: pytest.CaptureFixture[str], store: StoreConfig, made: Grid, name: str | None
) -> str:
    run_sweep(made, store, name, dry_run=True, ray=None, resources=Resources(1, 0))
    return capsys.readouterr().out


def test_the_same_grid_without_the_name_is_known_again(
    store: StoreConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    made = grid()
    assert f"new sweep {made.name}: 4 runs, 4 to train" in said_of(capsys, store, made, None)
    trained(store, made, "mine")
    said = said_of(capsys, store, made, None)
    assert "sweep mine has the same settings and is resumed; use another --name" in said
    assert "4 runs, 4 already finished" in said
    assert "new sweep" not in said
    assert "new sweep other: 4 runs, 4 to train" in said_of(capsys, store, made, "other")
    assert "new sweep" in said_of(capsys, store, grid(lr="0.01"), None)


@pytest.mark.parametrize("named", [True, False])
def test_one_from_before_is_known_and_keeps_its_data_seed(
    store: StoreConfig, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    old = replace(grid(), one_data_seed=True)
    name = "mine" if named else old.name
    trained(store, old, name)
    said = said_of(capsys, store, grid(), "mine" if named else None)
    assert f"sweep {name} was started with one data seed" in said
    assert "4 runs, 4 already finished" in said


def test_one_from_before_with_a_data_seed_of_its_own_goes_on(
    store: StoreConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(store, grid(data_seed="3"), "mine")
    said = said_of(capsys, store, grid(data_seed="3"), "mine")
    assert "was started" not in said
    assert "4 runs, 4 already finished" in said


def test_a_new_one_is_known_again_with_a_data_seed_for_each_seed(
    store: StoreConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(store, grid(), "mine")
    said = said_of(capsys, store, grid(), "mine")
    assert "was started" not in said
    assert "4 runs, 4 already finished" in said
    more = make_grid([("opt", "sgd,adam")], preset=None, file=None, seeds=3)
    assert "2 to train, 4 already finished" in said_of(capsys, store, more, "mine")


def test_one_from_before_with_its_first_seed_alone_says_nothing(
    store: StoreConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seed 0 has data seed 0 in both ways: there is nothing to say until there are more seeds."""
    one = make_grid([("opt", "sgd,adam")], preset=None, file=None, seeds=1)
    trained(store, replace(one, one_data_seed=True), "mine")
    said = said_of(capsys, store, one, "mine")
    assert "was started" not in said
    assert "2 runs, 2 already finished" in said
