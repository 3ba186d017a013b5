"""MLflow's system metrics, if they are enabled: what its own monitors measure, sent as all else is.

MLflow's thread asks the server about the run before each sample: it ends when the server is away, and
may hold up the end of the run. This one only queues.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from mlflow.environment_variables import (
    MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING,
    MLFLOW_SYSTEM_METRICS_NODE_ID,
    MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING,
    MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL,
)
from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor

from repdyn.records import SYSTEM_METRICS
from repdyn.redaction import redact

SECONDS, SAMPLES = 10.0, 1
"""MLflow's own defaults: between samples, and samples of which the mean is logged."""

_log = logging.getLogger(__name__)

Log = Callable[[int, Mapping[str, float]], None]


class SystemMetrics:
    """A thread that samples the machine, from its start to `stop`.

    Args:
        log: receives the number of the sample, which MLflow takes as its step, and its metrics.
        first: number of the first sample.
    """

    def __init__(self, log: Log, first: int) -> None:
        self._logged = log
        self._number = first
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="repdyn-system", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; nothing is logged after this."""
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            monitors = _monitors()
            while self._sample(monitors):
                values = {
                    name: v for one in monitors for name, v in one.aggregate_metrics().items()
                }
                self._logged(self._number, {f"{_prefix()}{name}": v for name, v in values.items()})
                self._number += 1
                for one in monitors:
                    one.clear_metrics()
        except Exception as error:  # what a run is about needs no system metrics
            _log.warning("no more system metrics: %s", redact(str(error)))

    def _sample(self, monitors: list[BaseMetricsMonitor]) -> bool:
        """Take the samples of which the mean is logged; return False if stopped meanwhile."""
        seconds = MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL.get() or SECONDS
        for _ in range(MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING.get() or SAMPLES):
            for one in monitors:
                one.collect_metrics()
            if self._stopped.wait(seconds):
                return False
        return True


def started(log: Log, first: int) -> SystemMetrics | None:
    """Start if MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING is set; see `SystemMetrics`."""
    return SystemMetrics(log, first) if MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get() else None


def _prefix() -> str:
    node = MLFLOW_SYSTEM_METRICS_NODE_ID.get()
    return f"{SYSTEM_METRICS}{node}/" if node else SYSTEM_METRICS


def _monitors() -> list[BaseMetricsMonitor]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
    from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor

    found: list[BaseMetricsMonitor] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    for kind in (GPUMonitor, ROCMMonitor):
        with suppress(Exception):  # there is no such GPU, or its library is not installed
            found.append(kind())
            break
    return found
