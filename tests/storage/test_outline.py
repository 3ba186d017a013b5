"""What the list of the screen reads: outlines of runs, sweeps among runs, their verdicts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from repdyn.analysis.phases import find_phases
from repdyn.display.preview import drawn_metrics, preview_of
from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from repdyn.storage import reader, schema, search
from repdyn.storage.writer import RunWriter
from tests.storage.test_store import start, written
from tests.support import stored as made


@pytest.fixture
def store(sqlite_store: StoreConfig) -> StoreConfig:
    return sqlite_store


def swept(store: StoreConfig, comparison: object = None) -> str:
    """Write a sweep of two runs."""
    with RunWriter.create(store, "sweep", {"opt": "sgd,adam"}, {schema.SWEEP_TAG: "x"}) as parent:
        for name in ("a", "b"):
            with RunWriter.create(store, name, {}, {}, parent_run_id=parent.run_id):
                pass
        if comparison is not None:
            parent.put(schema.COMPARISON, json.dumps(comparison).encode())
    return parent.run_id


def test_an_outline_has_one_measure_and_the_chosen_curves(store: StoreConfig) -> None:
    whole = reader.load_run(store, written(store))
    outline = reader.load_outline(store, whole.summary.run_id, lambda names: ["test/acc"])
    assert outline.dynamics is not None
    assert whole.dynamics is not None
    assert [*outline.dynamics.similarity] == ["cka"]
    assert outline.dynamics.errors == {}
    np.testing.assert_array_equal(
        outline.dynamics.similarity["cka"], whole.dynamics.similarity["cka"]
    )
    assert [*outline.curves] == ["test/acc"]
    assert outline.phases == whole.phases


def test_the_preview_of_an_outline_is_that_of_the_whole_run(store: StoreConfig) -> None:
    run = written(store)
    whole, outline = (
        preview_of(record)
        for record in (reader.load_run(store, run), reader.load_outline(store, run, drawn_metrics))
    )
    assert outline.fingerprint == whole.fingerprint
    assert outline.phases == whole.phases
    assert whole.curves is not None
    assert outline.curves is not None
    assert [*outline.curves.curves] == [*whole.curves.curves]


def test_the_phases_of_a_run_that_trains_are_those_of_its_curves(store: StoreConfig) -> None:
    with start(store) as writer:
        for epoch in range(30):
            writer.log_metrics(epoch, {"train/acc": min(1.0, epoch / 20), "other": 1.0})
        writer.log_dynamics(made.dynamics(3))
        writer.flush()
        outline = reader.load_outline(store, writer.run_id, lambda names: ["other"])
        assert outline.phases == find_phases(reader.load_run(store, writer.run_id).curves, None)
        assert outline.phases.fit == 20


def test_a_run_that_is_only_measured_with_another_measure_has_an_outline(
    store: StoreConfig,
) -> None:
    dynamics = made.dynamics(3)
    regions = {"regions": dynamics.similarity["regions"]}
    with start(store) as writer:
        writer.log_dynamics(
            type(dynamics)(**{**vars(dynamics), "similarity": regions, "errors": {}})
        )
    outline = reader.load_outline(store, writer.run_id, lambda names: [])
    assert outline.dynamics is not None
    assert [*outline.dynamics.similarity] == ["regions"]


def test_a_run_of_mlflows_has_an_outline(store: StoreConfig) -> None:
    with start(store) as writer:
        writer.log_metrics(3, {"loss": 1.0})
    outline = reader.load_outline(store, writer.run_id, drawn_metrics)
    assert outline.dynamics is None
    assert [*outline.curves] == ["loss"]


def test_the_last_step_is_that_of_the_metrics(store: StoreConfig) -> None:
    with start(store) as writer:
        writer.log_metrics(7, {"train/acc": 0.5})
        writer.log_metrics(9, {"test/acc": 0.5})
    client = MlflowClient(store.tracking_uri)
    client.log_metric(writer.run_id, "system/cpu_utilization_percentage", 1.0, step=5000)
    (page,) = search.pages(store)
    assert page[0].last_step == 9


def test_sweeps_are_listed_only_on_request(store: StoreConfig) -> None:
    swept(store)
    (without,) = search.pages(store)
    (among,) = search.pages(store, sweeps=True)
    assert {run.name for run in without} == {"a", "b"}
    assert {run.name for run in among} == {"sweep", "a", "b"}


def test_the_verdicts_of_a_sweep_are_read_from_its_comparison(store: StoreConfig) -> None:
    findings = [{"name": "synchrony", "verdict": "supported", "effects": []}]
    assert reader.load_verdicts(store, swept(store, {"findings": findings})) == {
        "synchrony": "supported"
    }


def test_a_sweep_without_a_comparison_has_no_verdicts(store: StoreConfig) -> None:
    assert reader.load_verdicts(store, swept(store)) == {}


@pytest.mark.parametrize("comparison", [[], {}, {"findings": [1]}, {"findings": 3}, "x"])
def test_a_damaged_comparison_is_one_line(comparison: object, store: StoreConfig) -> None:
    with pytest.raises(UserError, match=r"comparison\.json: damaged") as raised:
        reader.load_verdicts(store, swept(store, comparison))
    assert "\n" not in str(raised.value)
