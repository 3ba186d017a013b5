"""Metrics are sent together, and none waits for the next to be logged."""

import threading

import pytest

from repdyn.storage.delivery import metric_batch as module
from repdyn.storage.delivery.metric_batch import Metric, MetricBatch
from repdyn.storage.delivery.operations import METRICS_A_BATCH, LogMetrics

HOUR = 3600.0


def metrics(*steps: int) -> tuple[Metric, ...]:
    return tuple(("train/loss", 0.5, 1, step) for step in steps)


def test_metrics_of_a_moment_are_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "METRIC_SECONDS", HOUR)
    sent = list[LogMetrics]()
    batch = MetricBatch(sent.append)
    for step in range(3):
        batch.add(metrics(step))
    assert not sent
    batch.flush()
    batch.flush()  # nothing waits any more
    assert sent == [LogMetrics(metrics(0, 1, 2))]


def test_a_metric_after_a_pause_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "METRIC_SECONDS", 0.0)
    sent = list[LogMetrics]()
    batch = MetricBatch(sent.append)
    batch.add(metrics(0))
    batch.add(metrics(1))
    assert sent == [LogMetrics(metrics(0)), LogMetrics(metrics(1))]


def test_a_metric_is_sent_though_no_other_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "METRIC_SECONDS", 0.05)
    sent, arrived = list[LogMetrics](), threading.Event()

    def send(operation: LogMetrics) -> None:
        sent.append(operation)
        arrived.set()

    MetricBatch(send).add(metrics(7))
    assert arrived.wait(30)
    assert sent == [LogMetrics(metrics(7))]


def test_a_full_batch_is_sent_at_once_within_the_limit_of_a_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "METRIC_SECONDS", HOUR)
    sent = list[LogMetrics]()
    MetricBatch(sent.append).add(metrics(*range(METRICS_A_BATCH + 1)))
    assert sent == [
        LogMetrics(metrics(*range(METRICS_A_BATCH))),
        LogMetrics(metrics(METRICS_A_BATCH)),
    ]


def test_an_error_of_the_timer_is_raised_where_metrics_are_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "METRIC_SECONDS", 0.05)
    failed = threading.Event()

    def refuse_first(operation: LogMetrics) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError("disk full")

    batch = MetricBatch(refuse_first)
    batch.add(metrics(0))
    assert failed.wait(30)
    with pytest.raises(OSError, match="disk full"):
        batch.add(metrics(1))
    with pytest.raises(OSError, match="disk full"):
        batch.flush()
