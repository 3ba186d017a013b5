"""MLflow's system metrics go the way of all other metrics, and never disturb a run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

import pytest
from mlflow.tracking import MlflowClient

from repdyn.records import SYSTEM_METRICS
from repdyn.settings.schema import StoreConfig
from repdyn.storage import system_metrics
from repdyn.storage.search import find_run
from repdyn.storage.system_metrics import SystemMetrics
from repdyn.storage.writer import RunWriter


def until(reached: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.02")


def nothing(sample: int, metrics: Mapping[str, float]) -> None:
    """Log nothing."""


@pytest.mark.parametrize(("value", "is_on"), [(None, False), ("false", False), ("true", True)])
def test_they_are_logged_only_if_mlflow_is_told_to(
    value: str | None, is_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", raising=False)
    if value is not None:
        monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", value)
    made = system_metrics.started(nothing, 0)
    assert (made is not None) == is_on
    if made is not None:
        made.stop()


def test_a_resumed_run_goes_on_with_the_next_sample(
    sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_NODE_ID", "node3")
    client, name = (
        MlflowClient(sqlite_store.tracking_uri),
        "system/node3/cpu_utilization_percentage",
    )

    def sampled(writer: RunWriter) -> list[int]:
        seen: list[int] = []

        def log(sample: int, metrics: Mapping[str, float]) -> None:
            writer.log_system_metrics(sample, metrics)
            seen.append(sample)

        made = SystemMetrics(log, writer.samples)
        until(lambda: len(seen) >= 2)
        made.stop()
        return seen

    with RunWriter.create(sqlite_store, "run", {}, {}) as writer:
        writer.log_metrics(7, {"test/acc": 0.5})
        first = sampled(writer)
    with RunWriter.restart(sqlite_store, writer.run_id) as writer:
        second = sampled(writer)
    assert first + second == list(range(len(first + second)))
    history = client.get_metric_history(writer.run_id, name)
    assert [metric.step for metric in history] == first + second
    logged = client.get_run(writer.run_id).data.metrics
    assert all(name.startswith(f"{SYSTEM_METRICS}node3/") for name in logged if name != "test/acc")
    assert find_run(sqlite_store, writer.run_id).last_step == 7


def test_an_error_ends_them_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(sample: int, metrics: Mapping[str, float]) -> None:
        raise RuntimeError("no answer from http://user:hunter2swordfish@host")

    with caplog.at_level(logging.WARNING):
        made = SystemMetrics(refuse, 0)
        until(lambda: caplog.messages)
        made.stop()
    assert caplog.messages == ["no more system metrics: no answer from http://***@host"]


def test_stopping_does_not_wait_for_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "600")
    made = SystemMetrics(nothing, 0)
    start = time.monotonic()
    made.stop()
    assert time.monotonic() - start < 60
