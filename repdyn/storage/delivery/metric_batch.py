"""Collects metrics that are logged one after another and sends them together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from repdyn.storage.delivery.operations import METRICS_A_BATCH, LogMetrics

METRIC_SECONDS = 2.0
"""How long a metric may wait for others: each batch costs MLflow 6 ms."""

Metric = tuple[str, float, int, int]
"""As in LogMetrics."""


class MetricBatch:
    """Sends metrics in batches, at most METRIC_SECONDS after they are added.

    Those that come at once after a pause are sent at once. What comes soon after them waits for
    the rest, and a timer sends it if nothing else does: the next may be an epoch away.

    Args:
        send: queues a batch; an exception in the timer's thread is raised by the next call.
    """

    def __init__(self, send: Callable[[LogMetrics], None]) -> None:
        self._send = send
        self._waiting: list[Metric] = []
        self._sent = time.monotonic()
        self._timer: threading.Timer | None = None
        self._error: Exception | None = None
        self._changes = (
            threading.RLock()
        )  # held while sending, so that what follows is queued later

    def add(self, metrics: Sequence[Metric]) -> None:
        """Add metrics.

        Raises:
            Exception: what `send` raised, now or before.
        """
        with self._changes:
            self._raise()
            self._waiting += metrics
            left = METRIC_SECONDS - (time.monotonic() - self._sent)
            if left <= 0 or len(self._waiting) >= METRICS_A_BATCH:
                self.flush()
            elif self._waiting and self._timer is None:
                self._timer = threading.Timer(left, self._overdue)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Send what waits.

        Raises:
            Exception: what `send` raised, now or before.
        """
        with self._changes:
            self._raise()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if not self._waiting:
                return
            waiting, self._waiting = self._waiting, []
            self._sent = time.monotonic()
            for start in range(0, len(waiting), METRICS_A_BATCH):
                self._send(LogMetrics(tuple(waiting[start : start + METRICS_A_BATCH])))

    def _overdue(self) -> None:
        with self._changes:
            try:
                self.flush()
            except Exception as error:  # raised again in the thread that logs
                self._error = error

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
